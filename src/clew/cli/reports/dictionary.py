"""The report of a dictionary: facts, and how well it explains a model, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clew.cli.terminal import percent, readable, shortened, size, table
from clew.dictionary.layer_numbers import numbers_joined
from clew.dictionary.next_token import Answer
from clew.dictionary.quality import LayerQuality, Quality
from clew.dictionary.replaced_model import ReplacedModel
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.inspection.inspection import Inspection
from clew.token_text import quote


def print_dictionary(
    console: Console,
    reference: str,
    dictionary: TranscoderDictionary,
    inspection: Inspection,
    warning: str,
) -> None:
    """Print facts, tables of layers, answers, positions and graphs, a warning if there is one, and sums."""
    quality, replaced = inspection.quality, inspection.replaced
    _print_facts(console, reference, inspection.facts)
    tables = [
        _layer_table(dictionary, quality),
        _answer_table("prompt", replaced.answers) if replaced.answers else None,
        _answer_table("furthest at", _ends(inspection.furthest)),
        _answer_table("nearest at", _ends(inspection.nearest)),
        _graph_table(inspection) if inspection.traced else None,
    ]
    for each in tables:
        if each is not None:
            console.print()
            console.print(each)
    console.print()
    if inspection.traced:
        seconds = f"Graphs were traced in {inspection.seconds:.0f} s; --graphs says how many, 0 none."
        console.print(seconds, style="dim")
    if warning:
        console.print(f"Warning: {warning}\n", style="bold red")
    console.print(
        "FVU: share of the MLP's variance that is not explained; the mean alone has 1. Replaced: "
        f"{inspection.mlps}, all at once; KL says how far that moves the next token's probabilities.",
        style="dim",
    )
    console.print(str(quality), style="bold")
    console.print(f"Replaced: {replaced}", style="bold")
    if inspection.verdict:
        console.print(inspection.verdict, style="bold red")


MOST_CELLS = 36
"""Cells of a text; its end is shown."""
POSITIONS = 3
"""Positions of the text that are shown where the replaced model is furthest, and where it is nearest."""


def _answer_table(name: str, shown: Sequence[Answer]) -> Table:
    """The answers of the replaced model beside the model's."""
    answers = table("", name, "answer", "p", "replaced", "p", "KL", right=(3, 5, 6))
    for each in shown:
        answers.add_row(
            "",
            readable(each.prompt),
            quote(each.answer),
            f"{each.probability:.2f}",
            "the same" if each.kept else quote(each.replaced_answer),
            f"{each.replaced_probability:.2f}",
            f"{each.kl:.2f}",
            style="" if each.kept else "red",
        )
    return answers


def _ends(positions: Sequence[Answer]) -> list[Answer]:
    """The first positions, with the ends of their texts."""
    return [
        replace(each, prompt=shortened(readable(each.prompt), MOST_CELLS)) for each in positions[:POSITIONS]
    ]


def _graph_table(inspection: Inspection) -> Table:
    """The scores of graphs beside those of the model's neurons."""
    names = "replacement", "neurons'", "completeness", "neurons'"
    graphs = table("", "graph of", *names, right=range(2, 6))
    for each in inspection.traced:
        graphs.add_row(
            "",
            each.prompt,
            f"{each.scores.replacement:.2f}",
            f"{each.neurons.replacement:.2f}" if each.neurons else "-",
            f"{each.scores.completeness:.2f}",
            f"{each.neurons.completeness:.2f}" if each.neurons else "-",
        )
    return graphs


def print_costs(console: Console, before: Inspection, after: Inspection) -> None:
    """Print what a dictionary loses by its saving: sizes and scores side by side."""
    rows = table("", "", "before", "after", right=(2, 3))
    for name, measure in COSTS.items():
        one, other = measure(before), measure(after)
        if one is not None and other is not None:
            rows.add_row("", name, one, other)
    console.print()
    console.print(rows)


COSTS: dict[str, Callable[[Inspection], str | None]] = {
    "size": lambda scores: size(scores.n_bytes),
    "FVU": lambda scores: f"{scores.quality.fvu:.3f}",
    "L0": lambda scores: f"{scores.quality.l0:.1f}",
    "KL, MLPs replaced": lambda scores: f"{scores.replaced.agreement.kl:.3f}",
    "cross-entropy": lambda scores: f"{scores.replaced.agreement.replaced_cross_entropy:.3f}",
    "answers kept": lambda scores: _kept(scores.replaced),
    "KL of answers": lambda scores: f"{scores.replaced.answer_kl:.3f}" if scores.replaced.answers else None,
    "replacement": lambda scores: scores.graph and f"{scores.graph.replacement:.3f}",
    "completeness": lambda scores: scores.graph and f"{scores.graph.completeness:.3f}",
}
"""The rows of a report of costs; None leaves one out."""


def _kept(replaced: ReplacedModel) -> str | None:
    return f"{replaced.n_kept} of {len(replaced.answers)}" if replaced.answers else None


def _print_facts(console: Console, reference: str, facts: dict[str, str]) -> None:
    """Print the reference alone on its line, so that it can be copied, then the facts."""
    console.print(Text(reference, style="bold"), soft_wrap=True)
    for name, fact in facts.items():
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
