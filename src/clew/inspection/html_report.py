"""The report of a dictionary as one HTML file with plots, which needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from math import ceil, isfinite, log10
from pathlib import Path

from clew.dictionary.layer_numbers import layers_named
from clew.dictionary.next_token import Answer
from clew.files import write_file
from clew.inspection.inspection import Inspection
from clew.inspection.plots import bars, heat_map, line
from clew.inspection.training_log import Curve, read_curves
from clew.plain_text import visible
from clew.quantities import percent
from clew.token_text import quote, readable
from clew.version import __version__

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page runs no script and fetches nothing."""
DECADE = 3
"""Rows of the density plot for a power of ten."""
LARGEST_FVU = 1.5
"""Bars of FVU end here; a layer above 1 is worse than its mean."""


def write_html_report(
    inspection: Inspection, path: Path, *, text: str, warning: str = "", log: Path | None = None
) -> None:
    """Write the report of a dictionary.

    Args:
        inspection: The figures.
        path: The file to write.
        text: The name of the text that they were measured on.
        warning: A sentence about a misfit; "" for none.
        log: The log of its training, for curves.
    """
    curves = () if log is None else read_curves(log)
    page = html_report(inspection, text=text, warning=warning, curves=curves)
    write_file(path, visible(page).encode("utf-8", "backslashreplace"))


def html_report(inspection: Inspection, *, text: str, warning: str = "", curves: Sequence[Curve] = ()) -> str:
    """The report as a page; everything that is not clew's own is escaped."""
    style = files("clew.inspection").joinpath("report.css").read_text(encoding="utf-8")
    parts = [
        f"<h1>{_text(inspection.name)}</h1>",
        _facts(inspection),
        *(f'<p class="warning">{_text(each)}</p>' for each in (warning, inspection.verdict) if each),
        _tiles(inspection),
        _layers(inspection, text),
        _answers(inspection),
        _positions(inspection),
        _graphs(inspection),
        _curves(curves),
        f"<footer>Measured by clew {_text(__version__)}.</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{_text(inspection.name)}</title><style>{style}</style></head><body>{''.join(parts)}"
        "</body></html>\n"
    )


def _facts(inspection: Inspection) -> str:
    rows = (f"<dt>{_text(name)}</dt><dd>{_text(fact)}</dd>" for name, fact in inspection.facts.items())
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _tiles(inspection: Inspection) -> str:
    quality, replaced = inspection.quality, inspection.replaced
    agreement = replaced.agreement
    tiles = [
        ("FVU", _figure(quality.fvu), f"median of {len(quality.layers)} layers"),
        ("L0", f"{quality.l0:.1f}", "mean of layers"),
        ("never active", percent(quality.dead), f"in {quality.n_positions:,} tokens"),
        (f"KL, {inspection.mlps} replaced", _figure(agreement.kl), "nats"),
        ("same likeliest token", percent(agreement.top1), "of positions"),
        (
            "cross-entropy, replaced",
            f"{agreement.replaced_cross_entropy:.2f}",
            f"model {agreement.cross_entropy:.2f}",
        ),
    ]
    if replaced.answers:
        kl = f"median KL {_figure(replaced.answer_kl)}"
        tiles.append(("answers kept", f"{replaced.n_kept} of {len(replaced.answers)}", kl))
    if inspection.graph is not None:
        own, neurons = inspection.graph, inspection.neurons
        for name in ("replacement", "completeness"):
            beside = f"neurons {getattr(neurons, name):.2f}" if neurons else "of whole graphs"
            tiles.append((name, f"{getattr(own, name):.2f}", beside))
    cells = (
        f'<div class="tile"><div class="name">{_text(name)}</div><div class="value">{_text(value)}</div>'
        f'<div class="beside">{_text(beside)}</div></div>'
        for name, value, beside in tiles
    )
    return f'<div class="tiles">{"".join(cells)}</div>'


def _layers(inspection: Inspection, text: str) -> str:
    quality = inspection.quality
    n_layers = max(inspection.n_layers, 1)
    best, worst = inspection.layers[0], inspection.layers[-1]
    weak = (
        f" The mean alone would do better in {layers_named(quality.weak_layers)}."
        if quality.weak_layers
        else ""
    )
    rows, columns = densities(inspection)
    plots = [
        bars(
            "FVU: variance not explained",
            {each.layer: each.fvu for each in quality.layers},
            n_layers,
            _figure,
            most=LARGEST_FVU,
            mark_above=1,
        ),
        bars(
            "L0: active features at a position",
            {each.layer: each.l0 for each in quality.layers},
            n_layers,
            lambda value: f"{value:.1f}",
        ),
        bars(
            "Features never active in the text",
            {each.layer: each.dead for each in quality.layers},
            n_layers,
            percent,
        ),
        heat_map(
            "Features by density",
            rows,
            columns,
            n_layers,
            lambda share: f"{percent(share)} of features",
            labelled=[0, *range(len(rows) - 1, 0, -DECADE)],
        ),
    ]
    return (
        f"<h2>Layer by layer</h2><p>Measured on {quality.n_positions:,} tokens of {_text(text)}. FVU is the "
        "share of an MLP's variance that is not explained; the mean alone has 1. Best explained is layer "
        f"{best.layer} ({_figure(best.fvu)}), worst layer {worst.layer} ({_figure(worst.fvu)}).{weak}</p>"
        f'<div class="plots">{"".join(plots)}</div>'
    )


