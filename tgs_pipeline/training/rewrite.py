"""rewrite: a teacher turns plain references into reasoning-intensive ones, and a person accepts them.

    tgs train rewrite --params training/params.yaml                        asks, writes the listing
    tgs train rewrite --accept artifacts/rewrite/rewrites.csv              writes the accepted ones

Input: `rewrite.references`, a CSV of Ref-AVSBench; null references are left as they are and left out. Outputs:

    <out>/rewrites.csv                          uid, row, original, rewritten, checks, accept: for a person to edit
    <out>/R2AVSBench_metadata.unreviewed.csv    what passed the checks, in the five columns of the benchmark
    <out>/R2AVSBench_metadata.csv               what a person accepted (UPSTREAM_FACTS 1.2)
    <out>/rejects.jsonl                         what did not pass, with the reasons and all replies

In the listing, a person writes `yes` or `no` into `accept`, and may edit `rewritten`; rows so decided survive the next
run as they are.
"""

import csv
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tgs_pipeline.artifacts.lookup import Lookup
from tgs_pipeline.asking import Question, answers, make_recipe
from tgs_pipeline.data.ref_avsbench import COLUMNS, read_samples
from tgs_pipeline.data.sample import read_csv
from tgs_pipeline.params_multimodal import ServerParams
from tgs_pipeline.prompts import rewrite as prompt
from tgs_pipeline.rows import Recipe
from tgs_pipeline.training.params_teacher import RewriteParams
from tgs_pipeline.workspace import cache_folder

log = logging.getLogger(__name__)

VERSION = 1  # raise when the meaning of a row changes: questions or checks
LISTING = "rewrites.csv"
UNREVIEWED = "R2AVSBench_metadata.unreviewed.csv"
REVIEWED = "R2AVSBench_metadata.csv"
REJECTS = "rejects.jsonl"
LISTING_COLUMNS = ("uid", "row", "original", "rewritten", "checks", "accept")
DECISIONS = ("yes", "no", "")


def run(settings: RewriteParams, teacher: ServerParams) -> None:
    """Ask for the rewritten references that the row store lacks; write listing, unreviewed CSV and rejects."""
    words = (settings.words.min, settings.words.max)
    recipe = make_recipe("rewrite", teacher, version=VERSION, system=prompt.system_prompt(words=words))
    references = _references(settings)
    units = _units(settings, references, recipe)
    lookup = answers(
        units,
        recipe=recipe,
        settings=teacher,
        section="teacher",
        question=_question,
        check=lambda reply, unit: _check(reply, unit, settings),
        cache=cache_folder(settings.cache),
        num_loaders=1,
        max_failure_rate=settings.max_failure_rate,
    )
    _publish(settings, references, units, lookup)


def accept(settings: RewriteParams, *, listing: Path) -> Path:
    """Write the CSV of the rows that a person accepted; ValueError lists every row that cannot be taken."""
    references = _references(settings)
    problems: list[str] = []
    taken: dict[int, str] = {}
    decisions: Counter[str] = Counter()
    for line, decided in _read_listing(listing):
        decisions[decided["accept"]] += 1
        if decided["accept"] != "yes":
            continue
        where = f"{listing}, data row {line} ({decided['uid']})"
        fields = references.get(int(decided["row"]))
        if fields is None or (fields["uid"], fields["exp"]) != (decided["uid"], decided["original"]):
            problems.append(f"{where}: {settings.references} has another reference in row {decided['row']}")
            continue
        wrong = _check(decided["rewritten"], _unit(fields), settings)
        wrong += ["accepted in an earlier row already"] if int(decided["row"]) in taken else []
        problems += [f"{where}: {'; '.join(wrong)}"] if wrong else []
        taken[int(decided["row"])] = decided["rewritten"]
    if problems:
        raise ValueError("\n  ".join([f"{len(problems)} accepted rows cannot be taken:", *problems]))
    path = Path(settings.out) / REVIEWED
    _write_csv(path, COLUMNS, ([*_identity(references[row]), text] for row, text in sorted(taken.items())))
    log.info(
        "rewrite: %d accepted, %d declined, %d undecided; %s",
        decisions["yes"], decisions["no"], decisions[""], path,
    )  # fmt: skip
    return path


