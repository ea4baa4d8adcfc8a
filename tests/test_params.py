from pathlib import Path

import pytest
import yaml

from tgs_pipeline.params import ParamsError, load

ROOT = Path(__file__).resolve().parents[1]


def write(tmp_path: Path, change) -> Path:
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    change(data)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize("profile", sorted((ROOT / "profiles").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_profile_is_complete_and_valid(profile):
    assert load(profile).runtime.num_loaders >= 1


def test_committed_params_are_the_tiny_profile():
    assert (ROOT / "params.yaml").read_text() == (ROOT / "profiles" / "tiny.yaml").read_text()


def test_all_mistakes_are_reported_at_once_with_suggestions(tmp_path):
    def change(data):
        data["ground"]["box_treshold"] = data["ground"].pop("box_threshold")
        data["detect"]["backend"] = "yolo"
        data["think"]["max_new_tokens"] = "many"
        data["grund"] = {}
        data["runtime"]["batch_size"]["detct"] = 3

    with pytest.raises(ParamsError) as error:
        load(write(tmp_path, change))
    text = str(error.value)
    assert "6 problem(s)" in text
    assert "ground.box_treshold: unknown key; did you mean 'ground.box_threshold'?" in text
    assert "ground.box_threshold: missing" in text
    assert "detect.backend" in text and "'transformers' or 'groundingdino'" in text
    assert "think.max_new_tokens" in text and "'many'" in text
    assert "grund: unknown key; did you mean 'ground'?" in text
    assert "runtime.batch_size.detct: unknown key; did you mean 'runtime.batch_size.detect'?" in text


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("ground", "box_threshold", 1.5, "less than or equal to 1"),
        ("ground", "box_threshold", 0.01, "below detect.floor"),
        ("ground", "prompt", "reference", r"add \['reference'\] to detect.captions"),
        ("detect", "captions", ["reference"], r"'auto' but .* add \['f_object', 's_object'\] to detect.captions"),
        ("ground", "null_threshold", 1.5, "less than or equal to 1"),
        ("runtime", "num_loaders", 0, "greater than 0"),
        ("think", "backend", "reference", "which writes no chain that could be followed: set faithfulness.num_samples"),
        ("faithfulness", "num_samples", -1, "greater than or equal to 0"),
        ("faithfulness", "splits", ["test_s", "val"], r"faithfulness.splits names \['val'\], but dataset.splits is"),
        ("dataset", "missing_frames", True, "'error' or 'skip'"),
        (
            "segment",
            "exclusive",
            {"background_logit": -1.0, "num_annotations": 4},
            "set segment.mode to propagate, or segment.exclusive to null",
        ),
        ("segment", "exclusive", {"background_logit": -1.0}, "segment.exclusive.num_annotations: missing"),
    ],
)
def test_values_out_of_range_or_contradicting_are_refused(tmp_path, section, key, value, message):
    def change(data):
        data[section][key] = value

    with pytest.raises(ParamsError, match=message):
        load(write(tmp_path, change))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"think.padding": "read"}, "set faithfulness.num_samples to 0"),
        ({"detect.caption_text": "verbatim", "ground.null_threshold": 0.5}, "which asks for `null` too"),
    ],
)
def test_parity_that_contradicts_what_upstream_lacks_is_refused(tmp_path, changes, message):
    def change(data):
        for name, value in changes.items():
            section, key = name.split(".")
            data[section][key] = value

    with pytest.raises(ParamsError, match=message):
        load(write(tmp_path, change))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"think.backend": "lbru"}, "'lbru' but think.lbru is null"),
        ({"think.backend": "audio_tags", "features.num_tags": 1}, "besides silence: set it to 2 or more"),
        ({"think.backend": "audio_tags", "detect.caption_text": "verbatim"}, "'audio_tags' writes none"),
        ({"features.audio": {"weights": "x", "outputs": "tags"}}, "'ref_thinker', which listens itself"),
        (
            {"segment.matching": {"by": "tags", "similarity": 0.5, "rival_share": 0.5, "min_score": 0.05}},
            "'tags', but features.num_second_tags is 0",
        ),
        ({"segment.matching": {"by": "tags", "similarity": 0.5}}, "segment.matching.tags.rival_share: missing"),
        ({"detect.captions": ["s_object", "objects"]}, "which think.backend 'lbru' alone names"),
        ({"ground.frames": "pivot", "ground.prompt": "objects"}, "set segment.mode to propagate"),
        ({"ground.frames": "pivot", "ground.box_select": "first"}, "set ground.box_select to max"),
        ({"ground.frames": "last", "ground.prompt": "auto"}, "set ground.prompt to one column"),
        ({"ground.frames": "pivot", "ground.selector": "mllm"}, "'mllm' but ground.mllm is null"),
    ],
)
def test_pivots_and_listening_need_what_they_need(tmp_path, changes, message):
    def change(data):
        data["faithfulness"]["num_samples"] = 0
        for name, value in changes.items():
            section, key = name.split(".")
            data[section][key] = value

    with pytest.raises(ParamsError, match=message):
        load(write(tmp_path, change))


def test_auto_needs_only_the_captions_of_its_fallbacks(tmp_path):
    def change(data):
        data["ground"]["prompt"] = "auto"
        data["ground"]["auto"]["fallbacks"] = []
        data["detect"]["captions"] = ["s_object", "f_object"]

    assert load(write(tmp_path, change)).ground.prompt == "auto"


def test_files_that_are_no_params(tmp_path):
    with pytest.raises(ParamsError, match="no such file"):
        load(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes("title: d\xe9j\xe0".encode("latin-1"))
    with pytest.raises(ParamsError, match="not UTF-8"):
        load(tmp_path / "latin.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1,")
    with pytest.raises(ParamsError, match="not valid YAML"):
        load(tmp_path / "broken.yaml")
    (tmp_path / "twice.yaml").write_text("ground: {}\nground: {}\n")
    with pytest.raises(ParamsError, match=r"the key\(s\) \['ground'\] stand twice"):
        load(tmp_path / "twice.yaml")
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    with pytest.raises(ParamsError, match="not valid YAML"):
        load(tmp_path / "deep.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ParamsError, match="expected a mapping"):
        load(tmp_path / "list.yaml")


def test_absence_scores_as_upstream_under_its_own_protocol_alone(tmp_path):
    def change(data):
        data["score"] |= {"protocol": "davis", "missing": "scored"}

    with pytest.raises(ParamsError, match="only the evaluator behind protocol tgs does"):
        load(write(tmp_path, change))


def test_a_protocol_asks_for_its_grid(tmp_path):
    def change(data):
        data["score"]["protocol"] = "refavs"

    with pytest.raises(ParamsError, match=r"'refavs', which scores maps of 256 px, but segment\.levels_size_px is 224"):
        load(write(tmp_path, change))
