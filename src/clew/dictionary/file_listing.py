"""Listings of the files behind a reference, in a local folder or on the Hugging Face hub."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from clew.errors import ClewError
from clew.model.hub import hub_error, repository_files

DEPTH = 4
"""The depth to which a local folder is searched."""
OFFLINE = "name a local folder of weights"
SETTINGS = ("config.yaml", "config.json", "cfg.json", "activation_scaler.json")
"""Files of settings that may lie beside a weight file."""

WEIGHTS = (".safetensors", ".npz")
"""Endings of weight files."""


@dataclass(frozen=True)
class FileListing:
    """Files in a folder or repository, or one file, by their paths in it."""

    name: str
    """The reference as the user wrote it."""
    files: Sequence[str]
    fetch: Callable[[Sequence[str]], Mapping[str, Path]]
    """Brings some of the files onto this disk. Raises `ClewError`."""
    whole: bool = True
    """False if the reference names a single file."""


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
    """Read `org/repo/path@revision` or `hf://org/repo/path?revision=...`; None for any other text."""
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
    """The files of a folder, one file, or the files of a pattern such as `layer_*/width_16k`."""
    root, pattern = (path.parent, ()) if path.is_file() else _fixed_part(path)

    def fetch(names: Sequence[str]) -> Mapping[str, Path]:
        return {name: root / name for name in names}

    if path.is_file():
        beside = sorted(entry.name for entry in root.iterdir())
        return FileListing(str(path), _with_settings(path.name, beside), fetch, whole=False)
    files = below(_walk(root), pattern) if root.is_dir() else []
    if not root.is_dir() or (pattern and not files):
        return None
    return FileListing(str(path), files, fetch)


def list_hub(hub_path: HubPath) -> FileListing:
    """The files below a path of a repository, from the hub or, without a network, from its cache.

    Raises `ClewError` for a path that does not exist.
    """
    files = _repository_files(hub_path)
    parts = hub_path.path.split("/") if hub_path.path else []
    one_file = hub_path.path in files
    folder = parts[:-1] if one_file else parts[: _fixed_length(parts)]
    chosen = _with_settings(hub_path.path, files) if one_file else below(files, parts)
    if not chosen:
        top = sorted({file.split("/")[0] for file in files})
        raise ClewError(
            f"{hub_path.repo} has no files at {hub_path.path}; choose from {some_of(top) or 'another one'}."
        )
    prefix = "".join(f"{part}/" for part in folder)

    def fetch(names: Sequence[str]) -> Mapping[str, Path]:
        fetched = _hub_fetch(hub_path, [prefix + name for name in names])
        return {name: fetched[prefix + name] for name in names}

    names = [file.removeprefix(prefix) for file in chosen]
    return FileListing(str(hub_path), names, fetch, whole=not one_file)


def fetch_file(hub_path: HubPath) -> Path:
    """One file of a repository, from the cache if it is there. Raises `ClewError`."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(hub_path.repo, hub_path.path, revision=hub_path.revision))
    except Exception as error:  # the hub's errors share no base class, and the HTTP library's may change
        raise hub_error(str(hub_path), error, offline=OFFLINE) from error


def some_of(names: Sequence[str], most: int = 8) -> str:
    """The first names of a list, for a message: `a, b, ...`."""
    return ", ".join([*names[:most], *["..."][: len(names) > most]])


def below(files: Sequence[str], parts: Sequence[str]) -> list[str]:
    """The files whose first folders match these parts; `*` stands for any letters of one name."""
    return [
        file
        for file in files
        if len(names := file.split("/")) > len(parts)
        and all(fnmatchcase(name, part) for name, part in zip(names, parts, strict=False))
    ]


def _fixed_length(parts: Sequence[str]) -> int:
    return next((number for number, part in enumerate(parts) if "*" in part), len(parts))


def _fixed_part(path: Path) -> tuple[Path, Sequence[str]]:
    """The folder above the first `*` of a path, and the parts below it."""
    fixed = _fixed_length(path.parts)
    return Path(*path.parts[:fixed]), path.parts[fixed:]


def _walk(root: Path) -> list[str]:
    paths = []
    for folder, folders, files in os.walk(root, onerror=_refuse):
        relative = Path(folder).relative_to(root)
        if name := next((name for name in folders if name in SETTINGS or name.endswith(WEIGHTS)), None):
            raise ClewError(f"{Path(folder) / name} is a folder, but its name is that of a file; rename it.")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(relative.parts) >= DEPTH:
            folders.clear()
        paths += [(relative / name).as_posix() for name in sorted(files)]
    return paths


def _refuse(error: OSError) -> NoReturn:
    raise error  # a folder that cannot be listed must not pass for an empty one


def _with_settings(file: str, files: Sequence[str]) -> list[str]:
    """One file and the files of settings in its folder."""
    folder = file.rpartition("/")[0]
    beside = [f"{folder}/{name}".lstrip("/") for name in SETTINGS]
    return [file] + [name for name in beside if name in files and name != file]


def _repository_files(hub_path: HubPath) -> list[str]:
    from huggingface_hub import errors, snapshot_download

    try:
        return repository_files(hub_path.repo, hub_path.revision)
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError) as error:
        raise hub_error(str(hub_path), error, offline=OFFLINE) from error
    except Exception:  # without a network, the files of earlier runs are still in the cache
        try:
            folder = snapshot_download(hub_path.repo, revision=hub_path.revision, local_files_only=True)
        except Exception as error:
            raise hub_error(str(hub_path), error, offline=OFFLINE) from error
        return [path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()]


def _hub_fetch(hub_path: HubPath, names: Sequence[str]) -> Mapping[str, Path]:
    from huggingface_hub import snapshot_download

    patterns = [name.replace("[", "[[]") for name in names]
    try:
        folder = Path(snapshot_download(hub_path.repo, revision=hub_path.revision, allow_patterns=patterns))
    except Exception as error:
        raise hub_error(str(hub_path), error, offline=OFFLINE) from error
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ClewError(
            f"{hub_path.repo} is incomplete without {missing[0]}: the hub cannot be reached, and the cache "
            "holds only some of its files; connect once and try again."
        )
    return {name: folder / name for name in names}
