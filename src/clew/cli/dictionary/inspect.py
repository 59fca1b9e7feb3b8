"""`clew dictionary inspect`: what transcoders are, and how well they explain a model, layer by layer."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import add_overrides
from clew.errors import ClewError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from clew.dictionary.quality import LayerQuality, Quality
    from clew.dictionary.transcoder_dictionary import TranscoderDictionary

USAGE = "REF [options]"
EXAMPLE = """\
example:
  clew dictionary inspect my-transcoders --model smollm2
  clew dictionary inspect org/name --model org/model --text novel.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="a folder, a file or a hub reference")
    parser.add_argument(
        "--model",
        metavar="NAME",
        default="smollm2",
        help="the model it is for: short name, folder, .gguf file or hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--text", metavar="FILE", type=Path, help="measure on this text, not on a built-in one"
    )
    add_overrides(parser.add_argument_group("what the files say wrong, or do not say"))


def run(arguments: argparse.Namespace) -> None:
    """Refuse a text that cannot be read before anything is loaded."""
    from clew.cli.dictionary.reading import read_transcoders
    from clew.cli.layout import page
    from clew.cli.progress import Progress
    from clew.dictionary.quality import TEXT, measure_quality, misfit
    from clew.dictionary.reference import short_name
    from clew.dictionary.transcoder_dictionary import bind
    from clew.facade import load_model

    if arguments.reference == "neurons":
        raise ClewError(
            "neurons need no measuring: they are the model's MLPs, so they leave nothing unexplained."
        )
    text = TEXT if arguments.text is None else _text(arguments.text)
    with Progress() as progress:
        transcoders = read_transcoders(arguments, progress)
        progress.stage(f"Loading {arguments.model}")
        model = load_model(arguments.model, on_note=progress.note)
        dictionary = bind(model, transcoders, short_name(arguments.reference), low_memory=True)
        progress.stage("Measuring")
        quality = measure_quality(dictionary, text)
        progress.stage("Looking for what would fit better")
        warning = misfit(dictionary, quality, text) if quality.fvu > 1 else ""
    with page() as console:
        _print_facts(console, arguments.reference, dictionary)
        console.print()
        console.print(_layer_table(dictionary, quality))
        console.print()
        if warning:
            console.print(f"Warning: {warning}\n", style="bold red")
        _print_summary(console, quality)


def _text(path: Path) -> str:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ClewError(f"{path} is not text in UTF-8; give a plain text file.") from error
    except OSError as error:
        raise ClewError(
            f"{path} cannot be read ({error.strerror or error}); check the name and the folder."
        ) from error
    if not text.strip():
        raise ClewError(f"{path} is empty; give a text of a few sentences.")
    return text


def _print_facts(console: Console, reference: str, dictionary: TranscoderDictionary) -> None:
    """The reference alone on its line, so that it can be copied; then what it leads to."""
    from rich.text import Text

    from clew.cli.spelling import size
    from clew.dictionary.quality import layers_named

    found, model = dictionary.transcoders, dictionary.model
    activations = list(dict.fromkeys(part.activation.name for part in found.layers.values()))
    reach = max(part.decoder.n_written for part in found.layers.values())
    missing = [layer for layer in range(model.n_layers) if layer not in found.layers]
    facts = {
        "kind": found.kind,
        "format": found.format + (f", made for {found.trained_on}" if found.trained_on else ""),
        "reads": f"{found.read_point.option}: {found.read_point.value}",
        "writes": f"{found.write_point.option}: {found.write_point.value}",
        "reach": f"a feature's own layer and up to {reach - 1} above" if reach > 1 else "",
        "activation": activations[0] if len(activations) == 1 else "by layer",
        "model": f"{model.name}, {model.n_layers} layers"
        + (f"; none for {layers_named(missing)}" if missing else ""),
        "size": size(sum(part.n_bytes for part in found.layers.values())),
    }
    console.print(Text(reference, style="bold"), soft_wrap=True)
    for name, fact in ((name, fact) for name, fact in facts.items() if fact):
        console.print(Text.assemble((f"  {name:10}  ", "dim"), fact), soft_wrap=True)


def _layer_table(dictionary: TranscoderDictionary, quality: Quality) -> Table:
    """A line for each layer of the model; neighbours without a transcoder share one."""
    from rich.table import Table

    from clew.cli.spelling import percent, size

    parts = dictionary.transcoders.layers
    by_layer = len({part.activation.name for part in parts.values()}) > 1
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for title in ("layer", "features", "size", "FVU", "L0", "never active"):
        table.add_column(title, justify="right", no_wrap=True)
    if by_layer:
        table.add_column("activation", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name, layer in _lines(dictionary.model.n_layers, quality):
        if layer is None:
            table.add_row("", name, "none", style="dim")
            continue
        part, weak = parts[layer.layer], layer.fvu > 1
        table.add_row(
            "",
            name,
            f"{part.n_features:,}",
            size(part.n_bytes),
            _fvu(layer.fvu),
            f"{layer.l0:,.1f}",
            percent(layer.dead),
            *([part.activation.name] if by_layer else []),
            "worse than the mean" if weak else "",
            style="red" if weak else "",
        )
    return table


def _lines(n_layers: int, quality: Quality) -> Iterator[tuple[str, LayerQuality | None]]:
    from itertools import groupby

    from clew.dictionary.quality import numbers_joined

    measured = {layer.layer: layer for layer in quality.layers}
    for has_one, layers in groupby(range(n_layers), key=lambda layer: layer in measured):
        if has_one:
            yield from ((str(layer), measured[layer]) for layer in layers)
        else:
            yield numbers_joined(layers), None


def _fvu(fvu: float) -> str:
    """Three decimals one below the other; what is far off needs none."""
    return f"{fvu:.3f}" if fvu < 1000 else f"{fvu:.1e}"


def _print_summary(console: Console, quality: Quality) -> None:
    console.print(
        "FVU: share of the MLP's variance left unexplained; 1 is what the mean leaves.", style="dim"
    )
    console.print(str(quality), style="bold")
