from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image

from tgs_pipeline.backends.segmenter import sam2_video
from tgs_pipeline.backends.segmenter.base import Prompt
from tgs_pipeline.backends.segmenter.sam2_config import build_video_predictor
from tgs_pipeline.backends.segmenter.sam2_video import Sam2Propagator, load_propagator

SIZE = (48, 64)
FIRST, SECOND = np.float32([[5, 5, 30, 40], [20, 10, 60, 40]])
REACH = 3


def clip(num_frames: int, *, seed: int = 1) -> np.ndarray:
    """Blocks of colour that move to the right."""
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    return np.stack([np.roll(blocks, 3 * number, axis=1) for number in range(num_frames)])


def load(folder, **changes) -> Sam2Propagator:
    """Untrained, but sure that it sees the object: else all logits are the same. It looks back at few frames."""
    options = {"device": "cpu", "dtype": "float32", "input_size_px": None, "swap_channels": False} | changes
    loaded = load_propagator(folder / "sam2.yaml", folder / "sam2.safetensors", **options)
    loaded.predictor.num_maskmem = loaded.predictor.max_obj_ptrs_in_encoder = REACH
    head = loaded.predictor.sam_mask_decoder.pred_obj_score_head
    [*head.parameters()][-1].data.fill_(10.0)
    return loaded


@pytest.fixture(scope="module")
def propagator(tiny_folder):
    return load(tiny_folder)


def logits_of(propagator, frames, *prompts) -> np.ndarray:
    """float32 (N, T, h, w)."""
    return np.stack(list(propagator.propagate(frames, prompts)), axis=1)


def package(propagator, folder, prompts: list[list[Prompt]], *, start: int, directions=(False, True)) -> np.ndarray:
    """The same by the package's predictor as it stands, from a folder of JPEG files; nothing is forgotten."""
    predictor = propagator.predictor
    state = predictor.init_state(str(folder))
    for number, some in enumerate(prompts):
        for prompt in some:
            box = torch.from_numpy(prompt.box_xyxy_px)
            predictor.add_new_points_or_box(state, prompt.position, obj_id=number, box=box)
    found = {}
    for reverse in directions:
        for position, numbers, _ in predictor.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
            outputs = [state["output_dict_per_obj"][number] for number in numbers]
            both = [one["cond_frame_outputs"] | one["non_cond_frame_outputs"] for one in outputs]
            found[position] = torch.cat([one[position]["pred_masks"][:, 0] for one in both]).numpy()
    return np.stack([found[position] for position in range(state["num_frames"])], axis=1)


def as_jpeg(folder, frames) -> list[np.ndarray]:
    """The frames as they are read back from JPEG files."""
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number:05d}.jpg")
    return [np.asarray(Image.open(folder / f"{number:05d}.jpg")) for number in range(len(frames))]


@pytest.mark.parametrize("pivots", [[2], [0, 2, 3]])
def test_equals_the_predictor_of_the_package(propagator, tmp_path, pivots):
    frames = as_jpeg(tmp_path, clip(4))
    prompts = [Prompt(pivot, FIRST) for pivot in pivots]
    expected = package(propagator, tmp_path, [prompts], start=2)
    assert np.abs(logits_of(propagator, frames, prompts) - expected).max() < 1e-4
    assert np.ptp(expected) > 0.01 and np.abs(np.diff(expected, axis=1)).max() > 0.01


def test_what_is_forgotten_is_not_missed(propagator, tmp_path):
    """A clip of more than twice the reach, from its middle: the way back remembers the frames after the pivot."""
    frames = as_jpeg(tmp_path, clip(2 * REACH + 5))
    prompts = [Prompt(REACH + 2, FIRST)]
    expected = package(propagator, tmp_path, [prompts], start=REACH + 2)
    assert np.abs(logits_of(propagator, frames, prompts) - expected).max() < 1e-4


def test_both_ways_from_the_first_frame_is_one_way(propagator, tmp_path):
    frames = as_jpeg(tmp_path, clip(4))
    one_way = package(propagator, tmp_path, [[Prompt(0, FIRST)]], start=0, directions=(False,))
    assert np.abs(logits_of(propagator, frames, [Prompt(0, FIRST)]) - one_way).max() < 1e-4


def test_several_objects_are_what_each_is_alone(propagator):
    frames = clip(3)
    prompts = [[Prompt(2, FIRST)], [Prompt(0, SECOND)], [Prompt(2, SECOND), Prompt(1, FIRST)], [Prompt(0, FIRST)]]
    together = logits_of(propagator, frames, *prompts)
    assert together.shape == (4, 3, 56, 56)
    for number, some in enumerate(prompts):
        assert np.abs(together[number] - logits_of(propagator, frames, some)[0]).max() < 1e-4
    assert np.abs(together[0] - together[3]).max() > 1e-3


def test_an_object_without_a_prompt_is_background(propagator):
    logits = logits_of(propagator, clip(3), [Prompt(1, FIRST)], [])
    assert (logits[1] == -32).all() and not (logits[0] == -32).all()


def test_no_object_at_all(propagator):
    assert [found.shape for found in propagator.propagate(clip(3), [])] == [(0, 56, 56)] * 3


