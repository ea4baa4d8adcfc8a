"""Tally: what a sample adds to scores that are taken over the frames of several samples at once.

The evaluators of Ref-AVS and AVSBench score batches of four videos and average the batches; that of AL-Ref-SAM 2 scores
all frames of a split at once (UPSTREAM_FACTS 5.1). Every sum that these need is additive.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tgs_pipeline.metrics.levels import NUM_THRESHOLDS


def _no_curve() -> np.ndarray:
    return np.zeros(NUM_THRESHOLDS)


@dataclass(frozen=True)
class Tally:
    """Sums over frames; `a + b` is the tally of both.

    region: sum of J. contour: sum of the F of single frames. curve: float64 (255,), sum of the F curves of the
    num_curves frames with ground truth. num_foreground_px of num_px: what is predicted where nothing is referred to.
    """

    num_frames: int = 0
    region: float = 0.0
    contour: float = 0.0
    curve: np.ndarray = field(default_factory=_no_curve)
    num_curves: int = 0
    num_foreground_px: int = 0
    num_px: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            num_frames=self.num_frames + other.num_frames,
            region=self.region + other.region,
            contour=self.contour + other.contour,
            curve=self.curve + other.curve,
            num_curves=self.num_curves + other.num_curves,
            num_foreground_px=self.num_foreground_px + other.num_foreground_px,
            num_px=self.num_px + other.num_px,
        )

    @property
    def mean_region(self) -> float:
        """J, 0..1: mean over frames."""
        return self.region / self.num_frames

    @property
    def mean_contour(self) -> float:
        """F, 0..1: mean over the F of single frames."""
        return self.contour / self.num_frames

    @property
    def best_of_curve(self) -> float:
        """F, 0..1: the mean curve at its best threshold; 0 where no frame has ground truth."""
        return float(self.curve.max() / self.num_curves) if self.num_curves else 0.0

    @property
    def root_of_share(self) -> float:
        """S, 0..1: square root of the share of foreground among all pixels."""
        return float(np.sqrt(self.num_foreground_px / self.num_px))


class Batches:
    """The mean over batches of consecutive samples, all of one weight, also the last and smaller one.

    size: samples in a batch; None: all samples are one batch. scores: of one batch, by name.
    """

    def __init__(self, *, size: int | None, scores: Callable[[Tally], dict[str, float]]) -> None:
        self.size = size
        self.scores = scores
        self._full: list[dict[str, float]] = []
        self._open = Tally()
        self._num_open = 0

    def add(self, tally: Tally) -> None:
        """Count one sample."""
        self._open += tally
        self._num_open += 1
        if self._num_open == self.size:
            self._full.append(self.scores(self._open))
            self._open, self._num_open = Tally(), 0

    def means(self) -> dict[str, float]:
        """Mean of each score over the batches so far; empty where there is no sample."""
        batches = [*self._full, *([self.scores(self._open)] if self._num_open else [])]
        return {name: float(np.mean([batch[name] for batch in batches])) for name in batches[0]} if batches else {}
