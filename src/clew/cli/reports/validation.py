"""The report of a validation: correlations, the features that differ most, a circuit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clew.cli.reports.validation_plot import FEWEST_IN_LAYER
from clew.cli.terminal import main_target, print_indented, print_title, readable, table, token
from clew.graph.conservation import LARGEST_GAP
from clew.graph.graph import Graph
from clew.intervention.circuits import Circuit, feature_count
from clew.intervention.validation_result import Agreement, NodeCheck, Validation


def print_validation(console: Console, graph: Graph, result: Validation) -> None:
    """Print the whole report of features that were removed one by one."""
    console.print(Text(f"{token(graph.info.question)} → {main_target(graph)}", style="bold"))
    console.print(
        Text(
            f"{readable(graph.info.model)} · {readable(graph.info.dictionary)} · {len(result.top)} most "
            f"influential features and {len(result.random)} at random, of {result.n_features:,}",
            style="dim",
        )
    )
    print_title(console, "Edges")
    print_indented(console, _edges(result.gap))
    print_title(console, "Each feature set to zero alone, in the real model", "Spearman and Pearson")
    print_indented(console, _correlations(result))
    for title, nodes in (
        ("Effects most below the prediction", result.disappointments()),
        ("Effects most above the prediction", result.surprises()),
    ):
        if nodes:
            print_title(console, title, "centred logits, over all targets")
            print_indented(console, _differences(graph, nodes))
    console.print()


def _edges(gap: float) -> str:
    if gap > LARGEST_GAP:
        return (
            f"Warning: with all else held, effects differ from the edges by up to {gap:.0e} (sound is "
            f"{LARGEST_GAP:.0e} or less). In half precision that is rounding; in float32 it is an error."
        )
    return f"With all else held, each feature does what its edges say: worst gap {gap:.0e}."


def _correlations(result: Validation) -> Table:
    headers = "", "n", "influence, KL", "influence, size", "prediction, effect"
    rows = table(*headers, right=range(1, 5), no_wrap=True)
    for group in (*result.groups, *result.layers):
        if group.count >= FEWEST_IN_LAYER:
            rows.add_row(group.name, str(group.count), *_cells(group))
    few = [group for group in result.layers if group.count < FEWEST_IN_LAYER]
    if few:
        rows.add_row(f"{len(few)} other layers", str(sum(group.count for group in few)), "", "", "")
    return rows


def _cells(agreement: Agreement) -> list[str]:
    pairs = (agreement.influence_and_kl, agreement.influence_and_size, agreement.prediction_and_effect)
    return [f"{_number(pair.spearman)} {_number(pair.pearson)}" for pair in pairs]


def _number(value: float | None) -> str:
    return f"{'-':>5}" if value is None else f"{value:5.2f}"


def _differences(graph: Graph, nodes: list[NodeCheck]) -> Table:
    rows = table("feature", "token", "predicted", "measured", "KL", right=range(2, 5), no_wrap=True)
    for node in nodes:
        rows.add_row(
            node.name,
            token(graph.info.tokens[node.position]),
            f"{node.predicted_size:.3f}",
            f"{node.measured_size:.3f}",
            f"{node.kl:.2g}",
        )
    return rows


def print_circuit(console: Console, circuit: Circuit, nodes: Sequence[str] | None = None) -> None:
    """Print the test of a circuit: of some nodes, or of the features that pruning keeps."""
    title = "What pruning keeps" if nodes is None else readable(", ".join(nodes))
    console.print(Text.assemble((title, "bold"), (f"  ({feature_count(circuit.size)} as a circuit)", "dim")))
    rows = table("", f"p of {token(circuit.answer)}", right=(1,), no_wrap=True)
    for name, probability in (
        ("the whole model", circuit.whole),
        ("without these features", circuit.without),
        (f"these alone, all others at {circuit.outside}", circuit.alone),
        (f"none: these at zero, all others at {circuit.outside}", circuit.nothing),
    ):
        rows.add_row(name, f"{probability:.2g}")
    print_indented(console, rows)
    print_indented(console, f"Sufficiency {circuit.sufficiency:.2g} = alone / whole")
    print_indented(console, f"Necessity {circuit.necessity:.2g} = 1 - without / whole")
    console.print()
