"""How sure a thinker is that nothing is referred to: the probability of `null` where it begins to name the object.

It is read from the logits of the generation, in passing: the first token of the content of <s_object> that is no blank
is `null`, however it is spelled, or anything else. The probability is that of the name given the chain before it, so a
chain that has found nothing already leaves little doubt. Shapes: B replies, N new tokens, F forced ones, V vocabulary.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from tgs_pipeline.models.ref_thinker import Constraint
from tgs_pipeline.prompts.ref_thinker import NULL

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DECIMALS = 4  # the sums behind the others depend on the batch


class NullProbability:
    """The tokens of a vocabulary that spell `null` by themselves, and those that spell nothing."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.open_id: int = tokenizer.get_vocab()["<s_object>"]
        words = [text.strip() for text in tokenizer.batch_decode([[token] for token in range(len(tokenizer))])]
        self.is_blank_V = torch.tensor([not word for word in words])
        self.null_ids = torch.tensor([token for token, word in enumerate(words) if word.casefold() == NULL])

    def watch(self, constraint: Constraint | None, *, forced: Sequence[Sequence[int]]) -> "Watcher":
        """A constraint that does what `constraint` does and remembers; forced: the tokens before the new ones."""
        return Watcher(self, constraint, forced=forced)


class Watcher:
    """Sees the logits of one batch go by. probabilities: one for each reply, None until its name has begun.

    None stays where the vocabulary has no token `null`, or the name was forced.
    """

    def __init__(
        self, known: NullProbability, constraint: Constraint | None, *, forced: Sequence[Sequence[int]]
    ) -> None:
        self.known = known
        self.constraint = constraint
        self.probabilities: list[float | None] = [None] * len(forced)
        length = max(map(len, forced), default=0)
        filler = next(token for token in range(2) if token != known.open_id)  # anything before the name
        self.forced_BF = torch.tensor([[filler] * (length - len(ids)) + list(ids) for ids in forced], dtype=torch.long)

    def __call__(self, ids_BN: torch.Tensor, logits_BV: torch.Tensor) -> torch.Tensor:
        """The logits (B, V) as the constraint leaves them."""
        if self.constraint is not None:
            logits_BV = self.constraint(ids_BN, logits_BV)
        begins = self._begins(ids_BN.cpu()).nonzero()[:, 0].tolist()
        if begins and len(self.known.null_ids):
            share = logits_BV[begins].float().softmax(dim=1)[:, self.known.null_ids.to(logits_BV.device)].sum(dim=1)
            for reply, probability in zip(begins, share.tolist(), strict=True):
                self.probabilities[reply] = round(probability, DECIMALS)  # a blank was chosen before: look again
        return logits_BV

    def _begins(self, ids_BN: torch.Tensor) -> torch.Tensor:
        """bool (B,): the tag is open and nothing but blanks stands behind it."""
        ids_BL = torch.cat([self.forced_BF, ids_BN], dim=1)
        opens_BL = (ids_BL == self.known.open_id).long()
        inside_BL = opens_BL.cumsum(dim=1) > opens_BL
        return opens_BL.any(dim=1) & ~(inside_BL & ~self.known.is_blank_V[ids_BL]).any(dim=1)
