"""The report of a graph: prompt, next token, groups, scores, features, paths, time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clew.cli.reports.influential_features import IndexedFeature, feature_table, print_texts
from clew.cli.settings import ReportSettings
from clew.cli.terminal import (
    AsManyAsFit,
    bar,
    cut,
    lines_of,
    node_name,
    percent,
    print_indented,
    print_title,
    readable,
    shortened,
    size,
    table,
    target_name,
    token,
    told_apart,
)
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import GraphInfo, Scores, Size
from clew.graph.notes import notes_of
from clew.graph.story import Story
from clew.graph.summary import GroupEdge, Summary, summarize
from clew.sink import Sink

DEFAULTS = ReportSettings()
SHOWN_FRONT, SHOWN_END = 8, 40
"""Tokens that are shown from the start and from the end of a long prompt."""
LEAST_LEFT_OUT = 0.001
"""Smallest share of the influence outside the groups that is printed."""
SHORTEST_PHASE = 0.05
"""Seconds of the shortest phase that is printed."""
WIDEST_NAME = 30
"""Cells of the longest group name."""
LEAST_SOURCE = 0.03
"""Smallest share of a group's input for which the source is printed."""
ONE_SIDED = 0.2
"""Smallest net share of a flow that counts as positive or negative."""


def print_report(
    console: Console,
    graph: Graph,
    settings: ReportSettings = DEFAULTS,
    features: Sequence[IndexedFeature] = (),
) -> None:
    """Print the whole report of a pruned graph; `features` get texts from an index."""
    _print_question(console, graph)
    _print_answer(console, graph.info)
    print_story(console, graph.story())
    if settings.groups:
        _print_summary(console, summarize(graph, settings.groups))
    _print_scores(console, graph)
    if settings.top:
        _print_features(console, graph, settings.top)
    print_texts(console, graph, features, settings.examples)
    if settings.paths and len(graph.of_kind(NodeKind.TARGET)):
        _print_paths(console, graph, settings.paths)
    console.print()
    _print_time(console, graph.info)


def print_file(console: Console, title: str, path: Path, graph: Graph) -> None:
    """Print a graph's file on one line, with its size."""
    facts = f"{graph.n_nodes:,} nodes, {graph.n_edges:,} edges, {size(path.stat().st_size)}"
    console.print(Text.assemble((title, "bold"), f"  {path} ({facts})"), soft_wrap=True)


def _print_question(console: Console, graph: Graph) -> None:
    info = graph.info
    answer = ""
    if info.targets:
        answer = " → " + target_name(max(info.targets, key=lambda target: target.weight))
    prompt = shortened(token(info.question), max(20, console.width - cell_len(answer)))
    console.print(Text(prompt + answer, style="bold"))
    traced = f"traced {info.created[:16].replace('T', ' ')}" if info.created else ""
    facts = [info.model, info.dictionary, " by ".join(part for part in (traced, info.generator) if part)]
    for line in lines_of((readable(fact) for fact in facts if fact), console.width, gap=" · "):
        console.print(Text(line, style="dim"), soft_wrap=True)
    print_title(console, "Prompt")
    if info.sink:
        _print_sink(console, info.sink)
    _print_tokens(console, info, first=1 if info.sink else 0)
    if not info.sink and graph.foreign is None:
        print_indented(console, "No sink: the first position is an ordinary one.", style="dim")


def _print_sink(console: Console, sink: Sink) -> None:
    """Print the sink on one line if it fits, else with the reason below."""
    mean = "" if sink.mean_kl is None else f", {sink.mean_kl:.3f} in the mean"
    kl = "" if sink.kl is None else f" (KL {sink.kl:.3f} nats{mean})"
    front, reason = f"0 {token(sink.text)}  ", readable(sink.reason)
    line = f"{front}the sink{kl}" + (f": {reason}" if reason else "")
    if cell_len(line) > console.width - 2 and reason:
        line = f"{front}the sink{kl}:\n{' ' * cell_len(front)}{reason}"
    print_indented(console, line)


