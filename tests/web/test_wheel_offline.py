"""The wheel is enough: without a network, and without this checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.real import real_model
from tests.web.conftest import DEBIANS

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = [
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "sh",
    "-c",
    'ip link set lo up && exec "$@"',
    "sh",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    return next(folder.glob("clew-*.whl"))


def test_the_wheel_holds_the_page_and_not_its_sources(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    page = [name for name in names if name.startswith("clew/server/page/")]
    assert "clew/server/page/index.html" in page
    assert any(name.endswith(".js") for name in page)
    assert any(name.endswith(".woff2") for name in page)
    assert not [name for name in names if name.startswith("web/") or name.endswith((".ts", ".svelte"))]


@pytest.mark.real
def test_the_whole_loop_without_a_network(wheel: Path, tmp_path: Path):
    real_model("smollm2")  # converted once, before the network goes
    if subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a process go without the network (unshare --net)")
    if not DEBIANS.exists():
        pytest.skip("there is no /usr/bin/chromium")
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)],
        check=True,
    )
    script = Path(__file__).with_name("offline_loop.py")
    done = subprocess.run(
        [*NO_NETWORK, sys.executable, str(script), str(tmp_path / "library"), str(DEBIANS)],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"same_annotations": True, "same_page": True, "annotations": 3, "same_graph": True}
