import pytest

from tgs_pipeline.data.avsbench_classes import CATEGORIES
from tgs_pipeline.sounding.objects import SOUND_WORDS, combinations, evidence, heard_objects

TAGS = [("Bark", 0.6), ("Male speech, man speaking", 0.4), ("Acoustic guitar", 0.05), ("Gunshot, gunfire", 0.2)]


@pytest.mark.parametrize(
    ("name", "score"),
    [("dog", 0.6), ("man", 0.4), ("guitar", 0.05), ("gun", 0.2), ("woman", 0.0), ("cat", 0.0), ("Dog", 0.6)],
)
def test_tags_speak_of_objects_by_name_or_by_sound(name, score):
    assert evidence(name, TAGS) == score


def test_a_voice_is_anybodys_unless_it_is_said_whose():
    tags = [("Singing", 0.3), ("Female speech, woman speaking", 0.9)]
    assert [evidence(name, tags) for name in ("man", "woman", "girl", "dog")] == [0.3, 0.9, 0.3, 0.0]


@pytest.mark.parametrize(
    ("names", "tags", "heard"),
    [
        (["man", "dog"], TAGS, ["man", "dog"]),
        (["guitar", "dog"], TAGS, ["dog"]),
        (["cat", "train"], TAGS, ["cat", "train"]),  # nothing speaks of either
        (["guitar"], TAGS, ["guitar"]),
        (["dog", "cat"], [], ["dog", "cat"]),
        ([], TAGS, []),
    ],
)
def test_who_is_heard_in_a_segment(names, tags, heard):
    assert heard_objects(names, tags, rival_share=0.5) == heard


@pytest.mark.parametrize("rival_share", [0, 1.5, float("nan")])
def test_the_share_is_checked(rival_share):
    with pytest.raises(ValueError, match="rival_share"):
        heard_objects(["dog"], TAGS, rival_share=rival_share)


def test_combinations_have_their_texts():
    found = combinations(["dog", "car", "gun"], separator="; ")
    assert [one.names for one in found][:4] == [("dog",), ("car",), ("gun",), ("dog", "car")]
    assert [one.text for one in found][-1] == "dog barking; car; gun shot" and len(found) == 7


def test_sound_words_are_of_categories():
    assert set(SOUND_WORDS) <= set(CATEGORIES)


def test_who_is_heard_also_needs_some_evidence():
    tags = [("Dog", 0.03), ("Train", 0.02)]
    assert heard_objects(["dog", "train"], tags, rival_share=0.5) == ["dog", "train"]
    assert heard_objects(["dog", "train"], tags, rival_share=0.5, min_score=0.1) == []
    assert heard_objects(["cat", "man"], tags, rival_share=0.5, min_score=0.1) == [
        "cat",
        "man",
    ]  # of them nothing is told


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("the brown dog", "Bark"),
        ("red telephone", "telephone"),
        ("blue hair dryer", "hair-dryer"),
        ("old man", "Singing"),
    ],
)
def test_tags_speak_of_objects_that_are_described(name, label):
    assert evidence(name, [(label, 0.5), ("Violin", 0.9)]) == 0.5
