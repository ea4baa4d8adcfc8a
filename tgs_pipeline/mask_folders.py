"""Folders of masks that are scored against each other: which samples and frames there are, and what is wrong with them.

PRED/<uid>/<00000>.png    GT/<uid>/<00000>.png
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Findings:
    """What is wrong (nothing is scored then) and what is merely odd."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def refuse(self, pred: Path) -> None:
        """ValueError that lists all problems, where there are any."""
        if self.problems:
            lines = "\n".join(f"  {problem}" for problem in self.problems)
            raise ValueError(f"{pred} cannot be scored, {len(self.problems)} problem(s):\n{lines}")


def read_order(path: Path) -> list[str]:
    """The uids of a file, one a line; ValueError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as a list of uids, one a line ({error})") from None


def ordered(uids: set[str], order: list[str] | None, findings: Findings) -> list[str]:
    """The uids in the order asked for; what the order lacks or names twice is a problem."""
    if order is None:
        return sorted(uids)
    repeated = sorted(uid for uid, count in Counter(order).items() if count > 1)
    findings.problems += [f"{uid}: stands more than once in the order of samples" for uid in repeated]
    findings.problems += [f"{uid}: is not in the order of samples; add it" for uid in sorted(uids - set(order))]
    return [uid for uid in dict.fromkeys(order) if uid in uids]


def list_uids(folder: Path, *, role: str) -> set[str]:
    """Names of the sample folders below `folder`."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder of {role}; expected <uid>/<00000>.png below it")
    uids = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}
    if not uids and role == "predictions":
        raise ValueError(f"{folder} holds no sample folders: expected <uid>/<00000>.png below it")
    return uids


def list_frames(pred: Path, gt: Path | None, findings: Findings) -> list[tuple[Path, Path | None]]:
    """The frames to score of one sample: (prediction, ground truth or None), in order of their names."""
    predicted = {path.name for path in pred.glob("*.png")}
    if gt is None:
        if not predicted:
            findings.problems.append(f"{pred}: holds no PNG; expected <00000>.png, ...")
        return [(pred / name, None) for name in sorted(predicted)]
    wanted = {path.name for path in gt.glob("*.png")}
    if not wanted:
        findings.problems.append(f"{gt}: holds no PNG; expected <00000>.png, ...")
    findings.problems += [
        f"{pred / name}: no such file, but {gt / name} is to be found" for name in sorted(wanted - predicted)
    ]
    findings.warnings += [
        f"{pred / name}: not scored, because there is no {gt / name}" for name in sorted(predicted - wanted)
    ]
    return [(pred / name, gt / name) for name in sorted(wanted & predicted)]
