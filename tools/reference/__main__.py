"""Writes all generated pages of `docs/reference`; `tests/test_reference.py` fails where they are stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.reference.command_line import command_line_page
from tools.reference.http_api import http_page
from tools.reference.python_api import python_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "python.md": python_page,
    "command-line.md": command_line_page,
    "http.md": http_page,
}


def main() -> None:
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
