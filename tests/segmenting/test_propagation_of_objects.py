import numpy as np
import pytest
from asked_example import box, chain, sample
from propagation_example import FRAMES, LEFT, RIGHT, SIZE, FailingPropagator, area, choose, make, mask, object_rows, run

from tgs_pipeline.artifacts import chains, table
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.operators import segment
from tgs_pipeline.segmenting import propagation
from tgs_pipeline.sounding.matching import Told

pytestmark = pytest.mark.usefixtures("content_is_the_name")


def test_objects_with_one_pivot_frame_both_have_a_mask(tmp_path, fake):
    """The boxes hold one of them; the second sample names the same objects, the third one of them alone."""
    both = [None, RIGHT, None]
    workspace = make(tmp_path, {"a_x_1": both, "a_x_2": both, "a_x_3": [None, LEFT, None], "a_x_4": [None] * 3})
    same = [("dog", 1, LEFT), ("cat", 1, RIGHT)]
    choose(
        workspace,
        *(("a_x_1", 0, *one) for one in same),
        *(("a_x_2", 1, *one) for one in same),
        ("a_x_3", 2, None, 1, LEFT),
        ("a_x_4", 3, "dog", 1, None),
    )
    rows = run(workspace, tmp_path)
    assert fake.clips == 2, "the same objects are tracked once"
    first, second, third, fourth = rows[:3], rows[3:6], rows[6:9], rows[9:]
    for one, other in zip(first, second, strict=True):
        assert (one["status"], one["rle"], one["levels"]) == ("ok", other["rle"], other["levels"])
        assert mask(one).sum() == 80 * 48  # the union of LEFT and RIGHT
        shown = levels.foreground(levels.decompress(one["levels"], size=32))
        assert (shown == mask(one)[::2, ::3]).mean() > 0.9
    assert [mask(row).sum() for row in third] == [area(LEFT)] * 3
    assert [row["status"] for row in fourth] == ["no_box"] * 3


def test_masks_of_a_part_of_the_objects_say_what_is_missing(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [None, LEFT, None]}, status="partial", reason="cat: could not be asked about")
    choose(workspace, ("a_x_1", 0, "dog", 1, LEFT), ("a_x_1", 0, "cat", 1, None))
    rows = run(workspace, tmp_path)
    assert [(row["status"], row["reason"]) for row in rows] == [("partial", "cat: could not be asked about")] * 3
    assert [mask(row).sum() for row in rows] == [area(LEFT)] * 3
    recorded = tmp_path / "sounding.json"
    recorded.write_text('{"vid": {"dog": [[0, 2]]}}')  # in the last second the cat may still sound
    table.write_rows(workspace.chains, chains.SCHEMA, [chain("a_x_1", 0, "dog. cat")])
    last = run(workspace, tmp_path, silent_frames="drop", sounding=str(recorded))[2]
    assert last["status"] == "partial" and not mask(last).any()


def test_each_object_has_the_prompts_of_its_windows(tmp_path, fake, monkeypatch):
    asked = []
    propagate = fake.propagate
    monkeypatch.setattr(fake, "propagate", lambda frames, prompts: asked.extend(prompts) or propagate(frames, prompts))
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, RIGHT]})
    chosen = [("dog", 0, LEFT), ("dog", 2, LEFT), ("cat", 1, None), ("cat", 2, RIGHT)]
    choose(workspace, *(("a_x_1", 0, *one) for one in chosen))
    run(workspace, tmp_path)
    assert [[(one.position, one.box_xyxy_px.tolist()) for one in some] for some in asked] == [
        [(0, LEFT), (2, LEFT)],
        [(2, RIGHT)],
    ]


def test_one_object_has_the_key_it_had_from_its_boxes(tmp_path):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, RIGHT]})
    recipe = segment.Recipe(stage="propagate", version=1, params={}, weights="w")
    [[from_boxes]] = propagation.clips(workspace, num_annotations=None)
    choose(workspace, ("a_x_1", 0, None, 0, LEFT), ("a_x_1", 0, None, 2, RIGHT))
    [[from_pivots]] = propagation.clips(workspace, num_annotations=None)
    assert from_pivots.key(recipe) == from_boxes.key(recipe)


