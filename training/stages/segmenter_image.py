"""segmenter_image: the tiny SAM 2, boxes on single frames.

Inputs: none. Output: training/artifacts/segmenter_image.
Run with `dvc repro training/dvc.yaml:segmenter_image` or `python training/stages/segmenter_image.py`.
"""

from tgs_pipeline.training import segmenter
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("segmenter_image", segmenter.run_image)
