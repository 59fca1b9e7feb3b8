"""The report of a dictionary: facts, and how well it explains a model, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clew.attribution.dictionary_scores import DictionaryScores
from clew.cli.terminal import percent, readable, size, table
from clew.dictionary.layer_numbers import layers_named, numbers_joined
from clew.dictionary.quality import LayerQuality, Quality
from clew.dictionary.replaced_model import ReplacedModel
from clew.dictionary.transcoder_dictionary import TranscoderDictionary


def print_dictionary(
    console: Console,
    reference: str,
    dictionary: TranscoderDictionary,
    quality: Quality,
    replaced: ReplacedModel,
    warning: str,
) -> None:
    """Print facts, tables of layers and answers, a warning unless it is empty, and the whole quality."""
    _print_facts(console, reference, dictionary)
    console.print()
    console.print(_layer_table(dictionary, quality))
    console.print()
    if replaced.answers:
        console.print(_answer_table(replaced))
        console.print()
    if warning:
        console.print(f"Warning: {warning}\n", style="bold red")
    console.print(
        "FVU: share of the MLP's variance that is not explained; the mean alone has 1. Replaced: every MLP, "
        "all at once; KL says how far that moves the next token's probabilities.",
        style="dim",
    )
    console.print(str(quality), style="bold")
    console.print(f"Replaced: {replaced}", style="bold")


def _answer_table(replaced: ReplacedModel) -> Table:
    """The answers of the replaced model beside the model's."""
    answers = table("", "prompt", "answer", "p", "replaced", "p", "KL", right=(3, 5, 6))
    for each in replaced.answers:
        answers.add_row(
            "",
            each.prompt,
            readable(each.answer),
            f"{each.probability:.2f}",
            "the same" if each.kept else readable(each.replaced_answer),
            f"{each.replaced_probability:.2f}",
            f"{each.kl:.2f}",
            style="" if each.kept else "red",
        )
    return answers


def print_costs(console: Console, before: DictionaryScores, after: DictionaryScores) -> None:
    """Print what a dictionary loses by its saving: sizes and scores side by side."""
    rows = table("", "", "before", "after", right=(2, 3))
    for name, measure in COSTS.items():
        one, other = measure(before), measure(after)
        if one is not None and other is not None:
            rows.add_row("", name, one, other)
    console.print()
    console.print(rows)


COSTS: dict[str, Callable[[DictionaryScores], str | None]] = {
    "size": lambda scores: size(scores.n_bytes),
    "FVU": lambda scores: f"{scores.quality.fvu:.3f}",
    "L0": lambda scores: f"{scores.quality.l0:.1f}",
    "KL, every MLP replaced": lambda scores: f"{scores.replaced.agreement.kl:.3f}",
    "cross-entropy": lambda scores: f"{scores.replaced.agreement.replaced_cross_entropy:.3f}",
    "answers kept": lambda scores: _kept(scores.replaced),
    "KL of answers": lambda scores: f"{scores.replaced.answer_kl:.3f}" if scores.replaced.answers else None,
    "replacement": lambda scores: scores.graph and f"{scores.graph.replacement:.3f}",
    "completeness": lambda scores: scores.graph and f"{scores.graph.completeness:.3f}",
}
"""The rows of a report of costs; None leaves one out."""


def _kept(replaced: ReplacedModel) -> str | None:
    return f"{replaced.n_kept} of {len(replaced.answers)}" if replaced.answers else None


def _print_facts(console: Console, reference: str, dictionary: TranscoderDictionary) -> None:
    """Print the reference alone on its line, so that it can be copied, then the facts."""
    transcoders, model = dictionary.transcoders, dictionary.model
    activations = list(dict.fromkeys(part.activation.name for part in transcoders.layers.values()))
    reach = max(part.decoder.n_written for part in transcoders.layers.values())
    missing = [layer for layer in range(model.n_layers) if layer not in transcoders.layers]
    facts = {
        "kind": transcoders.kind,
        "format": transcoders.format
        + (f", made for {transcoders.trained_on}" if transcoders.trained_on else ""),
        "reads": f"{transcoders.read_point.option}: {transcoders.read_point.value}",
        "writes": f"{transcoders.write_point.option}: {transcoders.write_point.value}",
        "reach": f"a feature's own layer and up to {reach - 1} above" if reach > 1 else "",
        "activation": activations[0] if len(activations) == 1 else "by layer",
        "model": f"{model.name}, {model.n_layers} layers"
        + (f"; none for {layers_named(missing)}" if missing else ""),
        "size": size(sum(part.n_bytes for part in transcoders.layers.values())),
    }
    console.print(Text(reference, style="bold"), soft_wrap=True)
    for name, fact in ((name, fact) for name, fact in facts.items() if fact):
        console.print(Text.assemble((f"  {name:10}  ", "dim"), fact), soft_wrap=True)


def _layer_table(dictionary: TranscoderDictionary, quality: Quality) -> Table:
    """A table with a row for each layer; neighbours without a transcoder share a row."""
    parts = dictionary.transcoders.layers
    by_layer = len({part.activation.name for part in parts.values()}) > 1
    numbers = ("layer", "features", "size", "FVU", "L0", "never active")
    headers = "", *numbers, *(["activation"] if by_layer else []), ""
    rows = table(*headers, right=range(1, 1 + len(numbers)), no_wrap=True)
    for name, layer in _lines(dictionary.model.n_layers, quality):
        if layer is None:
            rows.add_row("", name, "none", style="dim")
            continue
        part, weak = parts[layer.layer], layer.fvu > 1
        rows.add_row(
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
    return rows


def _lines(n_layers: int, quality: Quality) -> Iterator[tuple[str, LayerQuality | None]]:
    measured = {layer.layer: layer for layer in quality.layers}
    for has_one, layers in groupby(range(n_layers), key=lambda layer: layer in measured):
        if has_one:
            yield from ((str(layer), measured[layer]) for layer in layers)
        else:
            yield numbers_joined(layers), None


def _fvu(fvu: float) -> str:
    """Three decimals for usual values; an exponent for very large ones."""
    return f"{fvu:.3f}" if fvu < 1000 else f"{fvu:.1e}"
