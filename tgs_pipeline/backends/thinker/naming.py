"""Thinkers that only name something, without a chain: the baselines that think about nothing."""

from collections.abc import Callable, Sequence

from tgs_pipeline.backends.thinker.base import Reply, Request

NOTHING_HEARD = "the sound tagger hears nothing but silence"


class NamingThinker:
    """Names the object of each request by a function of it; needs no weights.

    backend: as think.backend calls it. name_of: None where nothing is referred to. unnamed: why that can be.
    """

    def __init__(self, backend: str, name_of: Callable[[Request], str | None], *, unnamed: str | None = None) -> None:
        self._backend, self._name_of, self._unnamed = backend, name_of, unnamed

    def think(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request. ValueError for a forced text: there is no chain that could begin with it."""
        for request in requests:
            if request.forced:
                raise ValueError(
                    f"reference {request.reference!r}: the thinker `{self._backend}` writes no chain, so none can be "
                    "forced; set think.backend to a thinker that reasons"
                )
        return [self._reply(self._name_of(request)) for request in requests]

    def _reply(self, name: str | None) -> Reply:
        return Reply(
            text=None,
            num_tokens=0,
            think=None,
            f_object=name,
            s_object=name,
            status="ok",
            reason=self._unnamed if name is None else None,
        )


def of_reference() -> NamingThinker:
    """The pass-through thinker: the reference itself is the caption, verbatim."""
    return NamingThinker("reference", lambda request: request.reference)


def of_audio_tags() -> NamingThinker:
    """The thinker of the BEATs baseline: the first of `Request.heard`, whatever the reference says."""
    return NamingThinker(
        "audio_tags", lambda request: request.heard[0] if request.heard else None, unnamed=NOTHING_HEARD
    )
