"""features: as in the main pipeline, of the media that training needs.

Run with `dvc repro training/dvc.yaml:features` or `python training/stages/features.py`.
"""

from tgs_pipeline.operators import features
from tgs_pipeline.training.stage import main, with_media

if __name__ == "__main__":
    main("features", with_media(features.run))
