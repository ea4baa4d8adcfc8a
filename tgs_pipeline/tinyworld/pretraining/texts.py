"""The texts that the tiny language model is pretrained on: clips as transcripts, described and reasoned about.

A text is a sequence of bags of ids: a token is a bag of one, a slot of a transcript a bag of its words, whose ids
follow those of the tokens. Three kinds teach two things apart. What a clip shows is read from its transcript (captions,
and openings of chains). What follows from it is read from the opening of the chain alone: there the transcript is
absent or that of another clip, so reasoning cannot look past what the chain says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tgs_pipeline.prompts.pretraining import QUESTION, audio_prompt, visual_prompt
from tgs_pipeline.prompts.ref_thinker import AUDIO, VIDEO, inference_prompt, training_prompt
from tgs_pipeline.tinyworld.categories import SOUNDING
from tgs_pipeline.tinyworld.chains import UNSEEN, describe_frames, describe_sound, write_parts
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.facts import NUMBERS, SILENT, SIZE_DEMANDS
from tgs_pipeline.tinyworld.kinds import KINDS
from tgs_pipeline.tinyworld.reasoning import rewrite_reference
from tgs_pipeline.tinyworld.references import Reference, choose_any_reference, choose_references
from tgs_pipeline.tinyworld.scene import Scene
from tgs_pipeline.tinyworld.transcript import EMPTY, MOMENTS, WORDS, Slots, crowd, frame_slots, misread, second_slots

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END = "</s>"
# What is to be predicted: nothing; all; all, what must be worked out above all; decisions and the answer alone.
Part = Literal["given", "told", "reasoned", "exercise"]
_FOREIGN_SHARE = 0.35  # of the chains to be reasoned about: with the transcript of another clip, others without any
_EXERCISE_SHARE = 0.1  # of what is to be reasoned about
# Demands, facts, whether they meet, and whether an object sounds: learned last, and few among many words.
_WORKED_OUT_WEIGHT = 4.0
_TIME_WEIGHT = 2.0  # the times of a description, for which a word must be looked for among all moments
_TIMES = tuple(f"{time}s" for time in range(11))
_CAPTIONS_PER_CLIP, _OPENINGS_PER_CLIP = 2, 4
# One reference in seventy is about size. From so few it is not learned that sizes are then told, and what follows.
_SIZE_KINDS = tuple(kind for kind in KINDS if kind.name in SIZE_DEMANDS)
_SIZE_OPENING_SHARE = 0.4  # of the clips
_SIZE_REASONINGS = 4  # about each such reference that is clear
_WHOLE_PROMPT_SHARE = 0.25
_FIXED_END = ", analyze the video"
# Of the slots: something is overlooked in a frame or second. Others are misread (`misread`), more where objects stand
# close (`crowd`): so a description rests on all moments, as it must with encoders that err.
_SLOT_DROPOUT = 0.03


@dataclass(frozen=True)
class Text:
    """A sequence, and how much the prediction of each of its places counts: 0 for what is given."""

    bags: list[list[int]]
    weights: list[float]


class TextWriter:
    """Writes texts about clips of the split `open` for a tokenizer."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        self._ids = tokenizer.get_vocab()
        self._slot_ids: Mapping[str, int] = {
            word: len(tokenizer) + number for number, word in enumerate((*WORDS, *MOMENTS))
        }

    @property
    def num_ids(self) -> int:
        """How many ids a bag can hold: tokens and words of slots."""
        return len(self._tokenizer) + len(self._slot_ids)

    def about_clip(self, *, seed: int, index: int, foreign: Scene) -> Iterator[Text]:
        """All texts about a clip; `foreign` is the scene of another."""
        plan = plan_clip(seed, "open", index)
        rng = np.random.default_rng([seed, index, 1])
        target = int(rng.integers(len(plan.scene.objects)))
        rewritten = rewrite_reference(rng, plan.scene, target)
        references = [*plan.references, *([rewritten] if rewritten else [])]
        for _ in range(_CAPTIONS_PER_CLIP):
            yield self.caption(rng, plan.scene)
        for _ in range(_OPENINGS_PER_CLIP):
            yield self.opening(rng, plan.scene, references[int(rng.integers(len(references)))])
        if rng.random() < _SIZE_OPENING_SHARE:
            yield self.opening(rng, plan.scene, choose_any_reference(rng, plan.scene, kinds=_SIZE_KINDS))
        sized = choose_references(rng, plan.scene, number=len(_SIZE_KINDS), kinds=_SIZE_KINDS)
        for reference in (*references, *(sized * _SIZE_REASONINGS)):
            yield self.reasoning(rng, plan.scene, reference, foreign=foreign)
        if plan.null is not None:
            if plan.null.scene is not plan.scene:
                yield self.opening(rng, plan.null.scene, plan.null.references[0])
            for reference in plan.null.references:
                yield self.reasoning(rng, plan.null.scene, reference, foreign=foreign)

    def caption(self, rng: np.random.Generator, scene: Scene) -> Text:
        """A caption of the frames or of the sound, from its transcript."""
        if rng.random() < 0.5:
            prompt, answer = visual_prompt("video", QUESTION), describe_frames(rng, scene, sizes=True)
        else:
            prompt, answer = audio_prompt(), describe_sound(rng, scene, numbered=False)
        return self._join([(prompt, "given"), (answer + END, "told")], self._transcript(rng, scene))

    def opening(self, rng: np.random.Generator, scene: Scene, reference: Reference) -> Text:
        """The opening of a chain, from the transcript of its clip."""
        opening, _ = write_parts(rng, scene, reference)
        return self._join([(_prompt(rng, reference), "given"), (opening, "told")], self._transcript(rng, scene))

    def reasoning(self, rng: np.random.Generator, scene: Scene, reference: Reference, *, foreign: Scene | None) -> Text:
        """A whole chain, of which the demand and what follows from the description are to be predicted.

        Sometimes an exercise instead: the checks alone, of which the decisions and what is left are to be predicted.
        """
        opening, rest = write_parts(rng, scene, reference)
        if rng.random() < _EXERCISE_SHARE:
            return self._join([(_exercise(rest), "exercise")], {})
        end = opening.index(". ") + 1
        parts: list[tuple[str, Part]] = [(_prompt(rng, reference), "given"), (opening[:end], "told")]
        parts += [(opening[end:], "given"), (rest + END, "reasoned")]
        is_foreign = foreign is not None and rng.random() < _FOREIGN_SHARE
        return self._join(parts, self._transcript(rng, foreign) if is_foreign and foreign is not None else {})

    def _transcript(self, rng: np.random.Generator, scene: Scene) -> dict[int, list[list[int]]]:
        """The bags that stand in the place of each media token."""
        return {
            self._ids[VIDEO]: self._bags(rng, frame_slots(rng, scene)),
            self._ids[AUDIO]: self._bags(rng, second_slots(rng, scene)),
        }

    def _bags(self, rng: np.random.Generator, slots: Slots) -> list[list[int]]:
        read = [
            [*([EMPTY] if rng.random() < _SLOT_DROPOUT else misread(rng, slot)), moment]
            for moment, slots_of_moment in zip(MOMENTS, crowd(rng, slots), strict=True)
            for slot in slots_of_moment
        ]
        return [[self._slot_ids[word] for word in slot] for slot in read]

    def _join(self, parts: Sequence[tuple[str, Part]], transcript: Mapping[int, list[list[int]]]) -> Text:
        media = {self._ids[token] for token in (VIDEO, AUDIO)}
        bags: list[list[int]] = []
        weights: list[float] = []
        for text, part in parts:
            tokens = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            for token, weight in zip(tokens, self._weights(tokens, part), strict=True):
                new = transcript.get(token, []) if token in media else [[token]]
                bags += new
                weights += [weight] * len(new)
        return Text(bags, weights)

    def _weights(self, tokens: Sequence[int], part: Part) -> list[float]:
        if part == "given":
            return [0.0] * len(tokens)
        if part == "told":
            times = {self._ids[time] for time in _TIMES}
            weights = [_TIME_WEIGHT if token in times else 1.0 for token in tokens]
            for place in self._heard(tokens):
                weights[place] = _WORKED_OUT_WEIGHT
            return weights
        checks, answer = self._checks(tokens)
        known = 1.0 if part == "reasoned" else 0.0
        weights = [known if place <= answer else 1.0 for place in range(len(tokens))]
        for place in self._decisions(tokens, checks, answer):
            weights[place] = _WORKED_OUT_WEIGHT
        if part == "reasoned":
            for place in self._looked_up(tokens, checks, answer):
                weights[place] = _WORKED_OUT_WEIGHT
        return weights

    def _heard(self, tokens: Sequence[int]) -> list[int]:
        """What tells whether an object, or something out of view, sounds: silent, or a sound's name, after a source."""
        sources = {self._ids[source] for source in (*NUMBERS, UNSEEN)}
        told = {self._ids[name] for name in (SILENT, *SOUNDING)}
        return [place for place in range(1, len(tokens)) if tokens[place - 1] in sources and tokens[place] in told]

    def _decisions(self, tokens: Sequence[int], checks: int, answer: int) -> list[int]:
        """What follows a comma in the checks: the next demand, `keep` or `out`."""
        return [place for place in range(checks, answer) if tokens[place - 1] == self._ids[","]]

    def _looked_up(self, tokens: Sequence[int], checks: int, answer: int) -> list[int]:
        """What is compared and wanted, from the first colon on, and the facts, which follow each question mark."""
        ends = {self._ids[sign] for sign in ",;"}
        places = list(range(list(tokens).index(self._ids[":"]) + 1, checks))
        is_fact = False
        for place in range(checks, answer):
            is_fact = (is_fact or tokens[place - 1] == self._ids["?"]) and tokens[place] not in ends
            if is_fact:
                places.append(place)
        return places

    def _checks(self, tokens: Sequence[int]) -> tuple[int, int]:
        """The dots before and after the checks, which ask the last question."""
        asked = max(place for place, token in enumerate(tokens) if token == self._ids["?"])
        dots = [place for place, token in enumerate(tokens) if token == self._ids["."]]
        return max(dot for dot in dots if dot < asked), min(dot for dot in dots if dot > asked)


def _exercise(rest: str) -> str:
    """The checks and which candidate is left; its name stands in the description alone."""
    thoughts = rest.partition("\n</think>")[0]
    left, found, _ = thoughts.rpartition(", the ")
    return left if found else thoughts


def _prompt(rng: np.random.Generator, reference: Reference) -> str:
    """A prompt of Ref-Thinker, mostly cut after the reference: its fixed end is two thirds of it."""
    prompt = (training_prompt if rng.random() < 0.5 else inference_prompt)(reference.text)
    return prompt if rng.random() < _WHOLE_PROMPT_SHARE else prompt[: prompt.index(_FIXED_END)]
