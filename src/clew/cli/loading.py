"""The model that a command names, as its options want it loaded."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.facade import Model


def load_model_asked_for(arguments: argparse.Namespace, progress: Progress) -> Model:
    """With what `add_model` and `add_machine` added."""
    progress.stage(f"Loading {arguments.model}")
    import clew

    return clew.load(
        arguments.model,
        dictionary=arguments.dictionary,
        read_point=arguments.read_point,
        write_point=arguments.write_point,
        k=arguments.k,
        low_memory=arguments.low_memory,
        check=arguments.check,
        device=arguments.device,
        dtype=arguments.dtype,
        on_note=progress.note,
    )
