import shutil

import torch

from tgs_pipeline.backends.thinker import checkpoint, loading, published
from tgs_pipeline.training import export, originals


def test_both_formats_load_and_hold_the_same_model(base, params, workspace):
    sizes = params.model.sizes
    torch.manual_seed(5)
    model, _ = checkpoint.load_base(base / "ref_thinker/llama", sizes=sizes, dtype=torch.float32)
    for parameter in model.parameters():
        parameter.data.normal_()
    checkpoint.save(workspace.phase("finetune"), model=model, sizes=sizes, dtype=torch.float32)
    settings = params.export.model_copy(update={"dtype": "float32", "original_dtype": "float32"})
    export.run(params.model_copy(update={"export": settings}), workspace)
    ours, tokenizer = loading.load(workspace.export / "ref_thinker", dtype=torch.float32, device="cpu")
    theirs, _ = checkpoint.load_base(base / "ref_thinker/llama", sizes=sizes, dtype=torch.float32)
    folder = workspace.export / "original"
    published.load(
        theirs,
        sizes=sizes,
        finetune_weights=folder / originals.FINETUNE_WEIGHTS,
        non_lora_trainables=folder / originals.NON_LORA_TRAINABLES,
    )
    keys = checkpoint.file_keys(model, sizes=sizes).values()
    for found in (ours.state_dict(), theirs.state_dict()):
        assert all(torch.equal(found[key], model.state_dict()[key]) for key in keys)
    assert len(tokenizer) == ours.llm.get_input_embeddings().num_embeddings


def test_import_turns_published_files_into_a_folder(base, params, workspace, tmp_path):
    from typer.testing import CliRunner

    from tgs_pipeline.cli import app

    sizes = params.model.sizes
    model, _ = checkpoint.load_base(base / "ref_thinker/llama", sizes=sizes, dtype=torch.float32)
    originals.save(tmp_path / "original", model=model, sizes=sizes, dtype=torch.float32)
    files = [str(tmp_path / "original" / name) for name in (originals.FINETUNE_WEIGHTS, originals.NON_LORA_TRAINABLES)]
    arguments = [str(base / "ref_thinker/llama"), *files, "--params", str(base / "params.yaml")]
    done = CliRunner().invoke(app, ["train", "import", *arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    loaded, _ = loading.load(tmp_path / "out", dtype=torch.float32, device="cpu")
    assert torch.equal(loaded.visual_projector.query_tokens, model.visual_projector.query_tokens)
    shutil.copy(files[0], files[1])
    done = CliRunner().invoke(app, ["train", "import", *arguments, "--out", str(tmp_path / "other")])
    assert done.exit_code == 1 and "non_lora_trainables.bin does not fit the model: missing key" in done.output
    assert not (tmp_path / "other").exists()
