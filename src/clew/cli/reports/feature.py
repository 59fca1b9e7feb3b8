"""The report of one feature: where it is active in a graph, and its record in an index."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from clew.cli.terminal import (
    influence,
    percent,
    print_indented,
    print_title,
    promoted,
    readable,
    table,
    token,
)
from clew.errors import ClewError
from clew.feature import Feature, FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.index.storage.index import Index
from clew.index.storage.labels import Label
from clew.index.storage.record import Example, FeatureRecord, Histogram, TokenValue

MOST_ROWS = 20
"""Positions to list, the most influential ones."""
SAMPLED = "share of a sample that favours strong peaks"
BLOCKS = " ▁▂▃▄▅▆▇█"
LEFT = 0.7
"""Share of a line for the text before a peak; later text cannot change the activation."""


def print_feature(
    console: Console, graph: Graph, index: Index | None, name: Feature | FeatureAt, n_examples: int
) -> None:
    """Print the feature's nodes and its record in an index; raises `ClewError` where it has neither."""
    feature = name.feature if isinstance(name, FeatureAt) else name
    nodes = _nodes(graph, name)
    record = index.feature(feature.layer, feature.index) if index else None
    if index is not None:
        no_record = f"{index.path} has nothing on it"
    else:
        no_record = f"there is no index of {graph.info.model} with {graph.info.dictionary}"
        no_record += " (clew index --data TEXTS makes one)"
    if not nodes and record is None:
        raise ClewError(f"The graph has no feature {feature}, and {no_record}.")
    if index and record:
        print_heading(console, index, record)
    else:
        console.print(Text(str(feature), style="bold"))
    _print_nodes(console, graph, nodes, record)
    if record:
        low_first = bool(nodes) and bool(graph.node_activation[nodes[0]] < 0)
        print_record(console, record, n_examples, low_first=low_first)
    else:
        print_title(console, "No example texts")
        print_indented(console, f"{no_record[0].upper()}{no_record[1:]}.")


def _nodes(graph: Graph, name: Feature | FeatureAt) -> list[int]:
    """The feature's nodes, the most influential first; raises `ClewError` for a position that it lacks."""
    chosen = (graph.node_kind == NodeKind.FEATURE) & (graph.node_layer == name.layer)
    everywhere = (chosen & (graph.node_feature == name.index)).nonzero()[0].tolist()
    nodes = everywhere
    if isinstance(name, FeatureAt):
        nodes = [node for node in everywhere if graph.node_position[node] == name.position]
        if everywhere and not nodes:
            positions = ", ".join(str(graph.node_position[node]) for node in everywhere)
            raise ClewError(f"The graph has {name.feature} at position {positions}, not at {name.position}.")
    return sorted(nodes, key=lambda node: -graph.node_influence[node])


def _print_nodes(console: Console, graph: Graph, nodes: list[int], record: FeatureRecord | None) -> None:
    if not nodes:
        print_title(console, "Not in this graph")
        return
    own_label = graph.label(nodes[0])
    of_index = record.label.text if record and record.label else None
    differs = own_label and own_label != of_index
    print_title(console, "In this graph", f"labelled {readable(own_label)}" if own_label and differs else "")
    headers = "position", "token", "influence", "activation", *[""] * (record is not None)
    rows = table(*headers, right=(0, 2, 3), no_wrap=True)
    for node in nodes[:MOST_ROWS]:
        position, activation = int(graph.node_position[node]), float(graph.node_activation[node])
        rows.add_row(
            str(position),
            token(graph.info.tokens[position]),
            influence(graph, node),
            f"{activation:.2f}",
            *([] if record is None else [_rarity(record, activation)]),
        )
    print_indented(console, rows)
    if len(nodes) > MOST_ROWS:
        print_indented(console, f"and at {len(nodes) - MOST_ROWS:,} more positions")
    if record is None and (words := promoted(graph, nodes[0])):
        print_indented(console, f"promotes {', '.join(words)}")


def _rarity(record: FeatureRecord, activation: float) -> str:
    """The share of the index's tokens that are less active."""
    below = record.histogram.share_below(activation)
    if below is None:
        return ""
    share = 1 - below if activation < 0 else below
    return f"beyond {'all' if share >= 1 else percent(share, 2)} of the texts' tokens"


