"""alignment: a tiny projector, visual or audio, learns the words of the tiny language model.

Inputs: training/artifacts/features and encoders. Output: training/artifacts/alignment/<modality>.
Run with `dvc repro training/dvc.yaml:alignment@visual` or `python training/stages/alignment.py visual`.
"""

from functools import partial

import typer

from tgs_pipeline.models.qformer import Modality
from tgs_pipeline.training import alignment
from tgs_pipeline.training.stage import PARAMS, ParamsFile, execute


def main(modality: Modality, params: ParamsFile = PARAMS) -> None:
    """Align the projector of MODALITY."""
    execute(f"alignment@{modality}", partial(alignment.run, modality=modality), params=params)


if __name__ == "__main__":
    typer.run(main)
