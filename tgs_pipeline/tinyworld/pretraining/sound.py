"""Pretraining of the tiny sound encoder: each second tells what sounds, how loud and how fast; a clip, what sounds.

Shapes: C clips, S = 10 seconds, K sounding categories.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tgs_pipeline.data.fbank import SAMPLE_RATE_HZ, log_mel, segment_log_mels
from tgs_pipeline.models.beats import BEATs
from tgs_pipeline.tinyworld.models.beats import LABELS
from tgs_pipeline.tinyworld.pretraining.slots import targets_of
from tgs_pipeline.tinyworld.sampling import NUM_LOUDNESS_LEVELS, PULSES_HZ, pool_of_split, sample_scene
from tgs_pipeline.tinyworld.scene import NUM_FRAMES
from tgs_pipeline.tinyworld.sound import render_sound
from tgs_pipeline.tinyworld.transcript import slots_of_second

UNHEARD = -1


@dataclass(frozen=True)
class Soundtracks:
    """Soundtracks and what each second holds.

    seconds: float32 (C, S, 98, 128). whole: float32 (1, frames, 128), the first clip in one piece. heard: float32
    (C, S, K), 0 or 1. slots: float32 (C, S, Q, W), the transcript of each second (slots.targets_of). loudness, rhythm:
    int64 (C, S, K), class numbers, UNHEARD where there is nothing to tell.
    """

    seconds: np.ndarray
    whole: np.ndarray
    heard: np.ndarray
    slots: np.ndarray
    loudness: np.ndarray
    rhythm: np.ndarray


class SecondReader(nn.Module):
    """Linear readers of the mean feature of a second; thrown away after pretraining."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.loudness = nn.Linear(width, len(LABELS) * NUM_LOUDNESS_LEVELS)
        self.rhythm = nn.Linear(width, len(LABELS) * len(PULSES_HZ))


def make_batch(seed: int, number: int, *, clips: int) -> Soundtracks:
    """Batch `number`: soundtracks of `clips` new clips with any categories."""
    pool, _ = pool_of_split("open")
    shape = (clips, NUM_FRAMES, len(LABELS))
    heard, seconds, slots = np.zeros(shape, np.float32), [], []
    loudness, rhythm = np.full(shape, UNHEARD), np.full(shape, UNHEARD)
    whole = None
    for clip in range(clips):
        rng = np.random.default_rng([seed, number * clips + clip])
        scene = sample_scene(rng, pool=pool, num_sounding_min=int(rng.integers(4)))
        waveform = render_sound(scene, sample_rate_hz=SAMPLE_RATE_HZ, rng=rng)
        seconds.append(segment_log_mels(waveform))
        whole = log_mel(waveform) if whole is None else whole
        slots.append(np.stack([targets_of(slots_of_second(scene, second)) for second in range(NUM_FRAMES)]))
        for item in scene.sounding():
            assert item.voice is not None
            label = LABELS.index(item.category)
            for event in item.voice.events:
                span = slice(round(event.onset_sec), round(event.offset_sec))
                heard[clip, span, label] = 1
                loudness[clip, span, label] = item.voice.loudness - 1
                if item.voice.pulse_hz is not None:
                    rhythm[clip, span, label] = PULSES_HZ.index(item.voice.pulse_hz)
    assert whole is not None
    return Soundtracks(np.stack(seconds), whole[None], heard, np.stack(slots), loudness, rhythm)


def features_of(model: BEATs, batch: Soundtracks) -> torch.Tensor:
    """Patch features (C * S, P, E) of the seconds."""
    return model(torch.from_numpy(batch.seconds).flatten(0, 1))


def loss_of(
    model: BEATs, reader: SecondReader, features: torch.Tensor, batch: Soundtracks
) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropies of all that is told, and how much of it is right; features as of `features_of`."""
    features = features.mean(dim=1)
    heard = torch.from_numpy(batch.heard).flatten(0, 1)
    logits = model.predictor(features).float()
    of_clip = model.predictor(model(torch.from_numpy(batch.whole))).mean(dim=1).float()
    loss = 10 * F.binary_cross_entropy_with_logits(logits, heard)
    loss = loss + F.binary_cross_entropy_with_logits(of_clip, torch.from_numpy(batch.heard[:1]).amax(dim=1))
    right = {"heard": ((logits > 0) == (heard > 0)).all(dim=1).float().mean().item()}
    for name in ("loudness", "rhythm"):
        labels = torch.from_numpy(getattr(batch, name)).flatten()
        answers = getattr(reader, name)(features).float().view(len(labels), -1)
        told = labels != UNHEARD
        loss = loss + F.cross_entropy(answers[told], labels[told], reduction="sum") / max(1, int(told.sum()))
        right[name] = float((answers.argmax(-1) == labels)[told].sum()) / max(1, int(told.sum()))
    return loss, right
