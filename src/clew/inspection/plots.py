"""Plots as SVG, drawn for the width of a phone; colours are variables of the page around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from math import ceil, floor, isfinite, log10

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 6, 10, 30
"""The margins around a plot's field, which hold the axes."""
FIELD = WIDTH - LEFT - RIGHT
TALL = HEIGHT - TOP - BOTTOM


def bars(
    title: str,
    values: Mapping[int, float],
    n_layers: int,
    form: Callable[[float], str],
    *,
    most: float | None = None,
    mark_above: float | None = None,
) -> str:
    """A bar for each layer; those above `mark_above` get the colour of a warning.

    Bars end at `most` where they are larger.
    """
    finite = [value for value in values.values() if isfinite(value)]
    top = max(finite, default=0) or 1  # an axis for values that are all 0
    top = top if most is None else min(top, most)
    ticks = _ticks(0, top)
    top = max(top, ticks[-1])
    step = FIELD / n_layers
    drawn = [_grid(ticks, 0, top)]
    for layer, value in sorted(values.items()):
        tall = TALL * (min(value, top) / top if isfinite(value) else 1)
        kind = "bar marked" if mark_above is not None and not value <= mark_above else "bar"
        drawn.append(
            f'<rect class="{kind}" x="{LEFT + layer * step + step * 0.12:.2f}" y="{TOP + TALL - tall:.2f}" '
            f'width="{step * 0.76:.2f}" height="{max(tall, 0.5):.2f}" rx="{min(1.5, step / 5):.2f}">'
            f"<title>layer {layer}: {escape(form(value))}</title></rect>"
        )
    drawn += _layer_axis(n_layers)
    return _picture(title, drawn)


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Mapping[int, Sequence[float]],
    n_layers: int,
    form: Callable[[float], str],
    *,
    labelled: Sequence[int],
) -> str:
    """A column for each layer, a row for each name (the first one below); darker for a larger share.

    The rows `labelled` have their names beside them; all say theirs under the pointer.
    """
    wide, tall = FIELD / n_layers, TALL / len(rows)
    largest = max((share for column in columns.values() for share in column), default=0) or 1
    drawn = []
    for layer, column in sorted(columns.items()):
        for row, share in enumerate(column):
            if share > 0:
                drawn.append(
                    f'<rect class="cell" x="{LEFT + layer * wide:.2f}" '
                    f'y="{TOP + TALL - (row + 1) * tall:.2f}" width="{wide + 0.2:.2f}" '
                    f'height="{tall + 0.2:.2f}" opacity="{(share / largest) ** 0.6:.3f}">'
                    f"<title>layer {layer}, {escape(rows[row])}: {escape(form(share))}</title></rect>"
                )
    drawn += [_label(LEFT - 5, TOP + TALL - (row + 0.5) * tall + 3.5, rows[row], "end") for row in labelled]
    drawn.append(f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{FIELD}" height="{TALL}"/>')
    drawn += _layer_axis(n_layers)
    return _picture(title, drawn)


def line(
    title: str, x: Sequence[float], y: Sequence[float], name_of_x: str, form: Callable[[float], str]
) -> str:
    """One curve; an early outlier far above the rest leaves the field."""
    ranked = sorted(y)
    low, high = ranked[0], ranked[min(len(ranked) - 1, floor(0.97 * len(ranked)))]
    low = 0.0 if 0 <= low < 0.5 * high or low == high else low
    ticks = _ticks(low, high if high > low else low + (abs(low) or 1))
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    last = max(x)
    points = " ".join(
        f"{LEFT + FIELD * at / last:.1f},{TOP + TALL * (1 - (min(value, high) - low) / (high - low)):.1f}"
        for at, value in zip(x, y, strict=True)
    )
    drawn = [_grid(ticks, low, high), f'<polyline class="curve" points="{points}"/>']
    for at in _ticks(0, last)[1:]:
        if at <= last:
            drawn.append(_label(LEFT + FIELD * at / last, TOP + TALL + 14, _short(at), "middle"))
    drawn.append(_label(LEFT + FIELD / 2, HEIGHT - 3, name_of_x, "middle"))
    return _picture(f"{title}: {form(y[-1])} at the end", drawn)


def _picture(title: str, drawn: Sequence[str]) -> str:
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">{"".join(drawn)}</svg></figure>'
    )


def _grid(ticks: Sequence[float], low: float, high: float) -> str:
    drawn = []
    for tick in ticks:
        y = TOP + TALL * (1 - (tick - low) / (high - low))
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        drawn.append(_label(LEFT - 5, y + 3.5, _short(tick), "end"))
    return "".join(drawn)


def _layer_axis(n_layers: int) -> list[str]:
    step = FIELD / n_layers
    every = next(each for each in (1, 2, 5, 10, 20, 50, 100, 1000) if each * step >= 22 or each == 1000)
    labels = [
        _label(LEFT + (layer + 0.5) * step, TOP + TALL + 14, str(layer), "middle")
        for layer in range(0, n_layers, every)
    ]
    return [*labels, _label(LEFT + FIELD / 2, HEIGHT - 3, "layer", "middle")]


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _ticks(low: float, high: float) -> list[float]:
    """Four or so round numbers over a range, the last one at or above its end."""
    rough = (high - low) / 4
    power = 10.0 ** floor(log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough * 0.999)
    first = floor(low / step + 1e-9)
    last = ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _short(value: float) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            divisor = 1e3 if unit == "k" else size
            return f"{value / divisor:g}{unit}"
    return f"{value:.4g}"
