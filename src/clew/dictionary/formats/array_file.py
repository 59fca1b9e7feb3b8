"""The arrays of a safetensors or .npz file by name, and their check; uncompressed ones stay on disk.

The formats: https://huggingface.co/docs/safetensors and
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from clew.dictionary.file_listing import WEIGHTS
from clew.dictionary.weights import HeldWeights, StoredWeights, Weights
from clew.errors import ClewError
from clew.file_stamps import Stamp, file_stamp
from clew.files import cannot_read, write_file
from clew.model.cache import checked_folder, sampled_key
from clew.progress import OnNote

SUFFIXES = WEIGHTS
FLOATS = {
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "<f4": torch.float32,
    "<f2": torch.float16,
}
"""The element types of weights, in the spelling of safetensors and of numpy."""
DAMAGE = (
    SafetensorError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""The exceptions of safetensors, zipfile and numpy about damaged bytes."""
LOCAL_HEADER = 30
"""The bytes in front of a zip member's name; the last four are the lengths of name and extra field."""
PIECE = 16 * 1024**2
"""Bytes that are checked at once."""
LARGE = 1024**3
"""The size in bytes from which a note says that the check takes long."""
MOST_RATIO = 8
"""Times its size that a compressed file may hold beyond `LARGE`; floats hardly shrink."""
EXPONENT = {"BF16": np.uint16(0x7F80), "F16": np.uint16(0x7C00), "<f2": np.uint16(0x7C00)}
"""The bits that are all set in infinities and NaNs of 16 bits; numpy's own test is slower."""


@dataclass(frozen=True)
class ArrayEntry:
    """The place of one array: at `offset` in the file, or compressed in a zip member."""

    shape: tuple[int, ...]
    kind: str
    """The element type in the file's spelling."""
    offset: int
    member: str = ""
    """The zip member of a compressed array; `offset` counts inside it."""
    columns_first: bool = False

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * (1 if self.kind == "U8" else FLOATS[self.kind].itemsize)

    @property
    def has_floats_or_bytes(self) -> bool:
        return self.kind in FLOATS or self.kind == "U8"


@dataclass(frozen=True)
class ArrayFile:
    """A file whose header is read and sound; its arrays are not read yet."""

    path: Path
    entries: Mapping[str, ArrayEntry]
    stamp: Stamp | None = None
    """The file's stamp before its header was read."""

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def weights(self, name: str, *shape: int | None) -> Weights:
        """An array that must exist in floats and in this shape; None matches any length."""
        entry = self._entry(name)
        if len(entry.shape) != len(shape) or any(
            expected not in (None, size) for expected, size in zip(shape, entry.shape, strict=True)
        ):
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise ClewError(
                f"{self.path} holds {name} in the shape {list(entry.shape)}, but the other arrays need "
                f"[{expected}]; fetch all files from the same set."
            )
        if entry.kind not in FLOATS:
            raise ClewError(
                f"{self.path} holds {name} as {entry.kind}, but weights must be float32, float16 or "
                "bfloat16; save it again in one of these."
            )
        return self._weights(entry)

    def bytes_of(self, name: str) -> StoredWeights:
        """An array of bytes, which must exist, in any shape."""
        entry = self._entry(name)
        if entry.kind != "U8":
            raise ClewError(
                f"{self.path} holds {name} as {entry.kind} in place of bytes (U8); save it again."
            )
        return StoredWeights(self.path, entry.offset, entry.shape, torch.uint8, stamp=self.stamp)

    def optional(self, name: str, *shape: int | None) -> Weights | None:
        return self.weights(name, *shape) if name in self else None

    def length(self, name: str) -> int:
        """The length of a vector, which must exist."""
        return self.weights(name, None).shape[0]

    def integer(self, name: str) -> int:
        """A whole number stored as an array of one element, such as a TopK's k."""
        entry = self._entry(name)
        sizes = {"I64": "<q", "I32": "<i", "I16": "<h", "U8": "<B"}
        if prod(entry.shape) != 1 or entry.kind not in sizes:
            raise ClewError(f"{self.path} holds {name}, which is not one whole number; save it again as one.")
        with self.path.open("rb") as file:
            file.seek(entry.offset)
            return struct.unpack(sizes[entry.kind], file.read(struct.calcsize(sizes[entry.kind])))[0]

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """The bytes of an array of floats or bytes, no more than `size` at a time."""
        entry = self._entry(name)
        with contextlib.ExitStack() as opened:
            opened.enter_context(_damage_as_error(self.path))
            if entry.member:
                archive = opened.enter_context(zipfile.ZipFile(self.path))
                file = opened.enter_context(archive.open(entry.member))
            else:
                file = opened.enter_context(self.path.open("rb"))
            file.seek(entry.offset)
            left = entry.n_bytes
            while left > 0 and (piece := file.read(min(size, left))):
                left -= len(piece)
                yield piece

    def piece(self, name: str, start: int, size: int) -> bytes:
        """Some bytes of an array that is not compressed."""
        with _damage_as_error(self.path), self.path.open("rb") as file:
            file.seek(self._entry(name).offset + start)
            return file.read(size)

    def _entry(self, name: str) -> ArrayEntry:
        if name not in self.entries:
            names = ", ".join(sorted(self.entries)) or "no arrays"
            raise ClewError(f"{self.path} has no array {name}, only {names}; fetch it again.")
        return self.entries[name]

    def _weights(self, entry: ArrayEntry) -> Weights:
        dtype = FLOATS[entry.kind]
        if not entry.member:
            place = self.path, entry.offset, entry.shape, dtype, entry.columns_first
            return StoredWeights(*place, stamp=self.stamp)
        with (
            _damage_as_error(self.path),
            zipfile.ZipFile(self.path) as archive,
            archive.open(entry.member) as file,
        ):
            array = np.lib.format.read_array(file, allow_pickle=False)
        return HeldWeights(torch.from_numpy(np.ascontiguousarray(array)))


