"""Decoding that cannot leave the reply format: greedy search is confined to the tags of the prompt.

    <think> text </think> <answer> <f_object> text </f_object> <s_object> text </s_object> text </answer> end

A reply is a fixed sequence of closing tokens, each preceded by a section of other tokens: at least some, at most a
budget. The budgets and the closing tokens together are no more than the token limit, so a reply is always whole:
it can be neither truncated nor malformed. Blanks are allowed between tags, as models trained on the format write them.
A forced beginning must be one of the format; it uses nothing of the budgets, which are for what is written after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tgs_pipeline.prompts.ref_thinker import SPECIAL_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_BLANKS = 2  # between two tags
NUM_FORMAT_TOKENS = 9 + 3 * MAX_BLANKS  # tags with the end token, and the three gaps between tags
BOX_TAGS = ("<frame>", "</frame>", "<box>", "</box>")  # may follow the answer, as in the prompt


@dataclass(frozen=True)
class Section:
    """Up to `budget` tokens of `kinds`, then the token `close`. With `needs_text` one of them at least is no blank."""

    close: str
    kinds: frozenset[str]
    budget: int
    needs_text: bool


def make_sections(max_new_tokens: int, *, eos: str) -> list[Section]:
    """The sections of a reply of at most `max_new_tokens`.

    Of the text, 1/8 is for f_object, 1/16 for s_object, 1/8 for what follows, and the rest for thinking.
    Raises ValueError where the limit leaves a section without text.
    """
    text, blank = frozenset({"text", "blank"}), frozenset({"blank"})
    num_text = max_new_tokens - NUM_FORMAT_TOKENS
    if num_text < 8:
        raise ValueError(
            f"think.max_new_tokens is {max_new_tokens}: with reply_format enforced it must be at least "
            f"{NUM_FORMAT_TOKENS + 8}, so that every section has room for a word"
        )
    eighth, sixteenth = num_text // 8, max(1, num_text // 16)
    return [
        Section("<think>", frozenset(), 0, needs_text=False),
        Section("</think>", text, num_text - 2 * eighth - sixteenth, needs_text=True),
        Section("<answer>", blank, MAX_BLANKS, needs_text=False),
        Section("<f_object>", blank, MAX_BLANKS, needs_text=False),
        Section("</f_object>", text, eighth, needs_text=True),
        Section("<s_object>", blank, MAX_BLANKS, needs_text=False),
        Section("</s_object>", text, sixteenth, needs_text=True),
        Section("</answer>", text | {"box"}, eighth, needs_text=False),
        Section(eos, frozenset(), 0, needs_text=False),
    ]


@dataclass(frozen=True)
class Beginning:
    """Where a forced beginning ends: in which section, and whether that one has text already."""

    section: int
    has_text: bool


EMPTY = Beginning(section=0, has_text=False)


class ReplyFormat:
    """A transformers LogitsProcessor: forbids every token that would leave the format.

    The state of a reply is read from its ids at each step, so it holds nothing between calls and serves any batch.
    Shapes: B replies, N new tokens, V vocabulary, K sections.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", *, max_new_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.sections = make_sections(max_new_tokens, eos=tokenizer.eos_token)
        kinds = _kinds(tokenizer)
        ids = tokenizer.get_vocab()
        self.close_K = torch.tensor([ids[section.close] for section in self.sections])
        self.is_close_V = torch.zeros(len(kinds), dtype=torch.bool)
        self.is_close_V[self.close_K] = True
        self.is_text_V = torch.tensor([kind == "text" for kind in kinds])
        self.inside_KV = torch.tensor([[kind in section.kinds for kind in kinds] for section in self.sections])
        self.budget_K = torch.tensor([section.budget for section in self.sections])
        self.needs_text_K = torch.tensor([section.needs_text for section in self.sections])

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """scores (B, V) with what may not follow the new ids input_ids (B, N) at -inf."""
        return self.after([EMPTY] * len(input_ids))(input_ids, scores)

    def after(self, beginnings: Sequence[Beginning]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """The same for replies of which each has a forced beginning; the new ids are those that come after it."""

        def forbid(input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            allowed_BV = self.allowed(input_ids.cpu(), beginnings=beginnings)
            return scores.masked_fill(~allowed_BV.to(scores.device), float("-inf"))

        return forbid

    def read(self, forced_ids: Sequence[int]) -> Beginning:
        """Where a forced beginning ends. ValueError where no reply of the format begins so."""
        section, has_text = 0, False
        for place, token in enumerate(forced_ids):
            close = self.sections[section].close
            if token == int(self.close_K[section]) and (has_text or not self.sections[section].needs_text):
                section, has_text = section + 1, False
            elif self.inside_KV[section, token] and not self.is_close_V[token]:
                has_text |= bool(self.is_text_V[token])
            else:
                raise ValueError(
                    f"the forced text leaves the reply format at its token {place + 1} of {len(forced_ids)}, "
                    f"{self.tokenizer.convert_ids_to_tokens(token)!r}: expected more of the section that ends with "
                    f"{close}"
                )
            if section == len(self.sections):
                raise ValueError(f"the forced text holds {close}, which ends a reply: nothing can follow it")
        return Beginning(section, has_text)

    def allowed(self, ids_BN: torch.Tensor, *, beginnings: Sequence[Beginning] | None = None) -> torch.Tensor:
        """bool (B, V): the tokens that may come next, after the forced beginnings if there are any."""
        beginnings = beginnings or [EMPTY] * len(ids_BN)
        start_B = torch.tensor([beginning.section for beginning in beginnings])
        had_text_B = torch.tensor([beginning.has_text for beginning in beginnings])
        closes_BN = self.is_close_V[ids_BN]
        closed_BN = start_B[:, None] + closes_BN.cumsum(dim=1)
        num_closed_B = start_B + closes_BN.sum(dim=1)
        section_B = num_closed_B.clamp(max=len(self.sections) - 1)  # after the end come end tokens
        here_BN = ~closes_BN & (closed_BN == num_closed_B[:, None])
        used_B = here_BN.sum(dim=1)
        left_B = self.budget_K[section_B] - used_B
        has_text_B = (here_BN & self.is_text_V[ids_BN]).any(dim=1) | (had_text_B & (num_closed_B == start_B))
        lacks_text_B = self.needs_text_K[section_B] & ~has_text_B

        allowed_BV = self.inside_KV[section_B] & (left_B > 0)[:, None]
        allowed_BV &= self.is_text_V | ~(lacks_text_B & (left_B == 1))[:, None]  # the last place is for the text
        rows = torch.arange(len(ids_BN))
        allowed_BV[rows, self.close_K[section_B]] = ~lacks_text_B
        return allowed_BV


def _kinds(tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """The kind of each token: text, blank, box, or none of them: control tokens, and text that could spell a tag."""
    ids = tokenizer.get_vocab()
    special = {*tokenizer.all_special_ids, *(ids[token] for token in SPECIAL_TOKENS)}
    box = {ids[token] for token in BOX_TAGS}
    kinds = []
    for token, spelling in enumerate(tokenizer.batch_decode([[token] for token in range(len(tokenizer))])):
        if token in special:
            kinds.append("box" if token in box else "control")
        elif "<" in spelling or ">" in spelling:
            kinds.append("control")
        else:
            kinds.append("text" if spelling.strip() else "blank")
    return kinds
