import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import yaml
from project import ROOT
from report.artifacts_example import IMAGE_TAG, METRICS, SCRIPT_TAG, write_example, write_many

from tgs_pipeline.execution import Shard
from tgs_pipeline.operators import report
from tgs_pipeline.params import Params
from tgs_pipeline.report import published
from tgs_pipeline.report.published import Fingerprints
from tgs_pipeline.report.records import read_records
from tgs_pipeline.stage import execution_of


def make(workspace, *, shard=None, **settings):
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["report"] |= {"frame_width_px": 24} | settings
    params = Params.model_validate(data)
    execution = execution_of(params, stage="report")
    report.run(params, workspace, replace(execution, shard=shard) if shard else execution)
    return workspace.report / "index.html"


class Page(HTMLParser):
    """Collects tags, the text of scripts and styles by id, and visible text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.raw = [], "", {}
        self._inside = None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.text += " " if tag in ("td", "th", "span") else ""
        if tag in ("script", "style"):
            self._inside = dict(attributes).get("id", tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data):
        if self._inside:
            self.raw[self._inside] = self.raw.get(self._inside, "") + data
        else:
            self.text += data


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return Page(make(write_example(tmp_path_factory.mktemp("page"))).read_text(encoding="utf-8"))


def test_scores_stand_with_protocol_and_coverage(page):
    text = " ".join(page.text.split())
    assert "Protocol tgs, compat think corrected, score parity; J&F, J and F in percent" in text
    assert "test_s seen 62.5 50.0 75.0 – – 6 90.0 %" in text
    assert "mix seen and unseen 53.8 45.0 62.5 – – – –" in text
    assert "test_n null – – – 0.100 50.0 % 2 100.0 %" in text
    assert "think per sample ok 8 failed 1 truncated 1" in text
    assert "ground rule, per frame s_object 80 f_object_decides 10" in text
    assert "auto: s_object has several places in the frame, f_object chose between them." in text
    assert "report.max_samples" not in text


def test_faithfulness_stands_with_interval_cases_and_a_sentence(page):
    text = " ".join(page.text.split())
    assert "edited description follows 75.0 50.5 to 89.8 12 of 16 One fact of the forced description is edited" in text
    assert "2 answers could not be read. swapped sound changes where it should 100.0 50.0 to 100.0 4 of 4 The" in text
    assert "1 cases failed and are counted in no rate" in text


def test_faithfulness_that_was_not_measured_is_said(tmp_path):
    workspace = write_example(tmp_path)
    workspace.faithfulness_metrics.write_text('{"num_samples": 0, "failed": 0, "rates": {}}')
    assert "Not measured: faithfulness.num_samples is 0." in Page(make(workspace).read_text(encoding="utf-8")).text
    workspace.faithfulness_metrics.unlink()
    with pytest.raises(ValueError, match=r"faithfulness.json is missing: run `dvc repro` to make faithfulness"):
        make(workspace)


def test_the_policy_allows_the_one_style_and_the_one_script_and_no_request(page):
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:; media-src data:;") and "unsafe" not in policy
    assert not [a for tag, a in page.tags if "style" in a or "src" in a or any(name.startswith("on") for name in a)]
    assert [a["href"] for _, a in page.tags if "href" in a] == ["data:,", "#samples"]


def test_the_data_in_the_page_is_whole_and_inert(page):
    samples = json.loads(page.raw["data"])["samples"]
    assert samples["reference"][1] == IMAGE_TAG and samples["outcome"][2] == "think: truncated"
    assert samples["video"] == [0, 0, 0, 1, 1, 2, 2, 3, 4, 4]
    assert {len(column) for column in samples.values()} == {10}
    assert not [tag for tag, _ in page.tags if tag == "img"] and len([t for t, _ in page.tags if t == "script"]) == 2


def test_text_of_params_and_metrics_is_escaped(tmp_path):
    workspace = write_example(tmp_path)
    metrics = {
        "protocol": IMAGE_TAG,
        "compat": {"score": IMAGE_TAG},
        "splits": {IMAGE_TAG: METRICS["splits"]["test_s"]},
    }
    workspace.metrics.write_text(json.dumps(metrics))
    escaped = Page(make(workspace, title=SCRIPT_TAG).read_text(encoding="utf-8"))
    assert not [tag for tag, _ in escaped.tags if tag == "img"]
    assert escaped.text.count(IMAGE_TAG) == 5 and SCRIPT_TAG.split("\u2028")[0] in escaped.text


def test_published_scores_stand_beside_those_of_the_same_data_and_protocol(tmp_path, monkeypatch):
    workspace = write_example(tmp_path)
    assert "as reported by their authors" not in make(workspace).read_text(encoding="utf-8")
    found = Fingerprints()
    for record in read_records(workspace):
        found.add(record)
    tables = published.read_published()
    same = tables.data["ref-avsbench"].model_copy(update={"splits": {"test_u": found.of("test_u")}})
    tables = tables.model_copy(update={"data": {"ref-avsbench": same}})
    monkeypatch.setattr(report, "read_published", lambda: tables)
    assert "this run" not in make(workspace).read_text(encoding="utf-8"), "of another ground truth"
    workspace.metrics.write_text(json.dumps(METRICS | {"gt_resize": "bicubic_bool"}))
    text = " ".join(Page(make(workspace).read_text(encoding="utf-8")).text.split())
    assert "Ref-AVSBench, protocol tgs: this run beside published scores, as reported by their authors" in text
    assert "unseen J&F" in text and "this run 45.0" in text and "TGS-Agent AAAI 2026 76.9 TGS-Agent, Table 1" in text
    assert "SimToken" not in text, "whose protocol is not ours"


def test_bytes_are_the_same_every_time(tmp_path):
    workspace = write_example(tmp_path)
    make(workspace)
    first = {path.name: path.read_bytes() for path in workspace.report.iterdir()}
    make(workspace)
    assert {path.name: path.read_bytes() for path in workspace.report.iterdir()} == first
    assert sorted(first) == ["index.html", "media-00000.js", "samples-00000.js"]
    assert not re.search(rb"20\d\d-\d\d-\d\d", first["index.html"])
    assert str(tmp_path).encode() not in b"".join(first.values())


def test_a_thousand_samples_make_a_small_index_and_a_few_shards(tmp_path):
    index = make(write_many(tmp_path, num_videos=125, references_per_video=8), max_samples=1000)
    assert index.stat().st_size < 500_000
    names = sorted(path.name for path in index.parent.iterdir())
    assert len([name for name in names if name.startswith("samples-")]) == 20
    assert len([name for name in names if name.startswith("media-")]) == 16


def test_samples_left_out_are_counted_on_the_page(tmp_path):
    index = make(write_many(tmp_path, num_videos=6, references_per_video=2), max_samples=4)
    page = Page(index.read_text(encoding="utf-8"))
    assert len(json.loads(page.raw["data"])["samples"]["uid"]) == 4
    text = " ".join(page.text.split())
    assert "12 samples" in text and "shows 4 of them" in text and "8 are left out" in text
    assert "score per sample ok 12" in text  # counts are of all
    assert (index.parent / "media-00000.js").read_text().count('"num_frames"') == 2


def test_a_failed_run_leaves_the_old_page_and_no_rest(tmp_path):
    workspace = write_example(tmp_path)
    before = make(workspace).read_bytes()
    workspace.metrics.unlink()
    with pytest.raises(ValueError, match=r"metrics.json is missing: run `dvc repro` to make score"):
        make(workspace)
    workspace.metrics.write_text("[]")
    with pytest.raises(ValueError, match=r"lacks one of .*compat.*protocol.*splits"):
        make(workspace)
    workspace.metrics.write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        make(workspace)
    assert (workspace.report / "index.html").read_bytes() == before
    assert [path.name for path in workspace.artifacts.iterdir() if path.name.startswith(".")] == []


def test_one_share_of_several_publishes_nothing(tmp_path):
    workspace = write_example(tmp_path)
    make(workspace, shard=Shard(0, 2))
    assert not workspace.report.exists()
