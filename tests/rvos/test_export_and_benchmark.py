"""Layout of a benchmark -> manifest -> masks made by hand -> tree -> scores."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from data.expressions_example import LABELS, SIZE, write_labels, write_mevis, write_ref_davis17, write_ref_youtube_vos
from PIL import Image
from project import ROOT

from tgs_pipeline.artifacts import masks, samples, table
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.operators import manifest
from tgs_pipeline.params import Params
from tgs_pipeline.rvos import benchmark, export
from tgs_pipeline.stage import execution_of
from tgs_pipeline.workspace import Workspace

WRITERS = {"ref_youtube_vos": write_ref_youtube_vos, "ref_davis17": write_ref_davis17, "mevis": write_mevis}


def prepare(tmp_path, adapter: str, split: str) -> tuple[Params, Workspace]:
    """A dataset with its samples."""
    root = tmp_path / "data"
    metadata = WRITERS[adapter](root).relative_to(root)
    data = yaml.safe_load((ROOT / "params.yaml").read_text())
    data["dataset"] |= {"tinyworld": None, "root": str(root), "adapter": adapter, "metadata": str(metadata)}
    data["dataset"]["splits"] = [split]
    params = Params.model_validate(data)
    workspace = Workspace(artifacts=tmp_path / "artifacts", dataset=root)
    manifest.run(params, workspace, execution_of(params, stage="manifest"))
    return params, workspace


def mask_row(sample: dict, index: int, mask: np.ndarray, *, score: float = 0.9, **changes) -> dict:
    probabilities = np.full((16, 16), score, np.float32)
    return {
        "uid": sample["uid"], "row": sample["row"], "frame_index": index, "height": SIZE[0], "width": SIZE[1],
        "rle": rle.encode(mask), "levels": levels.compress(probabilities), "levels_size": 16, "predicted_iou": None,
        "status": "ok", "reason": None,
    } | changes  # fmt: skip


def write_masks(workspace: Workspace, of) -> None:
    """`of(sample, index)` gives each row."""
    rows = [
        of(sample, index)
        for sample in table.read_rows(workspace.samples, samples.SCHEMA)
        for index in sample["frame_indices"]
    ]
    table.write_rows(workspace.masks, masks.SCHEMA, rows)


def test_ref_youtube_vos(tmp_path):
    params, workspace = prepare(tmp_path, "ref_youtube_vos", "train")
    write_masks(workspace, lambda sample, index: mask_row(sample, index, LABELS == 1))
    out = tmp_path / "submission.zip"
    assert export.run(params, workspace, out=out, split="train") == 4
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == [
            f"Annotations/aa-1/{exp_id}/{name}.png" for exp_id in (0, 1) for name in ("00000", "00005")
        ]
        archive.extractall(tmp_path / "pred")
    first = out.read_bytes()
    export.run(params, workspace, out=out, split="train")
    assert out.read_bytes() == first
    with Image.open(tmp_path / "pred" / "Annotations" / "aa-1" / "0" / "00000.png") as image:
        assert image.mode == "L" and (np.asarray(image) == (LABELS == 1) * np.uint8(255)).all()
    result = benchmark.run(params, workspace.dataset, pred=tmp_path / "pred", split="train")
    assert result.items["aa-1_0"] == {"J": 1, "F": 1} and result.items["aa-1_1"]["J"] == 0
    assert result.mean["J"] == 0.5 and result.mean["JF"] == (result.mean["J"] + result.mean["F"]) / 2


def test_mevis_takes_the_union_and_a_missing_video_scores_zero(tmp_path):
    params, workspace = prepare(tmp_path, "mevis", "valid_u")
    write_masks(workspace, lambda sample, index: mask_row(sample, index, LABELS > 0))
    out = tmp_path / "submission.zip"
    export.run(params, workspace, out=out, split="valid_u")
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist()[0] == "dd/0/00000.png"
        archive.extractall(tmp_path / "pred")
    result = benchmark.run(params, workspace.dataset, pred=tmp_path / "pred", split="valid_u")
    both = (64 + 96) / 160, 64 / 160  # in the second frame one of the two is not annotated
    assert result.items["dd_0"]["J"] == pytest.approx(np.mean(both))
    assert result.items["dd_1"]["J"] == pytest.approx((96 / 160 + 0) / 2)
    (tmp_path / "empty").mkdir()
    result = benchmark.run(params, workspace.dataset, pred=tmp_path / "empty", split="valid_u")
    assert result.mean == {"J": 0, "F": 0, "JF": 0}
    assert [str(tmp_path / "empty" / "dd") in warning for warning in result.warnings] == [True]


def test_ref_davis17_paints_the_objects_of_an_annotation_into_one_image(tmp_path):
    params, workspace = prepare(tmp_path, "ref_davis17", "val")

    def row(sample, index):
        label = int(sample["uid"].rpartition("_")[2]) // 4 + 1
        return mask_row(sample, index, 3 - label == LABELS)  # each object is taken for the other

    write_masks(workspace, row)
    out = tmp_path / "results"
    assert export.run(params, workspace, out=out, split="val") == 8
    with Image.open(out / "anno_3" / "classic-car" / "00005.png") as image:
        assert image.mode == "P" and image.getpalette()[3:6] == [128, 0, 0]
        assert (np.asarray(image) == np.array([0, 2, 1])[LABELS]).all()
    result = benchmark.run(params, workspace.dataset, pred=out, split="val")
    assert result.mean == {"J": 1, "F": 1, "JF": 1}, "matching forgives labels that are swapped"
    assert len(result.items) == 8 and result.items["anno_0/classic-car/2"] == {"J": 1, "F": 1}


def test_where_masks_overlap_the_higher_score_is_kept():
    whole, left = np.ones(SIZE, bool), np.zeros(SIZE, bool)
    left[:, :8] = True
    sample = {"uid": "a_0", "row": 0}

    def painted(first: float, second: float) -> list[int]:
        rows = [mask_row(sample, 0, whole, score=first), mask_row(sample, 0, left, score=second)]
        return export.paint(rows)[0, [0, 20]].tolist()

    assert painted(0.6, 0.9) == [2, 1]
    assert painted(0.9, 0.6) == painted(0.7, 0.7) == [1, 1]
    empty = mask_row(sample, 0, np.zeros(SIZE, bool), levels=None)
    assert not export.paint([empty, empty]).any()


@pytest.mark.parametrize("status", ["failed", "partial"])
def test_nothing_is_exported_unless_all_is_there(tmp_path, status):
    params, workspace = prepare(tmp_path, "ref_youtube_vos", "train")
    broken = {"status": status, "reason": "segment: 00005.jpg is truncated"}
    write_masks(
        workspace,
        lambda sample, index: mask_row(sample, index, LABELS == 1, **(broken if index and sample["row"] else {})),
    )
    out = tmp_path / "submission.zip"
    with pytest.raises(ValueError, match=r"not written: 1 problem\(s\)\n  aa-1_1, frame 1: segment: 00005"):
        export.run(params, workspace, out=out, split="train")
    with pytest.raises(ValueError, match="no sample of split 'valid'"):
        export.run(params, workspace, out=out, split="valid")
    write_masks(workspace, lambda sample, index: mask_row(sample, index, LABELS == 1))
    with pytest.raises(ValueError, match=r"give a name that ends in \.zip"):
        export.run(params, workspace, out=tmp_path / "folder", split="train")
    assert [path.name for path in tmp_path.iterdir() if "submission" in path.name] == []


def test_what_cannot_be_scored_is_listed(tmp_path):
    params, workspace = prepare(tmp_path, "mevis", "valid_u")
    pred = tmp_path / "pred"
    (pred / "dd" / "0").mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(pred / "dd" / "0" / "00000.png")
    with pytest.raises(ValueError, match=r"2 problem\(s\)") as caught:
        benchmark.run(params, workspace.dataset, pred=pred, split="valid_u")
    assert "dd_0: " in str(caught.value) and "4 x 4 px, but the ground truth has 32 x 24 px" in str(caught.value)
    assert f"dd_1: {pred / 'dd' / '1' / '00000.png'}: no such file" in str(caught.value)
    with pytest.raises(ValueError, match="split 'valid', is not public: `tgs export` for its server"):
        benchmark.run(params, workspace.dataset, pred=pred, split="valid")
    with pytest.raises(ValueError, match="no such folder; unpack a zip"):
        benchmark.run(params, workspace.dataset, pred=Path(tmp_path / "absent"), split="valid_u")


def test_a_truncated_prediction_is_named(tmp_path):
    params, workspace = prepare(tmp_path, "ref_davis17", "val")
    for annotation in range(4):
        write_labels(tmp_path / "pred" / f"anno_{annotation}", "classic-car")
    file = tmp_path / "pred" / "anno_2" / "classic-car" / "00005.png"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(
        ValueError, match=r"1 problem\(s\):\n  anno_2, classic-car: .*00005\.png: the image is truncated"
    ):
        benchmark.run(params, workspace.dataset, pred=tmp_path / "pred", split="val")