def _print_tokens(console: Console, info: GraphInfo, first: int) -> None:
    """Print tokens with their positions side by side, by role; only start and end of a long prompt."""
    roles = [readable(role) for role in info.roles] or [""] * len(info.tokens)
    shown = [
        (roles[position], f"{position} {token(info.tokens[position])}")
        for position in range(first, len(info.tokens))
    ]
    left_out = len(shown) - SHOWN_FRONT - SHOWN_END
    if left_out > 0:
        shown[SHOWN_FRONT:-SHOWN_END] = [("", f"… {left_out:,} more …")]
    margin = max(map(cell_len, roles)) + 2 if info.roles else 0
    for role, run in groupby(shown, key=itemgetter(0)):
        for number, line in enumerate(lines_of([text for _, text in run], console.width - 2 - margin)):
            print_indented(console, f"{role if number == 0 else '':{margin}}{line}")


def _print_answer(console: Console, info: GraphInfo) -> None:
    """Print the likeliest tokens, then the targets that are not among them."""
    targets = sorted(info.targets, key=lambda target: -target.weight)
    likely: Sequence[str | int] = info.prediction_ids or [text for text, _ in info.predictions]
    named = [target.token_id if info.prediction_ids else target.text for target in targets]
    explained = {name for name, target in zip(named, targets, strict=True) if target.probability is not None}
    ids = info.prediction_ids or [-1] * len(info.predictions)
    shown: list[tuple[bool, str, tuple[int, int | None], float | None]] = [
        (name in explained, token(text), (own, None), probability)
        for name, own, (text, probability) in zip(likely, ids, info.predictions, strict=True)
    ]
    shown += [
        (True, target_name(target), target.identity, target.probability)
        for name, target in zip(named, targets, strict=True)
        if target.probability is None or name not in likely
    ]
    rows = table("", "", "", "", right=(2,))
    names = [name for _, name, _, _ in shown]
    if info.prediction_ids:
        names = told_apart(names, [identity for _, _, identity, _ in shown])
    for name, (is_target, _, _, probability) in zip(names, shown, strict=True):
        amount = "" if probability is None else percent(probability)
        style = "" if is_target else "dim"
        rows.add_row("●" if is_target else "", name, amount, bar(probability or 0), style=style)
    if rows.row_count:
        print_title(console, "Next token", "● explained here")
        print_indented(console, rows)


def print_story(console: Console, story: Story) -> None:
    """Print what the page opens on: three sentences, and each step with what it does."""
    print_title(console, "Story", "effects in logits, shares of the influence")
    for sentence in story.sentences:
        print_indented(console, readable(sentence))
    rows = table("", "", right=(0,))
    for box in story.boxes:
        if box.kind == "step":
            effect = "" if box.effect is None else f"{box.effect:+.1f}"
            rows.add_row(effect, readable(f"{box.name}: {box.sentence}"))
    if rows.row_count:
        print_indented(console, rows)


def _print_summary(console: Console, summary: Summary) -> None:
    """Print the groups of a graph, if anything flows through it."""
    if not summary.shown:
        return
    print_title(console, "In short", "shares of the influence; + strengthens, - weakens, ± both")
    print_indented(console, group_table(summary))
    if summary.in_no_group >= LEAST_LEFT_OUT:
        print_indented(console, f"In no group: {percent(summary.in_no_group)} of the influence.")


