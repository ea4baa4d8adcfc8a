"""How much faster F from levels is than its definition by 255 passes, and how well they agree.

Run `python benchmarks/f_measure.py`: 1,000 frames of 224 x 224 px in videos of 10, one thread, about half a minute.
Both sides start from decoded arrays (float32 probabilities against uint8 levels), and processor time is measured, so
that other work on the machine does not count. It fails unless F is 100 times faster and equal to 1e-6.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from metrics import slow_tgs

from tgs_pipeline.metrics import levels, tgs

NUM_VIDEOS = 100
NUM_FRAMES = 10
SIZE_PX = 224
MIN_SPEEDUP = 100
MAX_DIFFERENCE = 1e-6


def main() -> None:
    """Time both on the same videos and print the ratio."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    videos = [make_video(generator) for _ in range(NUM_VIDEOS)]
    encoded = [([levels.encode(frame) for frame in p.numpy()], list(gt.numpy())) for p, gt in videos]
    slow, slow_sec = timed(slow_tgs.f_measure, videos)
    fast, fast_sec = timed(tgs.f_measure, encoded)
    difference = np.abs(np.subtract(slow, fast)).max()
    print(f"{NUM_VIDEOS * NUM_FRAMES} frames of {SIZE_PX} x {SIZE_PX} px")
    print(f"255 passes   {slow_sec:8.2f} s")
    print(f"from levels  {fast_sec:8.2f} s   {slow_sec / fast_sec:.0f} times faster")
    print(f"largest difference of F {difference:.1e}")
    if slow_sec < MIN_SPEEDUP * fast_sec or difference > MAX_DIFFERENCE:
        sys.exit(f"expected {MIN_SPEEDUP} times faster and a difference of at most {MAX_DIFFERENCE}")


def timed(measure: Callable[..., float], videos: list[tuple]) -> tuple[list[float], float]:
    """F of each video, and the seconds of processor time that took."""
    start = time.process_time()
    scores = [measure(*video) for video in videos]
    return scores, time.process_time() - start


def make_video(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities float32 (T, H, W) of blobs, and the ground truth bool they were blurred from."""
    coarse = torch.randn(NUM_FRAMES, 1, 8, 8, generator=generator) * 6 - 3
    logits = torch.nn.functional.interpolate(coarse, (SIZE_PX, SIZE_PX), mode="bilinear")[:, 0]
    return (logits + torch.randn(logits.shape, generator=generator)).sigmoid(), logits > 0


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
