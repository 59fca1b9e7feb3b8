"""Where a user's reference to transcoders leads: a listing of files, each of them fetched on demand."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from clew.errors import ClewError
from clew.model.hub import refusal, repository_files

DEPTH = 4
"""How many folders deep a local folder is searched."""
INSTEAD = "a local folder of weights"
SHOWN = 8
SETTINGS = ("config.yaml", "config.json", "cfg.json")
"""What may lie beside a weight file and say how it is meant."""


@dataclass(frozen=True)
class FileListing:
    """Files below a place, by their names relative to it."""

    name: str
    """The place as the user wrote it."""
    files: Sequence[str]
    fetch: Callable[[Sequence[str]], Mapping[str, Path]]
    """Brings some of them onto this disk. Raises ClewError."""
    whole: bool = True
    """Whether a folder was named and not one file."""


@dataclass(frozen=True)
class HubPath:
    """`org/repo[/path][@revision]` on the Hugging Face hub; the path may hold `*`."""

    repo: str
    path: str = ""
    revision: str | None = None

    def __str__(self) -> str:
        path = f"/{self.path}" if self.path else ""
        return f"{self.repo}{path}" + (f"@{self.revision}" if self.revision else "")


def parse_hub_path(reference: str) -> HubPath | None:
    """Reads `org/repo/path@revision` or `hf://org/repo/path?revision=...`; None for anything else."""
    revision = None
    if reference.startswith("hf://"):
        link = urlsplit(reference)
        revision = (parse_qs(link.query).get("revision") or [None])[0]
        reference = link.netloc + link.path
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)(@[\w./-]+?)?(/[^@?]*)?(@[\w./-]+)?", reference)
    if match is None or match[1].startswith("."):
        return None
    stated = revision or (match[2] or match[4] or "").removeprefix("@")
    return HubPath(match[1], (match[3] or "").strip("/"), stated or None)


def list_local(path: Path) -> FileListing | None:
    """A folder's files, one file, or those that a pattern such as `layer_*/width_16k` leads to."""
    if path.is_file():
        beside = sorted(entry.name for entry in path.parent.iterdir())
        return FileListing(
            str(path), _with_settings(path.name, beside), _local_fetch(path.parent), whole=False
        )
    root, pattern = _fixed_part(path)
    if not root.is_dir():
        return None
    files = below(_walk(root), pattern)
    if pattern and not files:
        return None
    return FileListing(str(path), files, _local_fetch(root))


def list_hub(where: HubPath) -> FileListing:
    """The files below a path of a repository, from the hub or, offline, from its cache.

    Raises ClewError for what is not there.
    """
    files = _repository_files(where)
    parts = where.path.split("/") if where.path else []
    one_file = where.path in files
    folder = parts[:-1] if one_file else parts[: _fixed_length(parts)]
    found = _with_settings(where.path, files) if one_file else below(files, parts)
    if not found:
        held = sorted({file.split("/")[0] for file in files})
        shown = ", ".join(held[:SHOWN]) + (", ..." if len(held) > SHOWN else "")
        raise ClewError(f"{where.repo} has nothing at {where.path}: it holds {shown or 'no files'}.")
    prefix = "".join(f"{part}/" for part in folder)

    def fetch(names: Sequence[str]) -> Mapping[str, Path]:
        fetched = _hub_fetch(where, [prefix + name for name in names])
        return {name: fetched[prefix + name] for name in names}

    return FileListing(str(where), [file.removeprefix(prefix) for file in found], fetch, whole=not one_file)


def fetch_file(where: HubPath) -> Path:
    """One file of a repository, from the cache where it is there. Raises ClewError."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(where.repo, where.path, revision=where.revision))
    except Exception as error:  # the hub's errors share no base class, and the HTTP library's may change
        raise refusal(str(where), error, instead=INSTEAD) from error


def below(files: Sequence[str], parts: Sequence[str]) -> list[str]:
    """The files whose first folders match these, one by one; `*` stands for any letters of one name."""
    return [
        file
        for file in files
        if len(names := file.split("/")) > len(parts)
        and all(fnmatchcase(name, part) for name, part in zip(names, parts, strict=False))
    ]


def _fixed_length(parts: Sequence[str]) -> int:
    return next((number for number, part in enumerate(parts) if "*" in part), len(parts))


def _fixed_part(path: Path) -> tuple[Path, Sequence[str]]:
    """The folder above the first `*` of a path, and the parts from there on."""
    fixed = _fixed_length(path.parts)
    return Path(*path.parts[:fixed]), path.parts[fixed:]


def _walk(root: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(root):
        place = Path(folder).relative_to(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(place.parts) >= DEPTH:
            folders.clear()
        found += [(place / name).as_posix() for name in sorted(files)]
    return found


def _with_settings(file: str, files: Sequence[str]) -> list[str]:
    """One file and the settings in its folder."""
    folder = file.rpartition("/")[0]
    beside = [f"{folder}/{name}".lstrip("/") for name in SETTINGS]
    return [file] + [name for name in beside if name in files and name != file]


def _local_fetch(root: Path) -> Callable[[Sequence[str]], Mapping[str, Path]]:
    return lambda names: {name: root / name for name in names}


def _repository_files(where: HubPath) -> list[str]:
    from huggingface_hub import errors, snapshot_download

    try:
        return repository_files(where.repo, where.revision)
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise refusal(str(where), error, instead=INSTEAD) from error
    except Exception:  # no network: what an earlier run fetched is still in the cache
        try:
            folder = snapshot_download(where.repo, revision=where.revision, local_files_only=True)
        except Exception as error:
            raise refusal(str(where), error, instead=INSTEAD) from error
        return [path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()]


def _hub_fetch(where: HubPath, names: Sequence[str]) -> Mapping[str, Path]:
    from huggingface_hub import snapshot_download

    patterns = [name.replace("[", "[[]") for name in names]
    try:
        folder = Path(snapshot_download(where.repo, revision=where.revision, allow_patterns=patterns))
    except Exception as error:
        raise refusal(str(where), error, instead=INSTEAD) from error
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ClewError(
            f"{where.repo} was fetched without {missing[0]}: the hub cannot be reached and the cache holds "
            "only a part; connect once and try again."
        )
    return {name: folder / name for name in names}