def _references(settings: RewriteParams) -> dict[int, dict[str, str]]:
    """The CSV fields of each reference to an object in the chosen splits, by row; every row read is checked."""
    path = Path(settings.references)
    fields = dict(read_csv(path, required=COLUMNS))
    chosen = {
        sample.row: fields[sample.row] for sample in read_samples(path, splits=settings.splits) if not sample.is_null
    }
    if not chosen:
        raise ValueError(f"{path}: no reference to an object in the splits {settings.splits}")
    return chosen


def _units(settings: RewriteParams, references: dict[int, dict[str, str]], recipe: Recipe) -> list[dict]:
    """A unit of work for each reference, with the objects that it must not fit."""
    tracks: dict[str, set[tuple[str, str]]] = {}
    for _, fields in read_csv(Path(settings.references), required=COLUMNS):
        vid, word, _number = fields["uid"].rsplit("_", 2)
        tracks.setdefault(vid, set()).add((word, fields["fid"]))
    units = []
    for row, fields in references.items():
        unit = _unit(fields)
        vid = fields["uid"].rsplit("_", 2)[0]
        others = sorted(word for word, fid in tracks[vid] - {(unit["object"], fields["fid"])})
        key = recipe.key(unit["reference"], unit["object"], others)
        units.append(unit | {"key": key, "name": f"{fields['uid']} (row {row})", "others": others})
    return units


def _unit(fields: dict[str, str]) -> dict:
    return {"reference": fields["exp"], "object": fields["uid"].rsplit("_", 2)[1]}


def _question(unit: dict) -> Question:
    text = prompt.question(reference=unit["reference"], object_word=unit["object"], others=unit["others"])
    return Question(text, (), {})


def _check(reply: str, unit: dict, settings: RewriteParams) -> list[str]:
    words = (settings.words.min, settings.words.max)
    return prompt.check(reply, reference=unit["reference"], object_word=unit["object"], words=words)


def _publish(settings: RewriteParams, references: dict[int, dict[str, str]], units: list[dict], lookup: Lookup) -> None:
    out = Path(settings.out)
    decided = _decided(out / LISTING)
    answered = lookup.take([unit["key"] for unit in units]).to_pylist()
    listing, passed, rejects = [], [], []
    for (row, fields), unit, answer in zip(references.items(), units, answered, strict=True):
        text = answer["replies"][-1] if answer["replies"] else ""
        if answer["status"] == "ok":
            passed.append([*_identity(fields), text])
        else:
            reject = {"uid": fields["uid"], "row": row, "reference": fields["exp"]}
            rejects.append(reject | {name: answer[name] for name in ("status", "reason", "replies")})
        text, decision = decided.get((fields["uid"], row, fields["exp"]), (text, ""))
        checks = "; ".join(_check(text, unit, settings)) if text else answer["reason"]
        listing.append([fields["uid"], row, fields["exp"], text, checks or "passed", decision])
    _write_csv(out / LISTING, LISTING_COLUMNS, listing)
    _write_csv(out / UNREVIEWED, COLUMNS, passed)
    _write_text(out / REJECTS, "".join(json.dumps(reject, ensure_ascii=False) + "\n" for reject in rejects))
    tokens = [sum(answer[name] or 0 for answer in answered) for name in ("prompt_tokens", "completion_tokens")]
    log.info(
        "rewrite: %d references: %d passed, %d did not, %d decided by a person; they took %d prompt and %d completion "
        "tokens; edit %s", len(listing), len(passed), len(rejects), len(decided), *tokens, out / LISTING,
    )  # fmt: skip


def _decided(path: Path) -> dict[tuple[str, int, str], tuple[str, str]]:
    """(rewritten, accept) of the rows that a person decided, by (uid, row, original)."""
    if not path.exists():
        return {}
    return {
        (fields["uid"], int(fields["row"]), fields["original"]): (fields["rewritten"], fields["accept"])
        for _, fields in _read_listing(path)
        if fields["accept"]
    }


def _read_listing(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a listing; ValueError where `accept` or `row` holds something else than asked for."""
    for line, fields in read_csv(path, required=LISTING_COLUMNS):
        fields["accept"] = fields["accept"].strip().lower()
        if fields["accept"] not in DECISIONS:
            raise ValueError(f"{path}, data row {line}: accept is {fields['accept']!r}, expected yes, no or nothing")
        if not fields["row"].isdecimal():
            raise ValueError(f"{path}, data row {line}: row is {fields['row']!r}, expected a number")
        yield line, fields


def _identity(fields: dict[str, str]) -> list[str]:
    return [fields[name] for name in COLUMNS[:-1]]


def _write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    part.replace(path)


def _write_text(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
