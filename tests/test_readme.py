"""Python examples of the README and of a page run as they stand, and the commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.real
def test_the_python_example_runs(tmp_path, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    exec(example, namespace)
    assert list(tmp_path.glob("*.clew"))


@pytest.mark.real
def test_the_examples_of_interventions_print_what_the_page_says(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "guide" / "testing-a-hypothesis.md").read_text()
    exec("\n".join(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)), {})
    printed = capsys.readouterr().out.splitlines()
    assert f"# {printed[0]}" in page
    assert all(line in page for line in printed if line.startswith("Generation("))
    assert len(printed) == 6
