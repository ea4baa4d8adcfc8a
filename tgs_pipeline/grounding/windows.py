"""Windows: which frames of a long clip are looked at together to choose one pivot among them."""


def windows(num_frames: int, *, frames_per_window: int, step: int) -> list[tuple[int, ...]]:
    """Frame indices of each window: every `step`-th frame, `frames_per_window` of them, one window after the other.

    A last window of a single frame leaves nothing to choose and is dropped, as upstream drops it; a clip that has no
    other keeps it. The windows carry their frames, so that none is found by counting (UPSTREAM_FACTS 6.2, traps T36 to
    T38). ValueError where a number is not positive.
    """
    if min(num_frames, frames_per_window, step) < 1:
        raise ValueError(
            f"windows of {frames_per_window} frames, every {step}th of {num_frames}: expected positive numbers"
        )
    sampled = range(0, num_frames, step)
    found = [tuple(sampled[low : low + frames_per_window]) for low in range(0, len(sampled), frames_per_window)]
    return [window for window in found if len(window) > 1] or found[:1]
