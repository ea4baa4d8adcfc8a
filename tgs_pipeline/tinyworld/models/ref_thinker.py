"""The tiny Ref-Thinker: its sizes, its word-level tokenizer, and a seeded untrained copy in the format that is loaded.

The language model knows the words of the tiny world and of the prompts, one token each. Encoder widths are those of
the tiny CLIP and BEATs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tgs_pipeline.backends.thinker.checkpoint import Lora, QFormerSizes, Sizes, build, save
from tgs_pipeline.prompts.pretraining import QUESTION, audio_prompt, visual_prompt
from tgs_pipeline.prompts.ref_thinker import SPECIAL_TOKENS, inference_prompt, training_prompt

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

HIDDEN_SIZE = 256  # of the language model
SIZES = Sizes(
    visual_dim=128,
    audio_dim=128,
    qformer=QFormerSizes(num_queries=4, hidden_dim=128, num_layers=2, num_heads=4, ffn_dim=512, num_moments=10),
    lora=Lora(rank=8, alpha=16, dropout=0.05),
)
# As tinyworld/words.py splits a text, and line ends besides; other spaces only separate.
_TOKEN = r"\n|#[0-9]|x[0-9]|[0-9]+s\b|[a-z]+(?:[-'][a-z]+)*|[0-9]|[^\sa-z0-9]"
_UNKNOWN, _BOS, _EOS = "<unk>", "<s>", "</s>"  # ids 0, 1, 2 as in LLaMA


def write(folder: Path, *, seed: int) -> None:
    """Save a seeded, untrained tiny Ref-Thinker of the words of the tiny world below `folder` (float16)."""
    from tgs_pipeline.tinyworld.words import vocabulary

    write_untrained(folder, words=vocabulary(), seed=seed)


def write_untrained(folder: Path, *, words: Iterable[str], seed: int) -> None:
    """Save a seeded, untrained tiny Ref-Thinker that knows `words` and the words of the prompts."""
    tokenizer = make_tokenizer(words)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        llm = make_llm(tokenizer)
        llm.half().save_pretrained(folder / "llama")
        tokenizer.save_pretrained(folder / "llama")
        model = build(llm, tokenizer=tokenizer, sizes=SIZES)
    save(folder, model=model, sizes=SIZES, dtype=torch.float16)


def make_llm(tokenizer: "PreTrainedTokenizerFast") -> "LlamaForCausalLM":
    """The tiny language model with weights from torch's random state."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=HIDDEN_SIZE,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=1024,
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
    )
    return LlamaForCausalLM(config)


def make_tokenizer(words: Iterable[str]) -> "PreTrainedTokenizerFast":
    """A word-level tokenizer, lower case, with the special tokens of Ref-Thinker at the end of its vocabulary.

    ValueError where a word is not one token.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Split(Regex(_TOKEN), behavior="removed", invert=True)
    prompts = inference_prompt("") + training_prompt("") + audio_prompt()
    prompts += visual_prompt("image", "") + visual_prompt("video", QUESTION)
    for token in (*SPECIAL_TOKENS, _BOS):
        prompts = prompts.replace(token, " ")
    known = {piece for piece, _ in split.pre_tokenize_str(prompts.lower())} | set("\n.,:;?!'\"()-0123456789")
    for word in set(words) - set(SPECIAL_TOKENS):
        if [piece for piece, _ in split.pre_tokenize_str(word)] != [word]:
            raise ValueError(
                f"the word {word!r} is not one token of the tiny tokenizer: lower-case words and signs are"
            )
        known.add(word)
    ids = {word: number for number, word in enumerate([_UNKNOWN, _BOS, _EOS, *sorted(known)])}
    backend = Tokenizer(models.WordLevel(ids, unk_token=_UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = split
    readable = [
        decoders.WordPiece(prefix="##", cleanup=False),  # a space before each token but the first
        decoders.Fuse(),
        decoders.Replace(Regex(r" *\n *"), "\n"),
        decoders.Replace(Regex(r" (?=[.,:;?!])|(?<=[0-9]) (?=[0-9])"), ""),
    ]
    backend.decoder = decoders.Sequence(readable)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=_BOS,
        eos_token=_EOS,
        unk_token=_UNKNOWN,
        pad_token=_EOS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)
    return tokenizer
