"""export: the fine-tuned model in the two formats that it can be used from.

Inputs: finetune, the base language model. Outputs:
export/ref_thinker/   a folder for `think.weights` (backends/thinker/checkpoint.py), with a copy of the language model
export/original/      finetune_weights.bin and non_lora_trainables.bin as published (originals.py)
"""

import logging
import shutil
from pathlib import Path

import torch

from tgs_pipeline.backends.thinker.checkpoint import load_base, load_tuned, save
from tgs_pipeline.training import originals
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.workspace import TrainingWorkspace

log = logging.getLogger(__name__)


def run(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Write both formats."""
    sizes, settings = params.model.sizes, params.export
    llama, folder = Path(params.model.llama), workspace.export
    model, _ = load_base(llama, sizes=sizes, dtype=getattr(torch, params.model.dtype))
    load_tuned(model, workspace.phase("finetune") / "ref_thinker.safetensors", sizes=sizes)
    shutil.copytree(llama, folder / "ref_thinker" / "llama", dirs_exist_ok=True)
    save(folder / "ref_thinker", model=model, sizes=sizes, dtype=getattr(torch, settings.dtype))
    originals.save(folder / "original", model=model, sizes=sizes, dtype=getattr(torch, settings.original_dtype))
    log.info("export: %s and %s", folder / "ref_thinker", folder / "original")
