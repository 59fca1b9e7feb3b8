"""Fingerprints of model folders, by which indexes, labels and graphs know a model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

from clew.files import cannot_read
from clew.fingerprints import fingerprint
from clew.model.cache import kept_text
from clew.progress import OnNote, ignore_note

DIGITS = 20
"""Hex digits of the whole content, more than any two contents share by chance."""
TENSOR_SAMPLE_BYTES = 4 * 1024
PIECE = 2**20
LARGE = 2 * 1024**3
"""The size in bytes from which a note says that reading takes long."""
VOLATILE = frozenset({"_name_or_path", "transformers_version", "torch_dtype", "dtype"})
"""Keys of config.json that say how a model was saved, and nothing of what it computes."""


def weights_key(folder: Path, on_note: OnNote = ignore_note) -> str:
    """The fingerprint of a model folder: of its configuration and of all bytes of its weights.

    It depends neither on the folder's place and name nor on how the weights are split into files. Raises
    `ClewError` for a file that cannot be read.
    """
    digest = hashlib.sha256(json.dumps(_lasting_config(folder), sort_keys=True).encode())
    tensors: dict[str, str] = {}
    for path in sorted(folder.glob("*.safetensors")):
        tensors |= tensor_digests(path, on_note)
    digest.update(json.dumps(tensors, sort_keys=True).encode())
    return fingerprint(sampled_weights(folder), digest.hexdigest()[:DIGITS])


def _lasting_config(folder: Path) -> dict[str, Any]:
    """The configuration without what saving the same model again may change."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):  # loading it says so
        return {}
    return {key: value for key, value in config.items() if key not in VOLATILE} if config else {}


def tensor_digests(path: Path, on_note: OnNote = ignore_note) -> dict[str, str]:
    """A digest of each tensor of a safetensors file, kept in clew's cache while the file does not change."""

    def read() -> str:
        if (size := path.stat().st_size) >= LARGE:
            on_note(f"Reading all of {path.name} ({size / 1e9:.1f} GB) once, to know it again ...")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
            found = {
                name: _whole(file, 8 + length, entry)
                for name, entry in header.items()
                if name != "__metadata__"
            }
        return json.dumps(found)

    try:
        return json.loads(kept_text(path, "tensors", read))
    except (OSError, ValueError) as error:
        raise cannot_read(path, error) from error


def _whole(file: BinaryIO, data: int, entry: dict[str, Any]) -> str:
    start, end = entry["data_offsets"]
    digest = hashlib.sha256(f"{entry['dtype']};{entry['shape']};".encode())
    file.seek(data + start)
    left = end - start
    while left > 0 and (piece := file.read(min(left, PIECE))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()[:DIGITS]


def sampled_weights(folder: Path) -> str:
    """The first part of `weights_key`, in a few milliseconds.

    Twelve hex digits of each tensor's name, kind, shape and three short samples, so that a change of a few
    single numbers may escape, but no other training. Raises `ClewError` for a file that cannot be read.
    """
    found: dict[str, bytes] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                for name, entry in json.loads(file.read(length)).items():
                    if name != "__metadata__":
                        found[name] = _sampled(file, 8 + length, entry)
        except (OSError, ValueError) as error:
            raise cannot_read(path, error) from error
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(f"{name};".encode() + found[name])
    return digest.hexdigest()[:12]


def _sampled(file: BinaryIO, data: int, entry: dict[str, Any]) -> bytes:
    """A digest of one tensor: all of a small one, and head, middle and tail of a large one."""
    start, end = entry["data_offsets"]
    digest = hashlib.sha256(f"{entry['dtype']};{entry['shape']};".encode())
    size = end - start
    if size <= 3 * TENSOR_SAMPLE_BYTES:
        pieces = [(start, size)]
    else:
        last = size - TENSOR_SAMPLE_BYTES
        pieces = [(start + at, TENSOR_SAMPLE_BYTES) for at in (0, last // 2, last)]
    for at, count in pieces:
        file.seek(data + at)
        digest.update(file.read(count))
    return digest.digest()
