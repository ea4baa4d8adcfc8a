"""Run the original Ref-Thinker on the case of think_case.py and write think.json.

    PYTHONPATH=tests:FOLDER:PACKAGES python tests/golden/make_think.py

FOLDER: a checkout of jasongief/TGS-Agent; PACKAGES: transformers 4.37.2 with tokenizers 0.15.2 and einops. The encoders
are left out: what they would say is drawn. Everything between features and generated tokens is the original's.
"""

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
import transformers
from golden import drawn, think_case

SOURCE = "jasongief/TGS-Agent 4e144c9: models/Qformer.py, multimodal_encoder.py, unified_arch.py, unified_llama.py"


class Given(torch.nn.Module):
    """Stands where an encoder was: its input is what the encoder would have said."""

    def __init__(self, *, flat: bool) -> None:
        super().__init__()
        self.flat = flat

    def forward(self, features: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        return [features.flatten(1, 2)] if self.flat else features


def original() -> torch.nn.Module:
    """The original model with drawn weights."""
    for name in ("ipdb", "torchaudio", "torchaudio.compliance", "torchaudio.compliance.kaldi"):
        sys.modules[name] = ModuleType(name)
    sys.modules["ipdb"].set_trace = None
    sys.modules["torchaudio.compliance"].kaldi = sys.modules["torchaudio.compliance.kaldi"]
    from models.multimodal_encoder import ALProjector, VLProjector
    from models.unified_llama import UnifiedConfig, UnifiedForCausalLM

    model = UnifiedForCausalLM(UnifiedConfig(**think_case.LLAMA))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps({"model_type": "bert", **think_case.BERT}))
        (Path(folder) / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
        sizes = {"num_query_token": think_case.NUM_QUERIES, "d_model": think_case.LLAMA["hidden_size"]}
        dim, num_patches = think_case.ENCODER_DIM, think_case.NUM_PATCHES
        core = model.get_model()
        core.vl_projector = VLProjector(folder, dim["visual"], num_patches["visual"], **sizes)
        core.al_projector = ALProjector(folder, dim["audio"], **sizes)
    core.visual_encoder, core.audio_encoder = Given(flat=True), Given(flat=False)
    core.pad_token_id = think_case.END
    model.initialize_MM_tokenizer(Tokens())
    state = model.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            tensor.copy_(torch.from_numpy(drawn.weight(name, tuple(tensor.shape))))
    return model.eval()


class Tokens:
    """As much of a tokenizer as the original asks for here: how many tokens there are."""

    def __init__(self) -> None:
        self.num_tokens = think_case.BASE_VOCABULARY

    def __len__(self) -> int:
        return self.num_tokens

    def add_tokens(self, tokens: list[str], special_tokens: bool) -> None:
        self.num_tokens += len(tokens)


@torch.no_grad()
def main() -> None:
    model = original()
    ids = [torch.tensor(one) for one in think_case.token_ids()]
    video, audio = (list(map(torch.from_numpy, think_case.features(kind))) for kind in ("visual", "audio"))
    batch = {
        "batch_input_ids": ids,
        "batch_labels": [torch.full_like(one, -100) for one in ids],
        "batch_X_modals": [{"<video>": v, "<audio>": a} for v, a in zip(video, audio, strict=True)],
        "batch_task_names": ["ref-avs"] * len(ids),
    }
    inputs = model.prepare_multimodal_inputs(**batch)
    decoding = {"max_new_tokens": think_case.NUM_NEW_TOKENS, "do_sample": False, "use_cache": True,
                "pad_token_id": think_case.END, "eos_token_id": think_case.END}  # fmt: skip
    unmasked = model.generate(**batch, **decoding)
    masked = super(type(model), model).generate(
        inputs_embeds=inputs["inputs_embeds"], attention_mask=inputs["attention_mask"], **decoding
    )
    seen: list[torch.Tensor] = []
    core = model.model.layers[0].self_attn
    core.register_forward_pre_hook(lambda _, args, kwargs: seen.append(kwargs["position_ids"]), with_kwargs=True)
    model.generate(**batch, **decoding | {"max_new_tokens": 1})
    found = {
        "visual_tokens": model.get_model().vl_projector(video[0].flatten(0, 1)[None], None)[0],
        "audio_tokens": model.get_model().al_projector(audio[0][None], None)[0],
        "embeds": inputs["inputs_embeds"],
        "mask": inputs["attention_mask"],
        "positions_masked": inputs["position_ids"],
        "positions_unmasked": seen[0].expand(len(ids), -1),
        "generated_masked": masked,
        "generated_unmasked": unmasked,
    }
    note = {"source": SOURCE, "versions": f"transformers {transformers.__version__}, torch {torch.__version__}, CPU"}
    arrays = {name: np.round(tensor.numpy().astype(np.float64), 6).tolist() for name, tensor in found.items()}
    Path(__file__).with_name("think.json").write_text(json.dumps(note | arrays) + "\n")


if __name__ == "__main__":
    main()
