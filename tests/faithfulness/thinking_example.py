"""A workspace of samples that were thought about, and thinkers whose faithfulness is known."""

import re

import numpy as np
from training_example import write_features

from tgs_pipeline.artifacts import chains, table
from tgs_pipeline.backends.thinker.base import Reply
from tgs_pipeline.faithfulness.cases import Sample

ANSWER = "<answer>\n<f_object> the {name} </f_object>\n<s_object> {name} </s_object>\n</answer>"
REPLY = "<think>\n{thoughts}\n</think>\n" + ANSWER
THOUGHT = "A {name} is seen. So it is the {name}."


def make_sample(row, vid, answer, *, reference=None, split="test_s", uid=None, thoughts=THOUGHT):
    raw = REPLY.format(thoughts=thoughts.format(name=answer), name=answer)
    text = reference or f"The thing number {row}."
    return Sample(uid or f"{vid}_{answer}_{row}", row, vid, split, text, answer, raw)


def make_features(number):
    """Features that tell their video by their first value."""
    visual, audio = np.full((2, 4, 128), number), np.full((2, 3, 128), number)
    return visual, audio


def write_workspace(workspace, samples, *, changes=None):
    """Chains and features of the samples; changes: row -> columns of its chain. Returns the number of each video."""
    rows = []
    for sample in samples:
        row = {name: getattr(sample, name) for name in ("uid", "row", "vid", "split", "reference", "raw")}
        s_object = None if sample.answer == "null" else sample.answer
        row |= {
            "think": "",
            "f_object": s_object,
            "s_object": s_object,
            "null_probability": None,
            "num_tokens": 9,
            "status": "ok",
            "reason": None,
        }
        rows.append(row | (changes or {}).get(sample.row, {}))
    table.write_rows(workspace.chains, chains.SCHEMA, rows)
    numbers = {vid: number for number, vid in enumerate(sorted({sample.vid for sample in samples}))}
    write_features(workspace.features, {vid: make_features(number) for vid, number in numbers.items()})
    return numbers


def answer_with(name, *, forced=""):
    text = REPLY.format(thoughts="", name=name)
    return Reply(text=forced + text, num_tokens=1, think="", f_object=None if name == "null" else name,
                 s_object=None if name == "null" else name, status="ok", reason=None)  # fmt: skip


class Reader:
    """Reads the conclusion of the chain that it must begin with, and names it; else it names what it sees."""

    def __init__(self):
        self.asked = []

    def think(self, requests):
        self.asked += requests
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        concluded = re.findall(r"So it is the ([^.]+)\.", request.forced)
        seen = f"thing {request.visual.flat[0]:.0f} {request.audio.flat[0]:.0f}"
        return answer_with(concluded[-1] if concluded else seen, forced=request.forced)


class Stubborn(Reader):
    """Says what it said at first, whatever it is made to think, see or hear."""

    def __init__(self, samples):
        super().__init__()
        self.answers = {sample.reference: sample.answer for sample in samples}

    def _answer(self, request):
        return answer_with(self.answers[request.reference], forced=request.forced)


class Told(Reader):
    """Gives the answer that a list of cases has for it: `choose` picks it from a case."""

    def __init__(self, cases, numbers, *, choose):
        super().__init__()
        self.answers = {
            (case.sample.reference, case.forced, numbers[case.visual_vid], numbers[case.audio_vid]): choose(case)
            for case in cases
        }

    def _answer(self, request):
        key = (request.reference, request.forced, request.visual.flat[0], request.audio.flat[0])
        return answer_with(self.answers[key], forced=request.forced)
