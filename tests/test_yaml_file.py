"""YAML of other people: small, plain, each key once; anything else is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.yaml_file import MOST_BYTES, read_yaml

BOMB = "a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: *b\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BOMB.encode(), "it has an anchor or alias (a)"),
        (b"a: &a x\n", "it has an anchor or alias (a)"),
        (b"<<: *a\n", "it has an anchor or alias (a)"),
        (b"a: 1\na: 2\n", "it says a twice"),
        (b"a: \xff\n", "'utf-8' codec can't decode byte 0xff"),
        (b"[" * 5000, "is not readable YAML"),
        (b"a: 2020-99-99\n", "is not readable YAML"),
        (b"a: !!python/object/apply:os.system [x]\n", "is not readable YAML"),
        (b"#" * (MOST_BYTES + 1), "has 1,048,577 bytes; settings in YAML may have 1,048,576"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ClewError) as refusal:
        read_yaml(path)
    assert reason in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_plain_values_are_read(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("a: [1, x]\nb: {c: null}\n")
    assert read_yaml(path) == {"a": [1, "x"], "b": {"c": None}}
