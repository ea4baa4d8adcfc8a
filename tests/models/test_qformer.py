import pytest
import torch
import torch.nn.functional as F

from tgs_pipeline.models.qformer import MediaProjector, dead_keys, from_original, live_keys, to_original

SMALL = {"llm_dim": 12, "num_queries": 3, "hidden_dim": 8, "num_layers": 2, "num_heads": 2, "ffn_dim": 16}
PAPER = {"llm_dim": 4096, "num_queries": 32, "hidden_dim": 768, "num_layers": 2, "num_heads": 12, "ffn_dim": 3072}


@pytest.fixture
def projector():
    torch.manual_seed(0)
    projector = MediaProjector(encoder_dim=10, **SMALL).eval()
    for parameter in projector.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return projector


def test_output_holds_the_queries_of_each_frame_in_order(projector):
    features = torch.randn(2, 5, 7, 10)
    with torch.inference_mode():
        tokens = projector(features)
        assert tokens.shape == (2, 5 * 3, 12)
        torch.testing.assert_close(tokens[1:, 6:9], projector(features[1:, 2:3]))


def test_equals_the_equations_of_the_published_model(projector):
    """Post-norm BERT layers: self-attention of the queries, cross-attention to the features, query FFN."""
    features = torch.randn(1, 1, 7, 10)
    state = to_original(projector.state_dict(), modality="audio", num_layers=2)
    bert = "audio_Qformer.bert"

    def linear(x, name):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x, name, eps):
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps)

    def attend(x, source, name):
        q, k, v = (linear(y, f"{name}.self.{p}") for y, p in ((x, "query"), (source, "key"), (source, "value")))
        heads = []
        for h in (slice(0, 4), slice(4, 8)):
            heads.append(torch.softmax(q[:, h] @ k[:, h].T / 4**0.5, dim=-1) @ v[:, h])
        return norm(x + linear(torch.cat(heads, dim=-1), f"{name}.output.dense"), f"{name}.output.LayerNorm", 1e-12)

    media = norm(features[0, 0], "audio_ln", 1e-5)
    x = norm(state["audio_query_tokens"][0], f"{bert}.embeddings.LayerNorm", 1e-12)
    for layer in (f"{bert}.encoder.layer.{i}" for i in range(2)):
        x = attend(x, x, f"{layer}.attention")
        x = attend(x, media, f"{layer}.crossattention")
        inner = linear(F.gelu(linear(x, f"{layer}.intermediate_query.dense")), f"{layer}.output_query.dense")
        x = norm(x + inner, f"{layer}.output_query.LayerNorm", 1e-12)
    expected = linear(F.gelu(linear(x, "audio_proj.0")), "audio_proj.2")
    with torch.inference_mode():
        torch.testing.assert_close(projector(features)[0], expected, atol=1e-4, rtol=1e-4)


def test_conversion_there_and_back(projector):
    state = projector.state_dict()
    original = to_original(state, modality="visual", num_layers=2)
    extra = {key: torch.zeros(1) for key in dead_keys("visual", num_layers=2)}
    assert original.keys() == live_keys("visual", num_layers=2).keys()
    again = from_original(original | extra, modality="visual", num_layers=2)
    assert again.keys() == state.keys() and all(again[key] is original[name] for name, key in _pairs())
    projector.load_state_dict(again)


def _pairs():
    return live_keys("visual", num_layers=2).items()


def test_conversion_names_missing_and_unknown_keys(projector):
    original = to_original(projector.state_dict(), modality="visual", num_layers=2)
    original["visual_lnn.weight"] = original.pop("visual_ln.weight")
    with pytest.raises(ValueError, match=r"missing keys \['visual_ln.weight'\], unknown keys \['visual_lnn.weight'\]"):
        from_original(original, modality="visual", num_layers=2)
    with pytest.raises(ValueError, match=r"audio projector of 2 layers: missing keys .*unknown keys \[\]"):
        from_original({}, modality="audio", num_layers=2)
    with pytest.raises(ValueError, match=r"unknown keys \['qformer.encoder.layer.1."):
        to_original(projector.state_dict(), modality="audio", num_layers=1)


@pytest.mark.parametrize(
    ("modality", "encoder_dim", "total"), [("visual", 1024, 73_553_978), ("audio", 768, 72_767_034)]
)
def test_paper_sizes_match_the_published_files(modality, encoder_dim, total):
    """80 tensors each; the live ones by name and shape, the dead ones by name and count (UPSTREAM_FACTS 3)."""
    with torch.device("meta"):
        projector = MediaProjector(encoder_dim=encoder_dim, **PAPER)
    original = to_original(projector.state_dict(), modality=modality, num_layers=2)
    dead = dead_keys(modality, num_layers=2)
    assert (len(original), len(dead), len(original.keys() | dead)) == (61, 19, 80)
    bert = f"{modality}_Qformer.bert"
    shapes = {key: tuple(tensor.shape) for key, tensor in original.items()}
    assert shapes[f"{modality}_query_tokens"] == (1, 32, 768)
    assert shapes[f"{bert}.encoder.layer.1.crossattention.self.key.weight"] == (768, encoder_dim)
    assert shapes[f"{bert}.encoder.layer.0.output_query.dense.weight"] == (768, 3072)
    assert shapes[f"{modality}_proj.0.weight"] == (4096, 768) and shapes[f"{modality}_proj.2.weight"] == (4096, 4096)
    vocabulary, width, ffn = 30522, 768, 3072
    text_layer = 2 * width * ffn + ffn + 3 * width
    text = vocabulary * width + 512 * width + 2 * text_layer + vocabulary + width * width + 3 * width
    assert sum(tensor.numel() for tensor in original.values()) + text == total


def test_moments_are_added_to_all_that_is_said_of_them():
    torch.manual_seed(0)
    plain = MediaProjector(encoder_dim=10, **SMALL).eval()
    timed = MediaProjector(encoder_dim=10, num_moments=5, **SMALL).eval()
    timed.load_state_dict(plain.state_dict(), strict=False)
    features = torch.randn(2, 4, 7, 10)
    torch.testing.assert_close(timed(features), plain(features))  # they start at zero
    with torch.no_grad():
        timed.moments.copy_(torch.arange(5.0)[:, None].expand(5, 12))
    added = (timed(features) - plain(features)).unflatten(1, (4, 3))
    torch.testing.assert_close(added, torch.arange(4.0)[None, :, None, None].expand(2, 4, 3, 12))
    with pytest.raises(ValueError, match="6 frames or segments, but num_moments is 5"):
        timed(torch.randn(1, 6, 7, 10))


def test_moments_are_kept_beside_the_published_names():
    timed = MediaProjector(encoder_dim=10, num_moments=5, **SMALL)
    original = to_original(timed.state_dict(), modality="audio", num_layers=2)
    assert original.keys() - live_keys("audio", num_layers=2).keys() == {"audio_moments"}
    assert from_original(original, modality="audio", num_layers=2).keys() == timed.state_dict().keys()
