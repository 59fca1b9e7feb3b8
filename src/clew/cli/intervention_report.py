"""What a person reads about an intervention: what was changed, and what that did."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from clew.cli.layout import BAR, print_indented, print_title, table
from clew.cli.spelling import lines_of, percent, readable, token
from clew.intervention.generation import Generation
from clew.intervention.result import FeatureChanges, InterventionResult, TokenChange

RESPONDS = {
    "direct": "direct: attention, norms and MLPs are held, as edges assume",
    "frozen-attention": "frozen attention: norms and MLPs respond, patterns are held",
    "free": "free: the real model responds",
}

MOST_OF_SEVERAL = 3
"""Targets that each of several strengths shows."""


def print_intervention(
    console: Console,
    changes: Sequence[str],
    source: str,
    results: Sequence[InterventionResult],
    generations: Sequence[Generation] = (),
    *,
    top: int = 10,
) -> None:
    """Everything about one result, or a line for each of several strengths."""
    first = results[0]
    console.print(Text(readable("".join(first.tokens)), style="bold"))
    for line in lines_of([readable(source), RESPONDS[first.regime.value]], console.width, gap=" · "):
        console.print(Text(line, style="dim"), soft_wrap=True)
    print_title(console, "Changed")
    for change in changes:
        print_indented(console, readable(change))
    if len(results) > 1:
        _print_strengths(console, results)
    else:
        if top:
            _print_by_hand(console, first, top)
        _print_next_token(console, first)
        if top:
            _print_features(console, first, top)
    if first.targets:
        _print_targets(console, results)
    if generations:
        _print_texts(console, generations)


def _print_by_hand(console: Console, result: InterventionResult, count: int) -> None:
    features = result.features
    places = features.was_changed.nonzero().squeeze(1).tolist()
    rows = _feature_rows(result, features, places[:count])
    print_indented(console, rows)
    if len(places) > count:
        print_indented(console, f"… {len(places) - count:,} more …")


def _print_features(console: Console, result: InterventionResult, count: int) -> None:
    places = result.features.most_changed(count)
    if places:
        print_title(console, "Other features that moved most")
        print_indented(console, _feature_rows(result, result.features, places))


def _feature_rows(result: InterventionResult, features: FeatureChanges, places: list[int]):
    rows = table("feature", "token", "before", "after", "change")
    for column in rows.columns[2:]:
        column.justify = "right"
    for column in rows.columns:
        column.no_wrap = True
    for place in places:
        layer, position, index = (
            int(column[place]) for column in (features.layer, features.position, features.index)
        )
        before, after = float(features.before[place]), float(features.after[place])
        rows.add_row(
            f"L{layer}/{index}@{position}",
            token(result.tokens[position]),
            f"{before:.2f}",
            f"{after:.2f}",
            _signed(after - before),
        )
    return rows


def _print_next_token(console: Console, result: InterventionResult) -> None:
    rows = table("", "before", "after", "", "logit")
    for number in (1, 2, 4):
        rows.columns[number].justify = "right"
    for change in result.top:
        before, after = change.probability_before, change.probability_after
        rows.add_row(
            token(change.text),
            percent(before),
            percent(after),
            _two_bars(change),
            _signed(change.logit_change),
        )
    print_title(console, "Next token", f"█ kept, ░ lost, ▓ won; KL divergence {result.kl:.3g} nats")
    print_indented(console, rows)


def _two_bars(change: TokenChange) -> Text:
    """What a token had and has, the difference shaded."""
    before, after = (round(share * BAR) for share in (change.probability_before, change.probability_after))
    kept = min(before, after)
    more = Text("▓" * (after - kept), style="green") if after > before else Text("░" * (before - kept), "red")
    return Text("█" * kept) + more


def _print_strengths(console: Console, results: Sequence[InterventionResult]) -> None:
    answer = max(results[0].top, key=lambda change: change.probability_before)
    rows = table("strength", token(answer.text), "", "likeliest then", "", "KL (nats)")
    for number in (0, 1, 4, 5):
        rows.columns[number].justify = "right"
    for result in results:
        then = max(result.top, key=lambda change: change.probability_after)
        after = float(result.logits_after[-1].softmax(-1)[answer.token_id])
        change = TokenChange(answer.text, answer.token_id, answer.probability_before, after, 0.0)
        rows.add_row(
            f"{result.strength:g}",
            percent(after),
            _two_bars(change),
            token(then.text),
            percent(then.probability_after),
            f"{result.kl:.3g}",
        )
    before = percent(answer.probability_before)
    print_title(console, "Next token by strength", f"{token(answer.text)} is {before} before; ░ lost, ▓ won")
    print_indented(console, rows)


def _print_targets(console: Console, results: Sequence[InterventionResult]) -> None:
    several = len(results) > 1
    rows = table(*["strength"] * several, "target", "predicted", "measured")
    for column in (rows.columns[0], *rows.columns[-2:]) if several else rows.columns[-2:]:
        column.justify = "right"
    for result in results:
        for number, target in enumerate(result.targets[: MOST_OF_SEVERAL if several else None]):
            strength = [f"{result.strength:g}" if number == 0 else ""] if several else []
            rows.add_row(*strength, token(target.text), _signed(target.predicted), _signed(target.measured))
    print_title(console, "What the graph predicts", "change of the logit, less the mean over all tokens")
    print_indented(console, rows)
    if missing := results[0].not_in_graph:
        count = int(results[0].features.was_changed.sum())
        print_indented(console, f"Not in the graph, so in no prediction: {missing:,} of {count:,} changed.")


def _print_texts(console: Console, generations: Sequence[Generation]) -> None:
    """The prompt goes on: unchanged first, then at each strength."""
    print_title(console, "How it goes on")
    single = len(generations) == 2
    names = ["before", *("after" if single else f"{each.strength:g} times" for each in generations[1:])]
    rows = table("", "")
    rows.show_header = False
    rows.columns[0].no_wrap = True
    for name, each in zip(names, generations, strict=True):
        rows.add_row(Text(name, style="dim"), token(each.text))
    print_indented(console, rows)


def _signed(number: float) -> str:
    return "0.00" if abs(number) < 0.005 else f"{number:+.2f}"
