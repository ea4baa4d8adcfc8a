"""segmenter_clips: the tiny SAM 2, memory on clips.

Inputs: the weights of segmenter_image. Output: training/artifacts/segmenter_clips.
Run with `dvc repro training/dvc.yaml:segmenter_clips` or `python training/stages/segmenter_clips.py`.
"""

from tgs_pipeline.training import segmenter
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("segmenter_clips", segmenter.run_clips)
