"""Log-mel filter banks as BEATs expects them (UPSTREAM_FACTS 2.2): kaldi's definition, without dither, normalised."""

import kaldi_native_fbank
import numpy as np

SAMPLE_RATE_HZ = 16000
NUM_MEL_BINS = 128
NUM_SEGMENTS = 10
CLIP_SEC = 10.0
# Upstream cuts any clip into ten equal parts, which are seconds only in a clip of 10 s (trap T12). Within this
# tolerance a segment has 97 to 99 frames, hence the same 48 BEATs patches, and lies within 0.1 s of its second.
TOLERANCE_SEC = 0.1
MIN_REST_SEC = 0.5  # what is left of a clip after its whole seconds and shorter than this belongs to the last one

MEAN = 15.41663
TWO_STD = 2 * 6.55582
INT16_SCALE = 2**15  # kaldi works on samples of 16-bit size


def log_mel(waveform: np.ndarray) -> np.ndarray:
    """Normalised log-mel energies float32 (frames, 128) of mono sound at 16 kHz, float32 (num_samples,), -1..1.

    25 ms frames every 10 ms, whole frames only (16000 samples give 98), pre-emphasis 0.97, povey window, power
    spectrum, 20 Hz to 8 kHz. ValueError where there is not one whole frame.
    """
    frames = _log_mels(waveform.astype(np.float32) * INT16_SCALE, num_mel_bins=NUM_MEL_BINS, window="povey")
    return ((frames - MEAN) / TWO_STD).astype(np.float32)


def unscaled_log_mel(waveform: np.ndarray, *, num_mel_bins: int) -> np.ndarray:
    """Log-mel energies float32 (frames, num_mel_bins) as LanguageBind's: a Hanning window, samples -1..1 as they are.

    waveform, frames and errors as in `log_mel`.
    """
    return _log_mels(waveform.astype(np.float32), num_mel_bins=num_mel_bins, window="hanning")


def segment_log_mels(waveform: np.ndarray) -> np.ndarray:
    """`log_mel` of each tenth of a clip: float32 (10, frames, 128), 98 frames for a clip of exactly 10 s.

    waveform: as in `log_mel`. ValueError where the clip is not 10 s long within TOLERANCE_SEC, because its tenths would
    not be the seconds that the thinker was trained on.
    """
    duration_sec = len(waveform) / SAMPLE_RATE_HZ
    if abs(duration_sec - CLIP_SEC) > TOLERANCE_SEC:
        raise ValueError(
            f"{duration_sec:.2f} s of sound, expected {CLIP_SEC:.0f} s (within {TOLERANCE_SEC} s): "
            "cut the clip to 10 s, or lengthen it"
        )
    length = len(waveform) // NUM_SEGMENTS
    return np.stack([log_mel(waveform[i * length : (i + 1) * length]) for i in range(NUM_SEGMENTS)])


def second_log_mels(waveform: np.ndarray) -> list[np.ndarray]:
    """`log_mel` of each second of a clip: float32 (frames, 128), 98 frames for a whole second, 48 or more for the last.

    waveform: as in `log_mel`, of any length. A rest shorter than MIN_REST_SEC lies in the last second; a clip shorter
    than that is one second. ValueError where there is not one whole frame.
    """
    num_sec = max(1, int(len(waveform) / SAMPLE_RATE_HZ + 1 - MIN_REST_SEC))
    starts = [second * SAMPLE_RATE_HZ for second in range(num_sec)]
    return [log_mel(waveform[start:stop]) for start, stop in zip(starts, [*starts[1:], len(waveform)], strict=True)]


def _log_mels(samples: np.ndarray, *, num_mel_bins: int, window: str) -> np.ndarray:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE_HZ
    options.frame_opts.frame_length_ms = 25
    options.frame_opts.frame_shift_ms = 10
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = 0.97
    options.frame_opts.window_type = window
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = num_mel_bins
    options.use_log_fbank = True
    options.use_power = True
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(SAMPLE_RATE_HZ, samples)
    bank.input_finished()
    if not bank.num_frames_ready:
        raise ValueError(
            f"{len(samples)} samples of sound are too short for one frame of 25 ms at 16 kHz (400 samples)"
        )
    return np.stack([bank.get_frame(index) for index in range(bank.num_frames_ready)])
