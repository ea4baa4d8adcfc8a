"""Write what is not trained yet of the embedded default: a seeded, UNTRAINED detector and segmenter.

    python training/write_tiny_weights.py weights/tiny

They make their stages run through the real libraries; what they answer means nothing.
"""

import sys
from pathlib import Path

from tgs_pipeline.tinyworld.models import grounding_dino, sam2

SEED = 0


def main(folder: Path) -> None:
    """Write both models below `folder`."""
    grounding_dino.write(folder / "grounding_dino", seed=SEED)
    sam2.write(folder, seed=SEED)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
