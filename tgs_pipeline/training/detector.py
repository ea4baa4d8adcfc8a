"""detector: the tiny Grounding-DINO on captions about the tiny world, around a pretrained backbone.

Inputs: the backbone, or an earlier detector; every batch is made from its number. Outputs, in
training/artifacts/detector: grounding_dino/ (for `detect.weights` with `backend: transformers`), original/ (the same
weights as the package groundingdino-py reads them), loss.csv and metrics.json. All categories occur here, as the
original knows the words and sights of the whole world.
"""

import json
import shutil
from pathlib import Path

import torch
from torch import nn
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    SwinConfig,
)

from tgs_pipeline.backends.detector.conversion import to_original
from tgs_pipeline.tinyworld.models import grounding_dino
from tgs_pipeline.tinyworld.pretraining import cells, grounding, word_cells
from tgs_pipeline.tinyworld.pretraining.loop import train
from tgs_pipeline.tinyworld.words import vocabulary
from tgs_pipeline.training.backbone import load_backbone
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.pretraining import checkpoints_of, is_layer_matrix, plan_of, write_figures
from tgs_pipeline.training.workspace import TrainingWorkspace
from tgs_pipeline.weights import digest, load_state

VERSION = 2  # raise when a change of the code makes unfinished runs of before unusable
CHECKPOINT = "groundingdino_tiny.pth"
_BACKBONE = "detector.model.backbone."
# What words become on their way to the logits, and what vision adds to them.
_TEXT = ("text_backbone.", "text_projection.", "text_enhancer_layer.", "out_text_proj.", "text_param")


def run(params: TrainingParams, workspace: TrainingWorkspace) -> None:
    """Train the detector, or go on with an unfinished run of the same settings and the same backbone."""
    settings = params.detector
    backbone, start = Path(settings.backbone), Path(settings.start)
    decides = settings.model_dump(exclude={"backbone", "start"})
    weights = f"{digest(backbone)} {digest(start)}"
    checkpoints = checkpoints_of(workspace, "detector", version=VERSION, decides=decides, weights=weights)
    tokenizer = grounding_dino.make_tokenizer(vocabulary())
    model = grounding_dino.make_model(vocab_size=len(tokenizer), seed=settings.seed)
    if start.is_dir():
        _load(model, start)
    else:
        load_backbone(model, backbone)
    torch.manual_seed(settings.seed)
    # These read the features of the encoder, so that what backbone and words say is kept; thrown away afterwards.
    reader = cells.CellReader([model.config.d_model] * len(cells.SIDES))
    words = word_cells.WordReader(tokenizer, width=model.config.d_model)
    module = nn.ModuleDict({"detector": model, "reader": reader, "words": words})

    def step(number: int) -> tuple[torch.Tensor, dict[str, float]]:
        batch = grounding.make_batch(settings.seed, number, size=settings.batch_size, tokenizer=tokenizer)
        said = grounding.ask(model, batch)
        loss, measures = grounding.loss_of(said, batch.targets)
        of_cells, right = cells.loss_of(reader, cells.split_levels(said.memory), batch.cells)
        tokens = batch.text["input_ids"]
        of_words, named = word_cells.loss_of(words, said.memory, said.text, tokens, batch.cells)
        return loss + of_cells + of_words, measures | right | named

    def pace(name: str) -> float:
        if name.startswith(_BACKBONE):
            return settings.backbone_pace
        return settings.text_pace if any(part in name for part in _TEXT) else 1.0

    module.train()
    curve = train(
        "detector",
        module,
        step,
        is_matrix=is_layer_matrix(module),
        plan=plan_of(settings, save_every_steps=params.runtime.save_every_steps),
        folder=checkpoints,
        pace=pace,
    )
    out = workspace.detector
    out.mkdir(parents=True, exist_ok=True)
    grounding_dino.save(out / "grounding_dino", model, tokenizer)
    export_original(out / "original", port=out / "grounding_dino")
    write_figures(out, curve=curve, module=module, num_steps=settings.num_steps)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _load(model: nn.Module, folder: Path) -> None:
    """Go on from an earlier detector; ValueError where the folder is of another model."""
    earlier = GroundingDinoForObjectDetection.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    found, expected = earlier.state_dict(), model.state_dict()
    wrong = [key for key, tensor in expected.items() if key not in found or found[key].shape != tensor.shape]
    if wrong:
        raise ValueError(f"detector.start {folder} does not fit the model: {wrong[:3]} are missing or of another shape")
    model.load_state_dict(found)


def export_original(folder: Path, *, port: Path) -> None:
    """Write the weights of a folder of ours as groundingdino-py reads them (backends/detector/groundingdino.py)."""
    config = GroundingDinoConfig.from_pretrained(port, local_files_only=True)
    assert isinstance(config.text_config, BertConfig)
    state = to_original(load_state(port / "model.safetensors"))
    folder.mkdir(parents=True, exist_ok=True)
    # float32: the package computes in the precision of its own parameters, and copies do not share memory.
    torch.save({"model": {name: tensor.float().clone() for name, tensor in state.items()}}, folder / CHECKPOINT)
    text = folder / "bert-base-uncased"
    config.text_config.save_pretrained(text)
    BertTokenizer.from_pretrained(port, local_files_only=True).save_pretrained(text)
    fields = json.dumps(original_fields(config), indent=2)
    (folder / "config.json").write_text(f"{fields}\n", encoding="utf-8")  # last: all is there


def original_fields(config: GroundingDinoConfig) -> dict[str, object]:
    """The fields of the package's configuration in which a model differs from its GroundingDINO_SwinT_OGC."""
    swin = config.backbone_config
    assert isinstance(swin, SwinConfig)
    return {
        "hidden_dim": config.d_model,
        "num_queries": config.num_queries,
        "num_feature_levels": config.num_feature_levels,
        "enc_layers": config.encoder_layers,
        "dec_layers": config.decoder_layers,
        "dim_feedforward": config.encoder_ffn_dim,
        "nheads": config.encoder_attention_heads,
        "enc_n_points": config.encoder_n_points,
        "dec_n_points": config.decoder_n_points,
        "swin": {
            "embed_dim": swin.embed_dim,
            "depths": list(swin.depths),
            "num_heads": list(swin.num_heads),
            "window_size": swin.window_size,
        },
    }
