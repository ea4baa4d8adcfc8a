import re
from dataclasses import replace

import numpy as np
import pytest
from tinyworld.samples import make_object, make_scene, make_voice

from tgs_pipeline.prompts.ref_thinker import inference_prompt, training_prompt
from tgs_pipeline.tinyworld import words
from tgs_pipeline.tinyworld.chains import describe_frames, describe_sound, write_parts
from tgs_pipeline.tinyworld.clip import plan_clip
from tgs_pipeline.tinyworld.models.ref_thinker import make_tokenizer
from tgs_pipeline.tinyworld.pretraining import texts
from tgs_pipeline.tinyworld.pretraining.texts import TextWriter
from tgs_pipeline.tinyworld.references import Reference
from tgs_pipeline.tinyworld.solver import Atom
from tgs_pipeline.tinyworld.transcript import MOMENTS, NUM_SLOTS, WORDS

GUITAR = make_object(0, "guitar", voice=make_voice(2, 10, loudness=1, pulse_hz=4.0))
DOG = make_object(1, "dog", color="red", voice=make_voice(0, 3, loudness=4, pulse_hz=1.0))
SCENE = make_scene(GUITAR, DOG)
FOREIGN = make_scene(make_object(0, "train", color="green", voice=make_voice(0, 10, loudness=3, pulse_hz=None)))
REFERENCE = Reference("loudest", "The loudest.", "the loudest sound", (Atom("sounding"), Atom("loudest")), 1)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(words.vocabulary())


@pytest.fixture
def writer(tokenizer, monkeypatch):
    """Nothing is overlooked or misread in its transcripts."""
    monkeypatch.setattr(texts, "_SLOT_DROPOUT", 0.0)
    monkeypatch.setattr(texts, "misread", lambda rng, slot: slot)
    monkeypatch.setattr(texts, "crowd", lambda rng, slots: slots)
    return TextWriter(tokenizer)


@pytest.fixture
def read(tokenizer):
    """The tokens of a text as strings, and each bag of a transcript as a tuple of words."""

    def of(text):
        assert len(text.bags) == len(text.weights)
        first, names = len(tokenizer), (*WORDS, *MOMENTS)
        return [
            tokenizer.convert_ids_to_tokens(bag[0]) if bag[0] < first else tuple(names[one - first] for one in bag)
            for bag in text.bags
        ]

    return of


def weighed(places, text, *, weight):
    return [place for place, one in zip(places, text.weights, strict=True) if one == weight]


