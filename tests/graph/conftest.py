"""The real graphs that others made, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_GRAPHS = Path(__file__).resolve().parents[2].parent / "shared" / "graphs"


@pytest.fixture(params=["cold-clt-hp", "hive-clt-hp", "puppy-clt-hp"])
def shared_graph_path(request: pytest.FixtureRequest) -> Path:
    """One of three real graphs of Gemma 2 2B, in Neuronpedia's JSON."""
    path = SHARED_GRAPHS / f"{request.param}.json"
    if not path.exists():
        pytest.skip("the three real graphs are not beside this checkout (folder shared/graphs)")
    return path
