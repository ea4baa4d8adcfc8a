"""Which project modules a script can import, found by reading the source: every import, also inside functions."""

import ast
from pathlib import Path


def import_closure(script: Path, *, root: Path) -> set[Path]:
    """Files below `root` that `script` imports directly or indirectly, itself included, empty files left out.

    A module counts through its packages' __init__.py too. Type-checking imports count: they cost a dependency more,
    never one too few.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in _imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            waiting += _files_of(name, root)
    return {path.relative_to(root) for path in found if path.read_text().strip()}


def _imported_names(tree: ast.Module) -> set[str]:
    """Dotted names of everything imported; `from a import b` counts as a and a.b."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError("relative imports are not used in this project")
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def _files_of(name: str, root: Path) -> list[Path]:
    """The module file of a dotted name and the __init__.py files above it, as far as they are in the project."""
    parts = name.split(".")
    files = [root.joinpath(*parts).with_suffix(".py")]
    files += [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in files if path.is_file()]
