"""Samples and masks of objects made by hand -> images of classes."""

import languagebind_example
import numpy as np
import pytest
import yaml
from asked_example import sample, workspace_in
from PIL import Image
from project import ROOT

from tgs_pipeline.artifacts import masks, object_masks, samples, table
from tgs_pipeline.backends.audio_text.languagebind import LanguageBindAudio
from tgs_pipeline.data.avsbench_classes import CATEGORIES, class_of, palette
from tgs_pipeline.metrics import rle
from tgs_pipeline.params import Params
from tgs_pipeline.sounding import export

SIZE = (64, 96)
LEFT, RIGHT = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
LEFT[:, :60] = RIGHT[:, 40:] = True


def params(*, prompt: str = "objects", matching: dict | None = None) -> Params:
    made = yaml.safe_load((ROOT / "profiles" / "al-ref-sam2-avss.yaml").read_text())
    made["ground"]["prompt"] = prompt
    made["segment"]["matching"] = matching
    made["runtime"]["devices"] = ["cpu"]
    if prompt != "objects":
        made["detect"]["captions"] = [prompt]
        made["ground"]["mllm"]["frame_model"] = made["ground"]["mllm"]["box_model"]
    return Params.model_validate(made)


def write(folder, *found: tuple[str, int, str, np.ndarray], **changes: object):
    """A workspace of the samples a and b of two frames. found: uid, frame, object, mask; changes: of all masks."""
    place = workspace_in(folder)
    rows = [sample(uid, row, frames=["f0", "f1"]) for row, uid in enumerate("ab")]
    table.write_rows(place.samples, samples.SCHEMA, rows)
    size = {"height": SIZE[0], "width": SIZE[1]}
    shown = [
        {"uid": one["uid"], "row": one["row"], "frame_index": index, **size, "rle": rle.empty(*SIZE), "levels": None,
         "levels_size": 16, "predicted_iou": None, "status": "ok", "reason": None} | changes
        for one in rows for index in (0, 1)
    ]  # fmt: skip
    table.write_rows(place.masks, masks.SCHEMA, shown)
    of_objects = [
        {"uid": uid, "row": "ab".index(uid), "frame_index": index, "object": name, **size, "rle": rle.encode(mask)}
        for uid, index, name, mask in found
    ]
    table.write_rows(object_masks.path_of(place), object_masks.SCHEMA, of_objects)
    return place


def read(path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "P"
        assert (np.asarray(image.convert("RGB")) == palette()[np.asarray(image)]).all()
        return np.asarray(image)


def test_objects_are_painted_in_order_with_their_classes(tmp_path):
    place = write(tmp_path, ("a", 0, "Dog", LEFT), ("a", 0, "man", RIGHT), ("a", 1, "man", RIGHT))
    assert export.run(params(), place, out=tmp_path / "out", split="test_s") == 4
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")) == [
        "a/f0.png", "a/f1.png", "b/f0.png", "b/f1.png"
    ]  # fmt: skip
    dog, man = class_of("dog"), class_of("man")
    assert (read(tmp_path / "out/a/f0.png") == np.where(RIGHT, man, dog)).all()
    assert (read(tmp_path / "out/a/f1.png") == np.where(RIGHT, man, 0)).all()
    assert not read(tmp_path / "out/b/f0.png").any()


def test_other_names_are_refused_or_take_the_nearest_category(tmp_path):
    place = write(tmp_path, ("a", 0, "dog", LEFT), ("b", 1, "goat", RIGHT))
    with pytest.raises(ValueError, match=r"b: the object 'goat' is none of the 70 categories") as caught:
        export.run(params(), place, out=tmp_path / "out", split="test_s")
    assert "LanguageBind finds the nearest" in str(caught.value) and "segment.matching" in str(caught.value)
    assert not (tmp_path / "out").exists()

    weights = languagebind_example.write(tmp_path / "LanguageBind_Audio_FT")
    matching = {"by": "audio_text", "similarity": 0.5, "weights": str(weights), "separator": "; "}
    export.run(params(matching=matching), place, out=tmp_path / "out", split="test_s")
    similar = LanguageBindAudio(weights, device="cpu").text_similarity("goat", CATEGORIES)
    assert (read(tmp_path / "out/b/f1.png") == np.where(RIGHT, similar.argmax() + 1, 0)).all()
    assert (read(tmp_path / "out/a/f0.png") == np.where(LEFT, class_of("dog"), 0)).all()


def test_nothing_is_written_unless_all_is_there(tmp_path):
    place = write(tmp_path, status="failed", reason="segment: broken")
    with pytest.raises(ValueError, match=r"not written: 2 problem\(s\)\n  a, frame 0: segment: broken"):
        export.run(params(), place, out=tmp_path / "out", split="test_s")
    with pytest.raises(ValueError, match=r"ground\.prompt is 's_object', and the class .* set it to objects"):
        export.run(params(prompt="s_object"), place, out=tmp_path / "out", split="test_s")
    object_masks.path_of(place).unlink()
    table.write_rows(
        place.masks, masks.SCHEMA, [row | {"status": "ok"} for row in table.read_rows(place.masks, masks.SCHEMA)]
    )
    with pytest.raises(ValueError, match=r"objects\.parquet is missing: run `dvc repro`"):
        export.run(params(), place, out=tmp_path / "out", split="test_s")
    assert not (tmp_path / "out").exists()
