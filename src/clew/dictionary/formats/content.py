"""The content of weight files, by a few samples of each array."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import islice

from clew.dictionary.formats.array_file import ArrayEntry, ArrayFile

PIECES, PIECE = 16, 4 * 1024
"""Samples of an array, and the bytes of one."""


def weights_key(files: Mapping[str, ArrayFile]) -> str:
    """Twelve hex digits that identify the arrays of these files, wherever the files lie and however old.

    They hash each array's name, kind, shape and sixteen short samples, so that a change of a few single
    numbers of a large array may escape.
    """
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