class Streamed:
    """A clip that makes its frames when asked, and counts how often."""

    def __init__(self, num_frames: int) -> None:
        self.asked = [0] * num_frames

    def __len__(self) -> int:
        return len(self.asked)

    def __getitem__(self, position: int) -> np.ndarray:
        self.asked[position] += 1
        return np.roll(clip(1)[0], position % 16, axis=1)


def test_memory_does_not_grow_with_the_clip(propagator, monkeypatch):
    held = []

    def forget(state, position, **options):
        forgotten(state, position, **options)
        objects = state["output_dict_per_obj"].values()
        held.append(max(len(one["non_cond_frame_outputs"]) for one in objects))

    forgotten = sam2_video._forget
    monkeypatch.setattr(sam2_video, "_forget", forget)
    frames = Streamed(3 * REACH + 4)
    found = propagator.propagate(frames, [[Prompt(REACH + 2, FIRST)]])
    assert sum(1 for _ in found) == len(frames)
    assert max(held) == 2 * REACH + 1  # before the frame that is looked at, and after the pivot
    assert max(frames.asked) <= 4 and set(frames.asked[:REACH]) == {1}


def test_a_model_that_looks_further_back_remembers_more(propagator, monkeypatch):
    assert sam2_video._reach(propagator.predictor) == REACH
    monkeypatch.setattr(propagator.predictor, "memory_temporal_stride_for_eval", 5)
    assert sam2_video._reach(propagator.predictor) == 5 * REACH


def answers(found: dict[bool, list[int]], *, value: float = 1.0):
    """A hand-made predictor: says of object k in frame t that it is row t (k even) or column t (k odd)."""

    def propagate(state, start_frame_idx, reverse) -> Iterator[tuple[int, list[int], torch.Tensor]]:
        last = -1 if reverse else state["num_frames"]
        numbers = list(state["obj_ids"])
        for frame in range(start_frame_idx, last, -1 if reverse else 1):
            found.setdefault(reverse, []).append(frame)
            logits = torch.full((len(numbers), 1, 56, 56), -1.0)
            for place, number in enumerate(numbers):
                if number % 2:
                    logits[place, 0, :, frame] = value
                else:
                    logits[place, 0, frame, :] = value
            yield frame, numbers, logits

    return propagate


def test_logits_stand_at_their_object_and_frame(propagator, monkeypatch):
    asked: dict[bool, list[int]] = {}
    monkeypatch.setattr(propagator.predictor, "propagate_in_video", answers(asked))
    # Object 1 is met first, in frame 0; both start in their middle prompt.
    logits = logits_of(propagator, clip(3), [Prompt(1, FIRST)], [Prompt(0, SECOND), Prompt(1, SECOND)])
    for frame in range(3):
        assert (logits[0, frame, frame] == 1).all() and (logits[0, frame] == 1).sum() == 56
        assert (logits[1, frame, :, frame] == 1).all() and (logits[1, frame] == 1).sum() == 56
    assert asked == {False: [1, 2], True: [1, 0]}


def test_nan_is_no_result_and_says_so(propagator, monkeypatch):
    monkeypatch.setattr(propagator.predictor, "propagate_in_video", answers({}, value=float("nan")))
    with pytest.raises(ValueError, match="frame at position 1: the segmenter yields NaN"):
        logits_of(propagator, clip(3), [Prompt(1, FIRST)])


def test_it_makes_no_noise(propagator, capfd):
    logits_of(propagator, clip(2), [Prompt(1, FIRST)])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("positions", [[3], [-1], [1, 1]])
def test_prompts_outside_the_clip_or_twice_in_a_frame_are_refused(propagator, positions):
    with pytest.raises(ValueError, match=r"object 0 has prompts at .* expected different frames of 3"):
        logits_of(propagator, clip(3), [Prompt(position, FIRST) for position in positions])


def test_frames_are_squeezed_and_swapped_as_in_the_image_segmenter(tiny_folder):
    [frame] = clip(1)
    swapped = load(tiny_folder, swap_channels=True)
    assert torch.equal(swapped.prepare(frame), load(tiny_folder).prepare(frame[..., ::-1].copy()))
    small = load(tiny_folder, input_size_px=40)
    assert small.prepare(frame).shape == (3, 224, 224)
    assert not torch.equal(small.prepare(frame), swapped.prepare(frame))


def test_narrow_dtype_stays_close(propagator, tiny_folder):
    full = logits_of(propagator, clip(3), [Prompt(1, FIRST)])
    narrow = logits_of(load(tiny_folder, dtype="bfloat16"), clip(3), [Prompt(1, FIRST)])
    assert narrow.dtype == np.float32
    assert 0 < np.abs(full - narrow).max() < 0.5


def test_settings_are_those_of_the_package(tiny_folder):
    predictor = build_video_predictor(tiny_folder / "sam2.yaml")
    assert predictor.binarize_mask_from_pts_for_mem_enc
    assert predictor.sam_mask_decoder.dynamic_multimask_via_stability


def test_weights_that_do_not_fit_are_refused(tiny_folder, tmp_path):
    torch.save({"model": {}}, tmp_path / "sam2.pt")
    with pytest.raises(ValueError, match=r"sam2\.pt does not fit .*sam2\.yaml"):
        load_propagator(
            tiny_folder / "sam2.yaml", tmp_path / "sam2.pt", device="cpu", dtype="float32", input_size_px=None,
            swap_channels=False,
        )  # fmt: skip
