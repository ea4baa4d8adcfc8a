import pytest

from tgs_pipeline.backends.thinker.base import Reply, Request
from tgs_pipeline.backends.thinker.naming import of_audio_tags, of_reference


def test_the_reference_passes_through_verbatim():
    references = ["  The LOUDEST <b>dog</b>. ", "null"]
    replies = of_reference().think([Request(reference=text, visual=None, audio=None) for text in references])
    assert replies == [
        Reply(text=None, num_tokens=0, think=None, f_object=text, s_object=text, status="ok", reason=None)
        for text in references
    ]


def test_there_is_no_chain_to_force():
    message = r"reference 'the dog': the thinker `reference` writes no chain, so none can be forced"
    with pytest.raises(ValueError, match=message):
        of_reference().think([Request(reference="the dog", visual=None, audio=None, forced="<think> a cat")])


def test_the_best_tag_names_the_object_whatever_the_reference_says():
    heard = Request(reference="the cat", visual=None, audio=None, heard=("Bark", "Speech"))
    nothing = Request(reference="the cat", visual=None, audio=None)
    first, second = of_audio_tags().think([heard, nothing])
    assert (first.s_object, first.f_object, first.status, first.num_tokens) == ("Bark", "Bark", "ok", 0)
    assert (second.s_object, second.status) == (None, "ok") and "nothing but silence" in second.reason


def test_no_chain_can_be_forced_on_a_tag():
    with pytest.raises(ValueError, match="`audio_tags` writes no chain"):
        of_audio_tags().think([Request(reference="x", visual=None, audio=None, forced="<think>")])
