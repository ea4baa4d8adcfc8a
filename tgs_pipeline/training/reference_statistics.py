"""Statistics of referring expressions: how long they are, how varied, and how often they give the category away."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from tgs_pipeline.data.ref_avsbench import COLUMNS, NULL_PREFIX
from tgs_pipeline.data.sample import read_csv
from tgs_pipeline.prompts.naming import names_category, words_of


@dataclass(frozen=True)
class ReferenceStatistics:
    """Of the references of one file.

    mean_words: words between blanks, as the paper counts (7.08 and 11.73 are reproduced by this count).
    vocabulary: distinct words in lower case; type_token_ratio: vocabulary / all words, which falls with the number of
    references, so compare files of one size. names_category: share that names the category of its object, of those
    that have an object (None where none has).
    """

    num_references: int
    mean_words: float
    vocabulary: int
    type_token_ratio: float
    names_category: float | None


def read_references(path: Path, *, uids: Collection[str] | None = None) -> list[tuple[str, str]]:
    """(uid, reference) of each row of a benchmark CSV; with `uids`, only of those."""
    rows = ((fields["uid"], fields["exp"]) for _, fields in read_csv(path, required=COLUMNS))
    found = [(uid, text) for uid, text in rows if uids is None or uid in uids]
    if not found:
        raise ValueError(f"{path}: no references" + ("" if uids is None else " with a uid of the other file"))
    return found


def measure(references: Iterable[tuple[str, str]]) -> ReferenceStatistics:
    """Statistics of at least one (uid, reference)."""
    references = list(references)
    texts = [text for _, text in references]
    words = [word for text in texts for word in words_of(text)]
    named = [
        names_category(text, uid.rsplit("_", 2)[1]) is not None
        for uid, text in references
        if not uid.startswith(NULL_PREFIX)
    ]
    return ReferenceStatistics(
        num_references=len(texts),
        mean_words=sum(len(text.split()) for text in texts) / len(texts),
        vocabulary=len(set(words)),
        type_token_ratio=len(set(words)) / max(1, len(words)),
        names_category=sum(named) / len(named) if named else None,
    )
