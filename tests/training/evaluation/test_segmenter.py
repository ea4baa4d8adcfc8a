import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tgs_pipeline.backends.segmenter.base import Segmentation
from tgs_pipeline.cli import app
from tgs_pipeline.tinyworld.models import sam2
from tgs_pipeline.tinyworld.pretraining.mask_samples import box_of
from tgs_pipeline.training.evaluation.held_out import held_out_clips
from tgs_pipeline.training.evaluation.segmenter import evaluate, iou

SEEDS = (61, 62)
NUM_CLIPS = 3


class Perfect:
    """Knows the truth of every clip: answers a box with the object whose box is most like it."""

    def __init__(self):
        self.of_frame, self.of_clip, self.asked = {}, {}, []
        for clip in (clip for seed in SEEDS for number in range(NUM_CLIPS) for clip in held_out_clips(seed, number)):
            self.of_clip[clip.frames.tobytes()] = clip.masks
            if clip.kind == "plain":
                for frame, masks in zip(clip.frames, clip.masks.swapaxes(0, 1), strict=True):
                    self.of_frame[frame.tobytes()] = masks

    def segment(self, images, boxes_xyxy_px):
        return [
            [self.answer(self.of_frame[image.tobytes()], box) for box in boxes]
            for image, boxes in zip(images, boxes_xyxy_px, strict=True)
        ]

    def answer(self, masks, box):
        return Segmentation(masks[nearest(masks, box)], np.zeros((56, 56), np.float32), 1.0)

    def propagate(self, frames, prompts):
        masks = self.of_clip[np.stack(frames).tobytes()]
        found = []
        for [[position, box]] in prompts:
            self.asked.append(position)
            found.append(masks[nearest(masks[:, position], box)])
        return (np.where(of_frame, 1, -1).astype(np.float32) for of_frame in np.stack(found, axis=1))


class Hopeless:
    """Finds nothing, ever."""

    def segment(self, images, boxes_xyxy_px):
        nothing = Segmentation(np.zeros((224, 224), bool), np.zeros((56, 56), np.float32), 0.0)
        return [[nothing] * len(boxes) for boxes in boxes_xyxy_px]

    def propagate(self, frames, prompts):
        return (np.full((len(prompts), 56, 56), -1, np.float32) for _ in frames)


def nearest(masks, box):
    return min(range(len(masks)), key=lambda n: np.abs(box_of(masks[n]) - box).sum() if masks[n].any() else np.inf)


def means(one):
    done = evaluate(one, one, seeds=SEEDS, num_clips=NUM_CLIPS, description={})
    return {name: measure["mean"] for name, measure in done.to_json()["measures"].items()}


def test_a_perfect_segmenter_is_right_everywhere():
    perfect = Perfect()
    found = means(perfect)
    shares = {name for name in found if name.endswith("share seen")}
    assert {found[name] for name in found.keys() - shares - {"frame, box with errors: IoU"}} == {1.0}
    assert found["frame, box with errors: IoU"] > 0.95
    assert found["covered, +0 frames from the middle: share seen"] < 0.5
    assert set(perfect.asked) == {0, 7}
    expected = {"frame, true box: IoU", "clip, forward: IoU", "clip, backward: IoU", "gone: empty in the meantime"}
    expected |= {f"clip, {way}, {n} frames from the box: IoU" for way in ("forward", "backward") for n in range(1, 8)}
    expected |= {"gone, before: IoU", "gone, after: IoU", "covered, +3 frames from the middle: IoU"}
    assert expected <= found.keys()


def test_a_hopeless_segmenter_is_right_about_absence_alone():
    found = means(Hopeless())
    for name, mean in found.items():
        if name.endswith("IoU"):
            assert mean == 0, name
        elif "empty" in name:
            assert mean == 1, name


def test_iou_by_hand():
    first, second = np.zeros((2, 4, 4), bool)
    first[0, :3] = second[0, 1:4] = True
    assert iou(first, second) == 0.5
    with pytest.raises(ValueError, match="there is no IoU with an empty mask"):
        iou(first, np.zeros_like(first))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match=r"seeds must be different and at least one: got \[1, 1\]"):
        evaluate(Hopeless(), Hopeless(), seeds=[1, 1], num_clips=1, description={})
    with pytest.raises(ValueError, match="clips must be at least 1: got 0"):
        evaluate(Hopeless(), Hopeless(), seeds=[1], num_clips=0, description={})


def test_an_untrained_sam2_is_evaluated(tmp_path):
    sam2.write(tmp_path, seed=1)
    command = ["train", "evaluate-segmenter", "--weights", str(tmp_path / "sam2.safetensors"), "--seed", "3", "--json"]
    command += ["--config", str(tmp_path / "sam2.yaml"), "--clips", "1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "out/segmenter.json").read_text())
    assert found["measures"]["frame, true box: IoU"]["mean"] < 0.7
    assert found["measures"]["clip, backward: IoU"]["clips"] == 1 and len(found["segmenter"]["digest"]) > 20


def test_missing_files_end_with_a_message(tmp_path):
    command = ["train", "evaluate-segmenter", "--config", str(tmp_path / "none.yaml"), "--clips", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and "none.yaml: no such file" in done.stderr and "Traceback" not in done.output
