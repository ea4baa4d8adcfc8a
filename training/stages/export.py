"""export: the fine-tuned model in our format and in the published one.

Inputs: finetune, the language model. Output: training/artifacts/export.
Run with `dvc repro training/dvc.yaml:export` or `python training/stages/export.py`.
"""

from tgs_pipeline.training import export
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("export", export.run)
