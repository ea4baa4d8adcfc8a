from pathlib import Path

import numpy as np
import pytest

from tgs_pipeline.tinyworld.models import sam2 as tiny


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sam2.yaml and untrained sam2.safetensors."""
    folder = tmp_path_factory.mktemp("tiny_sam2")
    tiny.write(folder, seed=0)
    return folder


@pytest.fixture
def image() -> np.ndarray:
    """A frame of 60 x 90 px with a bright square."""
    frame = np.random.default_rng(0).integers(0, 60, (60, 90, 3), dtype=np.uint8)
    frame[20:40, 30:60] = (250, 120, 10)
    return frame
