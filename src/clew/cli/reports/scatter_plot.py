"""Points in panels, coloured by layer, as an SVG that can be read on light and on dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from clew.cli.reports.plot_axes import Axis

SIDE, LEFT, TOP, GAP, FOOT = 300, 74, 122, 92, 60
"""Of a panel's square; in front of the first and above; between two panels; below."""
LETTER = 7
"""Of a name beside a point."""
LINE = 19
"""Between two lines of text under the title."""
NAMED = 300
"""So many points tell their name under the pointer; the rest are dots of one line, to keep files small."""
COLORS = (0x2F, 0x7E, 0xD8), (0xB1, 0x4F, 0xC5), (0xE8, 0x71, 0x0A)
"""Of the first layer, one in the middle, and the last: told apart on white and on black."""

STYLE = """
svg { color: #1f2328; background: #ffffff; font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3; background: #0d1117; } }
text { fill: currentColor; } .title { font-size: 16px; font-weight: 600; } .dim { opacity: .75; }
.panel { font-size: 13px; font-weight: 600; }
.mark { font-size: 11px; paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) { .mark { stroke: #0d1117; } }
.axis { stroke: currentColor; fill: none; opacity: .6; } .grid { stroke: currentColor; opacity: .1; }
.zero { stroke: currentColor; opacity: .45; }
.first { opacity: .85; } .second { fill: none; stroke-width: 1.4; opacity: .85; }
.dots { stroke-linecap: round; stroke-width: 5; opacity: .7; }
""".strip()


@dataclass(frozen=True)
class Point:
    """A value on either axis, of a layer; `first` tells two kinds apart: full, or a ring."""

    name: str
    x: float
    y: float
    layer: int
    first: bool = True
    radius: float = 3.2


@dataclass(frozen=True)
class Panel:
    """One square of points."""

    title: str
    caption: str
    x_label: str
    y_label: str
    x: Axis
    y: Axis
    points: Sequence[Point]
    marked: Sequence[Point] = ()
    """Those whose names stand beside them."""
    diagonal: bool = False
    """A line where x equals y, for two axes alike."""


@dataclass(frozen=True)
class Plot:
    """Panels side by side, with what they are about."""

    title: str
    lines: Sequence[str]
    kinds: tuple[str, str]
    n_layers: int
    panels: Sequence[Panel]


