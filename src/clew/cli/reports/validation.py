"""The report of a validation: a table, the worst features, a circuit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clew.cli.reports.validation_plot import FEWEST_IN_LAYER
from clew.cli.terminal import main_target, print_indented, print_title, readable, token
from clew.graph.conservation import LARGEST_GAP
from clew.graph.graph import Graph
from clew.intervention.circuits import Circuit, feature_count
from clew.intervention.validation_result import Agreement, NodeCheck, Validation


def print_validation(console: Console, graph: Graph, found: Validation) -> None:
    """Everything about the single features."""
    console.print(Text(f"{token(graph.info.prompt)} → {main_target(graph)}", style="bold"))
    console.print(
        Text(
            f"{readable(graph.info.model)} · {readable(graph.info.dictionary)} · {len(found.top)} most "
            f"influential features and {len(found.random)} at random, of {found.n_features:,}",
            style="dim",
        )
    )
    print_title(console, "Edges")
    print_indented(console, _edges(found.gap))
    print_title(console, "In the real model, each set to zero by itself", "Spearman and Pearson")
    print_indented(console, _correlations(found))
    for title, nodes in (
        ("Predicted most that did not happen", found.disappointments()),
        ("Happened most that was not predicted", found.surprises()),
    ):
        if nodes:
            print_title(console, title, "centred logits, over all targets")
            print_indented(console, _missed(graph, nodes))
    console.print()


def _edges(gap: float) -> str:
    if gap > LARGEST_GAP:
        return (
            f"Warning: with all else held, effects are off by up to {gap:.0e} of what the edges say; more "
            f"than {LARGEST_GAP:.0e} is rounding in half precision, but an error in float32."
        )
    return f"With all else held, each feature does what its edges say: worst gap {gap:.0e}."


def _correlations(found: Validation) -> Table:
    table = _table("", "n", "influence, KL", "influence, size", "prediction, effect")
    for column in table.columns[1:]:
        column.justify = "right"
    for group in (*found.groups, *found.layers):
        if group.count >= FEWEST_IN_LAYER:
            table.add_row(group.name, str(group.count), *_cells(group))
    few = [group for group in found.layers if group.count < FEWEST_IN_LAYER]
    if few:
        table.add_row(f"{len(few)} other layers", str(sum(group.count for group in few)), "", "", "")
    return table


def _cells(agreement: Agreement) -> list[str]:
    pairs = (agreement.influence_and_kl, agreement.influence_and_size, agreement.prediction_and_effect)
    return [f"{_number(pair.spearman)} {_number(pair.pearson)}" for pair in pairs]


def _number(value: float | None) -> str:
    return f"{'-':>5}" if value is None else f"{value:5.2f}"


def _missed(graph: Graph, nodes: list[NodeCheck]) -> Table:
    table = _table("feature", "token", "predicted", "happened", "KL")
    for column in table.columns[2:]:
        column.justify = "right"
    for node in nodes:
        table.add_row(
            node.name,
            token(graph.info.tokens[node.position]),
            f"{node.predicted_size:.3f}",
            f"{node.measured_size:.3f}",
            f"{node.kl:.2g}",
        )
    return table


def print_circuit(console: Console, circuit: Circuit, nodes: Sequence[str] | None = None) -> None:
    """A set of features as a circuit: some nodes, or what pruning keeps."""
    title = "What pruning keeps" if nodes is None else readable(", ".join(nodes))
    console.print(Text.assemble((title, "bold"), (f"  ({feature_count(circuit.size)} as a circuit)", "dim")))
    table = _table("", f"p of {token(circuit.answer)}")
    table.columns[1].justify = "right"
    for name, probability in (
        ("the whole model", circuit.whole),
        ("without them", circuit.without),
        (f"them alone, all others at {circuit.outside}", circuit.alone),
        (f"nothing: they at zero, all others at {circuit.outside}", circuit.nothing),
    ):
        table.add_row(name, f"{probability:.2g}")
    print_indented(console, table)
    print_indented(console, f"Sufficiency {circuit.sufficiency:.2g} = alone / whole")
    print_indented(console, f"Necessity {circuit.necessity:.2g} = 1 - without / whole")
    console.print()


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for header in headers:
        table.add_column(header, no_wrap=True)
    return table