def open_arrays(path: Path) -> ArrayFile:
    """Read the header of a .safetensors or .npz file; no pickled object is ever loaded.

    Raises `ClewError` for a file that is cut short, of another kind, or cannot be read.
    """
    with _damage_as_error(path):
        stamp = file_stamp(path.stat())
        entries = _npz_entries(path) if path.suffix == ".npz" else _safetensors_entries(path)
        return ArrayFile(path, entries, stamp)


@contextlib.contextmanager
def _damage_as_error(path: Path) -> Iterator[None]:
    """Turn the libraries' exceptions about a damaged file into a `ClewError`."""
    try:
        yield
    except OSError as error:
        raise cannot_read(path, error) from error
    except DAMAGE as error:
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        kind = "an .npz" if path.suffix == ".npz" else "a safetensors"
        raise ClewError(
            f"{path} is damaged or not {kind} file: {reason}; fetch it again or save it anew."
        ) from error


def _safetensors_entries(path: Path) -> dict[str, ArrayEntry]:
    with safe_open(path, "np"):  # the library checks offsets, shapes and the file's length
        pass
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {
        name: ArrayEntry(tuple(entry["shape"]), entry["dtype"], 8 + length + entry["data_offsets"][0])
        for name, entry in header.items()
    }


def _npz_entries(path: Path) -> dict[str, ArrayEntry]:
    entries = {}
    with zipfile.ZipFile(path) as archive:
        packed = [info for info in archive.infolist() if info.compress_type != zipfile.ZIP_STORED]
        unpacked, most = sum(info.file_size for info in packed), max(LARGE, MOST_RATIO * path.stat().st_size)
        if unpacked > most:
            raise ValueError(f"it would unpack to {unpacked:,} bytes, and may to {most:,}")
        for info in archive.infolist():
            with archive.open(info) as member:
                entry = _npy_entry(member, info.filename)
                if entry.kind in FLOATS and entry.offset + entry.n_bytes != info.file_size:
                    raise ValueError(f"{info.filename} is cut short")
            if info.compress_type == zipfile.ZIP_STORED:
                start = _data_start(path, info)
                entry = replace(entry, offset=start + entry.offset, member="")
            entries[info.filename.removesuffix(".npy")] = entry
    return entries


def _npy_entry(member: IO[bytes], name: str) -> ArrayEntry:
    major, _ = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(member)
    one_way = len(shape) < 2 or not columns_first
    if not one_way and len(shape) != 2:
        raise ValueError(f"{name} is stored column by column in {len(shape)} dimensions")
    return ArrayEntry(shape, dtype.str, member.tell(), member=name, columns_first=not one_way)


def _data_start(path: Path, info: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER)
    name_length, extra_length = struct.unpack("<HH", header[-4:])
    return info.header_offset + LOCAL_HEADER + name_length + extra_length


def check_finite(
    file: ArrayFile, note: OnNote, passed_over: Callable[[str], bool] = lambda name: False
) -> None:
    """Raise `ClewError` for a float array with NaN or infinity, unless its name is passed over.

    clew's cache keeps the result under a key that changes with the file, so that it is not read at every
    start.
    """
    result = checked_folder() / _key(file.path)
    try:
        bad = result.read_text()
    except OSError:
        size = file.path.stat().st_size
        if size >= LARGE:
            note(f"Checking {file.path.name} ({size / 1e9:.1f} GB) for damage, once ...")
        bad = next((name for name in file.entries if not (passed_over(name) or _is_finite(file, name))), "")
        with contextlib.suppress(OSError, ClewError):  # without a cache, the next start checks again
            result.parent.mkdir(parents=True, exist_ok=True)
            write_file(result, bad.encode())
    if bad:
        raise ClewError(f"{file.path} is damaged: {bad} holds NaN or infinity; fetch it again.")


def _key(path: Path) -> str:
    """A name for the result: of another file, or of one that changed in place, it is another.

    A program may set the time of the last change back, but not that of the last change of the status.
    """
    status = path.stat()
    times = f"{status.st_mtime_ns};{status.st_ctime_ns};{status.st_ino}"
    identity = f"{path.resolve()};{status.st_size};{times};{sampled_key(path)}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _is_finite(file: ArrayFile, name: str) -> bool:
    kind = file.entries[name].kind
    if kind not in FLOATS:
        return True
    return all(_piece_is_finite(piece, kind) for piece in file.pieces(name, PIECE))


def _piece_is_finite(piece: bytes, kind: str) -> bool:
    mask = EXPONENT.get(kind)
    if mask is None:
        return bool(np.isfinite(np.frombuffer(piece, "<f4")).all())
    return bool(((np.frombuffer(piece, "<u2") & mask) != mask).all())
