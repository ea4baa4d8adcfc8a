"""score: compares masks with the ground truth by a named protocol.

Inputs: artifacts/samples, artifacts/masks, the masks below dataset.root. Output: artifacts/score.
Run with `dvc repro score` or `python stages/score.py`.
"""

from tgs_pipeline.operators import score
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("score", score.run)
