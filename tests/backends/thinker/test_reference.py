import pytest

from tgs_pipeline.backends.thinker.base import Reply, Request
from tgs_pipeline.backends.thinker.reference import ReferenceThinker


def test_the_reference_passes_through_verbatim():
    references = ["  The LOUDEST <b>dog</b>. ", "null"]
    replies = ReferenceThinker().think([Request(reference=text, visual=None, audio=None) for text in references])
    assert replies == [
        Reply(text=None, num_tokens=0, think=None, f_object=text, s_object=text, status="ok", reason=None)
        for text in references
    ]


def test_there_is_no_chain_to_force():
    message = r"reference 'the dog': the thinker `reference` writes no chain, so none can be forced"
    with pytest.raises(ValueError, match=message):
        ReferenceThinker().think([Request(reference="the dog", visual=None, audio=None, forced="<think> a cat")])
