import pytest
import torch

from tgs_pipeline.backends.thinker.published import dead_shapes, shapes
from tgs_pipeline.training import phases

EMBEDDING = 32021 * 4096
# UPSTREAM_FACTS 3 counts the text half of the Q-Formers, which no input reaches and this model does not have.
PUBLISHED = {"visual": 73_553_978, "audio": 72_767_034}


def num_dead(modality, paper_sizes):
    return sum(torch.Size(shape).numel() for shape in dead_shapes(modality, sizes=paper_sizes.qformer).values())


def test_dead_and_live_make_the_published_projectors(paper, paper_sizes):
    for modality in ("visual", "audio"):
        live = sum(one.numel() for one in getattr(paper, f"{modality}_projector").parameters())
        assert live + num_dead(modality, paper_sizes) == PUBLISHED[modality]


def test_counts_of_fine_tuning_are_the_published_ones(paper, paper_sizes):
    counts = phases.count(paper, "finetune")
    assert counts == {
        "lora": 19_988_480,
        "visual_projector": PUBLISHED["visual"] - num_dead("visual", paper_sizes),
        "audio_projector": PUBLISHED["audio"] - num_dead("audio", paper_sizes),
        "embed_tokens": EMBEDDING,
        "lm_head": EMBEDDING,
    }
    with_dead = sum(counts.values()) + num_dead("visual", paper_sizes) + num_dead("audio", paper_sizes)
    assert with_dead == sum(PUBLISHED.values()) + 19_988_480 + 2 * EMBEDDING
    assert round(with_dead / 1e6, 1) == 428.6


@pytest.mark.parametrize("modality", ["audio", "visual"])
def test_counts_of_pretraining(paper, paper_sizes, modality):
    """One projector and lm_head, which lies outside what upstream freezes (UPSTREAM_FACTS 2.9)."""
    assert phases.count(paper, f"pretrain_{modality}") == {
        f"{modality}_projector": PUBLISHED[modality] - num_dead(modality, paper_sizes),
        "lm_head": EMBEDDING,
    }


def test_the_published_files_have_the_published_names(paper, paper_sizes):
    finetune, non_lora = shapes(paper, sizes=paper_sizes)
    assert (len(finetune), len(non_lora)) == (608, 162)
    for part, number in (("lora_", 448), ("vl_projector", 80), ("al_projector", 80)):
        assert sum(part in name for name in finetune) == number
    numel = [sum(torch.Size(shape).numel() for shape in each.values()) for each in (finetune, non_lora)]
    assert [round(one / 1e6, 1) for one in numel] == [166.3, 408.6]
    layer = "base_model.model.model.layers.31.mlp.down_proj.lora_A.default.weight"
    qformer = "base_model.model.model.vl_projector.visual_Qformer.bert.encoder.layer.1"
    assert finetune[layer] == (8, 11008)
    assert finetune[f"{qformer}.crossattention.self.key.weight"] == (768, 1024)
    assert finetune[f"{qformer}.intermediate.dense.weight"] == (3072, 768)
    assert non_lora["base_model.model.model.embed_tokens.weight"] == (32021, 4096)
    assert non_lora["base_model.model.lm_head.weight"] == (32021, 4096)


def test_select_trains_these_and_freezes_the_rest(paper):
    chosen = phases.select(paper, "pretrain_audio")
    assert {name for name, parameter in paper.named_parameters() if parameter.requires_grad} == chosen.keys()
    assert {name.split(".")[0] for name in chosen} == {"audio_projector", "llm"}
    assert [name for name in chosen if name.startswith("llm")] == ["llm.lm_head.weight"]
    chosen = phases.select(paper, "finetune")
    assert {name for name, parameter in paper.named_parameters() if parameter.requires_grad} == chosen.keys()
    assert not [name for name in chosen if "base_layer" in name or "layernorm" in name.rpartition("qformer")[0]]
    llm = {name for name in chosen if name.startswith("llm.") and ".lora_" not in name}
    assert llm == {"llm.model.embed_tokens.weight", "llm.lm_head.weight"}


def test_a_group_without_parameters_is_an_error(paper, monkeypatch):
    monkeypatch.setitem(phases.GROUPS, "finetune", {"lora": ".nothing."})
    with pytest.raises(ValueError, match=r"phase finetune: the model has no parameter of \['lora'\]"):
        phases.count(paper, "finetune")
