"""features: encodes each video with CLIP and BEATs and tags its sounds.

Inputs: artifacts/samples, weights. Output: artifacts/features.
Run with `dvc repro features` or `python stages/features.py [--shard i/n] [--device D]`.
"""

from tgs_pipeline.operators import features
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("features", features.run)
