"""manifest: lists the samples of a dataset with the hashes of their files.

Inputs: dataset.root. Output: artifacts/samples.
Run with `dvc repro manifest` or `python stages/manifest.py`.
"""

from tgs_pipeline.operators import manifest
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("manifest", manifest.run)
