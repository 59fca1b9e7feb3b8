"""Points against two logarithmic axes, as an SVG that can be read on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

SIDE, LEFT, TOP, GAP = 300, 74, 64, 96
"""Of a panel's square; in front of the first and above; between two panels."""
DECADES = 8
"""At most so many below the largest value; what is smaller, or zero, lies on the edge."""
NAMED = 300
"""So many points tell their name under the pointer; the rest are dots of one line, to keep files small."""

STYLE = """
svg { color: #1f2328; background: #ffffff; font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3; background: #0d1117; } }
text { fill: currentColor; } .title { font-size: 14px; font-weight: 600; } .dim { opacity: .7; }
.axis { stroke: currentColor; fill: none; opacity: .6; } .grid { stroke: currentColor; opacity: .12; }
.first { fill: #d9730d; stroke: #d9730d; } .second { fill: #3b8bd4; stroke: #3b8bd4; }
circle { stroke: none !important; opacity: .75; }
.dots { stroke-width: 6; stroke-linecap: round; opacity: .75; }
""".strip()


@dataclass(frozen=True)
class Point:
    """A value on either axis; `first` tells two kinds apart by colour."""

    name: str
    x: float
    y: float
    first: bool


@dataclass(frozen=True)
class Panel:
    """One square of points."""

    title: str
    x_label: str
    y_label: str
    points: Sequence[Point]
    diagonal: bool = False
    """Both axes alike, with a line where x equals y."""


def scatter_svg(title: str, kinds: tuple[str, str], panels: Sequence[Panel]) -> str:
    """Panels side by side under a title and a key to the two colours."""
    width = LEFT + len(panels) * (SIDE + GAP) - GAP + 30
    height = TOP + SIDE + 62
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        _text(LEFT, 22, title, "title"),
    ]
    for number, (name, kind) in enumerate(zip(("first", "second"), kinds, strict=True)):
        x = LEFT + 4 + 150 * number
        parts.append(f'<circle class="{name}" cx="{x}" cy="{height - 12}" r="4"/>')
        parts.append(_text(x + 10, height - 8, kind))
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate({LEFT + number * (SIDE + GAP)} {TOP})">')
        parts += [*_drawn(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _drawn(panel: Panel) -> list[str]:
    x = _Axis.over([point.x for point in panel.points])
    y = _Axis.over([point.y for point in panel.points])
    if panel.diagonal:
        x = y = _Axis(min(x.low, y.low), max(x.high, y.high))
    parts = [f'<rect class="axis" width="{SIDE}" height="{SIDE}"/>', _text(0, -10, panel.title, "dim")]
    for power in x.ticks:
        at = SIDE * x.share(10.0**power)
        parts.append(f'<path class="grid" d="M{at:.1f} 0V{SIDE}"/>')
        parts.append(_text(at, SIDE + 16, _power(power), "dim", "middle"))
    for power in y.ticks:
        at = SIDE * (1 - y.share(10.0**power))
        parts.append(f'<path class="grid" d="M0 {at:.1f}H{SIDE}"/>')
        parts.append(_text(-6, at + 4, _power(power), "dim", "end"))
    parts.append(_text(SIDE / 2, SIDE + 34, panel.x_label, "", "middle"))
    parts.append(
        f'<text transform="translate(-52 {SIDE / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(panel.y_label)}</text>"
    )
    if panel.diagonal:
        parts.append(f'<path class="axis" stroke-dasharray="4 4" d="M0 {SIDE}L{SIDE} 0"/>')
    return parts + _points(panel.points, x, y)


def _points(points: Sequence[Point], x: _Axis, y: _Axis) -> list[str]:
    places = [(SIDE * x.share(point.x), SIDE * (1 - y.share(point.y))) for point in points]
    parts = []
    # Those of the second kind are drawn first, so that they hide none of the first.
    for kind, first in (("second", False), ("first", True)):
        rest = [
            place for point, place in zip(points[NAMED:], places[NAMED:], strict=True) if point.first is first
        ]
        if rest:
            dots = "".join(f"M{left:.0f} {down:.0f}h0" for left, down in rest)
            parts.append(f'<path class="{kind} dots" d="{dots}"/>')
        for point, (left, down) in zip(points[:NAMED], places[:NAMED], strict=True):
            if point.first is first:
                parts.append(
                    f'<circle class="{kind}" cx="{left:.1f}" cy="{down:.1f}" r="3">'
                    f"<title>{escape(point.name)}</title></circle>"
                )
    return parts


@dataclass(frozen=True)
class _Axis:
    """Powers of ten between two whole exponents."""

    low: int
    high: int

    @staticmethod
    def over(values: Sequence[float]) -> _Axis:
        positive = [value for value in values if value > 0 and math.isfinite(value)]
        if not positive:
            return _Axis(-1, 0)
        high = math.ceil(math.log10(max(positive)))
        low = min(math.floor(math.log10(min(positive))), high - 1)
        return _Axis(max(low, high - DECADES), high)

    def share(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if value <= 0:
            return 0.0
        return min(max((math.log10(value) - self.low) / (self.high - self.low), 0.0), 1.0)

    @property
    def ticks(self) -> range:
        return range(self.low, self.high + 1, 1 if self.high - self.low <= 5 else 2)


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else f"1e{exponent}"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
