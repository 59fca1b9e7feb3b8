"""The settings of a run beside its weights: `training.yaml`, which a run that goes on reads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from clew.errors import ClewError
from clew.files import write_file
from clew.fingerprints import same_weights
from clew.options import check_options
from clew.training.settings import TrainSettings
from clew.version import __version__
from clew.yaml_file import read_yaml

FILE = "training.yaml"
HEAD = "# How clew trained these transcoders; clew train --resume goes on from here.\n"

FREE = ("out", "resume", "checkpoint", "tensorboard", "learning_rate", "end_to_end_rate")
"""Options that a run may go on with another value of; rates alone change its weights."""


@dataclass(frozen=True)
class SavedRun:
    """A run as its folder tells it."""

    model: str
    weights: str
    """The key of the model's weights; empty for a model made in memory."""
    settings: TrainSettings


def save_settings(folder: Path, model: str, weights: str, settings: TrainSettings) -> None:
    """Write the settings of a run, with its model."""
    options = {
        field.name: _plain(getattr(settings, field.name))
        for field in fields(TrainSettings)
        if field.name not in ("out", "resume")
    }
    facts = {"model": model, "weights": weights, "clew": __version__, "settings": options}
    write_file(folder / FILE, (HEAD + yaml.safe_dump(facts, sort_keys=False)).encode())


def read_settings(folder: Path) -> SavedRun:
    """The run that a folder holds.

    Raises `ClewError` for a folder without one, and for a file that clew did not write.
    """
    path = folder / FILE
    if not path.exists():
        raise ClewError(f"{folder} holds no run to go on with ({FILE} is missing); leave out resume.")
    facts = read_yaml(path)
    if not isinstance(facts, Mapping) or not isinstance(facts.get("settings"), Mapping):
        raise _damaged(path, "it has no settings")
    options = {str(name): value for name, value in facts["settings"].items()}
    known = {field.name for field in fields(TrainSettings)}
    if unknown := sorted(options.keys() - known):
        raise _damaged(path, f"clew has no option {unknown[0]}")
    settings = TrainSettings(out=folder, **options)
    check_options(settings)
    return SavedRun(str(facts.get("model", "")), str(facts.get("weights", "")), settings)


def settings_to_go_on(saved: SavedRun, given: TrainSettings) -> TrainSettings:
    """The saved settings, with the given values of what may change.

    An option at its default counts as not given. Raises `ClewError` for one that is given and differs.
    """
    changed: dict[str, Any] = {}
    for field in fields(TrainSettings):
        value, before = getattr(given, field.name), getattr(saved.settings, field.name)
        if value == field.default or _plain(value) == _plain(before):
            continue
        if field.name in FREE:
            changed[field.name] = value
            continue
        raise ClewError(
            f"The run in {given.out} was begun with {field.name} {_plain(before)}, not {_plain(value)}; "
            "leave it out to go on, or begin anew in another folder."
        )
    return replace(saved.settings, **(changed | {"out": given.out, "resume": True}))


def check_same_model(saved: SavedRun, model: str, weights: str) -> None:
    """Raise `ClewError` for another model than that of a saved run."""
    if saved.model != model or not same_weights(saved.weights, weights):
        raise ClewError(
            f"The run in {saved.settings.out} trains transcoders of {saved.model} (weights "
            f"{saved.weights or 'in memory'}), and the model is {model} (weights {weights or 'in memory'}); "
            "load the same one."
        )


def _plain(value: Any) -> Any:
    """A value as YAML holds it."""
    if isinstance(value, Path):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _damaged(path: Path, reason: str) -> ClewError:
    return ClewError(f"{path} does not tell how the run was begun: {reason}; begin anew in another folder.")
