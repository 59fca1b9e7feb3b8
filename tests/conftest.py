"""Settings of all tests, and a tiny model in a folder, which commands and the server load.

Tests have no deadlines, because the machine may be busy, and no network.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # each process has one core, and so have those that it starts
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ["CLEW_INDEXES"] = os.devnull  # not the user's own indexes
settings.register_profile("clew", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("clew")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of three layers whose tokens are the words w2, w3, ..."""
    from tests.tiny import tiny_model

    folder = tmp_path_factory.mktemp("models") / "tiny"
    model = tiny_model("LlamaForCausalLM")
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Names of tests without bytes, which may differ between processes that share the tests out."""
    return argname if isinstance(val, bytes) else None
