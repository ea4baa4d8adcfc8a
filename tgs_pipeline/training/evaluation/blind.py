"""The blind baseline: the best answer that can be given from the words of a reference alone, by counting.

It is fitted on questions about other clips of the same splits, in the same proportions, so that it knows how often
nothing is meant. Of objects it is even told that there is one, and the split: null is the commonest single answer to
many words, so a baseline that may say it finds fewer objects than it could. The exact text decides where it was met
often enough; else the wording, in which categories, colours, functions and noises are slots that an answer can repeat;
else the commonest answer.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tgs_pipeline.tinyworld.categories import CATEGORIES, COLORS, name_with_color
from tgs_pipeline.tinyworld.kinds import NOUNS
from tgs_pipeline.tinyworld.scene import SceneObject
from tgs_pipeline.training.evaluation.questions import Question

MIN_COUNT = 5  # of a text, from which its own answers count
_NULL = "null"


@dataclass(frozen=True)
class BlindAnswer:
    """s_object, None for null; s_object and the whole name, with colour, where it is known that an object is meant."""

    s_object: str | None
    if_present: str | None
    name_if_present: str | None


class Blind:
    """Predictors for all questions, and for those about objects of each split."""

    def __init__(self, questions: Iterable[Question]) -> None:
        """Fit on `questions`. ValueError where there is none."""
        asked = list(questions)
        self._any = WordsOnly(asked, words_of=category_of)
        of_split: dict[str, list[Question]] = defaultdict(list)
        for question in asked:
            if question.target is not None:
                of_split[question.split].append(question)
        self._categories = {split: WordsOnly(found, words_of=category_of) for split, found in of_split.items()}
        self._names = {split: WordsOnly(found, words_of=name_of) for split, found in of_split.items()}

    def answer(self, question: Question) -> BlindAnswer:
        """The answers to a question; ValueError where it is about an object of a split that was not fitted."""
        text = question.reference.text
        if question.target is None:
            return BlindAnswer(self._any.answer(text), None, None)
        split = question.split
        if split not in self._categories:
            raise ValueError(f"the blind baseline knows {sorted(self._categories)}, but not split {split!r}")
        return BlindAnswer(
            self._any.answer(text), self._categories[split].answer(text), self._names[split].answer(text)
        )


def category_of(item: SceneObject) -> tuple[str, ...]:
    """What s_object says."""
    return (item.category,)


def name_of(item: SceneObject) -> tuple[str, ...]:
    """What f_object says besides the place, in one order for all: persons and things count together."""
    return item.color, item.category


class WordsOnly:
    """Predicts `category_of` or `name_of` the object that a reference means."""

    def __init__(self, questions: Iterable[Question], *, words_of: Callable[[SceneObject], tuple[str, ...]]) -> None:
        """Count the answers to `questions`. ValueError where there is none."""
        self._of_text: dict[str, Counter[str]] = defaultdict(Counter)
        self._of_wording: dict[str, Counter[str]] = defaultdict(Counter)
        for question in questions:
            text = _normalise(question.reference.text)
            wording, values = _slots(text)
            words = (_NULL,) if question.target is None else words_of(question.target)
            self._of_text[text][_named(words)] += 1
            slots = (_slot(values.index(word)) if word in values else word for word in words)
            self._of_wording[wording][" ".join(slots)] += 1
        if not self._of_text:
            raise ValueError("there is nothing to fit the blind baseline on: ask about one clip at least")
        self._of_anything = sum(self._of_text.values(), Counter())

    def answer(self, reference: str) -> str | None:
        """The commonest answer to such words, None for null; equally common ones by the alphabet."""
        text = _normalise(reference)
        wording, values = _slots(text)
        if self._of_text[text].total() >= MIN_COUNT:
            found = _commonest(self._of_text[text])
        elif wording in self._of_wording:
            found = _named(_commonest(self._of_wording[wording]).format(*values).split())
        else:
            found = _commonest(self._of_anything)
        return None if found == _NULL else found


def _commonest(counts: Counter[str]) -> str:
    return min(counts, key=lambda answer: (-counts[answer], answer))


def _normalise(text: str) -> str:
    return text.lower().strip(" .")


def _slots(text: str) -> tuple[str, list[str]]:
    """The wording of a text, with numbered slots, and what they hold: a category or a colour."""
    values: list[str] = []

    def fill(match: re.Match[str]) -> str:
        value = _MEANINGS[match[0]]
        if value is None:
            return "{noun}"
        values.append(value)
        return _slot(len(values) - 1)

    return _MENTION.sub(fill, text), values


def _slot(number: int) -> str:
    return f"{{{number}}}"


def _named(words: Sequence[str]) -> str:
    """An answer in the words of chains."""
    if len(words) == 2 and words[1] in CATEGORIES:
        return name_with_color(words[1], words[0])
    return " ".join(words)  # a category, null, or a colour where others had a category


def _meanings() -> Mapping[str, str | None]:
    """Words that mean a category or a colour; None for the neutral words for an object."""
    found: dict[str, str | None] = dict.fromkeys(NOUNS)
    found |= {color: color for color in COLORS}
    for name, category in CATEGORIES.items():
        found |= dict.fromkeys((name, *category.functions), name)
        if category.noise is not None:
            found[category.noise] = name
    return MappingProxyType(found)


_MEANINGS = _meanings()
_MENTION = re.compile(
    r"(?<![\w-])(?:{})(?![\w-])".format("|".join(sorted(map(re.escape, _MEANINGS), key=lambda w: (-len(w), w))))
)
