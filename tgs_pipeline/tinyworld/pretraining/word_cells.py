"""An auxiliary loss of the tiny Grounding-DINO: each word of a caption tells which cells show what it names.

Without it the text encoder learned what categories are called and nothing else: a category nearly always tells the
object alone, and within some hundred steps BERT gave "red" and "blue" features that differ by .4 %, from which no
gradient recovers. Shapes: B captions, T tokens, C cells of all levels, V words of the vocabulary.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertTokenizer

from tgs_pipeline.tinyworld.pretraining.cells import CATEGORY_NAMES, COLOR_NAMES, NOTHING, PLACE_NAMES, Cells

_WIDTH = 64
_KINDS = {"category": CATEGORY_NAMES, "color": COLOR_NAMES, "place": PLACE_NAMES}
_SHARED = frozenset({"on", "the", "in", "of", "a"})  # words of places that tell no place


class WordReader(nn.Module):
    """Compares words with cells in a space of its own; it is thrown away after training.

    tokenizer: of the captions. width: of the features of words and of cells.
    """

    def __init__(self, tokenizer: BertTokenizer, *, width: int) -> None:
        super().__init__()
        # Normed first: the words' features are small by design (models/grounding_dino.TEXT_GAIN).
        self.words = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, _WIDTH))
        self.cells = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, _WIDTH))
        for kind, names in _KINDS.items():
            self.register_buffer(f"named_{kind}", _names_of(tokenizer, names), persistent=False)


def _names_of(tokenizer: BertTokenizer, names: list[str]) -> torch.Tensor:
    """Which names a token is a word of: bool (V, names + 1), the last column for cells that show nothing."""
    named = torch.zeros((len(tokenizer), len(names) + 1), dtype=torch.bool)
    for place, name in enumerate(names):
        words = [word for word in tokenizer.tokenize(name) if word not in _SHARED]
        named[tokenizer.convert_tokens_to_ids(words), place] = True
    return named


def loss_of(
    reader: WordReader, memory_BCD: torch.Tensor, text_BTD: torch.Tensor, token_ids_BT: torch.Tensor, cells: Cells
) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropies of the three kinds of words over the cells that show something, and how often they are right.

    memory_BCD, text_BTD: features that the encoder makes of cells and of words.
    """
    logits_BTC = reader.words(text_BTD) @ reader.cells(memory_BCD).transpose(1, 2) / math.sqrt(_WIDTH)
    loss, right = torch.zeros(()), {}
    for kind in _KINDS:
        named_VN = getattr(reader, f"named_{kind}")
        shown_BC = torch.from_numpy(getattr(cells, kind))
        named_BTN = named_VN[token_ids_BT]
        wanted_BTC = named_BTN.gather(2, (shown_BC % named_VN.shape[1])[:, None].expand(-1, named_BTN.shape[1], -1))
        counts_BTC = named_BTN.any(dim=-1)[:, :, None] & (shown_BC != NOTHING)[:, None]
        said, wanted = logits_BTC[counts_BTC].float(), wanted_BTC[counts_BTC]
        if len(said):
            loss = loss + F.binary_cross_entropy_with_logits(said, wanted.float())
        right[f"word_{kind}"] = ((said > 0) == wanted).float().mean().item() if len(said) else 0.0
    return loss, right
