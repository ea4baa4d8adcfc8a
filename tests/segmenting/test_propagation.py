import numpy as np
import pyarrow.parquet as pq
import pytest
from asked_example import chain, sample, workspace_in, write_frame

from tgs_pipeline.artifacts import boxes, chains, object_masks, pivots, samples, table
from tgs_pipeline.backends.segmenter.base import Prompt
from tgs_pipeline.execution import Execution, StageError
from tgs_pipeline.metrics import levels, rle
from tgs_pipeline.operators import segment
from tgs_pipeline.params import Params, Segment
from tgs_pipeline.segmenting import propagation
from tgs_pipeline.sounding.matching import Told

SIZE = (64, 96)
LEFT, RIGHT = [8.0, 8.0, 40.0, 56.0], [32.0, 8.0, 88.0, 56.0]
FRAMES = ["f0", "f1", "f2"]


class FakePropagator:
    """Says in every frame that an object is where its first box was; the surer, the nearer the box. Counts clips."""

    def __init__(self) -> None:
        self.clips = 0

    def propagate(self, frames, prompts):
        self.clips += 1
        for position, frame in enumerate(frames):
            logits = np.full((len(prompts), *frame.shape[:2]), -4, np.float32)
            for number, [first, *_] in enumerate(prompts):
                x0, y0, x1, y1 = first.box_xyxy_px.astype(int)
                logits[number, y0:y1, x0:x1] = 4 - abs(position - first.position)
            yield logits


class FailingPropagator(FakePropagator):
    """Fails in clips whose first object starts in the last frame."""

    def propagate(self, frames, prompts):
        if prompts[0][0].position == len(frames) - 1:
            raise ValueError("broken weights")
        yield from super().propagate(frames, prompts)


@pytest.fixture(autouse=True)
def content_is_the_name(monkeypatch):
    """Frame hashes of these tests are the names of the files, so that they can be read."""
    monkeypatch.setattr("tgs_pipeline.data.media.content_hash", lambda path: path.stem)


@pytest.fixture
def fake(monkeypatch) -> FakePropagator:
    made = FakePropagator()
    monkeypatch.setattr(segment, "make_propagator", lambda *_, **__: made)
    return made


def box(uid: str, row: int, frame_index: int, xyxy: list[float] | None, **changes: object) -> dict:
    return {
        "uid": uid, "row": row, "frame_index": frame_index, "box_xyxy_px": xyxy, "score": None, "phrase": None,
        "query_index": None, "num_candidates": 0, "rule": "s_object", "status": "ok" if xyxy else "no_box",
        "reason": None if xyxy else "not the pivot",
    } | changes  # fmt: skip


def make(folder, prompts: dict[str, list[list[float] | None]], **changes: object):
    """A workspace of samples, by uid, of one clip of three frames, with a box or None for each frame."""
    place = workspace_in(folder)
    for name in FRAMES:
        write_frame(place, name)
    rows = [sample(uid, row, frames=FRAMES) for row, uid in enumerate(prompts)]
    found = [
        box(uid, row, at, xyxy, **changes) for row, uid in enumerate(prompts) for at, xyxy in enumerate(prompts[uid])
    ]
    table.write(place.samples, samples.SCHEMA, [table.from_rows(rows, samples.SCHEMA)])
    table.write(place.boxes, boxes.SCHEMA, [table.from_rows(found, boxes.SCHEMA)])
    return place


def choose(place, *chosen: tuple[str, int, str | None, int, list[float] | None]) -> None:
    """Write pivots: (uid, row, object, frame, box), a window for each of an object."""
    windows: dict[tuple[int, str | None], int] = {}
    rows = []
    for uid, row, name, frame_index, xyxy in chosen:
        window = windows[row, name] = windows.get((row, name), -1) + 1
        rows.append(
            box(uid, row, frame_index, xyxy, rule="pivot_lbru") | {"object": name, "window": window, "score": None}
        )
    table.write_rows(place.pivots, pivots.SCHEMA, rows)


def run(workspace, folder, *, max_failure_rate: float = 0.0, **changes: object) -> list[dict]:
    """The rows of masks."""
    (folder / "w").write_text("w")
    settings = {
        "backend": "sam2", "weights": str(folder / "w"), "config": str(folder / "w"), "mode": "propagate",
        "exclusive": None, "silent_frames": "keep", "matching": None, "sounding": "none.json", "input_size_px": None,
        "swap_channels": False, "levels_size_px": 32, "dtype": "float32",
    }  # fmt: skip
    execution = Execution(
        cache=workspace.artifacts / "rows", batch_size=8, num_loaders=1, flush_rows=64, flush_sec=20.0,
        max_failure_rate=max_failure_rate, device="cpu",
    )  # fmt: skip
    segment.run(Params.model_construct(segment=Segment(**settings | changes)), workspace, execution)
    return pq.read_table(workspace.masks).to_pylist()


