"""`clew label`: short names for the features of an index, from a language model or by rule."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from clew.cli.arguments import amount, whole_number
from clew.errors import ClewError

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.feature import Feature
    from clew.index.labels.endpoint import ChatModel
    from clew.index.labels.evidence import Evidence
    from clew.index.labels.limits import Budget
    from clew.index.labels.model_labels import LabelCounts, ModelLabel
    from clew.index.storage.index import Index

    Sides = dict[Feature, bool | None]

SUMMARY = "give features short names, from a language model or by rule"
USAGE = "[INDEX] [options]"
EXAMPLE = """\
example:
  clew label --graph paris.clew --from-tokens
  clew label --base-url http://localhost:11434/v1 --api-model llama3.2"""

LEFT_ALONE = {
    (False, False): frozenset({"person", "model", "tokens"}),
    (False, True): frozenset({"person", "model"}),
    (True, False): frozenset({"person", "model"}),
    (True, True): frozenset({"person"}),
}
"""Whose labels stay, by whether a language model is asked and whether to label again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="INDEX", nargs="?", help="an index (default: that of the model)")
    parser.add_argument(
        "--model", default="smollm2", metavar="NAME", help="whose index (default: %(default)s)"
    )
    parser.add_argument(
        "--dictionary", default="neurons", metavar="REF", help="of which features (default: %(default)s)"
    )
    which = parser.add_argument_group("which features (default: the most frequent)")
    which.add_argument("--graph", metavar="FILE", help="those of a graph, the most influential first")
    which.add_argument("--features", metavar="LIST", help="those named, such as L12/4031,L3/7")
    which.add_argument(
        "--limit", type=whole_number(1), default=100, metavar="N", help="at most so many (100)"
    )
    which.add_argument(
        "--from-tokens", action="store_true", help="by rule, from tokens and output tokens; asks nobody"
    )
    which.add_argument("--relabel", action="store_true", help="again where it was labelled like this before")
    whom = parser.add_argument_group("whom to ask")
    whom.add_argument(
        "--base-url", metavar="URL", help="the endpoint (default: OPENAI_BASE_URL, or OpenAI's)"
    )
    whom.add_argument("--api-model", metavar="NAME", help="its model (default: CLEW_LABEL_MODEL)")
    whom.add_argument(
        "--api-key-from",
        metavar="VARIABLE",
        default="OPENAI_API_KEY",
        help="where the environment holds its key (default: %(default)s)",
    )
    whom.add_argument("--timeout", type=amount, default=60.0, metavar="S", help="seconds for an answer (60)")
    _add_limits(parser.add_argument_group("how much, how fast"))


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--price-in", type=amount, metavar="P", help="price of a million tokens read")
    group.add_argument("--price-out", type=amount, metavar="P", help="price of a million tokens written")
    group.add_argument("--max-cost", type=amount, metavar="P", help="never spend more")
    group.add_argument("--max-requests", type=whole_number(1), metavar="N", help="never send more")
    group.add_argument("--requests-per-minute", type=whole_number(1), metavar="N", help="send no faster")
    group.add_argument("--tokens-per-minute", type=whole_number(1), metavar="N", help="about so many")
    group.add_argument("--parallel", type=whole_number(1), default=4, metavar="N", help="at once (4)")
    group.add_argument("--yes", action="store_true", help="do not ask before it starts")


def run(arguments: argparse.Namespace) -> None:
    """Say what it will take, ask, label; whatever was labelled before is left alone."""
    from clew.cli.progress import Progress
    from clew.index.labels.evidence import unlabelled
    from clew.index.storage.index import open_index

    _check(arguments)
    service = None if arguments.from_tokens else _service(arguments)
    with open_index(_index_file(arguments), writable=True) as index, Progress() as progress:
        progress.stage("Choosing features")
        if not index.metadata.complete:
            raise ClewError(f"{index.path} is unfinished; finish it with clew index --resume.")
        sides = _chosen(arguments, index)
        todo = unlabelled(index, sides, LEFT_ALONE[service is not None, arguments.relabel])
        beyond = set(todo[arguments.limit :])
        todo = todo[: arguments.limit]
        sides = {feature: side for feature, side in sides.items() if feature not in beyond}
        if service is None:
            _label_from_tokens(index, todo, sides, arguments.relabel, progress)
        else:
            _label_with_model(arguments, service, index, todo, sides, progress)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.graph is not None and arguments.features is not None:
        raise ClewError("label takes --graph or --features, not both; see clew label --help")
    prices = arguments.price_in, arguments.price_out
    if None in prices and (arguments.max_cost is not None or prices != (None, None)):
        raise ClewError("a cost needs both prices, --price-in and --price-out; see clew label --help")


def _service(arguments: argparse.Namespace) -> ChatModel:
    from clew.index.labels.endpoint import PUBLIC, ChatModel

    url = arguments.base_url or os.environ.get("OPENAI_BASE_URL")
    key = os.environ.get(arguments.api_key_from, "")
    if not url and not key:
        raise ClewError(
            "Nobody to ask: name an endpoint with --base-url (or OPENAI_BASE_URL), or put a key for OpenAI's "
            "into OPENAI_API_KEY; --from-tokens labels by rule, without any."
        )
    model = arguments.api_model or os.environ.get("CLEW_LABEL_MODEL", "")
    return ChatModel(url or PUBLIC, model, key, arguments.timeout)


def _index_file(arguments: argparse.Namespace) -> Path:
    from clew.index.storage.locations import find_index

    if arguments.file is not None:
        return Path(arguments.file).expanduser()
    found = find_index(arguments.model, arguments.dictionary, to_change=True)
    if found is None:
        raise ClewError(
            f"There is no index of {arguments.model} with {arguments.dictionary} yet; "
            "make one with clew index --data TEXTS."
        )
    return found


def _chosen(arguments: argparse.Namespace, index: Index) -> Sides:
    """The features wanted, in order, and which side of each, where a graph says it."""
    from clew.index.labels.graph_features import parse_features, sides_by_influence

    if arguments.features is not None:
        named = parse_features(arguments.features)
        for feature in named:
            if feature not in index:
                raise ClewError(f"There is no feature {feature} in {index.path}.")
        return dict.fromkeys(named)
    if arguments.graph is None:
        return dict.fromkeys(index.most_frequent(arguments.limit + index.count_labelled()))
    from clew.graph.reader import open_graph

    sides = sides_by_influence(open_graph(arguments.graph))
    known = [feature for feature in sides if feature in index]
    if not known:
        raise ClewError(f"{index.path} has no feature of {arguments.graph}: it is of another dictionary.")
    return {feature: sides[feature] for feature in known}


def _label_from_tokens(
    index: Index, todo: list[Feature], sides: Sides, again: bool, progress: Progress
) -> None:
    from clew.cli.reports.labels import left_alone, what_next
    from clew.index.labels.token_labels import RuleLabels, label_by_rule

    tally = RuleLabels()
    try:
        label_by_rule(
            index, todo, sides, tally, lambda done: progress.work("Labelling by rule", done, len(todo))
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{tally.labelled:,} labels are kept, and {what_next(again)}") from None
    print(
        f"Labelled  {tally.labelled:,} of {len(todo):,} features from their tokens; "
        f"{left_alone(len(sides) - len(todo), again)}"
    )


def _label_with_model(
    arguments: argparse.Namespace,
    service: ChatModel,
    index: Index,
    todo: list[Feature],
    sides: dict[Feature, bool | None],
    progress: Progress,
) -> None:
    """Estimate, ask whether to start, label, and print what came of it."""
    from clew.cli.reports.labels import left_alone, print_estimate, print_tally, what_next
    from clew.index.labels.evidence import each_evidence
    from clew.index.labels.limits import Budget, Prices
    from clew.index.labels.model_labels import estimate, evenly_spaced

    others = left_alone(len(sides) - len(todo), arguments.relabel)
    if not todo:
        print(f"Nothing to do: {others}")
        return
    prices = Prices(arguments.price_in or 0.0, arguments.price_out or 0.0)
    sample = list(each_evidence(index, evenly_spaced(todo), sides))
    expected = estimate(sample, len(todo), prices)
    priced = arguments.price_in is not None
    progress.stop()
    print_estimate(expected, len(todo), others, service, priced)
    _agree(arguments)
    budget = Budget(prices, arguments.max_requests, arguments.max_cost)
    tally = _labels_of_model(arguments, service, index, todo, sides, budget, progress)
    print_tally(tally, budget, len(todo), priced, what_next(arguments.relabel))
    if not tally.labelled and (tally.malformed or tally.failed):
        raise ClewError("No label was made.")


def _labels_of_model(
    arguments: argparse.Namespace,
    service: ChatModel,
    index: Index,
    todo: list[Feature],
    sides: dict[Feature, bool | None],
    budget: Budget,
    progress: Progress,
) -> LabelCounts:
    from clew.cli.reports.labels import what_next
    from clew.index.labels.endpoint import Endpoint, sleep_until
    from clew.index.labels.evidence import each_evidence
    from clew.index.labels.limits import Pacer, RateLimits
    from clew.index.labels.model_labels import label_features

    stop = threading.Event()
    limits = RateLimits(arguments.requests_per_minute, arguments.tokens_per_minute)
    pacer = Pacer(limits, time.monotonic, sleep_until(stop))
    kept = 0
    progress.stage("Asking for labels")

    def keep(evidence: Evidence, made: ModelLabel) -> None:
        nonlocal kept
        index.set_labels(
            {evidence.feature: made.text},
            "model",
            author=service.name,
            confidence=made.confidence,
            detail=json.dumps(made.detail),
        )
        kept += 1

    try:
        return label_features(
            each_evidence(index, todo, sides),
            Endpoint(service, pacer, budget, stop).ask,
            keep,
            budget,
            parallel=arguments.parallel,
            on_progress=lambda tally: progress.work("Asking for labels", tally.done, len(todo)),
            stop=stop,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{kept:,} labels are kept, and {what_next(arguments.relabel)}") from None
    except ClewError as error:
        raise ClewError(f"{error} {kept:,} labels are kept, and {what_next(arguments.relabel)}.") from error


def _agree(arguments: argparse.Namespace) -> None:
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise ClewError("Nothing was sent: add --yes to start without being asked.")
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ClewError("Nothing was sent.")
