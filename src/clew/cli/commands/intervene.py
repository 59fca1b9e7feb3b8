"""`clew intervene`: change features on a prompt, and print the effects."""

from __future__ import annotations

import argparse
from argparse import SUPPRESS
from dataclasses import replace
from typing import TYPE_CHECKING

from clew.attribution.settings import PromptSettings
from clew.cli.arguments import file_ending_in
from clew.cli.intervention_arguments import change, check_names, layer_range, number
from clew.cli.model_options import (
    add_chat,
    add_machine,
    add_model,
    add_prompt,
    add_tokens,
    load_model,
    prompt_of,
)
from clew.cli.options import add_option, add_options, settings_of
from clew.cli.settings import InterventionReportSettings
from clew.dictionary.short_names import AUTO
from clew.errors import ClewError
from clew.files import check_writable
from clew.intervention.intervention import HOW, in_chat
from clew.intervention.settings import GenerationSettings, InterveneCall, InterventionSettings
from clew.load_settings import LoadSettings
from clew.model.messages import PromptLike, is_chat

if TYPE_CHECKING:
    from clew.cli.intervention_arguments import Change
    from clew.cli.progress import Progress
    from clew.facade import Model
    from clew.graph.graph import Graph
    from clew.intervention.generation import Generation
    from clew.intervention.result import InterventionResult

SUMMARY = "change features on a prompt and measure the effect"
USAGE = "PROMPT [options]"
EXAMPLE = """\
example:
  clew intervene "The capital of France is" --ablate L24/1254@5
  clew intervene "The capital of France is" --scale L24/1254@5=-2 --generate 9"""

