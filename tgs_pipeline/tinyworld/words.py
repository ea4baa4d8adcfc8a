"""Words: how texts of this world are split, and the closed list of all that can occur in them."""

import re

from tgs_pipeline.tinyworld import chains, kinds, reasoning
from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS, FAMILY_PHRASES

_WORD = re.compile(r"</?[a-z_]+>|#[0-9]|x[0-9]|[0-9]+s\b|[a-z]+(?:[-'][a-z]+)*|[0-9]|[^\sa-z0-9]")
_SLOT = re.compile(r"\{[a-z_]+\}")


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words (hyphens and apostrophes inside), single digits, tags and single signs."""
    return _WORD.findall(text.lower())


def vocabulary() -> list[str]:
    """List, sorted, everything that `split_words` can return for references, R2 references and chains of this world."""
    sources = [*CATEGORIES, *COLORS, *FAMILY_PHRASES.values(), *kinds.NOUNS, *kinds.FAMILY_WORDS, *kinds.SIDES]
    for category in CATEGORIES.values():
        sources += [*category.functions, category.noise or "", category.family]
    for kind in kinds.KINDS:
        sources += [*kind.wordings, kind.asks]
    sources += [*reasoning.TEMPLATES, *chains.TEMPLATES, "0123456789", "rightmost leftmost", "."]
    words: set[str] = set()
    for source in sources:
        words.update(split_words(_SLOT.sub(" ", source)))
    return sorted(words)
