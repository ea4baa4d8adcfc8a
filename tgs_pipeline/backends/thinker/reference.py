"""The pass-through thinker: the reference itself is the caption, as in the baselines that think about nothing."""

from collections.abc import Sequence

from tgs_pipeline.backends.thinker.base import Reply, Request


class ReferenceThinker:
    """Names the object by the reference, verbatim; needs no features and no weights."""

    def think(self, requests: Sequence[Request]) -> list[Reply]:
        """One reply for each request. ValueError for a forced text: there is no chain that could begin with it."""
        for request in requests:
            if request.forced:
                raise ValueError(
                    f"reference {request.reference!r}: the thinker `reference` writes no chain, so none can be forced; "
                    "set think.backend to a thinker that reasons"
                )
        return [
            Reply(
                text=None,
                num_tokens=0,
                think=None,
                f_object=request.reference,
                s_object=request.reference,
                status="ok",
                reason=None,
            )
            for request in requests
        ]
