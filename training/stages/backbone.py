"""backbone: pretrains the backbone of the tiny Grounding-DINO on what covers each cell of a frame.

Inputs: none. Output: training/artifacts/backbone.
Run with `dvc repro training/dvc.yaml:backbone` or `python training/stages/backbone.py`.
"""

from tgs_pipeline.training import backbone
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("backbone", backbone.run)