METAVARS = {"nothing": "NODE", "number": "NODE=V", "prompt": "NODE=TEXT"}
SPELLINGS = {
    "ablate": "; for positions, write @5, @all, @5-, @2:5, @1,4 or @-1",
    "set": ": L12/4031@5=0",
    "patch": ": TEXT, or @4:TEXT for its position 4; with --chat in place of the user's last TEXT",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_prompt(parser, "text on which features are changed")
    _add_changes(parser.add_argument_group("changes (options may be repeated)"))
    response = parser.add_argument_group("response of the model")
    add_options(response, InterventionSettings, regime="R")
    response.add_argument(
        "--layers",
        type=layer_range,
        metavar="A:B",
        help="write changes at layers A to B - 1 only; the MLPs of these layers are held fixed",
    )
    add_option(
        response,
        GenerationSettings,
        "max_tokens",
        flag="--generate",
        metavar="N",
        default=None,
        help="generate N tokens without the changes, and N with them",
    )
    add_option(response, GenerationSettings, "temperature", metavar="T", default=SUPPRESS)
    add_option(response, GenerationSettings, "seed", metavar="N", default=SUPPRESS)
    model = parser.add_argument_group("model")
    add_tokens(model)
    add_chat(model)
    add_model(model)
    add_options(model, PromptSettings, sink="TOKEN")
    output = parser.add_argument_group("output")
    add_options(output, InterventionReportSettings, top="N")
    output.add_argument(
        "--save",
        type=file_ending_in(".safetensors"),
        metavar="FILE",
        help="save logits and features in FILE.safetensors",
    )
    add_machine(parser.add_argument_group("computation"))


def _add_changes(group: argparse._ArgumentGroup) -> None:
    for how, way in HOW.items():
        group.add_argument(
            f"--{how}",
            dest="changes",
            action="append",
            type=change(how),
            metavar=METAVARS[way.takes],
            help=way.sentence[0].lower() + way.sentence[1:].removesuffix(".") + SPELLINGS.get(how, ""),
        )
    group.add_argument(
        "--graph",
        metavar="FILE",
        help="graph of PROMPT, to compare with; NODE may be one of its supernodes or labels",
    )
    add_option(group, InterventionSettings, "strengths", nargs="+", type=number, metavar="S")


def run(arguments: argparse.Namespace) -> None:
    """Check the arguments before anything is loaded; save before printing, so nothing is lost."""
    prompt = prompt_of(arguments, "--strengths" if arguments.strengths else "")
    _check(arguments)
    from clew.cli.progress import Progress
    from clew.cli.reports.intervention import print_intervention
    from clew.cli.terminal import page
    from clew.intervention.feature_names import names_of
    from clew.intervention.result import save_results

    saved, failure = None, None
    try:
        with Progress() as progress:
            graph = _graph(arguments, progress)
            model = load_model(_load_settings(arguments, graph), progress)
            changes = [each.among([] if graph is None else names_of(graph)) for each in arguments.changes]
            results, generations = _measure(arguments, prompt, changes, model, graph, progress)
            try:
                saved = save_results(results, arguments.save) if arguments.save else None
            except ClewError as error:  # raised after the report, so that the report is not lost
                failure = error
        source = f"{model.language_model.name} · {model.dictionary.name}"
        with page() as console:
            print_intervention(
                console, source, results, generations, top=arguments.top, with_graph=graph is not None
            )
            if saved is not None:
                console.print(f"\nSaved  {saved}", soft_wrap=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{saved} had been written" if saved else "") from None
    if failure:
        raise failure


def _check(arguments: argparse.Namespace) -> None:
    if not arguments.changes:
        raise ClewError(
            f"intervene needs a change ({', '.join(f'--{how}' for how in HOW)}); see clew intervene --help"
        )
    check_names(arguments.changes, arguments.graph is not None)
    if arguments.max_tokens and arguments.regime != "free":
        raise ClewError("--generate needs --regime free (the default); see clew intervene --help")
    if arguments.max_tokens and arguments.layers:
        raise ClewError("--layers and --generate cannot be used together; leave one of them out")
    for option in ("temperature", "seed"):
        if option in arguments and not arguments.max_tokens:
            raise ClewError(f"--{option} needs --generate N; see clew intervene --help")
    if arguments.save is not None:
        check_writable(arguments.save)


def _graph(arguments: argparse.Namespace, progress: Progress) -> Graph | None:
    if arguments.graph is None:
        return None
    from clew.graph.reader import open_graph

    progress.stage(f"Opening {arguments.graph}")
    return open_graph(arguments.graph)


def _load_settings(arguments: argparse.Namespace, graph: Graph | None) -> LoadSettings:
    """The settings on the command line, with the graph's own dictionary where none is named there."""
    settings = settings_of(arguments, LoadSettings)
    if graph is None or graph.foreign is not None or settings.dictionary != AUTO:
        return settings
    saved = graph.info.settings
    if saved.get("model") != str(settings.reference):
        return settings
    names = ("dictionary", "k")
    return replace(settings, **{name: saved[name] for name in names if saved.get(name) is not None})


def _measure(
    arguments: argparse.Namespace,
    prompt: PromptLike,
    changes: list[Change],
    model: Model,
    graph: Graph | None,
    progress: Progress,
) -> tuple[tuple[InterventionResult, ...], tuple[Generation, ...]]:
    from clew.intervention.run_intervention import intervene

    strengths = arguments.strengths or [1.0]
    progress.stage("Changing features")
    interventions = [each.intervention for each in changes]
    if is_chat(prompt):
        interventions = [in_chat(each, prompt) for each in interventions]
    results = intervene(
        model.language_model,
        model.dictionary,
        prompt,
        InterveneCall(
            interventions,
            arguments.regime,
            strengths=strengths,
            layers=_layers(arguments.layers, model.language_model.n_layers),
            graph=graph,
            sink=arguments.sink,
        ),
        generated=arguments.max_tokens or 0,
    )
    if not arguments.max_tokens:
        return results, ()
    progress.stage(f"Generating {arguments.max_tokens} tokens")
    settings = settings_of(arguments, GenerationSettings)
    generations = model.generate(
        prompt, interventions, **vars(settings), strengths=strengths, graph=graph, sink=arguments.sink
    )
    return results, generations


def _layers(given: slice | None, n_layers: int) -> range | None:
    if given is None:
        return None
    return range(given.start or 0, n_layers if given.stop is None else given.stop)
