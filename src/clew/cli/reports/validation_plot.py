"""A validation as a scatter plot: influence, prediction, and both layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable

from clew.cli.reports.plot_axes import LinearAxis, LogAxis, SignedLogAxis
from clew.cli.reports.scatter_plot import Panel, Plot, Point, scatter_svg
from clew.cli.terminal import main_target, readable, token
from clew.graph.graph import Graph
from clew.intervention.validation_result import Agreement, Correlation, Validation

FEWEST_IN_LAYER = 3
"""Layers with fewer tested features have no correlations."""
MARKED = 4
"""Points of a panel that are named."""


def drawing(graph: Graph, found: Validation) -> str:
    """The correlations of the printed table, and the points that they come from, as SVG."""
    n_layers = max(graph.n_layers, *(node.layer + 1 for node in found.nodes), 1)
    lines = (
        f"{readable(graph.info.model)} · {readable(graph.info.dictionary)} · {len(found.top)} most "
        f"influential features and {len(found.random)} at random, of {found.n_features:,}, each set to zero "
        "by itself",
        f"With all held but the edges, what a feature does is what its edges say: worst gap {found.gap:.0e}",
    )
    plot = Plot(
        title=f"{token(graph.info.prompt)} → {main_target(graph)}",
        lines=lines,
        kinds=("most influential", "at random"),
        n_layers=n_layers,
        panels=[_influence(found), _prediction(found, main_target(graph)), _by_layer(found, n_layers)],
    )
    return scatter_svg(plot)


def _influence(found: Validation) -> Panel:
    points = [Point(node.name, node.influence, node.kl, node.layer, node.is_top) for node in found.nodes]
    return Panel(
        title="Influence, and what its removal does",
        caption=_caption(found, lambda group: group.influence_and_kl),
        x_label="influence",
        y_label="KL(after || before), nats",
        x=LogAxis.over([point.x for point in points]),
        y=LogAxis.over([point.y for point in points]),
        points=points,
        marked=sorted(points, key=lambda point: -point.y)[:MARKED],
    )


def _prediction(found: Validation, target: str) -> Panel:
    points = [
        Point(node.name, node.predicted, node.measured, node.layer, node.is_top) for node in found.nodes
    ]
    axis = SignedLogAxis.over([value for point in points for value in (point.x, point.y)])
    return Panel(
        title="Predicted over all paths, and measured",
        caption=_caption(found, lambda group: group.prediction_and_effect),
        x_label=f"predicted change of {target} (centred logit)",
        y_label="measured change",
        x=axis,
        y=axis,
        points=points,
        marked=sorted(points, key=lambda point: -abs(point.y - point.x))[:MARKED],
        diagonal=True,
    )


def _by_layer(found: Validation, n_layers: int) -> Panel:
    """Larger where more features of a layer were tested."""
    points = []
    for group, layer in zip(found.layers, sorted({node.layer for node in found.nodes}), strict=True):
        spearman = group.influence_and_kl.spearman
        if group.count >= FEWEST_IN_LAYER and spearman is not None:
            name = f"{group.name}: {spearman:.2f} over {group.count} features"
            points.append(Point(name, layer, spearman, layer, radius=2 + math.sqrt(group.count)))
    step = max(1, math.ceil(n_layers / 6))
    return Panel(
        title="Influence and KL, layer by layer",
        caption=f"larger: more features; at least {FEWEST_IN_LAYER} in a layer",
        x_label="layer",
        y_label="Spearman",
        x=LinearAxis(-1, n_layers, tuple(range(0, n_layers, step))),
        y=LinearAxis(-1.05, 1.05, (-1, -0.5, 0, 0.5, 1)),
        points=points,
    )


def _caption(found: Validation, pair: Callable[[Agreement], Correlation]) -> str:
    """Ranks alone: a logarithmic axis leaves them as they are."""
    parts = []
    for group, name in zip(found.groups, ("all", "top", "random"), strict=True):
        spearman = pair(group).spearman
        if spearman is not None:
            parts.append(f"{name} {spearman:.2f}")
    return f"Spearman: {', '.join(parts)}" if parts else "too few for a correlation"
