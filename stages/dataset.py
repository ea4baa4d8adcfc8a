"""dataset: renders the tiny world in the layout of Ref-AVSBench.

Inputs: params dataset.tinyworld. Output: artifacts/dataset.
Run with `dvc repro dataset` or `python stages/dataset.py`.
"""

from tgs_pipeline.operators import dataset
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("dataset", dataset.run)
