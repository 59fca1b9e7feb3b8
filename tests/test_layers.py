"""Lower folders never import higher ones, and light imports stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "clew"

GROUND = {"errors", "feature", "file_lock", "file_stamps", "files", "fingerprints", "interruption"}
GROUND |= {"load_record", "options", "plain_text", "progress", "quantities", "sink"}
GROUND |= {"sqlite", "system_errors", "token_text", "utf8", "version", "yaml_file"}
"""Modules that every room may use; they know only each other."""

ALLOWED = {
    **dict.fromkeys(GROUND, GROUND),
    "model": GROUND,
    "dictionary": GROUND | {"model"},
    "graph": GROUND,
    "gallery": GROUND,
    "attribution": GROUND | {"model", "dictionary", "graph"},
    "intervention": GROUND | {"model", "dictionary", "graph", "attribution"},
    "index": GROUND | {"model", "dictionary", "graph", "attribution"},
    "model_check": GROUND | {"model", "dictionary", "graph", "attribution", "intervention", "version"},
    "inspection": GROUND | {"model", "dictionary", "graph", "attribution", "version"},
    "training": GROUND | {"model", "dictionary", "attribution", "index", "inspection"},
    "load_settings": GROUND | {"dictionary"},
    "facade": GROUND
    | {"model", "dictionary", "graph", "attribution", "intervention", "index", "load_settings"}
    | {"model_check", "training"},
    "__init__": GROUND | {"facade", "graph", "intervention", "index"},
    "__main__": {"cli"},
    "server": GROUND
    | {"model", "dictionary", "index", "graph", "facade", "attribution", "intervention", "__init__"}
    | {"load_settings", "gallery"},
    "cli": GROUND
    | {"model", "dictionary", "index", "graph", "facade", "attribution", "intervention"}
    | {"server", "load_settings", "model_check", "inspection", "training", "gallery", "__init__"},
}


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {
            name.split(".")[1] if "." in name else "__init__"
            for name in names
            if name.split(".")[0] == "clew"
        }
    return rooms


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_lower_rooms_do_not_know_higher_ones(path):
    room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert imported_rooms(path) - {room} <= ALLOWED[room]


@pytest.mark.parametrize(
    "statement",
    [
        "import clew",
        "from clew import open",
        "import clew.graph.frames",
        "import clew.index.settings, clew.index.storage.index",
        "import clew.index.exchange.importing, clew.index.exchange.exporting",
        "import clew.index.labels.model_labels, clew.index.labels.token_labels",
        "import clew.intervention.settings, clew.load_settings",
    ],
)
def test_light_imports_leave_torch_alone(statement):
    check = f"import sys; {statement}; assert not {{'torch', 'transformers', 'pandas'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_importing_clew_takes_less_than_half_a_second():
    def seconds() -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import clew"], check=True)
        return time.perf_counter() - begin

    assert min(seconds() for _ in range(3)) < 0.5
