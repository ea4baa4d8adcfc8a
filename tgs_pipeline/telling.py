"""What commands that score say: warnings, then JSON or one line of means."""

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

import typer


class Result(Protocol):
    """Scores of an evaluation."""

    @property
    def warnings(self) -> Sequence[str]: ...

    @property
    def mean(self) -> Mapping[str, float | int | None]: ...

    def to_json(self) -> object: ...


def tell(result: Result, *, heading: str, as_json: bool) -> None:
    """Print a result; warnings go to the error stream."""
    for warning in result.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if as_json:
        typer.echo(json.dumps(result.to_json()))
        return
    typer.echo(heading)
    typer.echo("  ".join(f"{name} {number(value)}" for name, value in result.mean.items()))


def number(value: float | int | None) -> str:
    """A score with four digits, a count as it is, - for none."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"
