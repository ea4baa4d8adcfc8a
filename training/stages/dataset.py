"""dataset: as in the main pipeline, of the media that training needs.

Run with `dvc repro training/dvc.yaml:dataset` or `python training/stages/dataset.py`.
"""

from tgs_pipeline.operators import dataset
from tgs_pipeline.training.stage import main, with_media

if __name__ == "__main__":
    main("dataset", with_media(dataset.run))