def print_heading(console: Console, index: Index, record: FeatureRecord) -> None:
    """Print the feature's name and label, and the model, dictionary and size of the index."""
    metadata = index.metadata
    title = Text(str(record.feature), style="bold")
    if record.label:
        title.append(f"  {readable(record.label.text)}", style="bold italic")
        title.append(f"  ({_made_by(record.label)})", style="dim")
    console.print(title, soft_wrap=True)
    state = "" if metadata.complete else ", unfinished"
    tokens = f"{record.positions:,} tokens{state}" if record.positions else ""
    facts = [readable(fact) for fact in (metadata.model, metadata.dictionary, tokens) if fact]
    console.print(Text(" · ".join(facts), style="dim"), soft_wrap=True)


def _made_by(label: Label) -> str:
    """`person Ada`, `model llama3.2, 90% sure`, `by rule`."""
    if label.source == "tokens":
        return "by rule"
    sure = "" if label.confidence is None else f", {label.confidence:.0%} sure"
    return f"{label.source} {readable(label.author)}".rstrip() + sure


def print_record(
    console: Console, record: FeatureRecord, n_examples: int, *, low_first: bool = False
) -> None:
    """Print distribution, tokens and examples; with `low_first`, the negative ones come first."""
    if record.never_seen:
        print_title(console, "Never active in these texts")
    else:
        often = f"not zero at {percent(record.frequency)} of tokens; both scales logarithmic"
        print_title(console, "Activations", often)
        for line in histogram_lines(record):
            print_indented(console, line)
    for name, tokens, remark in (
        ("Writes towards", record.top_outputs, "logit per unit of activation"),
        ("and away from", record.bottom_outputs, "logit per unit of activation"),
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


def _peaks(record: FeatureRecord, low_first: bool) -> list[tuple[str, Sequence[TokenValue], str]]:
    """Lists of the tokens on which it peaks: a title, the tokens, the meaning of their numbers."""
    low: list[tuple[str, Sequence[TokenValue], str]] = [
        ("Dips most often on", record.frequent_low, SAMPLED),
        ("Dips lowest on", record.strongest_low, "activation"),
    ]
    high: list[tuple[str, Sequence[TokenValue], str]] = [
        ("Peaks most often on", record.frequent_tokens, SAMPLED),
        ("Peaks highest on", record.strongest_tokens, "activation"),
    ]
    return low + high if low_first else high + low


def print_example(console: Console, example: Example, indent: int = 2) -> None:
    """Print a peak and the text around it on one line."""
    line = Text(f"{' ' * indent}{example.peak:8.3f}  ", style="dim")
    console.print(line + example_line(example, console.width - indent - 12), no_wrap=True, crop=False)


def histogram_lines(record: FeatureRecord) -> Iterable[str]:
    """Two lines: the counts as blocks of logarithmic height, then mean and quantiles."""
    histogram = record.histogram
    if histogram.counts and record.minimum is not None and record.maximum is not None:
        yield f"{record.minimum:.3g} ▕{blocks(histogram)}▏ {record.maximum:.3g}"
    facts = [f"mean {record.mean:.3g}"] if record.mean is not None else []
    facts += [f"{100 * share:g}%: {value:.3g}" for share, value in record.quantiles]
    yield "  ".join(facts)


def blocks(histogram: Histogram) -> str:
    """A block for each bin; its height is the logarithm of the count."""
    highest = math.log1p(max(histogram.counts))
    steps = (len(BLOCKS) - 1) / highest if highest else 0
    return "".join(BLOCKS[math.ceil(math.log1p(count) * steps)] for count in histogram.counts)


def _tokens(tokens: Sequence[TokenValue], *, as_share: bool) -> str:
    """Tokens with their numbers; indexes made from other tools' files may have none."""
    if not any(each.value for each in tokens):
        return "  ".join(token(each.text) for each in tokens)
    return "  ".join(
        f"{token(each.text)} {f'{each.value:.0%}' if as_share else f'{each.value:.3g}'}" for each in tokens
    )


def example_line(example: Example, width: int) -> Text:
    """The text around a peak on one line: shaded by activation, the peak in angle quotes."""
    words = [readable(token) for token in example.tokens]
    peak = example.peak_at
    words[peak] = f"«{words[peak]}»"
    first = last = peak
    room = width - cell_len(words[peak])
    while first > 0 and cell_len("".join(words[first - 1 : peak])) <= LEFT * room:
        first -= 1
    while last + 1 < len(words) and cell_len("".join(words[first : last + 2])) <= width:
        last += 1
    line, largest = Text(), max(map(abs, example.activations), default=0.0) or 1.0
    for number in range(first, last + 1):
        share = abs(example.activations[number]) / largest
        style = "bold reverse" if number == peak else "bold" if share > 0.5 else "" if share > 0.1 else "dim"
        line.append(words[number], style=style)
    return line
