"""corpus: captions and instructions, as rows of prompt and answer.

Inputs: samples, annotation files, the instruction JSON. Output: training/artifacts/corpus.
Run with `dvc repro training/dvc.yaml:corpus` or `python training/stages/corpus.py`.
"""

from tgs_pipeline.training import corpus
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("corpus", corpus.run)
