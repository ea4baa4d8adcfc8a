"""pretrain_audio: phase 1, the projector of the sound on captions.

Inputs: corpus, features, the language model. Output: training/artifacts/pretrain_audio.
Run with `dvc repro training/dvc.yaml:pretrain_audio` or `python training/stages/pretrain_audio.py`.
"""

from tgs_pipeline.training import pretrain
from tgs_pipeline.training.stage import main

if __name__ == "__main__":
    main("pretrain_audio", pretrain.run_audio, distributed=True)
