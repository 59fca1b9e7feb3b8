"""How tokens, names and numbers are spelled on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len

from clew.graph.graph import Graph, NodeKind, quote
from clew.graph.info import Target


def readable(text: str) -> str:
    """Whatever a terminal could take for a command, or not show at all, as its escape."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def token(text: str) -> str:
    """A token in quotes, so that its spaces show."""
    return readable(quote(text))


def target_name(target: Target) -> str:
    """`" Paris"`, or `" cold" minus " warm"` for a difference."""
    return target_text(target.text, is_difference=target.probability is None)


def main_target(graph: Graph) -> str:
    """The name of the target that weighs most."""
    return target_name(max(graph.info.targets, key=lambda target: target.weight))


def target_text(text: str, *, is_difference: bool) -> str:
    """The same from a target's text alone."""
    if is_difference and " minus " in text:
        return " minus ".join(token(side) for side in text.split(" minus ", 1))
    return token(text)


def node_name(graph: Graph, node: int) -> str:
    """As `Graph.node_name`, but an output without its weight."""
    if graph.node_kind[node] == NodeKind.TARGET:
        return target_name(graph.info.targets[node - int(graph.of_kind(NodeKind.TARGET)[0])])
    return readable(graph.node_name(node))


def percent(share: float, decimals: int = 1) -> str:
    """`80.6%`; what would round to nothing but is something becomes `<0.1%`."""
    least = 10.0**-decimals
    return f"<{least:g}%" if 0 < 100 * share < least / 2 else f"{100 * share:.{decimals}f}%"


def size(n_bytes: int) -> str:
    """`93 MB`, `1.2 GB`."""
    number, unit = float(n_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    return f"{number:.0f} {unit}" if number >= 9.95 or unit == "B" else f"{number:.1f} {unit}"


def lines_of(items: Iterable[str], width: int, gap: str = "  ") -> list[str]:
    """Items side by side in lines of at most `width` cells; none is broken."""
    lines: list[str] = []
    for item in items:
        if lines and cell_len(lines[-1]) + len(gap) + cell_len(item) <= width:
            lines[-1] += gap + item
        else:
            lines.append(item)
    return lines


def shortened(text: str, width: int) -> str:
    """The end of a text too long for `width` cells: of a prompt, that is what matters."""
    if cell_len(text) <= width:
        return text
    while cell_len(text) > width - 1:
        text = text[1:]
    return "…" + text
