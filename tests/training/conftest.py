"""A training set-up that needs seconds: a tiny untrained model, made-up features and corpora of six rows."""

import json

import numpy as np
import pytest
import torch
import yaml
from project import ROOT
from training_example import write_corpus, write_features
from transformers import LlamaConfig, LlamaForCausalLM

from tgs_pipeline.backends.thinker.checkpoint import Lora, QFormerSizes, Sizes, build
from tgs_pipeline.prompts.pretraining import audio_prompt, target, visual_prompt
from tgs_pipeline.prompts.ref_thinker import training_prompt
from tgs_pipeline.tinyworld.models.ref_thinker import make_tokenizer, write_untrained
from tgs_pipeline.training.params import TrainingParams
from tgs_pipeline.training.workspace import TrainingWorkspace
from tgs_pipeline.workspace import Workspace

WORDS = ["guitar", "red", "the", "dog", "man", "null", "sounds", "a"]
VIDS = [f"clip{number}" for number in range(6)]
PARTS = ["train"] * 5 + ["held_out"]
CHAIN = (
    "<think>\nthe {word} sounds\n</think>\n"
    "<answer>\n<f_object> the {word} </f_object>\n<s_object> {word} </s_object>\n</answer>"
)
PAPER = Sizes(
    visual_dim=1024,
    audio_dim=768,
    qformer=QFormerSizes(num_queries=32, hidden_dim=768, num_layers=2, num_heads=12, ffn_dim=3072),
    lora=Lora(rank=8, alpha=16, dropout=0.05),
)


@pytest.fixture(scope="session")
def paper():
    """Ref-Thinker at the paper's sizes, without memory."""
    tokenizer = make_tokenizer([])
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [f"q{a}{b}{c}{'x' * n}" for n in range(2) for a in letters for b in letters for c in letters]
    tokenizer = make_tokenizer(words[: 32000 - (len(tokenizer) - 21)])
    with torch.device("meta"):
        llm = LlamaForCausalLM(LlamaConfig(vocab_size=32000, hidden_size=4096, intermediate_size=11008))
        return build(llm, tokenizer=tokenizer, sizes=PAPER)


@pytest.fixture(scope="session")
def paper_sizes():
    return PAPER


def rows_of(make):
    """One row for each of VIDS; make: word -> (prompt, target)."""
    rows = []
    for number, (vid, part) in enumerate(zip(VIDS, PARTS, strict=True)):
        prompt, answer = make(WORDS[number % 4])
        rows.append({"name": f"row {number}", "vid": vid, "prompt": prompt, "target": answer, "part": part})
    return rows


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """Weights, features, corpora and params; tests must not change it."""
    folder = tmp_path_factory.mktemp("training")
    write_untrained(folder / "ref_thinker", words=WORDS, seed=0)
    generator = np.random.default_rng(0)
    arrays = {vid: (generator.normal(size=(2, 4, 128)), generator.normal(size=(2, 3, 128))) for vid in VIDS}
    write_features(folder / "features", arrays)
    corpus = folder / "training/artifacts/corpus"
    write_corpus(corpus / "audio.parquet", rows_of(lambda word: (audio_prompt(), target(f"a {word} sounds"))))
    write_corpus(
        corpus / "visual.parquet", rows_of(lambda word: (visual_prompt("video", "the man?"), target(f"the red {word}")))
    )
    write_corpus(
        corpus / "instructions.parquet",
        rows_of(lambda word: (training_prompt(f"the {word}"), CHAIN.format(word=word) + "</s>")),
    )
    settings = yaml.safe_load((ROOT / "training/params.yaml").read_text())
    names = ("segmenter_image", "segmenter_clips", "backbone", "detector", "alignment")
    trained = [settings[name] for name in names]
    for pretraining in (*settings["encoders"].values(), *trained):
        pretraining |= {"log_every_steps": 1}
    settings["model"]["llama"] = str(folder / "ref_thinker/llama")
    for phase in ("pretrain_audio", "pretrain_visual", "finetune"):
        changes = {"max_steps": 8, "batch_size": 2, "warmup_steps": 2, "log_every_steps": 1, "learning_rate": 2e-3}
        settings[phase] |= changes | {"features": str(folder / "features")}
        settings[phase] |= {} if phase == "finetune" else {"projector": str(ROOT / "training/none")}
    for modality in ("visual", "audio"):
        path = f"training/artifacts/pretrain_{modality}/projector.safetensors"
        settings["finetune"][f"{modality}_projector"] = str(folder / path)
    settings["runtime"] |= {"save_every_steps": 3, "cache": str(folder / "cache")}
    (folder / "params.yaml").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def settings(base):
    """The params as a dictionary that a test may change."""
    return yaml.safe_load((base / "params.yaml").read_text())


@pytest.fixture
def params(settings):
    return TrainingParams.model_validate(settings)


@pytest.fixture
def workspace(base, tmp_path):
    """Corpora of `base`, everything else in a new folder."""
    artifacts = tmp_path / "training/artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "corpus").symlink_to(base / "training/artifacts/corpus")
    return TrainingWorkspace(Workspace(artifacts=artifacts, dataset=tmp_path / "none"), cache=tmp_path / "cache")
