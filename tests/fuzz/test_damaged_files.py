"""Damaged files through the command line: a report or one sentence, and never the word "unexpected".

Each kind of file is damaged with fixed seeds: one value of its JSON, YAML or table, or some bytes.
"""

from __future__ import annotations

import datetime
import json
import shutil
import sqlite3
import struct
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from clew.cli.main import main
from clew.graph.neuronpedia.writer import to_neuronpedia
from tests.cli.test_output import EVIL, STEERS
from tests.dictionary.formats.test_no_setting_unread import CONFIGS, LAYOUTS
from tests.fuzz.mutations import as_json, mutate, mutate_bytes
from tests.graph.test_file import full_graph
from tests.index.example_index import make_index

SAMPLES = Path(__file__).parents[3] / "shared" / "cases" / "damaged"
"""Files that went wrong once, where the checkout has them beside it."""
HOSTILE: tuple[Any, ...] = (EVIL, "\ud800", 10**400, -1, 2**63, 1e308, [[[[EVIL]]]], {EVIL: EVIL}, None, True)
OF_YAML: tuple[Any, ...] = (
    datetime.date(2020, 1, 1),
    datetime.datetime(2020, 1, 1, 1),
    {datetime.date(2020, 1, 1): 1},
    b"x",
    {"x"},
    float("nan"),
    ["/etc/passwd"],
    ["../../x.safetensors"],
    [datetime.date(2020, 1, 1)],
)
KINDS = ["F4", "F8_E5M2", "BF16", "C64", "U64", "BOOL"]
PARTS_OF_MODEL = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "model.safetensors",
]


@pytest.fixture
def walk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run a command, which must end as it should for any file; its exit code."""
    monkeypatch.setenv("CLEW_INDEXES", str(tmp_path / "indexes"))

    def run(*arguments: object) -> int:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert code in (0, 2), said.err
        assert not STEERS.search(said.out + said.err), said.err
        *_, last = said.err.splitlines() or [""]
        assert last.startswith("clew: ") == (code == 2), said.err
        assert "unexpected" not in last
        assert "enough memory" not in last
        assert len(last) < 1500
        return code

    return run


def damaged_json(value: Any, random: Random) -> Any:
    """A JSON value with a change, or with something hostile in one place."""
    mutation = mutate(value, random)
    if random.random() < 0.5:
        return mutation.value
    parent: Any = mutation.value
    with suppress(LookupError, TypeError):
        for step in mutation.path[:-1]:
            parent = parent[step]
        parent[mutation.path[-1]] = random.choice(HOSTILE)
    return mutation.value


def with_header(content: bytes, header: dict[str, Any]) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    text = as_json(header)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def damaged_tensors(content: bytes, random: Random) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    match random.randrange(4):
        case 0:
            return mutate_bytes(content, random)
        case 1:
            return content[: random.choice([0, 1, 7, 8, 9, 100, len(content) // 2])]
        case 2:
            entry = header[random.choice([name for name in header if name != "__metadata__"])]
            entry["dtype"] = random.choice(KINDS)
            entry["shape"] = random.choice([entry["shape"], [0, 2**62], [2**62, 2**62], []])
            return with_header(content, header)
    return with_header(content, mutate(header, random).value)


def damaged_graph(content: bytes, random: Random) -> bytes:
    """A `.clew` file whose texts, arrays or header are damaged, with no digest to tell."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    texts = header["__metadata__"]
    del texts["digest"]
    if random.random() < 0.3:
        return damaged_tensors(with_header(content, header), random)
    key = random.choice(["clew", "clew", "annotations"])
    texts[key] = json.dumps(damaged_json(json.loads(texts[key]), random))
    return with_header(content, header)


@pytest.fixture(scope="module")
def graph() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return full_graph().save(Path(folder) / "a.clew").read_bytes()


