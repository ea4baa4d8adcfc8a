"""pretrain_visual: phase 1, the projector of the frames on captions.

Inputs: corpus, features, the language model. Output: training/artifacts/pretrain_visual.
Run with `dvc repro training/dvc.yaml:pretrain_visual` or `python training/stages/pretrain_visual.py`.
"""

from tgs_pipeline.training import pretrain
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("pretrain_visual", pretrain.run_visual, distributed=True)