def densities(inspection: Inspection) -> tuple[list[str], dict[int, list[float]]]:
    """Names of densities, and by layer the share of features with each; the first is "never"."""
    n = inspection.quality.n_positions
    n_rows = ceil(DECADE * log10(max(n, 2)))
    rows = [f"≤{100 * 10 ** ((row - n_rows + 1) / DECADE):.2g}%" for row in range(n_rows)]
    rows[-1] = "≤100%"
    columns = {}
    for layer in inspection.quality.layers:
        shares = [0.0] * (1 + n_rows)
        values, numbers = layer.counts.unique(return_counts=True)
        for count, number in zip(values.tolist(), numbers.tolist(), strict=True):
            row = 0 if count == 0 else 1 + max(0, n_rows - 1 + ceil(DECADE * log10(count / n) - 1e-9))
            shares[row] += number / len(layer.counts)
        columns[layer.layer] = shares
    return ["never", *rows], columns


def _answers(inspection: Inspection) -> str:
    if not inspection.replaced.answers:
        return ""
    return (
        f"<h2>Answers with {inspection.mlps} replaced</h2><p>Features alone write in their place. What a "
        "dictionary lost, these answers lose; a graph's scores may not notice.</p>"
        + _answer_table(inspection.replaced.answers, "prompt")
    )


def _positions(inspection: Inspection) -> str:
    return (
        "<h2>Where the replaced model is furthest</h2><p>Positions of the text with the largest divergence "
        "of the next token, each answer once.</p>"
        + _answer_table(inspection.furthest, "text up to the position")
        + "<h2>Where it is nearest</h2>"
        + _answer_table(inspection.nearest, "text up to the position")
    )


def _answer_table(answers: Iterable[Answer], name: str) -> str:
    rows = (
        f'<tr class="{"" if each.kept else "lost"}"><td class="text">{_text(each.prompt)}</td>'
        f'<td class="token">{_text(quote(each.answer))}</td><td class="number">{each.probability:.2f}</td>'
        f'<td class="token">{"the same" if each.kept else _text(quote(each.replaced_answer))}</td>'
        f'<td class="number">{each.replaced_probability:.2f}</td>'
        f'<td class="number">{_figure(each.kl)}</td></tr>'
        for each in answers
    )
    head = _head(name, "answer", "p", "replaced", "its p of the answer", "KL", numbers=(2, 4, 5))
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'


def _graphs(inspection: Inspection) -> str:
    if not inspection.traced:
        return ""
    rows = (
        f'<tr><td class="text">{_text(each.prompt)}</td>'
        + "".join(
            f'<td class="number">{value}</td>'
            for value in (
                f"{each.scores.replacement:.2f}",
                f"{each.neurons.replacement:.2f}" if each.neurons else "-",
                f"{each.scores.completeness:.2f}",
                f"{each.neurons.completeness:.2f}" if each.neurons else "-",
            )
        )
        + "</tr>"
        for each in inspection.traced
    )
    names = "prompt", "replacement", "neurons'", "completeness", "neurons'"
    return (
        "<h2>Graphs</h2><p>Scores of whole graphs beside those of the model's own neurons. They add up "
        "magnitudes, so they may rise while a dictionary is destroyed; judge by the figures above "
        f"first. Traced in {inspection.seconds:.0f} s.</p>"
        f'<div class="wide"><table>{_head(*names, numbers=(1, 2, 3, 4))}{"".join(rows)}</table></div>'
    )


def _curves(curves: Sequence[Curve]) -> str:
    if not curves:
        return ""
    parts = ["<h2>Training</h2><p>Means over layers, on the batches that were learned from.</p>"]
    for stage, some in groupby(curves, key=lambda curve: curve.stage):
        plots = (
            line(curve.figure, curve.tokens, curve.values, "tokens", _form(curve.figure)) for curve in some
        )
        parts.append(f'<h3>{_text(stage)}</h3><div class="plots">{"".join(plots)}</div>')
    return "".join(parts)


def _form(figure: str) -> Callable[[float], str]:
    return percent if figure.startswith("Dead") else _figure


def _head(*names: str, numbers: Sequence[int]) -> str:
    cells = (
        f'<th class="number">{_text(name)}</th>' if place in numbers else f"<th>{_text(name)}</th>"
        for place, name in enumerate(names)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _figure(value: float) -> str:
    """Three digits or so; an exponent for very large ones."""
    if not isfinite(value):
        return "not finite"
    return f"{value:.1e}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"


def _text(text: str) -> str:
    return escape(readable(text))
