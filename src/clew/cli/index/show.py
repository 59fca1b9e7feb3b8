"""`clew index show`: print what is known of one feature."""

from __future__ import annotations

import argparse
import math
import re
from argparse import ArgumentTypeError
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import whole_number
from clew.errors import ClewError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.text import Text

    from clew.index.storage.index import Index
    from clew.index.storage.label import Label
    from clew.index.storage.record import Example, FeatureRecord, Histogram, TokenValue

USAGE = "FILE FEATURE [options]"
EXAMPLE = """\
example:
  clew index --data texts --tokens 1000000 --out smollm2.sqlite3
  clew index show smollm2.sqlite3 L12/403"""

SAMPLED = "share of a sample that favours strong peaks"
BLOCKS = " ▁▂▃▄▅▆▇█"
LEFT = 0.7
"""Share of a line that may stand before a peak: what follows it changed nothing."""


def feature_name(text: str) -> tuple[int, int]:
    """`L12/403`: layer and index."""
    found = re.fullmatch(r"[Ll]?(\d+)/(\d+)", text)
    if found is None:
        raise ArgumentTypeError(f"expected a feature such as L12/403, not {text!r}")
    return int(found[1]), int(found[2])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="an index")
    parser.add_argument("feature", metavar="FEATURE", type=feature_name, help="layer and index: L12/403")
    parser.add_argument(
        "--examples", type=whole_number(0), default=5, metavar="N", help="of each kind (default: %(default)s)"
    )


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.layout import page
    from clew.index.storage.index import open_index

    layer, feature = arguments.feature
    with open_index(arguments.file) as index, page() as console:
        record = index.feature(layer, feature)
        if record is None:
            raise ClewError(f"{arguments.file} {_why_not(index, layer, feature)}.")
        print_heading(console, index, record)
        print_facts(console, record, arguments.examples)


def _why_not(index: Index, layer: int, feature: int) -> str:
    widths = index.about.widths
    if index.about.partial:
        return f"knows nothing of L{layer}/{feature}: it holds some of the features only"
    if layer >= len(widths):
        has = f"layers 0 to {len(widths) - 1}"
    elif widths[layer]:
        has = f"features 0 to {widths[layer] - 1} in layer {layer}"
    else:
        has = f"none in layer {layer}"
    return f"has no feature L{layer}/{feature}; it has {has}"


def print_heading(console: Console, index: Index, record: FeatureRecord) -> None:
    """Name, label, and of what the index is."""
    from rich.text import Text

    from clew.cli.spelling import readable

    about = index.about
    title = Text(record.name, style="bold")
    if record.label:
        title.append(f"  {readable(record.label.text)}", style="bold italic")
        title.append(f"  ({_made_by(record.label)})", style="dim")
    console.print(title, soft_wrap=True)
    state = "" if about.complete else ", unfinished"
    tokens = f"{record.positions:,} tokens{state}" if record.positions else ""
    facts = [readable(fact) for fact in (about.model, about.dictionary, tokens) if fact]
    console.print(Text(" · ".join(facts), style="dim"), soft_wrap=True)


def _made_by(label: Label) -> str:
    """`person Ada`, `model llama3.2, 90% sure`, `by rule`."""
    from clew.cli.spelling import readable

    if label.source == "tokens":
        return "by rule"
    sure = "" if label.confidence is None else f", {label.confidence:.0%} sure"
    return f"{label.source} {readable(label.author)}".rstrip() + sure


