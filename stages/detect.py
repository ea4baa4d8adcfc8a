"""detect: proposes boxes for each distinct frame and caption.

Inputs: artifacts/samples, artifacts/chains, weights. Output: artifacts/candidates.
Run with `dvc repro detect` or `python stages/detect.py [--shard i/n] [--device D]`.
"""

from tgs_pipeline.operators import detect
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("detect", detect.run)
