"""Peak memory of propagation by length of the clip, and its time for each frame.

    python benchmarks/propagation.py --frames 150 --frames 600

Each length runs in a process of its own, with frames from JPEG files of 320 x 180 px and a box in the middle frame:
first the propagator alone, its logits dropped, then the operator of the stage, which also holds the result, about
20 KiB for each frame here, since the masks of an untrained model are noise. The model is the tiny SAM 2, untrained, but
made sure that it sees the object: what it remembers is of the size of a trained one's. Fails where the propagator takes
more than MARGIN_MIB more for the longest clip than for the shortest.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import typer
from PIL import Image

from tgs_pipeline.segmenting import propagation

MARGIN_MIB = 8
SIZE = (180, 320)
BOX = [100.0, 40.0, 220.0, 140.0]
app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command()
def main(frames: Annotated[list[int], typer.Option(help="Length of a clip; repeat it.")]) -> None:
    """Measure each length and compare the longest with the shortest."""
    from tgs_pipeline.tinyworld.models import sam2 as tiny

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny.write(folder, seed=0)
        peaks = []
        for number, count in enumerate(sorted(frames)):
            clip = folder / str(number)
            write_clip(clip, num_frames=count)
            command = [
                sys.executable,
                "-c",
                f"from {Path(__file__).stem} import child; child()",
                str(folder),
                str(clip),
            ]
            done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
            before, alone, whole, result, cpu_sec = (float(word) for word in done.stdout.split())
            peaks.append(alone)
            print(
                f"{count:6} frames: {before:.0f} MiB before the clip, peak {alone:.0f} MiB, with the result of "
                f"{result:.1f} MiB {whole:.0f} MiB; {cpu_sec / count:.3f} s of processor time for a frame",
                flush=True,
            )
    if peaks[-1] > peaks[0] + MARGIN_MIB:
        sys.exit(f"expected at most {MARGIN_MIB} MiB between the shortest and the longest clip")


def write_clip(folder: Path, *, num_frames: int) -> None:
    """Frames of noise in blocks, moving to the right: 00000.jpg and so on."""
    folder.mkdir()
    blocks = np.random.default_rng(0).integers(0, 255, (SIZE[0] // 20, SIZE[1] // 20, 3), dtype=np.uint8)
    frame = blocks.repeat(20, 0).repeat(20, 1)
    for number in range(num_frames):
        Image.fromarray(np.roll(frame, number, axis=1)).save(folder / f"{number:05d}.jpg")


def child() -> None:
    """One clip: prints memory before it, peaks without and with its result, the result (MiB), processor time (s)."""
    import torch

    from tgs_pipeline.backends.segmenter.base import Prompt
    from tgs_pipeline.backends.segmenter.sam2_video import load_propagator

    torch.set_num_threads(1)
    folder, clip = (Path(argument) for argument in sys.argv[1:])
    propagator = load_propagator(
        folder / "sam2.yaml", folder / "sam2.safetensors", device="cpu", dtype="float32", input_size_px=None,
        swap_channels=False,
    )  # fmt: skip
    [*propagator.predictor.sam_mask_decoder.pred_obj_score_head.parameters()][-1].data.fill_(10.0)
    before = memory_mib("VmRSS")
    start = time.process_time()
    reset_peak()
    frames = propagation.ClipFrames(sorted(clip.iterdir()), size=SIZE)
    for _ in propagator.propagate(frames, [[Prompt(len(frames) // 2, np.float32(BOX))]]):
        pass
    alone, cpu_sec = memory_mib("VmHWM"), time.process_time() - start
    reset_peak()
    operator = propagation.PropagateOperator(propagator, root=clip, levels_size_px=224, background_logit=None)
    rows = operator(unit_of(clip))
    if rows["status"].to_pylist() != ["ok"]:
        sys.exit(str(rows["reason"]))
    print(before, alone, memory_mib("VmHWM"), rows.nbytes / 2**20, cpu_sec)


def reset_peak() -> None:
    """Forget the peak so far, which loading the model may have set. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")


def unit_of(clip: Path) -> pa.Table:
    """The clip as a unit of work, with a box in its middle frame."""
    paths = sorted(path.name for path in clip.iterdir())
    unit = {
        "key": "k", "vid": clip.name, "paths": paths, "frame_hashes": paths, "height": SIZE[0], "width": SIZE[1],
        "prompts": [[{"position": len(paths) // 2, "box_xyxy_px": BOX}]],
    }  # fmt: skip
    return pa.Table.from_pylist([unit], schema=propagation.UNIT)


def memory_mib(what: Literal["VmHWM", "VmRSS"]) -> float:
    """Resident memory of this process: its peak since the last reset, or now. Linux only."""
    found = re.findall(rf"^{what}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[0]) / 1024


if __name__ == "__main__":
    app()
