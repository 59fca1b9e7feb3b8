"""Texts of files and folders, read piece by piece; other files are skipped.

Only one piece is in memory: plain text and JSON lines are read line by line. What cannot be read is skipped,
and `on_skip` gets the reason.
"""

from __future__ import annotations

import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple, cast

from clew.errors import ClewError
from clew.files import named_path

PIECE = 16_384
"""Characters after which a long text is cut, at the end of a line or word."""
LONGEST_LINE = 2**22
"""Bytes; people do not write longer lines."""
LONGEST_JSON = 2**26
"""Bytes of a .json file, which must be read at once."""

LINES, JSON, TEXT = (".jsonl", ".ndjson"), (".json",), (".txt", ".md", ".text")
PARQUET = (".parquet",)
UTF_16 = b"\xff\xfe", b"\xfe\xff"
"""The first bytes of files in UTF-16 and UTF-32."""
SUFFIXES = (*TEXT, *LINES, *JSON, *PARQUET)
PACKED = {".gz": gzip.open, ".xz": lzma.open}
"""The function that opens a packed file, by its last suffix."""

OnSkip = Callable[[str, Path], None]


class Piece(NamedTuple):
    """A piece of a text."""

    text: str
    begins: bool
    """True where a text begins, False where the last piece goes on."""


def find_files(paths: Sequence[str | Path]) -> list[Path]:
    """The named files, and all text files in the named folders, sorted.

    Raises `ClewError` for a path that does not exist, a folder without texts, and Parquet without pyarrow.
    """
    files: list[Path] = []
    for path in (named_path(name) for name in paths):
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and _kind(each) in SUFFIXES)
            if not inside:
                raise ClewError(
                    f"{path} holds no texts; clew reads {', '.join(SUFFIXES)}, and .gz or .xz of these."
                )
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise ClewError(f"There is no file or folder {path}; check the name.")
    if not files:
        raise ClewError("No texts are named; name files or folders with --data.")
    for path in files:
        if _kind(path) in PARQUET and find_spec("pyarrow") is None:
            raise ClewError(f"{path} needs pyarrow to be read: pip install pyarrow.")
    return files


def read_pieces(files: Sequence[Path], on_skip: OnSkip, field: str = "text") -> Iterator[Piece]:
    """The texts of files in order, in pieces of about `PIECE` characters.

    `field` names the field or column that holds the text, in files that have several.
    """
    for path in files:
        try:
            yield from _pieces(path, on_skip, field)
        except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError):
            on_skip("damaged archive", path)
        except OSError:
            on_skip("file that cannot be read", path)


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        return suffixes[-2] if len(suffixes) > 1 else ".txt"
    return suffixes[-1] if suffixes else ""


def _pieces(path: Path, on_skip: OnSkip, field: str) -> Iterator[Piece]:
    kind = _kind(path)
    if kind in PARQUET:
        yield from _parquet(path, on_skip, field)
        return
    unpack = PACKED.get(path.suffix.lower())
    with path.open("rb") if unpack is None else unpack(path) as opened:
        file = cast(BufferedReader, opened)
        if not (head := file.peek(65_536)[:65_536]):
            on_skip("empty file", path)
        elif head.startswith(UTF_16):
            on_skip("file that is not UTF-8", path)
        elif b"\0" in head:
            on_skip("binary file", path)
        elif kind in JSON:
            yield from _json(file, path, on_skip, field)
        elif kind in LINES:
            for line in _lines(file, path, on_skip):
                yield from _texts_of_line(line, path, on_skip, field)
        else:
            yield from _plain(_lines(file, path, on_skip))


def _lines(file: BufferedReader, path: Path, on_skip: OnSkip) -> Iterator[str]:
    """Lines of UTF-8; a line that is too long is skipped and never in memory as a whole."""
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
    """The pieces of a whole file as one text."""
    lines_of_piece: list[str] = []
    length, begins = 0, True
    for line in lines:
        lines_of_piece.append(line)
        length += len(line)
        if length >= PIECE:
            yield from _split("".join(lines_of_piece), begins)
            lines_of_piece, length, begins = [], 0, False
    if any(line.strip() for line in lines_of_piece):
        yield from _split("".join(lines_of_piece), begins)


def _split(text: str, begins: bool = True) -> Iterator[Piece]:
    """A text in pieces that end before a space where there is one."""
    while text.strip():
        end = len(text) if len(text) <= 2 * PIECE else max(text.rfind(" ", 1, PIECE), 0) or PIECE
        yield Piece(text[:end], begins)
        text, begins = text[end:], False


def _texts_of_line(line: str, path: Path, on_skip: OnSkip, field: str) -> Iterator[Piece]:
    if not line.strip():
        return
    try:
        yield from _texts_of(json.loads(line), path, on_skip, field)
    except (ValueError, RecursionError):
        on_skip("line that is not JSON", path)


def _texts_of(value: Any, path: Path, on_skip: OnSkip, field: str) -> Iterator[Piece]:
    """A text, or an object with one in the named field."""
    text = value.get(field) if isinstance(value, dict) else value
    if isinstance(text, str):
        # Tokenizers refuse half a character (a lone surrogate).
        yield from _split(text.encode("utf-8", "replace").decode())
    else:
        on_skip(f'entry without a field "{field}"', path)


def _json(file: BufferedReader, path: Path, on_skip: OnSkip, field: str) -> Iterator[Piece]:
    """A list of texts or objects, or a single one; some files of JSON lines are called .json too."""
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
            yield from _texts_of_line(line, path, on_skip, field)
        return
    for entry in value if isinstance(value, list) else [value]:
        yield from _texts_of(entry, path, on_skip, field)


def _parquet(path: Path, on_skip: OnSkip, field: str) -> Iterator[Piece]:
    """The texts in the named column."""
    import pyarrow  # type: ignore[import-not-found]
    import pyarrow.parquet  # type: ignore[import-not-found]

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256, columns=[field]):
                for text in batch.column(field).to_pylist():
                    yield from _texts_of(text, path, on_skip, field)
    except (pyarrow.ArrowException, KeyError):
        on_skip(f'Parquet file that is damaged or has no column "{field}"', path)
