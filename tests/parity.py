"""The published results of circuit-tracer: their folder, and the names of the nine cases."""

from __future__ import annotations

from pathlib import Path

import pytest

PARITY = Path(__file__).resolve().parents[1].parent / "shared" / "parity"
CASES = [
    "gemma2-clt",
    "gemma2-jumprelu",
    "gemma3-jumprelu",
    "gemma3-skip",
    "llama-clt",
    "llama-jumprelu",
    "llama-relu",
    "llama-skip",
    "qwen3-relu",
]


def require_parity() -> None:
    """Skip a test, with the reason, if the published results are missing."""
    if not PARITY.exists():
        pytest.skip("the published results are not beside this checkout (folder shared/parity)")
