"""Peak memory of propagation by length of the clip, and its time for each frame.

    python benchmarks/propagation.py --frames 150 --frames 600

Each length runs in a process of its own, through the operator of the stage: frames from JPEG files of 320 x 180 px, a
box in the middle frame, masks and score maps out. The model is the tiny SAM 2, untrained, but made sure that it sees
the object: what it remembers is of the size of a trained one's. Fails where the longest clip takes more than MARGIN_MIB
over the shortest, the results (as values and as a table) left out: those of an untrained model are noise, 20 KiB for
each frame.
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

MARGIN_MIB = 16
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
        peaks, results = [], []
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
            peak_kib, loaded_kib, row_bytes, cpu_sec = (float(word) for word in done.stdout.split())
            peaks.append(peak_kib / 1024)
            results.append(2 * row_bytes / 2**20)
            print(
                f"{count:6} frames: peak {peaks[-1]:.0f} MiB ({loaded_kib / 1024:.0f} MiB before the clip), "
                f"row {row_bytes / 1024:.0f} KiB, {cpu_sec / count:.3f} s of processor time for a frame",
                flush=True,
            )
    grown = peaks[-1] - results[-1] - (peaks[0] - results[0])
    print(f"from the shortest to the longest, results left out: {grown:+.0f} MiB")
    if grown > MARGIN_MIB:
        sys.exit(f"expected at most {MARGIN_MIB} MiB")


def write_clip(folder: Path, *, num_frames: int) -> None:
    """Frames of noise in blocks, moving to the right: 00000.jpg and so on."""
    folder.mkdir()
    blocks = np.random.default_rng(0).integers(0, 255, (SIZE[0] // 20, SIZE[1] // 20, 3), dtype=np.uint8)
    frame = blocks.repeat(20, 0).repeat(20, 1)
    for number in range(num_frames):
        Image.fromarray(np.roll(frame, number, axis=1)).save(folder / f"{number:05d}.jpg")


def child() -> None:
    """One clip: prints peak memory of the clip, memory before it (KiB), size of the row (bytes), processor time (s)."""
    import torch

    from tgs_pipeline.backends.segmenter.sam2_video import load_propagator

    torch.set_num_threads(1)
    folder, clip = (Path(argument) for argument in sys.argv[1:])
    propagator = load_propagator(
        folder / "sam2.yaml", folder / "sam2.safetensors", device="cpu", dtype="float32", input_size_px=None,
        swap_channels=False,
    )  # fmt: skip
    [*propagator.predictor.sam_mask_decoder.pred_obj_score_head.parameters()][-1].data.fill_(10.0)
    operator = propagation.PropagateOperator(propagator, root=clip, levels_size_px=224, background_logit=None)
    loaded_kib = memory_kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak, which loading the model may have set
    start = time.process_time()
    rows = operator(unit_of(clip))
    if rows["status"].to_pylist() != ["ok"]:
        sys.exit(str(rows["reason"]))
    print(memory_kib("VmHWM"), loaded_kib, rows.nbytes, time.process_time() - start)


def unit_of(clip: Path) -> pa.Table:
    """The clip as a unit of work, with a box in its middle frame."""
    paths = sorted(path.name for path in clip.iterdir())
    unit = {
        "key": "k", "vid": clip.name, "paths": paths, "frame_hashes": paths, "height": SIZE[0], "width": SIZE[1],
        "prompts": [[{"position": len(paths) // 2, "box_xyxy_px": BOX}]],
    }  # fmt: skip
    return pa.Table.from_pylist([unit], schema=propagation.UNIT)


def memory_kib(what: Literal["VmHWM", "VmRSS"]) -> int:
    """Resident memory of this process: its peak since the last reset, or now. Linux only."""
    return int(re.findall(rf"^{what}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)[0])


if __name__ == "__main__":
    app()
