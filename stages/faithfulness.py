"""faithfulness: counts whether answers follow the chain, the sound and the frames when these are interfered with.

Inputs: artifacts/chains, artifacts/features, weights. Outputs: artifacts/faithfulness, artifacts/faithfulness.json.
Run with `tgs train faithfulness` (which prints the rates), `dvc repro faithfulness` or
`python stages/faithfulness.py [--shard i/n] [--device D]`.
"""

from tgs_pipeline.operators import faithfulness
from tgs_pipeline.stage import main

if __name__ == "__main__":
    main("faithfulness", faithfulness.run)