def test_objects_of_a_sample_share_the_pixels_of_the_clip(tmp_path, fake):
    """Where they overlap the surer one has the pixel, the first of equal ones; the union is the same."""
    workspace = make(tmp_path, {"a_x_1": [None, RIGHT, None]})
    choose(workspace, ("a_x_1", 0, "dog", 1, LEFT), ("a_x_1", 0, "cat", 1, RIGHT))
    recorded = tmp_path / "sounding.json"
    recorded.write_text('{"vid": {"dog": [[0, 1]]}}')
    table.write_rows(workspace.chains, chains.SCHEMA, [chain("a_x_1", 0, "dog. cat")])
    rows = run(
        workspace, tmp_path, exclusive={"background_logit": -1.0, "num_annotations": 1},
        silent_frames="drop", sounding=str(recorded),
    )  # fmt: skip
    assert [mask(row).sum() for row in rows] == [80 * 48] + [area(RIGHT) - 8 * 48] * 2
    by_name = {(row["frame_index"], row["object"]): mask(row).sum() for row in object_rows(workspace)}
    assert by_name[0, "dog"] + by_name[0, "cat"] == 80 * 48, "no pixel is of both"


def test_pivots_of_other_samples_are_refused(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    choose(workspace, ("a_x_1", 0, None, 7, LEFT))
    with pytest.raises(ValueError, match=r"pivots\.parquet: a_x_1 \(row 0\) has rows of the frames \[7\], expected"):
        run(workspace, tmp_path)


def test_each_object_is_dropped_in_its_silent_seconds(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [None, RIGHT, None]})
    choose(workspace, ("a_x_1", 0, "Dog", 1, LEFT), ("a_x_1", 0, "cat", 1, RIGHT))
    table.write_rows(workspace.chains, chains.SCHEMA, [chain("a_x_1", 0, "Dog. cat")])
    recorded = tmp_path / "sounding.json"
    recorded.write_text('{"vid": {"dog": [[0, 2]], "cat": [[1, 2]]}}')
    rows = run(workspace, tmp_path, silent_frames="drop", sounding=str(recorded))
    assert [(row["status"], mask(row).sum()) for row in rows] == [("ok", area(LEFT)), ("ok", 80 * 48), ("silent", 0)]
    assert (rows[2]["reason"], rows[2]["levels"]) == ("none of its objects sounds", None)
    assert fake.clips == 1
    of_objects = [(row["frame_index"], row["object"], mask(row).sum()) for row in object_rows(workspace)]
    assert of_objects == [(0, "Dog", area(LEFT)), (1, "Dog", area(LEFT)), (1, "cat", area(RIGHT))]
    recorded.write_text('{"vid": {"dog": []}}')  # of the cat it says nothing
    again = run(workspace, tmp_path, silent_frames="drop", sounding=str(recorded))
    assert [mask(row).sum() for row in again] == [area(RIGHT)] * 3 and fake.clips == 1
    assert [(row["frame_index"], row["object"]) for row in object_rows(workspace)] == [(at, "cat") for at in range(3)]


def test_only_objects_with_names_have_masks_of_their_own(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None], "a_x_2": [None, LEFT, None], "a_x_3": [None] * 3})
    choose(workspace, ("a_x_1", 0, None, 0, LEFT), ("a_x_2", 1, "dog", 1, LEFT), ("a_x_3", 2, "cat", 1, None))
    rows = run(workspace, tmp_path)
    found = object_rows(workspace)
    assert [(row["uid"], row["row"], row["frame_index"], row["object"]) for row in found] == [
        ("a_x_2", 1, at, "dog") for at in range(3)
    ]
    assert [row["rle"] for row in found] == [row["rle"] for row in rows[3:6]]


