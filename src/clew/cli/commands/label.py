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

from clew.cli.arguments import features
from clew.cli.options import add_option, add_options, settings_of
from clew.errors import ClewError
from clew.files import named_path
from clew.index.settings import EndpointSettings, LabelLimits, LabelSettings
from clew.load_settings import LoadSettings

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.feature import Feature
    from clew.index.labels.endpoint import ChatModel
    from clew.index.labels.evidence import Evidence
    from clew.index.labels.model_labels import LabelCounts, ModelLabel
    from clew.index.labels.rate_limits import Budget
    from clew.index.storage.index import Index

    Sides = dict[Feature, bool | None]

SUMMARY = "give features short names, from a language model or by rule"
USAGE = "[INDEX] [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew label --graph paris.clew --from-tokens
  clew label --base-url http://localhost:11434/v1 --api-model llama3.2"""

PROTECTED = {
    (False, False): frozenset({"person", "model", "tokens"}),
    (False, True): frozenset({"person", "model"}),
    (True, False): frozenset({"person", "model"}),
    (True, True): frozenset({"person"}),
}
"""Sources whose labels stay; keys: a language model is asked, features are labelled again."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="INDEX", nargs="?", help="an index (default: the one of the graph, or of the model)"
    )
    add_option(parser, LoadSettings, "reference", flag="--model", metavar="NAME", default=None)
    add_option(parser, LoadSettings, "dictionary", metavar="REF", default=None)
    which = parser.add_argument_group("features (by default the most frequent)")
    which.add_argument(
        "--graph", metavar="FILE", help="label the features of a graph, the most influential first"
    )
    which.add_argument(
        "--features", type=features, metavar="LIST", help="label these features, such as L12/4031,L3/7"
    )
    add_options(which, LabelSettings, limit="N", from_tokens="", relabel="")
    whom = parser.add_argument_group("language model")
    add_options(
        whom, EndpointSettings, base_url="URL", api_model="NAME", api_key_from="VARIABLE", timeout="S"
    )
    limits = parser.add_argument_group("limits")
    add_options(limits, LabelLimits, price_in="P", price_out="P", max_cost="P", max_requests="N")
    add_options(limits, LabelLimits, requests_per_minute="N", tokens_per_minute="N", parallel="N")
    limits.add_argument("--yes", action="store_true", help="start without a question")


def run(arguments: argparse.Namespace) -> None:
    """Choose features, estimate, ask whether to start, and label those without a protected label."""
    from clew.cli.progress import Progress
    from clew.index.labels.evidence import unlabelled
    from clew.index.storage.index import open_index

    settings = settings_of(arguments, LabelSettings)
    _check(arguments, settings)
    service = None if settings.from_tokens else _service(settings)
    with open_index(_index_file(arguments), writable=True) as index, Progress() as progress:
        progress.stage("Choosing features")
        if not index.metadata.complete:
            raise ClewError(f"{index.path} is unfinished; finish it with clew index --resume.")
        sides = _chosen(arguments, settings, index)
        todo = unlabelled(index, sides, PROTECTED[service is not None, settings.relabel])
        beyond = set(todo[settings.limit :])
        todo = todo[: settings.limit]
        sides = {place: side for place, side in sides.items() if place not in beyond}
        if service is None:
            _label_by_rule(index, todo, sides, settings.relabel, progress)
        else:
            _label_with_model(settings, service, index, todo, sides, progress, ask=not arguments.yes)


def _check(arguments: argparse.Namespace, settings: LabelSettings) -> None:
    if arguments.graph is not None and arguments.features is not None:
        raise ClewError("label takes --graph or --features, not both; see clew label --help")
    prices = settings.price_in, settings.price_out
    if None in prices and (settings.max_cost is not None or prices != (None, None)):
        raise ClewError("A cost needs both prices, --price-in and --price-out; see clew label --help")


def _service(settings: LabelSettings) -> ChatModel:
    from clew.index.labels.endpoint import PUBLIC, ChatModel, same_host

    own_url = os.environ.get("OPENAI_BASE_URL")
    url = settings.base_url or own_url
    key = os.environ.get(settings.api_key_from or "OPENAI_API_KEY", "")
    if settings.api_key_from is None and url and not same_host(url, own_url or PUBLIC):
        key = ""  # it is another host's
    if not url and not key:
        raise ClewError(
            "No language model to ask: pass --base-url URL (or set OPENAI_BASE_URL), or put a key for OpenAI "
            "into OPENAI_API_KEY; --from-tokens labels by rule, without a model."
        )
    model = settings.api_model or os.environ.get("CLEW_LABEL_MODEL", "")
    return ChatModel(url or PUBLIC, model, key, settings.timeout)


def _index_file(arguments: argparse.Namespace) -> Path:
    """The index that is named, or the one of the graph's model and dictionary, or of those that are named.

    References are resolved as `clew index` does. Raises `ClewError` where the graph has others.
    """
    from clew.index.storage.locations import find_index

    if arguments.file is not None:
        return named_path(arguments.file)
    model, dictionary = _names(arguments)
    file = find_index(model, dictionary, to_change=True)
    if file is None:
        raise ClewError(
            f"There is no index of {model} with {dictionary} yet; make one with clew index --data TEXTS."
        )
    return file


def _names(arguments: argparse.Namespace) -> tuple[str, str]:
    """Names of the model and the dictionary whose index is meant."""
    from clew.dictionary.reference import short_name
    from clew.dictionary.short_names import chosen_dictionary
    from clew.graph.reader import open_graph
    from clew.model.short_names import name_of_model

    reference, wanted = arguments.reference, arguments.dictionary
    info = None if arguments.graph is None else open_graph(arguments.graph).info
    if info is None or not (info.model and info.dictionary):
        reference = LoadSettings.reference if reference is None else reference
        return name_of_model(reference), short_name(chosen_dictionary(reference, wanted))
    given = {
        "model": (info.model, None if reference is None else name_of_model(reference)),
        "dictionary": (info.dictionary, None if wanted is None else short_name(wanted)),
    }
    for what, (of_graph, named) in given.items():
        if named is not None and named != of_graph:
            raise ClewError(
                f"{arguments.graph} is of the {what} {of_graph}, not of {named}; leave --{what} out, or name "
                "the graph's own."
            )
    return info.model, info.dictionary


def _chosen(arguments: argparse.Namespace, settings: LabelSettings, index: Index) -> Sides:
    """The features to label, in order, and the sign of each if a graph shows it."""
    from clew.cli.index_lookup import open_graph_of_index
    from clew.index.labels.graph_features import sides_by_influence

    if arguments.features is not None:
        for feature in arguments.features:
            if feature not in index:
                raise ClewError(f"There is no feature {feature} in {index.path}.")
        return dict.fromkeys(arguments.features)
    if arguments.graph is None:
        return dict.fromkeys(index.most_frequent(settings.limit + index.count_labelled()))
    sides = sides_by_influence(open_graph_of_index(index, arguments.graph))
    return {feature: side for feature, side in sides.items() if feature in index}


def _label_by_rule(index: Index, todo: list[Feature], sides: Sides, again: bool, progress: Progress) -> None:
    from clew.cli.reports.labels import how_to_continue, labels_that_stay
    from clew.index.labels.token_labels import RuleLabels, label_by_rule

    tally = RuleLabels()
    try:
        label_by_rule(
            index, todo, sides, tally, lambda done: progress.work("Labelling by rule", done, len(todo))
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{tally.labelled:,} labels are saved; {how_to_continue(again)}") from None
    print(
        f"Labelled  {tally.labelled:,} of {len(todo):,} features from their tokens; "
        f"{labels_that_stay(len(sides) - len(todo), again)}"
    )


def _label_with_model(
    settings: LabelSettings,
    service: ChatModel,
    index: Index,
    todo: list[Feature],
    sides: Sides,
    progress: Progress,
    *,
    ask: bool,
) -> None:
    """Estimate, ask whether to start, label, and print the result."""
    from clew.cli.reports.labels import how_to_continue, labels_that_stay, print_estimate, print_tally
    from clew.index.labels.evidence import each_evidence
    from clew.index.labels.model_labels import estimate, evenly_spaced
    from clew.index.labels.rate_limits import Budget, Prices

    others = labels_that_stay(len(sides) - len(todo), settings.relabel)
    if not todo:
        print(f"Nothing to do: {others}")
        return
    prices = Prices(settings.price_in or 0.0, settings.price_out or 0.0)
    priced = settings.price_in is not None
    sample = list(each_evidence(index, evenly_spaced(todo), sides))
    progress.stop()
    print_estimate(estimate(sample, len(todo), prices), len(todo), others, service, priced)
    if ask:
        _ask_to_start()
    budget = Budget(prices, settings.max_requests, settings.max_cost)
    tally = _ask_model(settings, service, index, todo, sides, budget, progress)
    print_tally(tally, budget.spent, len(todo), priced, how_to_continue(settings.relabel))
    if not tally.labelled and (tally.malformed or tally.failed):
        raise ClewError("No label was made.")


def _ask_model(
    settings: LabelSettings,
    service: ChatModel,
    index: Index,
    todo: list[Feature],
    sides: Sides,
    budget: Budget,
    progress: Progress,
) -> LabelCounts:
    """Ask for the labels, and save each in the index at once."""
    from clew.cli.reports.labels import how_to_continue
    from clew.index.labels.endpoint import Endpoint, sleep_until
    from clew.index.labels.evidence import each_evidence
    from clew.index.labels.model_labels import label_features
    from clew.index.labels.rate_limits import Pacer, RateLimits

    stop = threading.Event()
    limits = RateLimits(settings.requests_per_minute, settings.tokens_per_minute)
    pacer = Pacer(limits, time.monotonic, sleep_until(stop))
    n_saved = 0
    progress.stage("Asking for labels")

    def save(evidence: Evidence, label: ModelLabel) -> None:
        nonlocal n_saved
        index.set_labels(
            {evidence.feature: label.text},
            "model",
            author=service.name,
            confidence=label.confidence,
            detail=json.dumps(label.detail),
        )
        n_saved += 1

    try:
        return label_features(
            each_evidence(index, todo, sides),
            Endpoint(service, pacer, budget, stop).ask,
            save,
            budget,
            parallel=settings.parallel,
            on_progress=lambda tally: progress.work("Asking for labels", tally.done, len(todo)),
            stop=stop,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{n_saved:,} labels are saved; {how_to_continue(settings.relabel)}"
        ) from None
    except ClewError as error:
        raise ClewError(
            f"{error} {n_saved:,} labels are saved; {how_to_continue(settings.relabel)}."
        ) from error


def _ask_to_start() -> None:
    """Raise `ClewError` unless a person at the terminal agrees."""
    if not sys.stdin.isatty():
        raise ClewError("Nothing was sent; add --yes to start without a question.")
    if input("Start? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ClewError("Nothing was sent.")
