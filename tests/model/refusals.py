"""Refusals of model folders, and changes of their `config.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.model.loading import load_language_model


def reconfigure(folder: Path, **settings: object) -> None:
    """Write settings into a folder's `config.json`, over those that it has."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def refusal(load: Callable[[], object]) -> str:
    """The one sentence or two, in one line, with which loading is refused."""
    with pytest.raises(ClewError) as caught:
        load()
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 800
    return message


def refusal_of(folder: Path) -> str:
    """The refusal of a model folder."""
    return refusal(lambda: load_language_model(folder, name="tiny"))
