"""manifest: as in the main pipeline, of the media that training needs.

Run with `dvc repro training/dvc.yaml:manifest` or `python training/stages/manifest.py`.
"""

from tgs_pipeline.operators import manifest
from tgs_pipeline.training.stage import main, with_media

if __name__ == "__main__":
    main("manifest", with_media(manifest.run))
