"""The thinker of the BEATs baseline: what the sound tagger hears best is the object, whatever the reference says."""

from collections.abc import Sequence

from tgs_pipeline.backends.thinker.base import Reply, Request


class AudioTagsThinker:
    """Names the object by the first of `Request.heard`; nothing is referred to where nothing is heard."""

    def think(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request. ValueError for a forced text: there is no chain that could begin with it."""
        for request in requests:
            if request.forced:
                raise ValueError(
                    f"reference {request.reference!r}: the thinker `audio_tags` writes no chain, so none can be "
                    "forced; set think.backend to a thinker that reasons"
                )
        return [_reply(request.heard[0] if request.heard else None) for request in requests]


def _reply(label: str | None) -> Reply:
    return Reply(
        text=None,
        num_tokens=0,
        think=None,
        f_object=label,
        s_object=label,
        status="ok",
        reason="the sound tagger hears nothing but silence" if label is None else None,
    )
