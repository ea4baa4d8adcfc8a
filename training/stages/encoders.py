"""encoders: pretrains one of the tiny models from random weights: vision, sound or language.

Inputs: none. Output: training/artifacts/encoders/<name>.
Run with `dvc repro training/dvc.yaml:encoders@vision` or `python training/stages/encoders.py vision`.
"""

from functools import partial

import typer

from tgs_pipeline.training import encoders
from tgs_pipeline.training.stage import PARAMS, ParamsFile, execute
from tgs_pipeline.training.workspace import EncoderName


def main(name: EncoderName, params: ParamsFile = PARAMS) -> None:
    """Pretrain the model NAME."""
    execute(f"encoders@{name}", partial(encoders.run, name=name), params=params)


if __name__ == "__main__":
    typer.run(main)