def object_rows(workspace) -> list[dict]:
    return list(table.read_rows(object_masks.path_of(workspace), object_masks.SCHEMA))


def mask(row: dict) -> np.ndarray:
    return rle.decode(row["rle"], height=row["height"], width=row["width"])


def area(xyxy: list[float]) -> float:
    return (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])


def test_a_pivot_box_makes_a_mask_in_every_frame(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [None, LEFT, None]})
    rows = run(workspace, tmp_path)
    assert [row["frame_index"] for row in rows] == [0, 1, 2]
    assert [(row["status"], row["reason"], row["predicted_iou"]) for row in rows] == [("ok", None, None)] * 3
    assert [mask(row).sum() for row in rows] == [area(LEFT)] * 3
    for row in rows:
        shown = levels.foreground(levels.decompress(row["levels"], size=row["levels_size"]))
        assert (shown == mask(row)[::2, ::3]).mean() > 0.9
    surest = [levels.decompress(row["levels"], size=32).max() for row in rows]
    assert surest[0] == surest[2] < surest[1]


def test_work_is_done_once_for_each_clip_and_prompts(tmp_path, fake):
    prompts = {"a_x_1": [None, LEFT, None], "a_x_2": [RIGHT, None, None], "a_x_3": [None, LEFT, None]}
    workspace = make(tmp_path, prompts)
    rows = run(workspace, tmp_path)
    assert fake.clips == 2
    first, second, third = rows[:3], rows[3:6], rows[6:]
    assert [row["rle"] for row in first] == [row["rle"] for row in third] != [row["rle"] for row in second]
    written = workspace.masks.read_bytes()
    run(workspace, tmp_path)
    assert fake.clips == 2 and workspace.masks.read_bytes() == written


def test_no_box_at_all_is_an_empty_mask_and_asks_nobody(tmp_path, fake):
    rows = run(make(tmp_path, {"a_x_1": [None, None, None]}), tmp_path)
    assert fake.clips == 0
    assert [(row["status"], row["reason"], row["levels"]) for row in rows] == [("no_box", "not the pivot", None)] * 3
    assert not any(mask(row).any() for row in rows)


def test_every_box_is_a_prompt(tmp_path, fake, monkeypatch):
    asked = []
    monkeypatch.setattr(fake, "propagate", lambda frames, prompts: asked.extend(prompts) or iter(()))
    with pytest.raises(IndexError):
        run(make(tmp_path, {"a_x_1": [LEFT, None, RIGHT]}), tmp_path)
    [[first, second]] = asked
    assert isinstance(first, Prompt) and (first.position, second.position) == (0, 2)
    assert (first.box_xyxy_px.dtype, second.box_xyxy_px.tolist()) == (np.float32, RIGHT)


def test_a_clip_that_fails_is_a_row_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "make_propagator", lambda *_, **__: FailingPropagator())
    workspace = make(tmp_path, {"a_x_1": [None, LEFT, None], "a_x_2": [None, None, LEFT]})
    with pytest.raises(StageError, match="clip vid: broken weights"):
        run(workspace, tmp_path)
    rows = run(workspace, tmp_path, max_failure_rate=1.0)
    assert [row["status"] for row in rows] == ["ok"] * 3 + ["failed"] * 3
    assert rows[5]["reason"] == "segment: clip vid: broken weights" and not mask(rows[5]).any()


@pytest.mark.parametrize("damage", ["content", "size"])
def test_a_frame_that_cannot_be_used_fails_its_clip(tmp_path, fake, damage):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    if damage == "size":
        write_frame(workspace, "f2", size=(32, 96))
    else:
        (workspace.dataset / "f2.png").write_bytes(b"no image")
    with pytest.raises(StageError, match=r"f2\.png: "):
        run(workspace, tmp_path)