def test_what_failed_has_no_masks_of_objects(tmp_path, fake, monkeypatch):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    choose(workspace, ("a_x_1", 0, "dog", 0, LEFT))
    table.write_rows(workspace.chains, chains.SCHEMA, [chain("a_x_1", 0, "dog")])
    monkeypatch.setattr(segment, "_told", lambda *_: Told({}, {"vid": "it has no sound track"}))
    assert [row["status"] for row in run(workspace, tmp_path, silent_frames="drop")] == ["failed"] * 3
    assert object_rows(workspace) == []
    monkeypatch.setattr(segment, "make_propagator", lambda *_, **__: FailingPropagator())
    choose(workspace, ("a_x_1", 0, "dog", 2, LEFT))
    assert [row["status"] for row in run(workspace, tmp_path, max_failure_rate=1.0)] == ["failed"] * 3
    assert object_rows(workspace) == []


def test_the_objects_of_a_sample_are_merged_where_they_sound(tmp_path):
    """The sample has two objects with names: the first is silent in frame 1, the second in frames 1 and 2."""
    rows = [box("a_x_1", 0, at, None) for at in range(3)]
    objects = (propagation.Tracked("dog", ((0, LEFT),)), propagation.Tracked("cat", ((2, RIGHT),)))
    group = propagation.Group((propagation.Sampled(sample("a_x_1", 0, frames=FRAMES), rows, objects),))
    assert [[one["position"] for one in some] for some in group.unit(segment.Recipe("p", 1, {}, ""))["prompts"]] == [
        [0], [2]
    ]  # fmt: skip
    shown = np.zeros((2, *SIZE), bool)
    shown[0, 8:56, 8:40] = shown[1, 8:56, 32:88] = True
    score_maps = [levels.compress(np.where(one[::2, ::3], np.float32(0.9), np.float32(0.45))) for one in shown]
    computed = {
        "status": "ok", "reason": None, "rle": [rle.encode(one) for one in shown for _ in FRAMES],
        "levels": [one for one in score_maps for _ in FRAMES],
    }  # fmt: skip
    heard = {("dog", 0), ("dog", 2), ("cat", 0)}
    found = propagation.frames_of(
        [group], [computed], sounds=lambda vid, name, second: (name, second) in heard, levels_size_px=32
    )
    first, second, third = [said for _, _, said in found]
    assert (rle.decode(first["rle"], height=64, width=96) == shown.any(axis=0)).all()
    assert (levels.foreground(levels.decompress(first["levels"], size=32)) == shown.any(axis=0)[::2, ::3]).all()
    assert levels.decompress_low(first["levels"], size=32).all()
    assert second == {"status": "silent", "reason": "none of its objects sounds"}
    assert (third["rle"], third["levels"]) == (computed["rle"][2], score_maps[0])


def test_masks_of_objects_stand_in_the_order_of_the_samples():
    """Two groups of two samples; the objects of the second group are those of the samples 2 and 4."""
    names = [["dog", "cat"], ["cow"], ["hen", None], ["pig"]]
    sampled = [
        propagation.Sampled(
            sample(uid, row, frames=FRAMES[:1]), [box(uid, row, 0, None)],
            tuple(propagation.Tracked(name, ((0, LEFT),)) for name in some),
        )
        for row, (uid, some) in enumerate(zip("abcd", names, strict=True))
    ]  # fmt: skip
    groups = [propagation.Group(tuple(sampled[number::2])) for number in range(2)]
    computed = [{"status": "ok", "rle": [b"dog", b"cat", b"hen", b""]}, {"status": "ok", "rle": [b"cow", b"pig"]}]
    found = list(propagation.object_masks_of(groups, computed, sounds=lambda vid, name, second: name != "cat"))
    assert [(row["uid"], row["object"], row["rle"]) for row in found] == [
        ("a", "dog", b"dog"), ("b", "cow", b"cow"), ("c", "hen", b"hen"), ("d", "pig", b"pig")
    ]  # fmt: skip
