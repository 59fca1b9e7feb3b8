"""`clew dictionary`: look at published transcoders before tracing with them, and save them anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import add_points
from clew.errors import ClewError

if TYPE_CHECKING:
    from rich.console import Console

    from clew.dictionary.quality import Quality
    from clew.dictionary.transcoders import TranscoderSet

USAGE = "inspect REF [options] | clew dictionary save REF FOLDER"
EXAMPLE = """\
example:
  clew dictionary inspect my-transcoders --model smollm2
  clew dictionary save org/name/width-16k my-transcoders"""
ACTIONS = "inspect", "save"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="ACTION", help="inspect: measure it on a text; save: write it anew")
    parser.add_argument("reference", metavar="REF", nargs="?", help="a folder, a file or a hub reference")
    parser.add_argument(
        "folder", metavar="FOLDER", nargs="?", help="save: the new folder, in circuit-tracer's format"
    )
    parser.add_argument("--model", metavar="NAME", default="smollm2", help="inspect: the model it is for")
    parser.add_argument("--text", metavar="FILE", help="inspect: measure on this text, not on a built-in one")
    add_points(parser)


def run(arguments: argparse.Namespace) -> None:
    if arguments.action not in ACTIONS:
        raise ClewError(f"dictionary can {' or '.join(ACTIONS)}, not {arguments.action!r}")
    if arguments.reference is None:
        raise ClewError(f"dictionary {arguments.action} needs a dictionary; see clew dictionary --help")
    if arguments.action == "save":
        _save(arguments)
    else:
        _inspect(arguments)


def _loaded(arguments: argparse.Namespace, note) -> TranscoderSet:
    from clew.dictionary.points import ReadPoint, WritePoint, point_named
    from clew.dictionary.reference import load_transcoders

    return load_transcoders(
        arguments.reference,
        on_note=note,
        read_point=point_named(ReadPoint, arguments.read_point),
        write_point=point_named(WritePoint, arguments.write_point),
    )


def _save(arguments: argparse.Namespace) -> None:
    if arguments.folder is None:
        raise ClewError("dictionary save needs the name of a new folder; see clew dictionary --help")
    from clew.cli.progress import Progress
    from clew.dictionary.saving import save_transcoders

    with Progress() as progress:
        progress.stage(f"Reading {arguments.reference}")
        transcoders = _loaded(arguments, progress.note)
        progress.stage(f"Writing {arguments.folder}")
        save_transcoders(transcoders, Path(arguments.folder), transcoders.trained_on)
    print(f"Saved {arguments.reference} as {arguments.folder}, in circuit-tracer's format.")


def _inspect(arguments: argparse.Namespace) -> None:
    if arguments.folder is not None:
        raise ClewError(f"dictionary inspect takes one dictionary; {arguments.folder!r} is one word too many")
    from clew.cli.progress import Progress
    from clew.cli.report import page
    from clew.dictionary.quality import measure_quality
    from clew.dictionary.transcoding import bind
    from clew.facade import load

    text = _text(arguments.text)
    with Progress() as progress:
        progress.stage(f"Reading {arguments.reference}")
        transcoders = _loaded(arguments, progress.note)
        progress.stage(f"Loading {arguments.model}")
        model = load(arguments.model, on_note=progress.note).language_model
        dictionary = bind(model, transcoders, str(arguments.reference), low_memory=True)
        progress.stage("Measuring")
        quality = measure_quality(dictionary, text) if text else measure_quality(dictionary)
    with page() as console:
        _print_set(console, arguments, transcoders)
        _print_layers(console, transcoders, quality)


def _text(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClewError(f"{path} cannot be read as text ({error})") from error


def _print_set(console: Console, arguments: argparse.Namespace, transcoders: TranscoderSet) -> None:
    from rich.text import Text

    from clew.cli.spelling import size

    kind = "cross-layer transcoder" if transcoders.crosses_layers else "per-layer transcoders"
    skips = " with skip connections" if any(part.skip for part in transcoders.layers.values()) else ""
    n_bytes = sum(part.n_bytes for part in transcoders.layers.values())
    trained_on = f", made for {transcoders.trained_on}" if transcoders.trained_on else ""
    console.print(Text(str(arguments.reference), style="bold"), soft_wrap=True)
    for name, fact in (
        ("kind", f"{kind}{skips}"),
        ("format", f"{transcoders.format}{trained_on}"),
        ("reads", f"{transcoders.read_point.value} ({transcoders.read_point.option})"),
        ("writes", f"{transcoders.write_point.value} ({transcoders.write_point.option})"),
        ("size", size(n_bytes)),
    ):
        console.print(f"  {name:7} {fact}", soft_wrap=True)


def _print_layers(console: Console, transcoders: TranscoderSet, quality: Quality) -> None:
    from rich.table import Table

    from clew.cli.spelling import size

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("layer", "features", "size", "FVU", "L0", "never active"):
        table.add_column(title, justify="right")
    table.add_column("activation")
    for layer in quality.layers:
        part = transcoders.layers[layer.layer]
        table.add_row(
            str(layer.layer),
            f"{part.n_features:,}",
            size(part.n_bytes),
            f"{layer.fvu:.3g}",
            f"{layer.l0:.1f}",
            f"{layer.dead:.0%}",
            part.activation.name,
            style="red" if layer.fvu > 1 else "",
        )
    console.print()
    console.print(table)
    console.print()
    console.print(f"FVU {quality.fvu:.3g} (median), L0 {quality.l0:.1f}, never active {quality.dead:.0%}")
    console.print(
        f"Measured on {quality.n_positions:,} tokens, the first left out. FVU is the share of the variance "
        "of the MLPs' outputs that is left unexplained: 0 is perfect, 1 no better than the mean.",
        style="dim",
    )