@pytest.mark.parametrize("seed", range(60))
def test_a_graph(walk, graph, tmp_path, seed):
    path = tmp_path / "a.clew"
    path.write_bytes(damaged_graph(graph, Random(seed)))
    if walk("show", path) == 0 and seed % 4 == 0:
        walk("annotate", path, "--out", tmp_path / "b.clew", "--pin", full_graph().node_ids[0])


@pytest.mark.parametrize("seed", range(25))
def test_a_graph_of_neuronpedia(walk, tmp_path, seed):
    random, path = Random(seed), tmp_path / "a.json"
    path.write_bytes(as_json(damaged_json(json.loads(json.dumps(to_neuronpedia(full_graph()))), random)))
    walk("show", path)


@pytest.mark.parametrize("seed", range(30))
def test_a_model(walk, model_folder, tmp_path, seed):
    random, folder = Random(seed), tmp_path / "model"
    shutil.copytree(model_folder, folder)
    path = folder / PARTS_OF_MODEL[seed % len(PARTS_OF_MODEL)]
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        path.write_bytes(damaged_tensors(content, random))
    elif random.random() < 0.7:
        path.write_bytes(as_json(damaged_json(json.loads(content), random)))
    else:
        path.write_bytes(mutate_bytes(content, random))
    prompt = random.choice([["w3 w4"], ["--tokens", "3,4"], ["--chat", "w3"]])
    walk("trace", *prompt, "--model", folder, "--dictionary", "neurons", "--max-nodes", 20)


@pytest.mark.parametrize("seed", range(40))
def test_a_dictionary(walk, tmp_path, seed):
    random = Random(seed)
    layout = random.choice(list(CONFIGS))
    folder = LAYOUTS[layout](tmp_path / "set")
    config = folder / CONFIGS[layout][0]
    weights = random.choice([*folder.rglob("*.safetensors"), *folder.rglob("*.npz")])
    if seed % 3 == 0:
        content = weights.read_bytes()
        damage = damaged_tensors if weights.suffix == ".safetensors" else mutate_bytes
        weights.write_bytes(damage(content, random))
    else:
        value = damaged_json(yaml.safe_load(config.read_text()), random)
        if config.suffix == ".yaml":
            value = {**value, random.choice(list(value)): random.choice(OF_YAML)} if seed % 2 else value
            config.write_text(yaml.safe_dump(value))
        else:
            config.write_bytes(as_json(value))
    walk("dictionary", "save", folder, tmp_path / "out")


@pytest.mark.parametrize("seed", range(40))
def test_an_index(walk, tmp_path, seed):
    random, path = Random(seed), make_index(tmp_path)
    if seed % 2:
        path.write_bytes(mutate_bytes(path.read_bytes(), random))
    else:
        with closing(sqlite3.connect(path)) as opened, opened:
            tables = [
                name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            table = random.choice(tables)
            columns = [row[1] for row in opened.execute(f"PRAGMA table_info('{table}')")]
            value = random.choice([EVIL, -1, 2**62, 1.5, None, b"", b"\xff" * 9, "", "[]", "[[[[", "1e999"])
            with suppress(sqlite3.Error):
                opened.execute(f'UPDATE "{table}" SET "{random.choice(columns)}" = ?', [value])
    walk("index", "show", path, random.choice(["L2/1", "L2/3"]))
    walk("index", "export", path, "--out", tmp_path / "exported")


@pytest.mark.parametrize(
    "sample", sorted(SAMPLES.iterdir()) if SAMPLES.is_dir() else [], ids=lambda path: path.name
)
def test_a_sample(walk, tmp_path, sample):
    if sample.is_file():
        walk("show", sample)
    elif (sample / "config.yaml").exists():
        walk("dictionary", "save", sample, tmp_path / "out")
    else:
        for prompt in (["w3 w4"], ["--tokens", "3,4"]):
            walk("trace", *prompt, "--model", sample, "--dictionary", "neurons", "--max-nodes", 20)
