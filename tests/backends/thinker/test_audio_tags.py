import pytest

from tgs_pipeline.backends.thinker.audio_tags import AudioTagsThinker
from tgs_pipeline.backends.thinker.base import Request


def test_the_best_tag_names_the_object_whatever_the_reference_says():
    heard = Request(reference="the cat", visual=None, audio=None, heard=("Bark", "Speech"))
    nothing = Request(reference="the cat", visual=None, audio=None)
    first, second = AudioTagsThinker().think([heard, nothing])
    assert (first.s_object, first.f_object, first.status, first.num_tokens) == ("Bark", "Bark", "ok", 0)
    assert (second.s_object, second.status) == (None, "ok") and "nothing but silence" in second.reason


def test_no_chain_can_be_forced():
    with pytest.raises(ValueError, match="`audio_tags` writes no chain"):
        AudioTagsThinker().think([Request(reference="x", visual=None, audio=None, forced="<think>")])
