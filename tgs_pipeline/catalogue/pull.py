"""Fetching published weights: from the model hub with resuming and checksums, from installed packages, or written.

A file is fetched into <root>/.pull/, where an unfinished one is gone on with, checked there, and renamed to its place.
What a file was checked against is kept in <root>/pulled.json: repository, commit, checksum and size.
"""

import hashlib
import importlib.util
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tgs_pipeline.artifacts.publish import write_text
from tgs_pipeline.catalogue.sets import ALONE, File, Placed

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

RECORD, STAGING = "pulled.json", ".pull"
READ_BYTES = 1 << 22

log = logging.getLogger(__name__)


class HubUnreachableError(ValueError):
    """The model hub cannot be reached at all, so that no other file of it needs to be tried."""


@dataclass(frozen=True)
class Pulled:
    """What a fetched file was checked against; checksum: SHA-256, or the Git blob id of a small file."""

    source: str
    commit: str
    checksum: str
    size_bytes: int


def pull(sets: Sequence[Placed]) -> list[str]:
    """Fetch every file that is missing; returns what could not be fetched, each with what to do about it."""
    _check_room(sets)
    problems: list[str] = []
    is_reachable = True
    for placed in sets:
        for file in placed.set.files:
            if placed.place(file).is_file() or (file.repo is not None and not is_reachable):
                continue
            try:
                _fetch(placed, file)
            except HubUnreachableError as error:
                problems.append(str(error))
                is_reachable = False
            except (ValueError, OSError) as error:
                problems.append(str(error))
            else:
                log.info("fetched %s", placed.place(file))
    return problems


def records(root: Path) -> dict[str, Pulled]:
    """What is known of fetched files, by their path below `root`."""
    path = root / RECORD
    if not path.is_file():
        return {}
    try:
        return {name: Pulled(**entry) for name, entry in json.loads(path.read_bytes()).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a record of fetched files ({error}); delete it") from None


def matches(path: Path, checksum: str) -> bool:
    """Whether a file has a SHA-256 (64 digits) or a Git blob id (40 digits)."""
    is_git = len(checksum) == 40
    total = hashlib.sha1(f"blob {path.stat().st_size}\0".encode()) if is_git else hashlib.sha256()
    with path.open("rb") as handle:
        while piece := handle.read(READ_BYTES):
            total.update(piece)
    return total.hexdigest() == checksum


def _check_room(sets: Sequence[Placed]) -> None:
    """ValueError where a disk has less room than what is to be fetched."""
    needed: dict[Path, int] = {}
    for placed in sets:
        for file in placed.set.files:
            if not placed.place(file).is_file():
                needed[placed.root] = needed.get(placed.root, 0) + file.size_bytes
    for root, size in needed.items():
        there = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
        if (free := shutil.disk_usage(there).free) < size:
            raise ValueError(f"{root}: {size / 1e9:.1f} GB are to be fetched, but only {free / 1e9:.1f} GB are free")


def _fetch(placed: Placed, file: File) -> None:
    target = placed.place(file)
    if file.by_hand is not None:
        raise ValueError(f"{target}: is not on the hub; get it by hand from {file.by_hand}, and put it there")
    if file.content is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, json.dumps(file.content, indent=2) + "\n")
    elif file.package is not None:
        _copy_from_package(file, target)
    else:
        _fetch_from_hub(placed, file, target)


def _copy_from_package(file: File, target: Path) -> None:
    spec = importlib.util.find_spec(str(file.package))
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (source := Path(folder) / str(file.name)).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(target, source.read_text(encoding="utf-8"))
            return
    raise ValueError(f"{target}: the package {file.package} is not installed, or lacks {file.name}")


