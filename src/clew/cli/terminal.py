"""Parts of reports on a terminal: pages, titles, tables, bars; tokens, names and numbers as text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clew.cli.console import VisibleConsole
from clew.graph.graph import Graph, NodeKind, quote
from clew.graph.influence import output_shares
from clew.graph.info import Target
from clew.quantities import percent as percent
from clew.quantities import size as size
from clew.token_text import readable as readable

BAR = 24
"""Cells of the bar that stands for certainty."""
FEWEST_CELLS = 16
"""Smallest width of the last column, in cells."""
LEAST_WIDTH = 72
"""Cells; a narrower terminal wraps lines by itself, so no name is cut."""


@contextmanager
def page() -> Iterator[Console]:
    """A console on stdout that prints text as it is; all is written at the end, without trailing spaces."""
    console = VisibleConsole()
    console.width = max(console.width, LEAST_WIDTH)
    with console.capture() as captured:
        yield console
    console.file.write(re.sub(" +$", "", captured.get(), flags=re.MULTILINE))
    console.file.flush()


def bar(share: float) -> str:
    """A bar of as many cells as a share fills."""
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def table(*headers: str, right: Collection[int] = (), no_wrap: bool | Collection[int] = False) -> Table:
    """A table without lines, its columns two cells apart, and without a header row if all headers are empty.

    Columns in `right` are aligned right; columns in `no_wrap` (all for True) stay on one line.
    """
    unbroken = range(len(headers)) if no_wrap is True else no_wrap or ()
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_header=any(headers))
    for number, header in enumerate(headers):
        justify = "right" if number in right else "left"
        rows.add_column(header, justify=justify, no_wrap=number in unbroken)
    return rows


class AsManyAsFit:
    """A label and as many whole tokens as fit on one line."""

    def __init__(self, label: str, tokens: list[str]) -> None:
        self.label, self.tokens = label, tokens

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        whole = cell_len(self.label) + sum(cell_len(word) + 2 for word in self.tokens)
        return Measurement(min(whole, FEWEST_CELLS), min(whole, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text().append(self.label, style="italic")
        for number, word in enumerate(self.tokens):
            gap = ", " if number else ": " if self.label else ""
            longer = line + Text(gap + word)
            if number and longer.cell_len > options.max_width:
                break
            line = longer
        line.truncate(options.max_width, overflow="ellipsis")
        yield line


def print_title(console: Console, title: str, remark: str = "") -> None:
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  ({remark})" if remark else "", "dim")))


def print_indented(console: Console, content: Table | str, style: str = "") -> None:
    shown = Text(content, style=style) if isinstance(content, str) else content
    console.print(Padding(shown, (0, 0, 0, 2), expand=False))


def token(text: str) -> str:
    """A token in quotes, so that its spaces show."""
    return readable(quote(text))


def target_name(target: Target) -> str:
    """`" Paris"`, or `" cold" minus " warm"` for a difference."""
    name = target_text(target.text, is_difference=target.probability is None)
    return told_apart([name], [target.identity])[0]


def told_apart(names: Sequence[str], ids: Sequence[tuple[int, int | None]]) -> list[str]:
    """Names of outputs, with their token ids behind those that are spelled alike, or whose two tokens are."""
    words = [f" id:{one}" + ("" if other is None else f" minus id:{other}") for one, other in ids]
    return [
        name + own
        if not name.endswith(own) and (names.count(name) > 1 or re.fullmatch(r"(.+) minus \1", name))
        else name
        for name, own in zip(names, words, strict=True)
    ]


def main_target(graph: Graph) -> str:
    """The name of the target with the largest weight."""
    return target_name(max(graph.info.targets, key=lambda target: target.weight))


def target_text(text: str, *, is_difference: bool) -> str:
    """A target's name from its text alone."""
    if is_difference and " minus " in text:
        return " minus ".join(token(side) for side in text.split(" minus ", 1))
    return token(text)


def node_name(graph: Graph, node: int) -> str:
    """A node's name, as of `Graph.node_name`, but an output without its weight."""
    if graph.node_kind[node] == NodeKind.TARGET:
        return target_name(graph.info.targets[node - int(graph.of_kind(NodeKind.TARGET)[0])])
    return readable(graph.node_name(node))


def promoted(graph: Graph, node: int) -> list[str]:
    """Output tokens that a feature pushes up here, without their spaces, each once."""
    texts = graph.promoted(node)
    words = (token(text) if text.strip() in ("", ",") else readable(text.strip()) for text in texts)
    return list(dict.fromkeys(words))


def influence(graph: Graph, node: int) -> str:
    """A node's influence: the share of the outputs that flows through it."""
    return percent(float(output_shares(graph)[node]))


def cut(text: str, width: int) -> Text:
    """The start of a text, cut to `width` cells."""
    shown = Text(text)
    shown.truncate(width, overflow="ellipsis")
    return shown


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
    """The end of a text, cut to `width` cells; a prompt's end matters most."""
    if cell_len(text) <= width:
        return text
    while cell_len(text) > width - 1:
        text = text[1:]
    return "…" + text