def scatter_svg(plot: Plot) -> str:
    """A title, facts, the panels, and a key to shapes and colours."""
    width = LEFT + len(plot.panels) * (SIDE + GAP) - GAP + 40
    height = TOP + SIDE + FOOT + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">',
        f"<title>{escape(plot.title)}</title><style>{STYLE}</style>",
        _text(LEFT, 26, plot.title, "title"),
        *(_text(LEFT, 26 + LINE * number, line, "dim") for number, line in enumerate(plot.lines, start=1)),
        *_key(plot, height - 16),
    ]
    for number, panel in enumerate(plot.panels):
        parts.append(f'<g transform="translate({LEFT + number * (SIDE + GAP)} {TOP})">')
        parts += [*_drawn(panel, plot.n_layers), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def color(layer: int, n_layers: int) -> str:
    """Of a layer, between those of the first and the last."""
    place = 2 * layer / max(n_layers - 1, 1)
    start = min(int(place), 1)
    pairs = zip(COLORS[start], COLORS[start + 1], strict=True)
    return "#" + "".join(f"{round(one + (other - one) * (place - start)):02x}" for one, other in pairs)


def _key(plot: Plot, y: int) -> Iterator[str]:
    """What shapes and colours mean."""
    middle = color(plot.n_layers // 2, plot.n_layers)
    x = LEFT + 4
    for name, kind in zip(("first", "second"), plot.kinds, strict=True):
        paint = "fill" if name == "first" else "stroke"
        yield f'<circle class="{name}" {paint}="{middle}" cx="{x}" cy="{y - 4}" r="4"/>'
        yield _text(x + 10, y, kind)
        x += 34 + 7 * len(kind)
    yield _text(x, y, "layer 0")
    x += 48
    wide = max(2, 120 // plot.n_layers)
    for layer in range(plot.n_layers):
        fill = color(layer, plot.n_layers)
        yield f'<rect x="{x + wide * layer}" y="{y - 10}" width="{wide}" height="12" fill="{fill}"/>'
    yield _text(x + wide * plot.n_layers + 6, y, str(plot.n_layers - 1))


def _drawn(panel: Panel, n_layers: int) -> list[str]:
    parts = [
        _text(0, -26, panel.title, "panel"),
        _text(0, -9, panel.caption, "dim"),
        f'<rect class="axis" width="{SIDE}" height="{SIDE}"/>',
    ]
    for value, text in panel.x.ticks:
        at = SIDE * panel.x.share(value)
        parts.append(f'<path class="{_line(value, panel.x)}" d="M{at:.1f} 0V{SIDE}"/>')
        parts.append(_text(at, SIDE + 16, text, "dim", "middle"))
    for value, text in panel.y.ticks:
        at = SIDE * (1 - panel.y.share(value))
        parts.append(f'<path class="{_line(value, panel.y)}" d="M0 {at:.1f}H{SIDE}"/>')
        parts.append(_text(-6, at + 4, text, "dim", "end"))
    parts.append(_text(SIDE / 2, SIDE + 36, panel.x_label, "", "middle"))
    parts.append(
        f'<text transform="translate(-54 {SIDE / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(panel.y_label)}</text>"
    )
    if panel.diagonal:
        parts.append(f'<path class="axis" stroke-dasharray="4 4" d="M0 {SIDE}L{SIDE} 0"/>')
    return [*parts, *_points(panel, n_layers), *_names(panel)]


def _line(value: float, axis: Axis) -> str:
    """Zero between negative and positive values is a line of its own."""
    return "zero" if value == 0 and axis.ticks[0][0] < 0 else "grid"


def _place(point: Point, panel: Panel) -> tuple[float, float]:
    return SIDE * panel.x.share(point.x), SIDE * (1 - panel.y.share(point.y))


def _points(panel: Panel, n_layers: int) -> list[str]:
    dots: dict[int, str] = {}
    for point in panel.points[NAMED:]:
        left, down = _place(point, panel)
        dots[point.layer] = dots.get(point.layer, "") + f"M{left:.0f} {down:.0f}h0"
    parts = [
        f'<path class="dots" stroke="{color(layer, n_layers)}" d="{path}"/>' for layer, path in dots.items()
    ]
    # Rings are drawn first, so that they hide none of the others.
    for point in sorted(panel.points[:NAMED], key=lambda point: point.first):
        left, down = _place(point, panel)
        kind, paint = ("first", "fill") if point.first else ("second", "stroke")
        parts.append(
            f'<circle class="{kind}" {paint}="{color(point.layer, n_layers)}" cx="{left:.1f}" '
            f'cy="{down:.1f}" r="{point.radius:.1f}"><title>{escape(point.name)}</title></circle>'
        )
    return parts


def _names(panel: Panel) -> list[str]:
    """Each on the side of its point where it hides least."""
    parts: list[str] = []
    points, taken = [_place(point, panel) for point in panel.points], []
    for point in panel.marked:
        left, down = _place(point, panel)
        wide = LETTER * len(point.name)
        corners = [(left + 7, down - 6), (left - 7 - wide, down - 6)]
        corners += [(left + shift, down + y) for y in (-19, 7) for shift in (-wide / 2, 4, -4 - wide)]
        x, y = min(corners, key=lambda corner: _hidden((*corner, wide), points, taken))
        taken.append((x, y, wide))
        parts.append(_text(x, y + 10, point.name, "mark"))
    return parts


Box = tuple[float, float, float]
"""Left, top and width of a name."""
TALL = 13


def _hidden(box: Box, points: Sequence[tuple[float, float]], taken: Sequence[Box]) -> float:
    """What a name in this place would cover: points, other names, the panel's frame."""
    x, y, wide = box
    covered = sum(x - 3 < left < x + wide + 3 and y - 3 < down < y + TALL + 3 for left, down in points)
    names = sum(x < right + size and right < x + wide and abs(y - top) < TALL for right, top, size in taken)
    outside = x < 2 or x + wide > SIDE - 2 or y < 0 or y + TALL > SIDE
    return covered + 9 * names + 4 * outside


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
