from tgs_pipeline.backends.thinker.base import Reply, Request
from tgs_pipeline.backends.thinker.reference import ReferenceThinker


def test_the_reference_passes_through_verbatim():
    references = ["  The LOUDEST <b>dog</b>. ", "null"]
    replies = ReferenceThinker().think([Request(reference=text, visual=None, audio=None) for text in references])
    assert replies == [
        Reply(text=None, num_tokens=0, think=None, f_object=text, s_object=text, status="ok", reason=None)
        for text in references
    ]
