"""finetune: phase 2, LoRA, projectors, embeddings and head on reasoning chains.

Inputs: corpus, features, both projectors, the language model. Output: training/artifacts/finetune.
Run with `dvc repro training/dvc.yaml:finetune` or `python training/stages/finetune.py`.
"""

from tgs_pipeline.training import finetune
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("finetune", finetune.run, distributed=True)
