"""A validation as a scatter plot: influence, prediction, and both layer by layer."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clew.cli.terminal import main_target, readable, token
from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.intervention.validation_result import Agreement, Correlation, NodeCheck, Validation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEWEST_IN_LAYER = 3
"""Layers with fewer tested features have no correlations."""
NAMED = 4
"""Points of a panel that are named."""
DECADES = 8
"""Powers of ten on a logarithmic axis; smaller values, and zero, lie on its edge."""
LAYER_COLORS = "#2f7ed8", "#b14fc5", "#e8710a"
"""Colors of the first, the middle and the last layer, clear on white and on black."""
TEXT = "#1f2328"
STYLE = """<style>
svg { color: #1f2328; background: #ffffff; }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3; background: #0d1117; } }
</style>
"""
"""Colours of text and page; `TEXT` in the plot becomes the text colour, so the plot suits a dark page too."""


def check_matplotlib() -> None:
    """Raise `ClewError` where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ClewError("--svg needs matplotlib, which is not installed: pip install matplotlib.") from None


def validation_svg(graph: Graph, result: Validation) -> str:
    """A scatter plot, as SVG, of the points behind the printed correlations; needs matplotlib."""
    from matplotlib import rc_context
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    n_layers = max(graph.n_layers, *(node.layer + 1 for node in result.nodes), 2)
    color_map = LinearSegmentedColormap.from_list("layers", LAYER_COLORS)
    colors = ScalarMappable(Normalize(0, n_layers - 1), color_map)
    settings: Any = {
        **dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), TEXT
        ),
        "svg.fonttype": "none",
        "svg.hashsalt": "clew",
        "text.parse_math": False,
        "axes.titlesize": "medium",
        "xtick.labelsize": "small",
        "ytick.labelsize": "small",
    }
    with rc_context(settings):
        figure = Figure(figsize=(15, 5.6), layout="constrained")
        figure.suptitle(_title(graph, result), x=0.01, horizontalalignment="left", fontsize="medium")
        influence, prediction, by_layer = figure.subplots(1, 3)
        _draw_influence(influence, result, colors)
        _draw_prediction(prediction, result, colors, main_target(graph))
        _draw_layers(by_layer, result, colors, n_layers)
        figure.colorbar(colors, ax=by_layer, label="layer")
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return drawn.getvalue().replace(TEXT, "currentColor").replace("<defs>", f"{STYLE}<defs>", 1)


def _title(graph: Graph, result: Validation) -> str:
    tested = f"{len(result.top)} most influential features and {len(result.random)} at random"
    return (
        f"{token(graph.info.question)} → {main_target(graph)}\n"
        f"{readable(graph.info.model)} · {readable(graph.info.dictionary)} · {tested}, of "
        f"{result.n_features:,}, each set to zero by itself\n"
        f"With all else held, each feature does what its edges say: worst gap {result.gap:.0e}"
    )


def _draw_influence(axes: Axes, result: Validation, colors: Any) -> None:
    influence = np.array([node.influence for node in result.nodes])
    kl = np.array([node.kl for node in result.nodes])
    for values, set_scale in ((influence, axes.set_xscale), (kl, axes.set_yscale)):
        if values.max(initial=0) > 0:
            set_scale("log")
            np.maximum(values, values.max() / 10**DECADES, out=values)
    _draw_nodes(axes, result.nodes, influence, kl, kl, colors)
    axes.set(
        title=_spearman("Influence and KL", result, lambda agreement: agreement.influence_and_kl),
        xlabel="influence",
        ylabel="KL(after || before), nats",
    )


def _draw_prediction(axes: Axes, result: Validation, colors: Any, target: str) -> None:
    predicted = np.array([node.predicted for node in result.nodes])
    measured = np.array([node.measured for node in result.nodes])
    largest = max(np.abs(predicted).max(initial=0), np.abs(measured).max(initial=0)) or 1.0
    for set_scale in (axes.set_xscale, axes.set_yscale):
        set_scale("symlog", linthresh=largest / 100)
    axes.plot([-largest, largest], [-largest, largest], color=TEXT, linestyle="--", linewidth=0.8)
    _draw_nodes(axes, result.nodes, predicted, measured, np.abs(measured - predicted), colors)
    axes.set(
        title=_spearman("Prediction and effect", result, lambda agreement: agreement.prediction_and_effect),
        xlabel=f"predicted change of {target} (centred logit)",
        ylabel="measured change",
    )


def _draw_layers(axes: Axes, result: Validation, colors: Any, n_layers: int) -> None:
    """One point for each layer, larger where more features were tested."""
    numbers = sorted({node.layer for node in result.nodes})
    for layer, agreement in zip(numbers, result.layers, strict=True):
        spearman = agreement.influence_and_kl.spearman
        if agreement.count >= FEWEST_IN_LAYER and spearman is not None:
            axes.scatter(layer, spearman, s=10 * agreement.count, color=colors.to_rgba(layer))
    axes.axhline(0, color=TEXT, linewidth=0.5)
    axes.set(
        title=f"Influence and KL by layer, at least {FEWEST_IN_LAYER} features",
        xlabel="layer",
        ylabel="Spearman",
        xlim=(-1, n_layers),
        ylim=(-1.05, 1.05),
    )


def _draw_nodes(
    axes: Axes, nodes: Sequence[NodeCheck], x: np.ndarray, y: np.ndarray, distance: np.ndarray, colors: Any
) -> None:
    """Dots for the most influential features, rings for those at random; names for the most distant."""
    is_top = np.array([node.is_top for node in nodes], bool)
    color = colors.to_rgba([node.layer for node in nodes])
    axes.scatter(
        x[~is_top], y[~is_top], s=22, facecolors="none", edgecolors=color[~is_top], label="at random"
    )
    axes.scatter(x[is_top], y[is_top], s=22, c=color[is_top], label="most influential")
    most_distant = np.argsort(-distance)[:NAMED]
    line = {"arrowstyle": "-", "color": TEXT, "alpha": 0.4}
    for place, node in enumerate(sorted(most_distant, key=lambda node: y[node])):
        corner = (0.97, 0.04 + 0.06 * place)  # few points lie there
        axes.annotate(nodes[node].name, (x[node], y[node]), corner, "data", "axes fraction", line, ha="right")
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    axes.grid(color=TEXT, alpha=0.1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")


def _spearman(title: str, result: Validation, pair: Callable[[Agreement], Correlation]) -> str:
    """A title with rank correlations, which do not depend on the scale of an axis."""
    names = zip(("all", "top", "random"), result.groups, strict=True)
    values = [(name, pair(agreement).spearman) for name, agreement in names]
    shown = ", ".join(f"{name} {value:.2f}" for name, value in values if value is not None)
    return f"{title}\nSpearman: {shown}" if shown else f"{title}\ntoo few for a correlation"
