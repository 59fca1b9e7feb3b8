"""The transcoders that a command names, as its options want them read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.dictionary.transcoder_set import TranscoderSet


def read_transcoders(arguments: argparse.Namespace, progress: Progress) -> TranscoderSet:
    """Finds or fetches `arguments.reference`, with what `add_overrides` added."""
    from clew.dictionary.read_write_points import ReadPoint, WritePoint, point_named
    from clew.dictionary.reference import load_transcoders

    progress.stage(f"Reading {arguments.reference}")
    return load_transcoders(
        arguments.reference,
        on_note=progress.note,
        read_point=point_named(ReadPoint, arguments.read_point),
        write_point=point_named(WritePoint, arguments.write_point),
        k=arguments.k,
    )