def test_a_frame_that_failed_before_stays_failed(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    found = pq.read_table(workspace.boxes).to_pylist()
    found[2] |= {"status": "failed", "reason": "detect: no such file"}
    table.write(workspace.boxes, boxes.SCHEMA, [table.from_rows(found, boxes.SCHEMA)])
    assert [row["status"] for row in run(workspace, tmp_path)] == ["ok", "ok", "failed"]


def test_objects_of_a_clip_share_its_pixels(tmp_path, fake):
    """Two objects, each in the words of two annotators: samples 0 and 2 are of the first annotator."""
    prompts = {
        "a_x_0": [LEFT, None, None], "a_x_1": [None, LEFT, None],
        "a_x_2": [None, None, RIGHT], "a_x_3": [None, None, None],
    }  # fmt: skip
    workspace = make(tmp_path, prompts)
    shared = {"background_logit": -1.0, "num_annotations": 2}
    rows = run(workspace, tmp_path, exclusive=shared)
    assert fake.clips == 2
    assert [row["uid"] for row in rows[::3]] == list(prompts)
    left, alone, right, none = rows[:3], rows[3:6], rows[6:9], rows[9:]
    overlap = (slice(8, 56), slice(32, 40))
    for at, owner in enumerate((left, left, right)):  # logits 4 - |frame - pivot|; of equal ones the first object
        assert mask(owner[at])[overlap].all()
        assert not (mask(left[at]) & mask(right[at])).any()
        assert (mask(left[at]) | mask(right[at])).sum() == 80 * 48
    assert [mask(row).sum() for row in alone] == [area(LEFT)] * 3
    assert [row["status"] for row in none] == ["no_box"] * 3
    assert levels.decompress(left[2]["levels"], size=32)[16, 12] == 0  # the other object's in the score map too


def test_a_sample_that_failed_is_no_object_of_its_clip(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_0": [None] * 3, "a_x_1": [LEFT, None, None]})
    failed = sample("a_x_0", 0, frames=[], height=0, width=0, status="failed", reason="no ground truth")
    rows = [failed, sample("a_x_1", 1, frames=FRAMES)]
    table.write(workspace.samples, samples.SCHEMA, [table.from_rows(rows, samples.SCHEMA)])
    found = pq.read_table(workspace.boxes).to_pylist()[3:]
    table.write(workspace.boxes, boxes.SCHEMA, [table.from_rows(found, boxes.SCHEMA)])
    masks = run(workspace, tmp_path, exclusive={"background_logit": -1.0, "num_annotations": 1})
    assert [(row["uid"], row["status"]) for row in masks] == [("a_x_1", "ok")] * 3


def test_the_key_is_of_clip_prompts_and_settings(tmp_path):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None], "a_x_2": [None, LEFT, None]})
    recipe = segment.Recipe(stage="propagate", version=1, params={}, weights="w")
    [first], [second] = propagation.clips(workspace, num_annotations=None)
    assert first.key(recipe) == recipe.key(FRAMES, [[(0, LEFT)]]) != second.key(recipe)
    [units] = propagation.units(iter([[first], [second]]), recipe=recipe)
    assert units["key"].to_pylist() == [first.key(recipe), second.key(recipe)]
    assert units["prompts"].to_pylist()[0] == [[{"position": 0, "box_xyxy_px": LEFT}]]


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


def test_silent_frames_are_dropped_where_the_file_tells(tmp_path, fake):
    uids = ["a_x_1", "a_x_2", "a_x_3"]
    workspace = make(tmp_path, {uid: [None, LEFT, None] for uid in uids})
    said = [chain(uid, row, name) for row, (uid, name) in enumerate(zip(uids, ["Dog", "cat", None], strict=True))]
    table.write(workspace.chains, chains.SCHEMA, [table.from_rows(said, chains.SCHEMA)])
    recorded = tmp_path / "sounding.json"
    recorded.write_text('{"vid": {"dog": [[1, 2]]}, "other": {"cat": []}}')
    rows = run(workspace, tmp_path, silent_frames="drop", sounding=str(recorded))
    assert [row["status"] for row in rows] == ["silent", "ok", "silent"] + ["ok"] * 6
    assert [bool(mask(row).any()) for row in rows[:3]] == [False, True, False]
    assert (rows[0]["reason"], rows[0]["levels"]) == ("the object does not sound in second 0", None)


def test_an_unusable_recording_stops_the_stage_before_it_computes(tmp_path, fake):
    workspace = make(tmp_path, {"a_x_1": [LEFT, None, None]})
    with pytest.raises(ValueError, match="cannot be read"):
        run(workspace, tmp_path, silent_frames="drop", sounding=str(tmp_path / "none.json"))
    assert fake.clips == 0


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