def slots_in(places):
    """The words of each slot; its last one, the moment, counts the frames or seconds."""
    slots = [place for place in places if isinstance(place, tuple)]
    moments = [moment for moment in MOMENTS for _ in range(NUM_SLOTS)]
    assert [slot[-1] for slot in slots] == moments * (len(slots) // len(moments))
    return [slot[:-1] for slot in slots]


HEARD = [["#1", "guitar", "faint"], ["#2", "dog", "booming"]]
TIME = re.compile(r"\d+s")


def tokens_of(tokenizer, text):
    return tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_ids_of_words_follow_those_of_tokens(writer, tokenizer):
    assert writer.num_ids == len(tokenizer) + len(WORDS) + len(MOMENTS)
    text = writer.opening(np.random.default_rng(0), FOREIGN, replace(REFERENCE, target=0))
    slots = {tuple(bag[:-1]) for bag in text.bags if bag[0] >= len(tokenizer)}
    expected = [["heard train", "loudness 3"], ["green", "train", "column 2", "size 6"], ["empty"]]
    assert slots == {tuple(len(tokenizer) + WORDS.index(word) for word in slot) for slot in expected}
    assert all(len(bag) == 1 for bag in text.bags if bag[0] < len(tokenizer))


def see(rng, scene):
    return describe_frames(rng, scene, sizes=True)


def hear(rng, scene):
    return describe_sound(rng, scene, numbered=False)


@pytest.mark.parametrize(("seed", "describe"), [(2, see), (0, hear)])
def test_a_caption_is_told_from_the_transcript_of_its_medium(writer, tokenizer, read, seed, describe):
    rng = np.random.default_rng(seed)
    assert (rng.random() < 0.5) == (describe is see)
    expected = describe(rng, SCENE)
    text = writer.caption(np.random.default_rng(seed), SCENE)
    places = read(text)
    told = [*tokens_of(tokenizer, expected), "</s>"]
    assert [place for place, weight in zip(places, text.weights, strict=True) if weight] == told
    assert weighed(places, text, weight=2.0) == [token for token in told if TIME.fullmatch(token)]
    assert set(text.weights) == ({0.0, 1.0} if describe is see else {0.0, 1.0, 2.0})
    kind = "video" if describe is see else "audio"
    start, end = places.index(f"<{kind}_start>"), places.index(f"<{kind}_end>")
    assert len(slots_in(places)) == end - start - 1 == 10 * NUM_SLOTS
    assert f"<{kind}>" not in places
    heard = any("heard dog" in slot for slot in slots_in(places))
    assert heard == (kind == "audio")


def test_an_opening_is_told_from_the_transcripts_of_its_clip(writer, tokenizer, read):
    expected, _ = write_parts(np.random.default_rng(3), SCENE, REFERENCE)
    text = writer.opening(np.random.default_rng(3), SCENE, REFERENCE)
    places = read(text)
    told = tokens_of(tokenizer, expected)
    heard = {place for place, token in enumerate(told) if told[place - 1 : place + 2] in HEARD}
    plain = [token for place, token in enumerate(told) if place not in heard and not TIME.fullmatch(token)]
    assert weighed(places, text, weight=1.0) == plain
    assert weighed(places, text, weight=2.0) == [token for token in told if TIME.fullmatch(token)] != []
    assert weighed(places, text, weight=4.0) == ["guitar", "dog"]  # that they sound
    slots = slots_in(places)
    assert len(slots) == 2 * 10 * NUM_SLOTS
    assert slots.count(("red", "dog", "column 4", "size 6")) == 10
    assert slots.count(("heard dog", "loudness 4", "rhythm 1")) == 3


def test_what_is_predicted_of_a_chain(writer, tokenizer, read):
    """The demand and what follows from the description; what is looked up and decisions count four times."""
    decisions = ["booming", "out", "booming", "keep"]
    compared = ["#1", "faint", ";", "#2", "booming", "."]
    checked = ["sounds", "booming", "faint", "out", "sounds", "booming", "booming", "keep"]
    num_whole = 0
    for seed in range(40):
        opening, rest = write_parts(np.random.default_rng(seed), SCENE, REFERENCE)
        text = writer.reasoning(np.random.default_rng(seed), SCENE, REFERENCE, foreign=FOREIGN)
        places = read(text)
        heavy = weighed(places, text, weight=4.0)
        if "<think>" not in places:
            assert heavy == decisions
            continue
        assert heavy[:6] == compared
        assert heavy[heavy.index(":") + 1 :] == ["sounds", ",", "booming", *checked]
        num_whole += 1
        demand, description = opening.split(". ", maxsplit=1)
        given = len(places) - places[::-1].index("<think>") - 1  # a whole prompt names the tag, too
        chain = [*tokens_of(tokenizer, opening + rest), "</s>"]
        assert places[given:] == chain
        assert set(text.weights[:given]) == {0.0}
        num_told, num_described = len(tokens_of(tokenizer, demand + ".")), len(tokens_of(tokenizer, description))
        weights = [weight if weight < 4 else 1.0 for weight in text.weights[given:]]
        assert weights == [*[1.0] * num_told, *[0.0] * num_described, *[1.0] * (len(chain) - num_told - num_described)]
    assert 30 < num_whole < 40


@pytest.mark.parametrize(
    ("reference", "end"),
    [
        (REFERENCE, ("it is #2", "means #2", "only #2")),
        (replace(REFERENCE, atoms=(Atom("silent"),), target=None), ("fits.", "here.")),
    ],
)
def test_an_exercise_holds_the_checks_and_the_number_that_is_left(writer, tokenizer, read, reference, end):
    """The name that belongs to the number stands in the description, which an exercise lacks."""
    found = 0
    for seed in range(200):
        _, rest = write_parts(np.random.default_rng(seed), SCENE, reference)
        text = writer.reasoning(np.random.default_rng(seed), SCENE, reference, foreign=FOREIGN)
        places = read(text)
        if "<think>" in places:
            continue
        found += 1
        assert tokens_of(tokenizer, rest)[: len(places)] == places
        assert tokenizer.decode([bag[0] for bag in text.bags]).endswith(end)
        checked = places.index(".", len(places) - 1 - places[::-1].index("?"))
        assert set(text.weights[: checked + 1]) == {0.0, 4.0}
        assert set(text.weights[checked + 1 :]) == {1.0}
    assert 8 < found < 36


def test_reasoning_never_sees_its_own_clip(writer, read):
    kinds = set()
    for seed in range(60):
        text = writer.reasoning(np.random.default_rng(seed), SCENE, REFERENCE, foreign=FOREIGN)
        slots = slots_in(read(text))
        seen = {word for slot in slots for word in slot}
        assert seen <= {"empty", "green", "train", "column 2", "size 6", "heard train", "loudness 3"}
        assert len(slots) in (0, 2 * 10 * NUM_SLOTS)
        kinds.add(len(slots))
    assert len(kinds) == 2
    alone = writer.reasoning(np.random.default_rng(60), SCENE, REFERENCE, foreign=None)
    assert not slots_in(read(alone))


def test_prompts_are_those_of_ref_thinker_mostly_cut(writer, tokenizer, read):
    starts, ends = set(), {}
    for seed in range(80):
        places = read(writer.opening(np.random.default_rng(seed), SCENE, REFERENCE))
        whole = [tokens_of(tokenizer, make(REFERENCE.text)) for make in (inference_prompt, training_prompt)]
        start = places[places.index("<audio_end>") :][:8]
        [matching] = [number for number, one in enumerate(whole) if one[one.index("<audio_end>") :][:8] == start]
        starts.add(matching)
        assert places[0] == "<s>"
        ends["analyze" in places] = ends.get("analyze" in places, 0) + 1
    assert starts == {0, 1}
    assert 5 < ends[True] < 40


def test_of_a_thousand_slots_some_are_overlooked_and_others_misread(tokenizer):
    writer = TextWriter(tokenizer)
    dog, red = (len(tokenizer) + WORDS.index(word) for word in ("dog", "red"))
    bags = [bag for seed in range(100) for bag in writer.opening(np.random.default_rng(seed), SCENE, REFERENCE).bags]
    assert 940 < sum(dog in bag or red in bag for bag in bags) < 995
    assert 860 < sum(dog in bag for bag in bags) < 930


def test_texts_of_clips_are_whole_and_known(tokenizer, read):
    writer = TextWriter(tokenizer)
    nulls = 0
    for index in range(30):
        plan = plan_clip(5, "open", index)  # two captions and four openings, and each reference to be reasoned about
        found = list(writer.about_clip(seed=5, index=index, foreign=FOREIGN))
        again = list(writer.about_clip(seed=5, index=index, foreign=FOREIGN))
        assert found == again
        num_null = len(plan.null.references) if plan.null else 0
        is_crossed = plan.null is not None and plan.null.prefix == "null_c"
        rest = len(found) - 6 - len(plan.references) - num_null - is_crossed
        # One may be rewritten, one opening more may be about size, and one or two references to be reasoned about.
        assert rest in {one + other + 4 * clear for one in (0, 1) for other in (0, 1) for clear in range(3)}
        nulls += num_null
        for text in found:
            assert [tokenizer.unk_token_id] not in text.bags
            assert max(max(bag) for bag in text.bags) < writer.num_ids
            assert max(text.weights) > 0
            assert text.weights[-1] == 1.0
    assert nulls > 20


def test_sizes_are_asked_for_far_more_often_than_in_the_world(tokenizer, read):
    writer = TextWriter(tokenizer)
    said = [read(text) for index in range(40) for text in writer.about_clip(seed=1, index=index, foreign=FOREIGN)]
    asked = [places for places in said if {"biggest", "smallest"} & set(places)]
    openings = [places for places in asked if {"<video_start>", "<audio_start>"} <= set(places) and slots_in(places)]
    told = [places for places in openings if "size" in places[places.index("<think>") :]]
    assert len(openings) > 12
    assert len(told) == len(openings)
