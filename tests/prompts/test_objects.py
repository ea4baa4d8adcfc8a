import pytest
from asked_example import chain, sample

from tgs_pipeline.prompts.listed import NamedFrame
from tgs_pipeline.prompts.objects import ask_each, names_of, write_objects

OBJECTS = (NamedFrame("Dog", 2), NamedFrame("child's toy", 1))
SAMPLE = sample("a", 0, frames=["f0", "f1"], frame_indices=[3, 7])


def test_objects_come_back_with_the_frames_of_the_clip_and_their_captions():
    raw = write_objects(OBJECTS, frame_indices=[3, 7])
    asked = ask_each(SAMPLE, chain("a", 0, names_of(OBJECTS), raw=raw))
    assert names_of(OBJECTS) == "Dog. child's toy"
    assert [(one.name, one.frame_index, one.asked.caption) for one in asked] == [
        ("Dog", 7, "dog."),
        ("child's toy", 3, "child's toy."),
    ]


def test_who_names_nothing_is_asked_for_nothing():
    assert ask_each(SAMPLE, chain("a", 0, None)) == []
    assert ask_each(SAMPLE, chain("a", 0, None, status="failed", reason="no server")) == []


@pytest.mark.parametrize("raw", [None, "", "<think>", "[1]", '{"dog": "2"}', '{"dog": true}'])
def test_chains_of_other_thinkers_are_refused(raw):
    with pytest.raises(ValueError, match=r"a \(row 0\): its chain lists no objects"):
        ask_each(SAMPLE, chain("a", 0, "dog", raw=raw))
