"""Options that name a model and its features, and loading what they name."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clew.cli.arguments import one_of, token_ids, whole_number

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.dictionary.transcoder_set import TranscoderSet
    from clew.facade import Model

DTYPES = "float32", "bfloat16", "float16"


def add_model(group: argparse._ArgumentGroup) -> None:
    """Options that say which model, and which features of it."""
    group.add_argument(
        "--tokens", type=token_ids, metavar="IDS", help="token ids such as 2,17,45 in place of PROMPT"
    )
    group.add_argument(
        "--model",
        metavar="NAME",
        default="smollm2",
        help="short name (see clew models), folder, .gguf file or hub id (default: %(default)s)",
    )
    add_dictionary(group)


def add_sink(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sink", metavar="TOKEN", help="the first token, which soaks up attention; none for none"
    )


def add_machine(group: argparse._ArgumentGroup) -> None:
    """Options that say how it is computed."""
    group.add_argument(
        "--device", metavar="D", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)"
    )
    group.add_argument(
        "--dtype",
        type=one_of(*DTYPES),
        default="float32",
        metavar="T",
        help=f"{', '.join(DTYPES)} (default: %(default)s)",
    )
    group.add_argument(
        "--low-memory", action="store_true", help="read encoders from disk whenever they are needed"
    )


def add_dictionary(group: argparse._ArgumentGroup) -> None:
    """Options that say which features, and where they read and write."""
    group.add_argument(
        "--dictionary",
        metavar="REF",
        default="neurons",
        help="neurons, or transcoders: folder, file or hub reference (default: %(default)s)",
    )
    add_overrides(group)
    group.add_argument(
        "--no-check",
        dest="check",
        action="store_false",
        help="take a dictionary even if it explains nothing (FVU above 1)",
    )


def add_overrides(group: argparse._ActionsContainer) -> None:
    """Options that say about transcoders what their files say wrong, or do not say."""
    group.add_argument(
        "--read-point",
        type=one_of("residual", "normalized", "mlp-input"),
        metavar="POINT",
        help="where they read: residual, normalized, mlp-input",
    )
    group.add_argument(
        "--write-point",
        type=one_of("mlp-output", "stream"),
        metavar="POINT",
        help="where they write: mlp-output or stream",
    )
    group.add_argument(
        "--k",
        type=whole_number(1),
        metavar="N",
        help="features of a layer active together, for a TopK whose files do not say",
    )


def load_model(arguments: argparse.Namespace, progress: Progress) -> Model:
    """Load what the options of `add_model` and `add_machine` name."""
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


def read_transcoders(arguments: argparse.Namespace, progress: Progress) -> TranscoderSet:
    """Find or fetch `arguments.reference`, as the options of `add_overrides` want it."""
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
