"""segment: turns each distinct box into a mask with SAM2.

Inputs: artifacts/samples, artifacts/chains, artifacts/features (tags of seconds), artifacts/boxes, weights.
Output: artifacts/masks.
Run with `dvc repro segment` or `python stages/segment.py [--shard i/n] [--device D]`.
"""

from tgs_pipeline.operators import segment
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("segment", segment.run)