def print_facts(console: Console, record: FeatureRecord, n_examples: int, *, low_first: bool = False) -> None:
    """Distribution, tokens, examples; those of the negative side first where that is what matters."""
    from clew.cli.layout import print_indented, print_title
    from clew.cli.spelling import percent

    if record.never_seen:
        print_title(console, "Never active in these texts")
    else:
        often = f"not zero at {percent(record.frequency)} of tokens; both scales logarithmic"
        print_title(console, "Activations", often)
        for line in histogram_lines(record):
            print_indented(console, line)
    for name, tokens, remark in (
        ("Writes towards", record.top_outputs, "logit for each unit"),
        ("and away from", record.bottom_outputs, "logit for each unit"),
        *_peaks(record, low_first),
    ):
        if tokens:
            print_title(console, name, remark)
            print_indented(console, _tokens(tokens[:10], as_share=remark == SAMPLED))
    for group in sorted(record.groups, key=lambda group: (group.kind < 0) != low_first):
        print_title(console, group.name[0].upper() + group.name[1:])
        for example in group.examples[:n_examples]:
            print_example(console, example)
    console.print()


Tokens = tuple[str, "tuple[TokenValue, ...]", str]
"""A title, tokens, and what their numbers are."""


def _peaks(record: FeatureRecord, low_first: bool) -> list[Tokens]:
    """The tokens on which it peaks, side by side."""
    low: list[Tokens] = [
        ("Most negative most often on", record.frequent_low, SAMPLED),
        ("Most negative on", record.strongest_low, "activation"),
    ]
    high: list[Tokens] = [
        ("Peaks most often on", record.frequent_tokens, SAMPLED),
        ("Peaks highest on", record.strongest_tokens, "activation"),
    ]
    return low + high if low_first else high + low


def print_example(console: Console, example: Example, indent: int = 2) -> None:
    """Its peak, then the text around it, on one line."""
    from rich.text import Text

    line = Text(f"{' ' * indent}{example.peak:8.3f}  ", style="dim")
    console.print(line + example_line(example, console.width - indent - 12), no_wrap=True, crop=False)


def histogram_lines(record: FeatureRecord) -> Iterable[str]:
    """Counts as blocks (their height is logarithmic), and some values."""
    shown = record.histogram
    if shown.counts and record.minimum is not None and record.maximum is not None:
        yield f"{record.minimum:.3g} ▕{blocks(shown)}▏ {record.maximum:.3g}"
    facts = [f"mean {record.mean:.3g}"] if record.mean is not None else []
    facts += [f"{100 * share:g}%: {value:.3g}" for share, value in record.quantiles]
    yield "  ".join(facts)


def blocks(histogram: Histogram) -> str:
    """One block for each bin, its height the logarithm of the count."""
    highest = math.log1p(max(histogram.counts))
    steps = (len(BLOCKS) - 1) / highest if highest else 0
    return "".join(BLOCKS[math.ceil(math.log1p(count) * steps)] for count in histogram.counts)


def _tokens(tokens: tuple[TokenValue, ...], *, as_share: bool) -> str:
    """Tokens with their numbers, which other tools' files may not tell."""
    from clew.cli.spelling import token

    if not any(each.value for each in tokens):
        return "  ".join(token(each.text) for each in tokens)

    return "  ".join(
        f"{token(each.text)} {f'{each.value:.0%}' if as_share else f'{each.value:.3g}'}" for each in tokens
    )


def example_line(example: Example, width: int) -> Text:
    """The text around a peak on one line: shaded by activation, the peak in angles."""
    from rich.cells import cell_len
    from rich.text import Text

    from clew.cli.spelling import readable

    spelled = [readable(token) for token in example.tokens]
    peak = example.peak_at
    spelled[peak] = f"«{spelled[peak]}»"
    first = last = peak
    room = width - cell_len(spelled[peak])
    while first > 0 and cell_len("".join(spelled[first - 1 : peak])) <= LEFT * room:
        first -= 1
    while last + 1 < len(spelled) and cell_len("".join(spelled[first : last + 2])) <= width:
        last += 1
    line, largest = Text(), max(map(abs, example.activations), default=0.0) or 1.0
    for place in range(first, last + 1):
        share = abs(example.activations[place]) / largest
        style = "bold reverse" if place == peak else "bold" if share > 0.5 else "" if share > 0.1 else "dim"
        line.append(spelled[place], style=style)
    return line