def _print_scores(console: Console, graph: Graph) -> None:
    info = graph.info
    headers = ["nodes", "features", "edges"] + ["replacement", "completeness"] * (info.scores is not None)
    rows = table("", *headers, right=range(1, 6))
    if info.whole:
        rows.add_row("whole", *_counts(info.whole), *_scores(info.scores))
        rows.add_row("kept", *_counts(graph.size), *_scores(info.pruned_scores))
    else:
        rows.add_row("in the file", *_counts(graph.size), *_scores(info.scores))
    print_title(console, "Graph")
    print_indented(console, rows)
    if info.pruned_scores:
        thresholds = [
            f"{kind} {info.settings.get(f'{kind[:4]}_threshold', '?')}" for kind in ("nodes", "edges")
        ]
        left_out = percent(info.influence_left_out)
        print_indented(
            console, f"Left out by pruning ({', '.join(thresholds)}): {left_out} of the influence."
        )
    for note in notes_of(info):
        print_indented(console, note.text, style="bold red" if note.is_warning else "")


def _counts(size: Size) -> list[str]:
    return [f"{number:,}" for number in (size.nodes, size.features, size.edges)]


def _scores(scores: Scores | None) -> list[str]:
    return [] if scores is None else [f"{scores.replacement:.2f}", f"{scores.completeness:.2f}"]


def _print_features(console: Console, graph: Graph, count: int) -> None:
    n_features = len(graph.of_kind(NodeKind.FEATURE))
    if n_features:
        shown = f"all {n_features:,}" if n_features <= count else f"{count:,} of {n_features:,}"
        print_title(console, "Most influential features", shown)
        print_indented(console, feature_table(graph, count))


def _print_paths(console: Console, graph: Graph, count: int) -> None:
    """Print signed paths from tokens to the output with the largest weight."""
    paths = graph.paths(count=count)
    if not paths:
        return
    rows = table("", "", "", right=(0,), no_wrap=(0, 1))
    for path in paths:
        names = [node_name(graph, node) for node in path.nodes]
        sign = Text("+", style="green") if path.sign > 0 else Text("-", style="red")
        # Names keep their spaces, so the lines break at arrows only.
        lines = lines_of([names[0], *(f"→ {name}" for name in names[1:])], console.width - 14, gap=" ")
        rows.add_row(percent(path.share, 2), sign, "\n".join(lines))
    end = node_name(graph, paths[0].nodes[-1])
    print_title(console, f"Strongest paths to {end}", "share of its input; + raises, - lowers")
    print_indented(console, rows)


def _print_time(console: Console, info: GraphInfo) -> None:
    if not info.timing:
        return
    phases = [f"{name} {seconds:.1f}" for name, seconds in info.timing.items() if seconds >= SHORTEST_PHASE]
    whole = f"{sum(info.timing.values()):.1f} s" + (": " if phases else "")
    lines = lines_of(
        [f"{phase}," for phase in phases[:-1]] + phases[-1:], console.width - 8 - len(whole), gap=" "
    )
    console.print(Text.assemble(("Time", "bold"), f"  {whole}", ("\n" + " " * (6 + len(whole))).join(lines)))


def group_table(summary: Summary) -> Table:
    """A table of groups from tokens to outputs; `8 +26%` is a share of the input, from group 8."""
    rows = table("", "group", "share", "layers", "fed by group", right=(0, 2), no_wrap=range(4))
    rows.columns[0].style = "dim"
    for number, group in enumerate(summary.groups):
        is_inner = group.kind in (NodeKind.FEATURE, NodeKind.ERROR)
        low, high = group.layers
        edges = [edge for edge in summary.edges_into(number) if edge.share >= LEAST_SOURCE]
        rows.add_row(
            str(number + 1),
            cut(readable(group.name), WIDEST_NAME),
            "" if group.kind == NodeKind.TARGET else percent(group.share),
            (f"{low}" if low == high else f"{low}-{high}") if is_inner else "",
            AsManyAsFit("", [f"{edge.source + 1} {_sign(edge)}{percent(edge.share, 0)}" for edge in edges]),
            style="dim" if group.kind == NodeKind.ERROR else "",
        )
    return rows


def _sign(edge: GroupEdge) -> str:
    if abs(edge.effect) < ONE_SIDED * edge.carried:
        return "±"
    return "+" if edge.effect > 0 else "-"
