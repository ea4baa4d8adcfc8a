"""What the detector is asked about each sample: samples joined with chains, for the stages detect and ground."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from tgs_pipeline.artifacts import chains, samples, table
from tgs_pipeline.prompts.caption import caption
from tgs_pipeline.workspace import Workspace

SAMPLE_COLUMNS = [
    "uid", "row", "frame_indices", "frame_paths", "frame_hashes", "height", "width", "status", "reason",
]  # fmt: skip
CHAIN_COLUMNS = ["uid", "row", "reference", "f_object", "s_object", "status", "reason"]


@dataclass(frozen=True)
class Asked:
    """The caption for a sample, or the status (of artifacts/boxes.py) and reason why there is none."""

    caption: str | None
    status: str = "ok"
    reason: str | None = None


def ask(sample: dict, chain: dict, *, column: str) -> Asked:
    """The caption that `column` of a chain makes for its sample.

    Each column stands for itself, as upstream reads each tag: a reply without f_object can still name its s_object, and
    the reference needs no reply. Where nothing can be read nothing is asked; upstream sends the words "null" and
    "error" to the detector instead (T5, T23).
    """
    if sample["status"] != "ok":
        return Asked(None, "failed", f"sample: {sample['reason']}")
    if column != "reference" and chain["status"] == "failed":
        return Asked(None, "failed", f"think: {chain['reason']}")
    if chain[column] is None and chain["status"] != "ok":
        return Asked(None, "no_answer", f"think: the reply is {chain['status']}: {chain['reason']}")
    if chain[column] is None:
        return Asked(None, "no_caption", f"the chain has no {column}: nothing is referred to")
    try:
        return Asked(caption(chain[column]))
    except ValueError as error:
        return Asked(None, "no_answer", f"{column}: {error}")


def samples_with_chains(workspace: Workspace) -> Iterator[tuple[dict, dict]]:
    """Stream (sample, chain) rows in the order of samples; ValueError where the two do not belong together."""
    pairs = zip_longest(
        table.read_rows(workspace.samples, samples.SCHEMA, columns=SAMPLE_COLUMNS),
        table.read_rows(workspace.chains, chains.SCHEMA, columns=CHAIN_COLUMNS),
    )
    for number, (sample, chain) in enumerate(pairs):
        if _identity(sample) != _identity(chain):
            raise ValueError(
                f"{workspace.chains}: row {number} is {_identity(chain)}, but row {number} of {workspace.samples} is "
                f"{_identity(sample)}; run `dvc repro` to make the chains of these samples"
            )
        yield sample, chain


def _identity(row: dict | None) -> tuple[str, int] | None:
    return None if row is None else (row["uid"], row["row"])
