"""dataset: renders the procedural world into artifacts/dataset, in the layout of Ref-AVSBench.

With `dataset.tinyworld: null` nothing is rendered (the folder stays empty) and the manifest reads `dataset.root`.
"""

import logging

from tgs_pipeline.execution import Execution
from tgs_pipeline.params import Params
from tgs_pipeline.tinyworld.dataset import write_dataset
from tgs_pipeline.workspace import Workspace

log = logging.getLogger(__name__)


def run(params: Params, workspace: Workspace, execution: Execution) -> None:
    """Render the world into a new folder `artifacts/dataset`."""
    folder = workspace.artifacts / "dataset"
    world = params.dataset.tinyworld
    folder.mkdir(parents=True, exist_ok=True)
    if world is None:
        log.info("dataset: nothing to render, samples come from %s", params.dataset.root)
        return
    write_dataset(
        folder,
        seed=world.seed,
        num_clips=world.num_clips.model_dump(),
        references_per_clip=world.references_per_clip,
        frame_size_px=world.frame_size_px,
        sample_rate_hz=world.sample_rate_hz,
    )
    log.info("dataset: %d clips in %s", sum(world.num_clips.model_dump().values()), folder)
