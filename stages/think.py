"""think: names the object that each reference means, with the reasoning chain.

Inputs: artifacts/samples, artifacts/features, weights. Output: artifacts/chains.
Run with `dvc repro think` or `python stages/think.py [--shard i/n] [--device D]`.
"""

from tgs_pipeline.operators import think
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("think", think.run)
