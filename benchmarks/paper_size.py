"""Time and memory of the detector and the segmenter at the paper's sizes, with random weights in the published format.

    python benchmarks/paper_size.py detect --device cpu
    python benchmarks/paper_size.py segment --device cuda:0 --frames 20

Writes groundingdino_swint_ogc.pth or sam2.1_hiera_large.pt with drawn weights into a temporary folder, loads it as the
pipeline does, and runs it on noise of 1280 x 720 px, one frame at a time. Random weights cost what trained ones cost.
On shared machines absolute times of a CPU say little.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from transformers import BertConfig, BertTokenizer

from tgs_pipeline.backends.detector import groundingdino
from tgs_pipeline.backends.segmenter.sam2 import Sam2Segmenter, load_model
from tgs_pipeline.backends.segmenter.sam2_config import build_model

SIZE = (720, 1280)
BOX = [[400.0, 200.0, 800.0, 600.0]]
CAPTION = "w5 w6 w7."
BERT_WORDS = 30522
SPECIAL_WORDS = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
Device = Annotated[str, typer.Option(help="Where to run, as in runtime.devices.")]
Frames = Annotated[int, typer.Option(help="How many frames to time, after one that is not timed.", min=1)]
app = typer.Typer(no_args_is_help=True, help=__doc__)


@app.command()
def detect(device: Device = "cpu", frames: Frames = 3) -> None:
    """Grounding-DINO Swin-T at 800 to 1333 px."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "groundingdino_swint_ogc"
        write_grounding_dino(folder)
        detector = groundingdino.GroundingDinoDetector(
            folder, shortest_edge_px=800, longest_edge_px=1333, device=device, dtype="float32"
        )
        measure(lambda frame: detector.detect([frame], [CAPTION], floor=0.05), frames=frames, device=device)


@app.command()
def segment(device: Device = "cpu", frames: Frames = 3) -> None:
    """SAM 2.1 Hiera-L at 1024 px, from a box."""
    with tempfile.TemporaryDirectory() as name:
        config, weights = Path(name) / "sam2.1_hiera_l.yaml", Path(name) / "sam2.1_hiera_large.pt"
        config.write_bytes((files("sam2") / "configs/sam2.1/sam2.1_hiera_l.yaml").read_bytes())
        torch.save({"model": build_model(config).state_dict()}, weights)
        segmenter = Sam2Segmenter(
            load_model(config, weights, device=device),
            device=device,
            dtype="float32",
            input_size_px=None,
            swap_channels=False,
        )
        boxes = np.array(BOX, np.float32)
        measure(lambda frame: segmenter.segment([frame], [boxes]), frames=frames, device=device)


def write_grounding_dino(folder: Path) -> None:
    """A folder for the backend `groundingdino`: checkpoint, text configuration, and a vocabulary of BERT's size."""
    text = folder / groundingdino.TEXT_FOLDER
    text.mkdir(parents=True)
    BertConfig(vocab_size=BERT_WORDS).save_pretrained(text)
    words = {SPECIAL_WORDS.get(number, f"w{number}"): number for number in range(BERT_WORDS)}
    tokenizer = BertTokenizer(vocab=words, do_lower_case=True)
    tokenizer.save_pretrained(text)
    checkpoint = folder / "groundingdino_swint_ogc.pth"
    model = groundingdino._build(groundingdino._config(checkpoint), text_folder=text, tokenizer=tokenizer)
    torch.save({"model": {f"module.{name}": tensor for name, tensor in model.state_dict().items()}}, checkpoint)


def measure(run: Callable[[np.ndarray], object], *, frames: int, device: str) -> None:
    """Print seconds for each frame and the peak of memory."""
    generator = np.random.default_rng(0)
    noise = [generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(frames + 1)]
    run(noise[0])
    start = time.perf_counter()
    for frame in noise[1:]:
        run(frame)
    seconds = (time.perf_counter() - start) / frames  # results are on the CPU: nothing is under way
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{seconds:.2f} s for a frame on {device}, peak of the process {peak:.1f} GiB")
    if device.startswith("cuda"):
        print(f"peak of {device} {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB")


if __name__ == "__main__":
    app()
