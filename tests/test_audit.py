"""The audit of dependencies reads what the tools say, and takes no silence for safety."""

from __future__ import annotations

import pytest

from tools.audit import EXCEPTIONS, of_npm, of_pip


def test_vulnerabilities_are_read() -> None:
    hole = {"id": "PYSEC-1", "fix_versions": ["2.1"]}
    packages = [{"name": "a", "version": "2.0", "vulns": [hole]}, {"name": "b", "version": "1", "vulns": []}]
    assert of_pip({"dependencies": packages}) == [("PYSEC-1", "a 2.0: PYSEC-1, mended in ['2.1']")]
    via = [{"source": 7, "title": "A hole", "url": "https://a.b"}, "another package"]
    assert of_npm({"vulnerabilities": {"c": {"via": via}}}) == [("7", "c: A hole (https://a.b)")]


def test_packages_that_were_not_looked_up_are_not_clean() -> None:
    with pytest.raises(ValueError, match="1 packages were not found, such as a"):
        of_pip({"dependencies": [{"name": "a", "skip_reason": "not found"}]})


def test_each_exception_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in EXCEPTIONS.values())
