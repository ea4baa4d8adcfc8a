"""A real multimodal model on this machine: a tiny LLaVA with random weights behind `transformers serve`.

It reads pictures and writes words of its small vocabulary, which mean nothing. It is served under three names, with
other settings of generation (of which some servers' protocol has a part, and the params have none):
`numbers`   says [1] or [2]
`nonsense`  says some words, but no number
`endless`   the same without an end
Nothing is fetched from anywhere.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from project import ROOT

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

UNKNOWN, START, END, IMAGE = "<unk>", "<s>", "</s>", "<image>"
NUMBERS = ("[1]", "[2]", *(f"[{number}]" for number in range(3, 10)), "[-1]")
LAST_WORDS_EVERY = 6  # of the vocabulary of `nonsense`: replies have so many words on average
IMAGE_SIZE_PX, PATCH_SIZE_PX = 32, 8
NUM_IMAGE_TOKENS = (IMAGE_SIZE_PX // PATCH_SIZE_PX) ** 2
TEMPLATE = (
    "{{ bos_token }}{% for turn in messages %}{{ turn['role'] }}: {% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
START_SEC = 240.0  # seconds of work, but two cores may be busy with other tests


@dataclass(frozen=True)
class ServedModel:
    """Where its three names are asked, what its words are, and what its server has written."""

    base_url: str
    tokenizer: "PreTrainedTokenizerFast"
    log: Path

    @property
    def num_requests(self) -> int:
        """Questions that have come over the wire, from the server's own log."""
        return self.log.read_text(errors="replace").count('"POST /v1/chat/completions')

    def num_tokens(self, question: str) -> int:
        """Tokens of a conversation that asks `question` about one picture."""
        return len(self.tokenizer.tokenize(f"{START} user: Frames: {question} assistant:")) + NUM_IMAGE_TOKENS


@contextmanager
def serve(folder: Path, *, texts: Iterable[str]) -> Iterator[ServedModel]:
    """Make the model with the words of `texts` in `folder` and serve it; skips where packages for that are missing.

    In CI, which installs them, that is a failure.
    """
    from transformers.utils.import_utils import is_serve_available

    if not is_serve_available():
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("`transformers serve` needs fastapi and uvicorn: install the extra dev of pyproject.toml")
    tokenizer = make_models(folder, texts=texts)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", "--device", "cpu"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "PYTHONPATH": _python_path()},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log)
        yield ServedModel(f"http://127.0.0.1:{port}/v1", tokenizer, log)
    finally:
        process.kill()
        process.wait()


def make_models(folder: Path, *, texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """Save the model and its processor, random but the same every time, under each name."""
    import torch
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        GenerationConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = _make_tokenizer(texts)
    ids = tokenizer.get_vocab()
    size = {"height": IMAGE_SIZE_PX, "width": IMAGE_SIZE_PX}
    processor = LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": IMAGE_SIZE_PX}, crop_size=size),
        tokenizer,
        patch_size=PATCH_SIZE_PX,
        vision_feature_select_strategy="default",
        chat_template=TEMPLATE,
        num_additional_image_tokens=1,
    )
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**layers, image_size=IMAGE_SIZE_PX, patch_size=PATCH_SIZE_PX, projection_dim=32),
        text_config=LlamaConfig(**layers, num_key_value_heads=2, vocab_size=len(ids), max_position_embeddings=4096),
        image_token_index=ids[IMAGE],
        image_seq_length=NUM_IMAGE_TOKENS,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlavaForConditionalGeneration(config).eval()
    for name, generation in _generations(ids).items():
        model.generation_config = GenerationConfig(do_sample=True, pad_token_id=ids[END], **generation)
        model.save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
    return tokenizer


def _generations(ids: dict[str, int]) -> dict[str, dict[str, list[int]]]:
    """By name, after which tokens a reply is over and which are never said."""
    numbers, never = [ids[word] for word in NUMBERS], [ids[word] for word in (UNKNOWN, START, IMAGE)]
    words = sorted(set(ids.values()) - {*numbers, *never, ids[END]})
    return {
        "numbers": {"eos_token_id": numbers, "suppress_tokens": [*never, ids[END], *words, *numbers[2:]]},
        "nonsense": {"eos_token_id": words[::LAST_WORDS_EVERY], "suppress_tokens": [*never, ids[END], *numbers]},
        "endless": {"eos_token_id": [ids[END]], "suppress_tokens": [*never, ids[END], *numbers]},
    }


def _make_tokenizer(texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """Words, signs, and numbers in square brackets, which are one token each."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Split(Regex(r"\[-?[0-9]+\]|\w+|[^\w\s]"), behavior="removed", invert=True)
    words = {word for text in texts for word, _ in split.pre_tokenize_str(text)}
    known = [UNKNOWN, START, END, IMAGE, *NUMBERS, *sorted(words - set(NUMBERS))]
    backend = Tokenizer(models.WordLevel({word: at for at, word in enumerate(known)}, unk_token=UNKNOWN))
    backend.pre_tokenizer = split
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token=UNKNOWN, bos_token=START, eos_token=END, pad_token=END
    )
    tokenizer.add_tokens([IMAGE], special_tokens=True)
    return tokenizer


def _wait_until_healthy(process: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SEC
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"`transformers serve` has not started: {log.read_text(errors='replace')[-3000:]}")


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
