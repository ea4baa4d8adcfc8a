"""Object words of uids (`hair-dryer`) as they stand in sentences, and whether a sentence names one."""

import re

# Plurals that no rule gives, for the words of Ref-AVSBench and the tiny world and their likes.
_IRREGULAR = {
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
}
_ENDINGS = ((r"(s|x|z|ch|sh)$", r"\1es"), (r"([^aeiou])y$", r"\1ies"), (r"fe?$", "ves"), (r"$", "s"))
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")


def name_of(object_word: str) -> str:
    """The object word of a uid as a noun phrase: "hair-dryer" is a "hair dryer"."""
    return object_word.replace("-", " ")


def words_of(text: str) -> list[str]:
    """Words in lower case; hyphens part words, apostrophes do not."""
    return _WORD.findall(text.lower().replace("’", "'"))


def plurals_of(noun: str) -> set[str]:
    """Spellings of the plural of one noun."""
    found = {_IRREGULAR[noun]} if noun in _IRREGULAR else set()
    for pattern, ending in _ENDINGS:
        if re.search(pattern, noun):
            return found | {re.sub(pattern, ending, noun, count=1)} | {f"{noun}s"}
    return found


def names_category(text: str, object_word: str) -> str | None:
    """The word by which `text` names the category, singular or plural, or None.

    A compound is named by all of its words, joined or not, and by the last one alone (a "dryer" gives away the hair
    dryer as a "car" does the emergency car). Possessives count ("the dog's").
    """
    *modifiers, noun = name_of(object_word).lower().split()
    nouns = {noun, *plurals_of(noun)}
    joined = {"".join([*modifiers, form]) for form in nouns}
    for word in words_of(text):
        bare = word.split("'")[0]
        if bare in nouns | joined:
            return word
    return None
