"""Texts from files and folders, one piece after the other, whatever else lies among them.

Nothing is held but one piece: plain text is read line by line, JSON lines one by one. What cannot be read is
skipped, and its reason is told to `on_skip`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple, cast

from clew.errors import ClewError

PIECE = 16_384
"""Characters after which a long text is given on, at the end of a line or word."""
LONGEST_LINE = 2**22
"""Bytes; a longer line is no text that people wrote."""
LONGEST_JSON = 2**26
"""Bytes of a .json file, which has to be read whole."""

LINES, JSON, TEXT = (".jsonl", ".ndjson"), (".json",), (".txt", ".md", ".text")
PARQUET = (".parquet",)
UTF_16 = b"\xff\xfe", b"\xfe\xff"
"""How files in another encoding begin, UTF-32 among it."""
KNOWN = (*TEXT, *LINES, *JSON, *PARQUET)

OnSkip = Callable[[str, Path], None]


class Piece(NamedTuple):
    """Some of a text."""

    text: str
    begins: bool
    """Whether a text begins here; otherwise it goes on from the piece before."""


def find_files(paths: Sequence[str | Path]) -> list[Path]:
    """The files named, and all text files in the folders named, sorted.

    Raises `ClewError` for what is not there, a folder without texts, and Parquet without pyarrow.
    """
    found: list[Path] = []
    for path in (Path(name).expanduser() for name in paths):
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and _kind(each) in KNOWN)
            if not inside:
                raise ClewError(f"{path} holds no texts; clew reads {', '.join(KNOWN)}, and .gz of these.")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise ClewError(f"There is no file or folder {path}; name texts that are there.")
    if not found:
        raise ClewError("No texts were named; name files or folders with --data.")
    for path in found:
        if _kind(path) in PARQUET and find_spec("pyarrow") is None:
            raise ClewError(f"{path} can be read only where pyarrow is installed: pip install pyarrow.")
    return found


def read_pieces(files: Sequence[Path], on_skip: OnSkip) -> Iterator[Piece]:
    """All texts of some files, in order, in pieces of about `PIECE` characters."""
    for path in files:
        try:
            yield from _pieces(path, on_skip)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            on_skip("damaged archive", path)
        except OSError:
            on_skip("file that cannot be read", path)


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        return suffixes[-2] if len(suffixes) > 1 else ".txt"
    return suffixes[-1] if suffixes else ""


def _pieces(path: Path, on_skip: OnSkip) -> Iterator[Piece]:
    kind = _kind(path)
    if kind in PARQUET:
        yield from _parquet(path, on_skip)
        return
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as opened:
        file = cast(BufferedReader, opened)
        if not (head := file.peek(65_536)[:65_536]):
            on_skip("empty file", path)
        elif head.startswith(UTF_16):
            on_skip("file that is not UTF-8", path)
        elif b"\0" in head:
            on_skip("binary file", path)
        elif kind in JSON:
            yield from _json(file, path, on_skip)
        elif kind in LINES:
            for line in _lines(file, path, on_skip):
                yield from _texts_of_line(line, path, on_skip)
        else:
            yield from _plain(_lines(file, path, on_skip))


def _lines(file: BufferedReader, path: Path, on_skip: OnSkip) -> Iterator[str]:
    """Lines that are UTF-8 and not endless; of an endless one no more than a part is ever in memory."""
    first = True
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            on_skip("line that is too long", path)
            continue
        try:
            yield line.decode("utf-8-sig" if first else "utf-8")
        except UnicodeDecodeError:
            on_skip("line that is not UTF-8", path)
        first = False


def _plain(lines: Iterator[str]) -> Iterator[Piece]:
    """A whole file is one text."""
    held: list[str] = []
    length, begins = 0, True
    for line in lines:
        held.append(line)
        length += len(line)
        if length >= PIECE:
            yield from _split("".join(held), begins)
            held, length, begins = [], 0, False
    if any(line.strip() for line in held):
        yield from _split("".join(held), begins)


def _split(text: str, begins: bool = True) -> Iterator[Piece]:
    """A text in pieces that end behind a space where there is one."""
    while text.strip():
        end = len(text) if len(text) <= 2 * PIECE else max(text.rfind(" ", 1, PIECE), 0) or PIECE
        yield Piece(text[:end], begins)
        text, begins = text[end:], False


def _texts_of_line(line: str, path: Path, on_skip: OnSkip) -> Iterator[Piece]:
    if not line.strip():
        return
    try:
        yield from _texts_of(json.loads(line), path, on_skip)
    except (ValueError, RecursionError):
        on_skip("line that is not JSON", path)


def _texts_of(value: Any, path: Path, on_skip: OnSkip) -> Iterator[Piece]:
    """A text, or an object with one in its field `text`."""
    text = value.get("text") if isinstance(value, dict) else value
    if isinstance(text, str):
        # A lone surrogate is no character, and tokenizers refuse it.
        yield from _split(text.encode("utf-8", "replace").decode())
    else:
        on_skip('entry without a field "text"', path)


def _json(file: BufferedReader, path: Path, on_skip: OnSkip) -> Iterator[Piece]:
    """A list of texts or objects, or one of them; a file of JSON lines may also be called .json."""
    data = file.read(LONGEST_JSON + 1)
    if len(data) > LONGEST_JSON:
        on_skip("JSON file that is too large (JSON lines may be of any size)", path)
        return
    try:
        value = json.loads(data)
    except UnicodeDecodeError:
        on_skip("file that is not UTF-8", path)
        return
    except (ValueError, RecursionError):
        for line in data.decode("utf-8", "replace").splitlines():
            yield from _texts_of_line(line, path, on_skip)
        return
    for entry in value if isinstance(value, list) else [value]:
        yield from _texts_of(entry, path, on_skip)


def _parquet(path: Path, on_skip: OnSkip) -> Iterator[Piece]:
    """The column `text`."""
    import pyarrow  # type: ignore[import-not-found]
    import pyarrow.parquet  # type: ignore[import-not-found]

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256, columns=["text"]):
                for text in batch.column("text").to_pylist():
                    yield from _texts_of(text, path, on_skip)
    except (pyarrow.ArrowException, KeyError):
        on_skip('Parquet file that is damaged or has no column "text"', path)
