"""Which code the rows of each row store depend on, so that a change of it is not forgotten in VERSION.

python tests/versions.py        confirm: the code as it is now belongs to the VERSIONs as they are now
"""

import ast
import hashlib
import importlib
import json
from pathlib import Path

from import_closure import import_closure
from project import ROOT

KEEPERS = {  # row store -> the module whose VERSION its rows are found by
    "features": "operators/features",
    "think": "operators/think",
    "faithfulness": "operators/faithfulness",
    "detect": "operators/detect",
    "segment": "operators/segment",
    "tags": "sounding/tagging",
    "sounding": "sounding/comparing",
    "lbru": "backends/thinker/lbru",
    "pivot": "backends/selector/mllm",  # pivot_frame and pivot_box
}
STAGES = tuple(KEEPERS)
CONFIRMED = Path(__file__).with_name("versions.json")
# Carry rows about, or make the inputs that their keys hold, but decide nothing in them.
CARRIERS = (
    "tinyworld/",
    "faithfulness/",
    "metrics/faithfulness.py",
    "metrics/shares.py",
    "artifacts/",
    "executors/",
    "execution.py",
    "params.py",
    "params_agreement.py",
    "params_choosing.py",
    "params_multimodal.py",
    "params_section.py",
    "rows.py",
    "stage.py",
    "workspace.py",
)


def current() -> dict[str, dict[str, int | str]]:
    """VERSION and code digest of each store."""
    return {stage: {"version": version(stage), "code": digest(stage)} for stage in STAGES}


def version(stage: str) -> int:
    return importlib.import_module(f"tgs_pipeline.{KEEPERS[stage].replace('/', '.')}").VERSION


def digest(stage: str) -> str:
    """Digest of the code that can change a row: comments, docstrings and layout do not count."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(import_closure(ROOT / "tgs_pipeline" / f"{KEEPERS[stage]}.py", root=ROOT)):
        if not path.as_posix().removeprefix("tgs_pipeline/").startswith(CARRIERS):
            total.update(f"{path.as_posix()}\n{bare_code(ROOT / path)}\n".encode())
    return total.hexdigest()


def bare_code(path: Path) -> str:
    """The source of a module without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if documented and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


if __name__ == "__main__":
    CONFIRMED.write_text(json.dumps(current(), indent=2) + "\n")
