"""The fingerprint of a dictionary's files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from clew.dictionary.formats.array_file import ArrayEntry, ArrayFile
from clew.fingerprints import fingerprint
from clew.model.cache import file_digest
from clew.model.weights_key import DIGITS, tensor_digests
from clew.progress import OnNote, ignore_note

PIECES, PIECE = 16, 4 * 1024
"""Samples of an array, and the bytes of one."""


def weights_key(
    files: Mapping[str, ArrayFile], settings: Mapping[str, Path], on_note: OnNote = ignore_note
) -> str:
    """The fingerprint of a dictionary: of all bytes of its arrays and settings, wherever the files lie."""
    contents: dict[str, object] = {name: file_digest(path) for name, path in settings.items()}
    for name, file in files.items():
        is_plain = file.path.suffix == ".safetensors"
        contents[name] = tensor_digests(file.path, on_note) if is_plain else file_digest(file.path)
    digest = hashlib.sha256(json.dumps(contents, sort_keys=True).encode())
    return fingerprint(_sampled_key(files), digest.hexdigest()[:DIGITS])


def _sampled_key(files: Mapping[str, ArrayFile]) -> str:
    """Twelve hex digits of each array's name, kind, shape and sixteen short samples."""
    digest = hashlib.sha256()
    for file_name, file in sorted(files.items()):
        for name, entry in sorted(file.entries.items()):
            digest.update(f"{file_name};{name};{entry.kind};{entry.shape};".encode())
            for piece in _samples(file, name, entry):
                digest.update(piece)
    return digest.hexdigest()[:12]


def _samples(file: ArrayFile, name: str, entry: ArrayEntry) -> list[bytes]:
    """Pieces from the beginning to the end of an array; of a compressed one, only from its beginning."""
    if not entry.has_floats_or_bytes:
        return []
    if entry.member or entry.n_bytes <= PIECES * PIECE:
        return list(islice(file.pieces(name, PIECE), PIECES))
    last = entry.n_bytes - PIECE
    return [file.piece(name, last * number // (PIECES - 1), PIECE) for number in range(PIECES)]
