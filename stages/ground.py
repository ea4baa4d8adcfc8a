"""ground: applies the thresholds and chooses a box for each frame.

Inputs: artifacts/samples, artifacts/chains, artifacts/candidates. Output: artifacts/boxes.
Run with `dvc repro ground` or `python stages/ground.py`.
"""

from tgs_pipeline.operators import ground
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("ground", ground.run)
