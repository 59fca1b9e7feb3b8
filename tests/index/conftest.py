"""Small texts of the words that tiny models know."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest


def words(count: int, seed: int) -> str:
    """Random words, some of them in runs that come again."""
    draw = random.Random(seed)
    run = " ".join(f"w{draw.randint(2, 60)}" for _ in range(12))
    found: list[str] = []
    while len(found) < count:
        found += run.split() if draw.random() < 0.1 else [f"w{draw.randint(2, 60)}"]
    return " ".join(found[:count])


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one long text and 45 short ones: 1,700 tokens or so, windows of all lengths."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "long.txt").write_text(words(700, seed=0))
    short = [json.dumps({"text": words(1 + number, seed=number)}) for number in range(45)]
    (folder / "short.jsonl").write_text("\n".join(short))
    return folder
