"""Empty caches of clew and of the hub, and no network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NoReturn

import huggingface_hub.constants
import pytest


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a test reached for the network")

    place: Path = tmp_path_factory.mktemp("alone")
    monkeypatch.setenv("CLEW_CACHE", str(place / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(place / "hub"))
    monkeypatch.setattr(socket.socket, "connect", refuse)
