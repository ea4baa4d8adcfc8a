"""Time and memory of thinker, detector and segmenter at the paper's sizes, with drawn weights in the published format.

    python benchmarks/paper_size.py detect --device cpu
    python benchmarks/paper_size.py segment --device cuda:0 --frames 20
    python benchmarks/paper_size.py think --device cuda:0 --references 8 --new-tokens 256  # 15 GB of disk, too

Each writes its files (groundingdino_swint_ogc.pth; sam2.1_hiera_large.pt; LLaMA-2-7b, finetune_weights.bin and
non_lora_trainables.bin) into a temporary folder, loads them as the pipeline does, and runs on noise: frames of 1280 x
720 px one at a time, or a batch of references to a clip of ten frames and seconds. Drawn weights cost what trained ones
cost. On shared machines absolute times of a CPU say little.
"""

import json
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
from safetensors.torch import save_file
from transformers import BertConfig, BertTokenizer, LlamaConfig, LlamaForCausalLM

from tgs_pipeline.backends.detector import groundingdino
from tgs_pipeline.backends.segmenter.sam2 import Sam2Segmenter, load_model
from tgs_pipeline.backends.segmenter.sam2_config import build_model
from tgs_pipeline.backends.thinker import published
from tgs_pipeline.backends.thinker.base import Request
from tgs_pipeline.backends.thinker.checkpoint import Lora, QFormerSizes, Sizes, build
from tgs_pipeline.backends.thinker.ref_thinker import RefThinkerRunner
from tgs_pipeline.prompts.ref_thinker import SPECIAL_TOKENS
from tgs_pipeline.tinyworld.models.ref_thinker import make_tokenizer

SIZE = (720, 1280)
BOX = [[400.0, 200.0, 800.0, 600.0]]
CAPTION = "w5 w6 w7."
BERT_WORDS = 30522
SPECIAL_WORDS = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
LLAMA = LlamaConfig(vocab_size=32000, hidden_size=4096, intermediate_size=11008, max_position_embeddings=4096)
SIZES = Sizes(
    visual_dim=1024,
    audio_dim=768,
    qformer=QFormerSizes(num_queries=32, hidden_dim=768, num_layers=2, num_heads=12, ffn_dim=3072),
    lora=Lora(rank=8, alpha=16, dropout=0.05),
)
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


@app.command()
def think(
    device: Device = "cpu",
    references: Annotated[int, typer.Option(help="How many in the batch.", min=1)] = 1,
    new_tokens: Annotated[int, typer.Option(help="Tokens to generate for each.", min=1)] = 16,
) -> None:
    """Ref-Thinker around LLaMA-2-7b, bfloat16."""
    with tempfile.TemporaryDirectory() as name:
        write_ref_thinker(Path(name))
        start = time.perf_counter()
        runner = RefThinkerRunner(
            Path(name),
            reply_format="free",
            max_new_tokens=new_tokens,
            prompt="inference",
            padding="masked",
            dtype=torch.bfloat16,
            device=device,
        )
        print(f"loaded in {time.perf_counter() - start:.0f} s")
        generator = np.random.default_rng(0)
        visual, audio = (generator.normal(size=size).astype(np.float16) for size in ((10, 256, 1024), (10, 48, 768)))
        requests = [Request(reference=f"w{number}", visual=visual, audio=audio) for number in range(references)]
        start = time.perf_counter()
        runner.think(requests)
        seconds = time.perf_counter() - start
    print(f"{seconds:.1f} s for {references} references of {new_tokens} tokens on {device}")
    show_peak(device)


def write_ref_thinker(folder: Path) -> None:
    """llama/ in one file for each layer, the two published files, and the sizes; all of one block of drawn numbers."""
    generator = torch.Generator().manual_seed(0)
    block = (0.02 * torch.randn(2 * LLAMA.hidden_size * LLAMA.vocab_size, generator=generator)).to(torch.bfloat16)

    def drawn(shape: tuple[int, ...]) -> torch.Tensor:
        return block[: torch.Size(shape).numel()].reshape(shape).clone()

    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [a + b + c + d for a in letters for b in letters for c in letters for d in letters]
    tokenizer = make_tokenizer(words[: LLAMA.vocab_size - (len(make_tokenizer([])) - len(SPECIAL_TOKENS))])
    with torch.device("meta"):
        llm = LlamaForCausalLM(LLAMA)
    names: dict[str, str] = {}
    llama = folder / "llama"
    LLAMA.save_pretrained(llama)
    tokenizer.save_pretrained(llama)
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for key, tensor in llm.state_dict().items():
        part = key.split(".")[2] if key.startswith("model.layers.") else "other"
        parts.setdefault(f"model-{part}.safetensors", {})[key] = tuple(tensor.shape)
    for file, shapes in parts.items():
        save_file({key: drawn(shape) for key, shape in shapes.items()}, llama / file, metadata={"format": "pt"})
        names |= dict.fromkeys(shapes, file)
    (llama / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    with torch.device("meta"):
        model = build(llm, tokenizer=tokenizer, sizes=SIZES)
    for file, shapes in zip(
        ("finetune_weights.bin", "non_lora_trainables.bin"), published.shapes(model, sizes=SIZES), strict=True
    ):
        torch.save({name: drawn(shape) for name, shape in shapes.items()}, folder / file)
    (folder / "ref_thinker.json").write_text(SIZES.model_dump_json())


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
    print(f"{seconds:.2f} s for a frame on {device}")
    show_peak(device)


def show_peak(device: str) -> None:
    """Print the peak memory of the process and of a GPU."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak of the process {peak:.1f} GiB, mapped files that were read included")
    if device.startswith("cuda"):
        print(f"peak of {device} {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB")


if __name__ == "__main__":
    app()
