"""How well the built-in matcher knows which objects of a clip sound in a second (segment.matching, by: tags).

    python benchmarks/silence.py --seed 902 --clips 80

Clips of test_s and test_u of the tiny world with two sounding objects or more, tagged second by second by the tiny
BEATs. For each similarity that makes segments: the share of pairs of object and second that are told right, with
min_score .05, and with 0, where one object at least sounds as in the published way. Beside it, always: every object is
taken to sound all the time.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from tgs_pipeline.backends.encoder.beats import BeatsEncoder
from tgs_pipeline.data.fbank import SAMPLE_RATE_HZ, second_log_mels
from tgs_pipeline.sounding.objects import heard_objects
from tgs_pipeline.sounding.segments import find_segments
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.facts import name
from tgs_pipeline.tinyworld.scene import NUM_FRAMES, Scene
from tgs_pipeline.tinyworld.sound import render_sound

RIVAL_SHARE = 0.5
app = typer.Typer(help=__doc__)


@app.command()
def main(
    seed: Annotated[int, typer.Option(help="Data seed.")] = 902,
    clips: Annotated[int, typer.Option(min=1, help="Planned clips of each split.")] = 80,
    weights: Annotated[Path, typer.Option(help="A BEATs.")] = Path("weights/tiny/beats.safetensors"),
) -> None:
    """Tag the clips and count."""
    tagger = BeatsEncoder(weights, device="cpu", dtype="float32")
    scenes = [plan_clip(seed, split, index).scene for split in ("test_s", "test_u") for index in range(clips)]
    scenes = [scene for scene in scenes if len(scene.sounding()) > 1]
    tagged = [_tags(scene, tagger, rng=np.random.default_rng([seed, place])) for place, scene in enumerate(scenes)]
    truth = np.concatenate([_truth(scene).ravel() for scene in scenes])
    print(f"{len(scenes)} clips, {len(truth)} pairs; always: {truth.mean():.1%} right")
    for similarity in (0.5, 0.7, 0.9):
        for min_score in (0.05, 0.0):
            heard = [
                _heard(scene, tags_SK, tagger.labels, similarity=similarity, min_score=min_score).ravel()
                for scene, tags_SK in zip(scenes, tagged, strict=True)
            ]
            right = (np.concatenate(heard) == truth).mean()
            print(f"similarity {similarity}, min_score {min_score}: {right:.1%} right")


def _tags(scene: Scene, tagger: BeatsEncoder, *, rng: np.random.Generator) -> np.ndarray:
    """float32 (seconds, sound classes)."""
    waveform = render_sound(scene, sample_rate_hz=SAMPLE_RATE_HZ, rng=rng)
    return np.stack([tagger.classify(mels) for mels in second_log_mels(waveform)])


def _truth(scene: Scene) -> np.ndarray:
    """bool (sounding objects, seconds)."""
    events = [item.voice.events for item in scene.sounding() if item.voice is not None]
    return np.array(
        [
            [any(event.onset_sec <= second < event.offset_sec for event in one) for second in range(NUM_FRAMES)]
            for one in events
        ]
    )


def _heard(scene: Scene, tags_SK: np.ndarray, labels: list[str], *, similarity: float, min_score: float) -> np.ndarray:
    """bool (sounding objects, seconds), as segment.matching finds it."""
    names = [name(item) for item in scene.sounding()]
    heard = np.zeros((len(names), NUM_FRAMES), bool)
    for start, stop in find_segments(tags_SK, similarity=similarity):
        tags = list(zip(labels, tags_SK[start:stop].mean(axis=0).tolist(), strict=True))
        found = heard_objects(names, tags, rival_share=RIVAL_SHARE, min_score=min_score)
        heard[:, start:stop] = np.array([[one in found] for one in names])
    return heard


if __name__ == "__main__":
    app()