def _fetch_from_hub(placed: Placed, file: File, target: Path) -> None:
    """Fetch, check and place one file; ValueError tells why it could not be."""
    import httpx2
    from huggingface_hub.errors import (  # fmt: skip
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    repo = str(file.repo)
    try:
        name, metadata = _look_up(repo, _wanted(placed, file))
        source = _download(repo, name, metadata, folder=placed.root / STAGING)
    except GatedRepoError:
        raise ValueError(
            f"{target}: {repo} is gated: accept its licence ({placed.set.licence}) on its page of the hub, then run "
            "`hf auth login` or set HF_TOKEN, and pull again"
        ) from None
    except RepositoryNotFoundError:
        raise ValueError(
            f"{target}: the hub has no {repo} for you; if it is private now, run `hf auth login` or set HF_TOKEN"
        ) from None
    except (OfflineModeIsEnabled, LocalEntryNotFoundError) as error:
        raise _unreachable(error, target=target, repo=repo) from None
    except EntryNotFoundError:
        raise ValueError(f"{target}: {repo} holds no {_wanted(placed, file)}") from None
    except HfHubHTTPError as error:
        raise ValueError(f"{target}: the hub refuses {repo} ({str(error).splitlines()[0]})") from None
    except (httpx2.HTTPError, OSError) as error:
        raise _unreachable(error, target=target, repo=repo) from None
    _check(source, file, metadata, repo=repo, target=target)
    _remember(placed, file, Pulled(repo, str(metadata.commit_hash), str(metadata.etag), source.stat().st_size))
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)


def _download(repo: str, name: str, metadata: "HfFileMetadata", *, folder: Path) -> Path:
    """The bytes of a file in `folder`, under its checksum; what an earlier call left is gone on with.

    Not by hf_hub_download, which since version 2 begins anew in each process.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / str(metadata.etag)
    with part.open("ab") as handle:
        http_get(
            hf_hub_url(repo, name, revision=metadata.commit_hash),
            handle,
            resume_size=handle.tell(),
            headers=build_hf_headers() | {"Accept-Encoding": "identity"},
            expected_size=metadata.size,
            displayed_filename=name,
        )
    return part


def _wanted(placed: Placed, file: File) -> str:
    """The path in the repository that is asked for first."""
    return file.name or (placed.set.path if file.path == ALONE else Path(file.path).name)


def _look_up(repo: str, name: str) -> "tuple[str, HfFileMetadata]":
    """Where a repository has a file, at its newest commit: under its name, or in the one folder that holds it."""
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return name, get_hf_file_metadata(hf_hub_url(repo, name))
    except EntryNotFoundError:
        last = Path(name).name
        found = [path for path in HfApi().list_repo_files(repo) if Path(path).name == last]
        if len(found) > 1:
            raise ValueError(f"{repo} holds {last} in several places, {found}: fetch the right one by hand") from None
        if not found:
            raise
        return found[0], get_hf_file_metadata(hf_hub_url(repo, found[0]))


def _unreachable(error: Exception, *, target: Path, repo: str) -> HubUnreachableError:
    why = "HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") else f"{type(error).__name__}"
    return HubUnreachableError(
        f"{target}: the model hub cannot be reached, or broke off ({why}): pull again, and it goes on where it "
        f"stopped; or pull on a machine with network access, and copy the files of {repo} to the same places"
    )


def _check(source: Path, file: File, metadata: "HfFileMetadata", *, repo: str, target: Path) -> None:
    """ValueError where a fetched file is not whole, or not the one that was published; a broken one is removed."""
    checksum = str(metadata.etag)
    if file.sha256 is not None and checksum != file.sha256:
        raise ValueError(f"{target}: {repo} now holds another file ({checksum}) than was published ({file.sha256})")
    if source.stat().st_size != metadata.size or not matches(source, checksum):
        source.unlink()
        raise ValueError(f"{target}: arrived damaged (its checksum is not {checksum}) and was removed; pull again")


def _remember(placed: Placed, file: File, pulled: Pulled) -> None:
    known = records(placed.root)
    known[placed.place(file).relative_to(placed.root).as_posix()] = pulled
    text = json.dumps({name: asdict(entry) for name, entry in sorted(known.items())}, indent=2)
    write_text(placed.root / RECORD, text + "\n")
