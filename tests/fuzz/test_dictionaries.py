"""Configurations of dictionaries with a random change: refused in a sentence, or the same features as before.

Other features come only from another value that a key can have, or with a sentence about what is odd.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pytest
import yaml

from clew.dictionary.reference import load_transcoders
from clew.errors import ClewError
from tests.dictionary.formats.test_no_setting_unread import CONFIGS, LAYOUTS, MEANT, features, same
from tests.fuzz.mutations import as_json, mutate, mutate_bytes
from tests.fuzz.test_graph_files import SENTENCE

Features = tuple[tuple[object, list], tuple[str, ...]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("dictionaries")
    return {layout: LAYOUTS[layout](base / str(number)) for number, layout in enumerate(CONFIGS)}


@pytest.fixture(scope="module")
def unchanged(folders) -> dict[str, Features]:
    return {layout: read(folder) for layout, folder in folders.items()}


def read(folder: Path) -> Features:
    """Everything that a dictionary computes on fixed inputs, and its remarks."""
    loaded = load_transcoders(folder)
    return features(loaded), loaded.remarks


def refusal_or_features(folder: Path) -> str | Features:
    try:
        return read(folder)
    except ClewError as error:
        return str(error)


def with_config(folder: Path, name: str, content: bytes, tmp_path: Path) -> Path:
    """A copy of a folder with another content of one configuration."""
    changed = tmp_path / "set"
    shutil.copytree(folder, changed)
    (changed / name).write_bytes(content)
    return changed


@pytest.mark.parametrize("seed", range(360))
def test_a_changed_configuration(folders, unchanged, tmp_path, seed):
    random = Random(seed)
    layout = random.choice(list(CONFIGS))
    name, _ = CONFIGS[layout]
    mutation = mutate(yaml.safe_load((folders[layout] / name).read_text()), random)
    as_text = yaml.safe_dump(mutation.value).encode() if name.endswith(".yaml") else as_json(mutation.value)
    result = refusal_or_features(with_config(folders[layout], name, as_text, tmp_path))
    if isinstance(result, str):
        assert SENTENCE.match(result), f"{layout}, {mutation.name}: {result}"
    elif not same(result[0], unchanged[layout][0]):
        said = set(result[1]) - set(unchanged[layout][1])
        assert said or mutation.path[-1] in MEANT, f"{layout}, {mutation.name}"


@pytest.mark.parametrize("seed", range(70))
def test_changed_bytes_of_a_configuration(folders, tmp_path, seed):
    random = Random(seed)
    layout = random.choice(list(CONFIGS))
    name, _ = CONFIGS[layout]
    content = mutate_bytes((folders[layout] / name).read_bytes(), random)
    result = refusal_or_features(with_config(folders[layout], name, content, tmp_path))
    if isinstance(result, str):
        assert SENTENCE.match(result), result
    elif name.endswith(".json"):
        json.loads(content)
