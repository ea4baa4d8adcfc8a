"""detector: trains the tiny Grounding-DINO on captions about frames of the tiny world.

Inputs: backbone. Output: training/artifacts/detector.
Run with `dvc repro training/dvc.yaml:detector` or `python training/stages/detector.py`.
"""

from tgs_pipeline.training import detector
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("detector", detector.run)
