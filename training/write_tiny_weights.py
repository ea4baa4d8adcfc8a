"""Write the weights of the embedded default: seeded, UNTRAINED models of the tiny sizes.

    python training/write_tiny_weights.py weights/tiny

They make every stage run through its real library; what they answer means nothing until they are trained.
"""

import sys
from pathlib import Path

from tgs_pipeline.tinyworld.models import beats, clip, grounding_dino, ref_thinker, sam2

SEED = 0


def main(folder: Path) -> None:
    """Write all five models below `folder`."""
    clip.write(folder / "clip", seed=SEED)
    beats.write(folder / "beats.safetensors", seed=SEED)
    ref_thinker.write(folder / "ref_thinker", seed=SEED)
    grounding_dino.write(folder / "grounding_dino", seed=SEED)
    sam2.write(folder, seed=SEED)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
