"""The report of an intervention: the changes and their effects."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clew.cli.terminal import (
    BAR,
    lines_of,
    percent,
    print_indented,
    print_title,
    readable,
    table,
    target_text,
    token,
    told_apart,
)
from clew.intervention.generation import Generation
from clew.intervention.result import FeatureChange, InterventionResult, TokenChange, spell_layers
from clew.utf8 import joined_tokens

RESPONDS = {
    "direct": "direct: attention, norms and MLPs are held fixed, as edges assume",
    "frozen-attention": "frozen attention: norms and MLPs respond, patterns are held fixed",
    "free": "free: the real model responds",
}

MOST_OF_SEVERAL = 3
"""Targets that are listed for each of several strengths."""
MOST_BY_HAND = 100
"""Largest number of changed features that are listed."""
SHOWS = 0.005
"""Smallest change that is not shown as 0.00."""


def print_intervention(
    console: Console,
    source: str,
    results: Sequence[InterventionResult],
    generations: Sequence[Generation] = (),
    *,
    top: int,
    with_graph: bool = False,
) -> None:
    """Print the report of one result, or a row for each of several strengths."""
    first = results[0]
    console.print(Text(readable(joined_tokens(first.tokens)), style="bold"))
    for line in lines_of([readable(source), *_responds(first)], console.width, gap=" · "):
        console.print(Text(line, style="dim"), soft_wrap=True)
    print_title(console, "Changed")
    for change in first.interventions:
        print_indented(console, readable(str(change)))
    if len(results) > 1:
        _print_strengths(console, results)
    else:
        _print_by_hand(console, first)
        _print_next_token(console, first)
        if top:
            _print_features(console, first, top)
    if first.targets:
        _print_targets(console, results)
    elif with_graph and first.layers is not None:
        print_title(console, "What the graph predicts")
        print_indented(console, "Nothing with --layers: an edge carries all that a feature writes.")
    if generations:
        _print_texts(console, generations)


def _responds(result: InterventionResult) -> list[str]:
    """Phrases about the parts that respond, and about the layers whose MLPs are held fixed."""
    words = RESPONDS[result.regime]
    if result.layers is None:
        return [words]
    layers = (
        f"layers {spell_layers(result.layers)}" if len(result.layers) > 1 else f"layer {result.layers[0]}"
    )
    if result.regime == "direct":
        return [words, f"changes are written at {layers} only"]
    return [words, f"but the MLPs of {layers} are held fixed, and changes are written there only"]


def _print_by_hand(console: Console, result: InterventionResult) -> None:
    changed = result.features.by_hand
    if not changed:
        print_indented(console, "Nothing on the prompt: changes begin with the generated tokens.")
        return
    print_indented(console, _feature_rows(result, changed[:MOST_BY_HAND]))
    if len(changed) > MOST_BY_HAND:
        print_indented(console, f"… {len(changed) - MOST_BY_HAND:,} more …")
    if all(each.before == each.after for each in changed):
        print_indented(console, "Nothing changes: every feature keeps its value.")


def _print_features(console: Console, result: InterventionResult, count: int) -> None:
    moved = result.features.most_changed(count)
    shown = [each for each in moved if abs(each.after - each.before) >= SHOWS]
    if moved:
        print_title(console, "Other features that moved most")
        print_indented(console, _feature_rows(result, shown) if shown else f"None by {SHOWS} or more.")


def _feature_rows(result: InterventionResult, features: Sequence[FeatureChange]) -> Table:
    rows = table("feature", "token", "before", "after", "change", right=range(2, 5), no_wrap=True)
    for each in features:
        rows.add_row(
            each.name,
            token(result.tokens[each.position]),
            _number(each.before),
            _number(each.after),
            _signed(each.after - each.before),
        )
    return rows


def _print_next_token(console: Console, result: InterventionResult) -> None:
    rows = table("", "before", "after", "", "logit", right=(1, 2, 4))
    names = [token(change.text) for change in result.top]
    names = told_apart(names, [(change.token_id, None) for change in result.top])
    for name, change in zip(names, result.top, strict=True):
        before, after = change.probability_before, change.probability_after
        rows.add_row(
            name,
            percent(before),
            percent(after),
            _two_bars(change),
            _signed(change.logit_change),
        )
    print_title(console, "Next token", f"█ kept, ░ lost, ▓ won; KL(after || before) {result.kl:.3g} nats")
    print_indented(console, rows)
    print_indented(console, CENTRED, style="dim")


CENTRED = "Logits are centred (less their mean over all tokens), before any soft-cap."


def _two_bars(change: TokenChange, cells: int = BAR) -> Text:
    """A bar of the probability before and after, with the difference shaded."""
    before, after = (round(share * cells) for share in (change.probability_before, change.probability_after))
    kept = min(before, after)
    more = Text("▓" * (after - kept), style="green") if after > before else Text("░" * (before - kept), "red")
    return Text("█" * kept) + more


def _print_strengths(console: Console, results: Sequence[InterventionResult]) -> None:
    answer = max(results[0].top, key=lambda change: change.probability_before)
    values = [result.features.by_hand for result in results]
    shown = _most_changed_by_hand(values)
    headers = [values[0][shown].name] if shown is not None else []
    headers = "strength", *headers, token(answer.text), "", "likeliest then", "", "KL (nats)"
    numbers = set(range(len(headers))) - {len(headers) - 4, len(headers) - 3}
    rows = table(*headers, right=numbers)
    for result, features in zip(results, values, strict=True):
        then = max(result.top, key=lambda change: change.probability_after)
        after = float(result.logits_after[-1].softmax(-1)[answer.token_id])
        change = TokenChange(answer.text, answer.token_id, answer.probability_before, after, 0.0)
        rows.add_row(
            f"{result.strength:g}",
            *([] if shown is None else [_number(features[shown].after)]),
            percent(after),
            _two_bars(change, BAR // 2),
            token(then.text),
            percent(then.probability_after),
            f"{result.kl:.3g}",
        )
    before = percent(answer.probability_before)
    print_title(console, "Next token by strength", f"{token(answer.text)} is {before} before; ░ lost, ▓ won")
    print_indented(console, rows)
    if shown is not None:
        first = values[0][shown]
        more = f", which moves most of {len(values[0]):,} features," if len(values[0]) > 1 else ""
        print_indented(console, f"{first.name}{more} is {_number(first.before)} before.", style="dim")
        if all(each.before == each.after for features in values for each in features):
            print_indented(console, "Nothing changes at any strength: every feature keeps its value.")


def _most_changed_by_hand(values: Sequence[Sequence[FeatureChange]]) -> int | None:
    """Index of the changed feature that moves most at any strength."""
    moved = [max(abs(each.after - each.before) for each in column) for column in zip(*values, strict=True)]
    return moved.index(max(moved)) if moved else None


def _print_targets(console: Console, results: Sequence[InterventionResult]) -> None:
    several, count = len(results) > 1, len(results[0].targets)
    headers = *["strength"] * several, "target", "predicted", "measured"
    rows = table(*headers, right=(0, 2, 3) if several else (1, 2))
    names = [target_text(each.text, is_difference=each.is_difference) for each in results[0].targets]
    names = told_apart(names, [each.identity for each in results[0].targets])
    for result in results:
        for number, target in enumerate(result.targets[: MOST_OF_SEVERAL if several else None]):
            strength = [f"{result.strength:g}" if number == 0 else ""] if several else []
            name = names[number]
            rows.add_row(*strength, name, _signed(target.predicted), _signed(target.measured))
    remark = "change of the centred logit"
    if any(target.is_difference for target in results[0].targets):
        remark += ", or of a difference"
    if several and count > MOST_OF_SEVERAL:
        remark += f"; {MOST_OF_SEVERAL} of {count} targets"
    print_title(console, "What the graph predicts", remark)
    targets = [target for result in results for target in result.targets]
    if all(max(abs(target.predicted), abs(target.measured)) < SHOWS for target in targets):
        print_indented(console, f"No target moves by {SHOWS} or more, predicted or measured.")
    else:
        print_indented(console, rows)
        if several:
            print_indented(console, CENTRED, style="dim")
    if missing := results[0].not_in_graph:
        count = int(results[0].features.was_changed.sum())
        print_indented(
            console, f"The graph lacks {missing:,} of {count:,} changed features; predictions leave them out."
        )


def _print_texts(console: Console, generations: Sequence[Generation]) -> None:
    """Print the generated texts: without the changes, then at each strength."""
    print_title(console, "Generated text")
    single = len(generations) == 2
    after = ("after" if single else f"strength {each.strength or 0:g}" for each in generations[1:])
    names = ["before", *after]
    rows = table("", "", no_wrap=(0,))
    for name, each in zip(names, generations, strict=True):
        rows.add_row(Text(name, style="dim"), token(each.text))
    print_indented(console, rows)


LARGE = 1e6
"""Smallest number that is shown with an exponent."""


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < LARGE else f"{value:.3g}"


def _signed(value: float) -> str:
    if abs(value) < SHOWS:
        return "0.00"
    return f"{value:+.2f}" if abs(value) < LARGE else f"{value:+.3g}"
