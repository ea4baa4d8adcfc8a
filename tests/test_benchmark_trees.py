"""Trees in the layouts of the benchmarks, with pictures of the tiny world, through the real stages of the profiles."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import languagebind_example
import numpy as np
import pytest
import yaml
from benchmark_example import NUM_FRAMES, run_stages, tiny_profile, write_ms3, write_semantic
from choosing_example import server_params
from data.expressions_example import FRAMES, PALETTE, write_mevis, write_ref_davis17, write_ref_youtube_vos
from multimodal_server import KEY, KEY_NAME, serve, text_of
from PIL import Image
from project import ROOT
from recordings import write_recordings
from typer.testing import CliRunner

from tgs_pipeline.artifacts import boxes, masks, pivots, table
from tgs_pipeline.cli import app
from tgs_pipeline.data.avsbench_classes import class_of, palette
from tgs_pipeline.data.truth import read_labels
from tgs_pipeline.metrics import rle
from tgs_pipeline.rvos import benchmark, export
from tgs_pipeline.sounding.matching import match
from tgs_pipeline.sounding.recorded import sounds
from tgs_pipeline.sounding.segments import read_segments
from tgs_pipeline.stage import execution_of
from tgs_pipeline.tinyworld.clip import Clip, generate_clip
from tgs_pipeline.workspace import Workspace

UP_TO_SCORE = ("manifest", "features", "think", "detect", "ground", "segment", "score")
WRITERS = {"ref_youtube_vos": write_ref_youtube_vos, "ref_davis17": write_ref_davis17, "mevis": write_mevis}
OBJECTS = ["man", "piano", "guitar"]  # of the clip
SENTENCES = (  # of the trees made by hand -> about what the clip shows
    (rb"the left one|both|the caf\S+ \w+ 1", b"the piano"),
    (rb"the right one|one|the caf\S+ \w+ 2", b"the guitar"),
)


@pytest.fixture(scope="module")
def clip() -> Clip:
    """A man (object 0), a piano (1) and a guitar (2), which stand still."""
    made = generate_clip(20, "test_s", 11)
    assert [one.category for one in made.plan.scene.objects] == OBJECTS
    return made


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TGS_CACHE", str(tmp_path / "rows"))
    monkeypatch.setenv(KEY_NAME, KEY)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return np.logical_and(one, other).sum() / np.logical_or(one, other).sum()


def shown(workspace: Workspace) -> np.ndarray:
    """The masks of all rows, bool (rows, H, W)."""
    rows = table.read_rows(workspace.masks, masks.SCHEMA)
    return np.stack([rle.decode(row["rle"], height=row["height"], width=row["width"]) for row in rows])


def test_ms3_with_two_objects_that_show_best_in_one_frame(tmp_path, clip):
    piano, guitar = clip.masks[1:, :NUM_FRAMES]
    root, recordings = tmp_path / "AVSBench", tmp_path / "gpt_results"
    root.mkdir()
    write_ms3(root, {"v_1": clip.frames[:NUM_FRAMES]}, {"v_1": piano | guitar})
    write_recordings(
        recordings,
        objects={"v_1": "{'piano': 3, 'guitar': 3}"},
        boxes={"v_1": {"piano": "1", "guitar": "1"}},
    )
    model = {"provider": "replay", "recordings": str(recordings)}
    params = tiny_profile("al-ref-sam2-ms3", root, model=model)
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=root)
    run_stages(params, workspace, UP_TO_SCORE)

    chosen = list(table.read_rows(workspace.pivots, pivots.SCHEMA))
    assert [(row["object"], row["frame_index"], row["status"]) for row in chosen] == [
        ("piano", 2, "ok"), ("guitar", 2, "ok")
    ]  # fmt: skip
    found = list(table.read_rows(workspace.boxes, boxes.SCHEMA))
    assert [row["box_xyxy_px"] is not None for row in found] == [False, False, True, False, False]
    together = shown(workspace)
    assert iou(together[2], piano[2] | guitar[2]) > 0.7  # in the frame of the prompts, which needs no memory
    assert all((together[2] & one[2]).sum() > 0.7 * one[2].sum() for one in (piano, guitar))
    metrics = json.loads(workspace.metrics.read_text())
    assert metrics["protocol"] == "alref" and metrics["splits"]["test"]["coverage"] == 1
    assert 0.7 / NUM_FRAMES < metrics["splits"]["test"]["J"] <= 1

    recorded = tmp_path / "sounding.json"
    recorded.write_text(json.dumps({"v_1": {"piano": [[0, 2]], "guitar": [[0, 4]]}}))
    silent = tiny_profile(
        "al-ref-sam2-ms3", root, model=model, sections={"segment": {"silent_frames": "drop", "sounding": str(recorded)}}
    )
    run_stages(silent, workspace, ("segment", "score"))
    heard = shown(workspace)
    assert (heard[:2] == together[:2]).all() and not heard[4].any()
    assert iou(heard[2], guitar[2]) > 0.5 > iou(heard[2], piano[2])

    best = {"by": "tags", "similarity": 0.9, "rival_share": 1.0, "min_score": 0.0}  # of which exactly one object sounds
    compared = {
        "by": "audio_text", "similarity": 0.5, "separator": ", ",
        "weights": str(languagebind_example.write(tmp_path / "LanguageBind_Audio_FT")),
    }  # fmt: skip
    for matching, text in ((best, "{}"), (compared, '{"v_1": [[0, 2], [2, 5]]}')):
        recorded.write_text(text)
        dropping = {"silent_frames": "drop", "matching": matching, "sounding": str(recorded)}
        listening = tiny_profile(
            "al-ref-sam2-ms3", root, model=model, sections={"features": {"num_second_tags": 14}, "segment": dropping}
        )
        run_stages(listening, workspace, ("features", "segment"))
        told = match(
            listening.segment.matching, workspace, execution_of(listening, stage="segment"),
            recorded=read_segments(recorded), label_names=None,
        ).activities["v_1"]  # fmt: skip
        sounding = {name for name, segments in told.items() if sounds(segments, second=2)}
        wanted = np.logical_or.reduce([{"piano": piano, "guitar": guitar}[name][2] for name in sounding])
        assert sounding and (matching is not best or len(sounding) == 1)
        assert iou(shown(workspace)[2], wanted) > 0.5 and not (shown(workspace) & ~together).any()


def test_classes_of_avsbench_semantic_are_exported_and_scored(tmp_path, clip, monkeypatch):
    """In a clip two objects sound, then one, then none; another clip has one object, and a third one none."""
    both = painted(clip, [["piano", "guitar"]] * 3 + [["guitar"], []])
    alone = painted(clip, [["man"]] * len(clip.frames))
    root, recordings, recorded = tmp_path / "AVSBench", tmp_path / "gpt_results", tmp_path / "sounding.json"
    root.mkdir()
    write_semantic(
        root,
        {
            "v_1": ("v1m", clip.frames[:NUM_FRAMES], both),
            "v_2": ("v2", clip.frames, alone),
            "v_3": ("v1s", clip.frames[:NUM_FRAMES], 0 * both),
        },
    )
    write_recordings(
        recordings,
        objects={"v_1": "{'piano': 3, 'guitar': 3}", "v_2": "{'man': 1}", "v_3": "{}"},
        boxes={"v_1": {"piano": "1", "guitar": "1"}, "v_2": {"man": "1"}},
    )
    recorded.write_text(json.dumps({"v_1": {"piano": [[0, 3]], "guitar": [[0, 4]]}}))
    params = tiny_profile(
        "al-ref-sam2-avss", root, model={"provider": "replay", "recordings": str(recordings)},
        sections={"segment": {"silent_frames": "drop", "sounding": str(recorded)}},
    )  # fmt: skip
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=root)
    run_stages(params, workspace, UP_TO_SCORE)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params.model_dump()))
    monkeypatch.chdir(tmp_path)  # where `tgs` looks for params and artifacts

    assert tgs("export", "results", "--split", "test") == "20 images in results\n"
    sizes = {uid: len(list((tmp_path / "results" / uid).iterdir())) for uid in ("v_1", "v_2", "v_3")}
    assert sizes == {"v_1": 5, "v_2": 10, "v_3": 5}
    exported = np.stack([read_labels(tmp_path / "results" / "v_1" / f"{index}.png") for index in range(NUM_FRAMES)])
    assert ((exported > 0) == shown(workspace)[:NUM_FRAMES]).all()
    assert set(np.unique(exported[2])) == {0, class_of("piano"), class_of("guitar")}
    assert iou(exported[2] == class_of("piano"), both[2] == class_of("piano")) > 0.5
    assert iou(exported[2] == class_of("guitar"), both[2] == class_of("guitar")) > 0.5
    assert set(np.unique(exported[3])) <= {0, class_of("guitar")} and not exported[4].any()

    for uid, label in (("v_1", "v1m"), ("v_2", "v2"), ("v_3", "v1s")):
        shutil.copytree(root / label / uid / "labels_rgb", tmp_path / "truth" / uid)
    result = json.loads(tgs("evaluate", "results", "truth", "--protocol", "avss", "--json"))
    assert result == json.loads(tgs("benchmark", "results", "--split", "test", "--json"))
    assert result["samples"]["v_3"] == {"J": 1, "F": 1}, "nothing is to be found there, and nothing is shown"
    assert all(0.5 < result["samples"][uid]["J"] <= 1 for uid in ("v_1", "v_2"))
    one_class = [np.where(labels > 0, class_of("piano"), 0).astype(np.uint8) for labels in exported]  # as masks.parquet
    for index, labels in enumerate(one_class):
        Image.fromarray(palette()[labels]).save(tmp_path / "results" / "v_1" / f"{index}.png")
    united = json.loads(tgs("evaluate", "results", "truth", "--protocol", "avss", "--json"))
    assert united["samples"]["v_1"]["J"] < result["samples"]["v_1"]["J"] - 0.2


def painted(clip: Clip, active: list[list[str]]) -> np.ndarray:
    """Classes uint8 (frames, H, W). active: the objects of each frame, later ones over earlier ones."""
    classes = np.zeros((len(active), *clip.masks.shape[2:]), np.uint8)
    for frame, names in enumerate(active):
        for name in names:
            classes[frame][clip.masks[OBJECTS.index(name), frame]] = class_of(name)
    return classes


def tgs(*arguments: str) -> str:
    told = CliRunner().invoke(app, list(arguments))
    assert told.exit_code == 0, told.output
    return told.stdout


def put_clip(root: Path, clip: Clip) -> None:
    """Replace what a tree made by hand shows and says: frames of the clip, the piano as label 1, the guitar as 2."""
    labels = (clip.masks[1] + 2 * clip.masks[2]).astype(np.uint8)
    for path in root.rglob("*.jpg"):
        Image.fromarray(clip.frames[FRAMES.index(path.stem)]).save(path, quality=95)
    for path in root.rglob("*.png"):
        image = Image.fromarray(labels[FRAMES.index(path.stem)], mode="P")
        image.putpalette(PALETTE)
        image.save(path)
    for path in [*root.rglob("meta_expressions.json"), *root.rglob("*.txt")]:
        text = path.read_bytes()
        for old, new in SENTENCES:
            text = re.sub(rb'"(' + old + rb')"', b'"' + new + b'"', text)
        path.write_bytes(text)
    if (known := root / "valid_u" / "mask_dict.json").exists():
        size = list(labels.shape[1:])
        runs = {
            str(number): [
                {"size": size, "counts": rle.encode(labels[at] == label).decode()} for at in range(len(FRAMES))
            ]
            for number, label in ((7, 1), (8, 2))
        }
        known.write_text(json.dumps(runs))


@pytest.mark.parametrize(
    ("name", "adapter", "split", "num_images"),
    [
        ("ytvos", "ref_youtube_vos", "train", 4),
        ("davis", "ref_davis17", "val", 8),
        ("mevis", "mevis", "valid_u", 4),
    ],
)
def test_referred_objects_are_exported_and_scored(tmp_path, clip, name, adapter, split, num_images):
    root = tmp_path / "data"
    WRITERS[adapter](root)
    put_clip(root, clip)
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=root)
    with serve(lambda request: "[2]" if "choose the one frame" in text_of(request) else "[1]") as server:
        params = tiny_profile(
            f"al-ref-sam2-{name}", root, split=split, model=server_params(server.base_url).model_dump(),
            sections={"ground": {"window": {"num_frames": 5, "step": 1}}},  # the trees have two frames
        )  # fmt: skip
        run_stages(params, workspace, UP_TO_SCORE)
    chosen = list(table.read_rows(workspace.pivots, pivots.SCHEMA))
    assert {(row["frame_index"], row["status"], row["object"]) for row in chosen} == {(1, "ok", None)}
    metrics = json.loads(workspace.metrics.read_text())
    assert metrics["splits"][split]["coverage"] == 1
    out = tmp_path / ("results" if adapter == "ref_davis17" else "results.zip")
    assert export.run(params, workspace, out=out, split=split) == num_images
    if out.suffix:
        with zipfile.ZipFile(out) as archive:
            archive.extractall(tmp_path / "results")
    result = benchmark.run(params, root, pred=tmp_path / "results", split=split)
    assert result.mean["J"] > 0.7 / len(FRAMES), "the mask of the pivot alone makes that"
