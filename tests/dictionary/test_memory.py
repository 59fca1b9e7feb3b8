"""The memory of a trace follows the features that are active, not the size of the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.transcoder_memory import write_large_clt
from tests.real import real_model

GB = 10**9


@pytest.mark.real
def test_a_clt_of_four_gigabytes_is_traced_in_two_beyond_the_model():
    with TemporaryDirectory() as folder:  # pytest's own would stay
        transcoders = Path(folder) / "set"
        assert write_large_clt(real_model("smollm2"), transcoders) > 4 * GB
        command = [sys.executable, "-m", "benchmarks.transcoder_memory", str(transcoders)]
        finished = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(finished.stdout.splitlines()[-1])
    assert found["peak"] - found["model"] < 2 * GB
    assert found["conservation"] <= 1e-3
