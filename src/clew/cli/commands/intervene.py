"""`clew intervene`: change features on a prompt, and print what the model does then."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clew.cli.arguments import check_prompt, file_ending_in, one_of, whole_number
from clew.cli.intervention_arguments import change, check_names, layer_range, number
from clew.cli.model_options import add_machine, add_model, add_sink, load_model
from clew.errors import ClewError
from clew.files import check_writable

if TYPE_CHECKING:
    from clew.cli.intervention_arguments import Change
    from clew.cli.progress import Progress
    from clew.facade import Model
    from clew.graph.graph import Graph
    from clew.intervention.generation import Generation
    from clew.intervention.result import InterventionResult

SUMMARY = "change features on a prompt and see what the model does then"
USAGE = "PROMPT [options]"
EXAMPLE = """\
example:
  clew intervene "The capital of France is" --ablate L24/1005@5
  clew intervene "The opposite of hot is" --scale L24/1005@all=-2 --generate 20"""

REGIMES = "direct", "frozen-attention", "free"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="the text on which features are changed")
    _add_changes(parser.add_argument_group("what to change (each may be repeated)"))
    _add_response(parser.add_argument_group("what responds"))
    model = parser.add_argument_group("of which model")
    add_model(model)
    add_sink(model)
    where = parser.add_argument_group("what to show")
    where.add_argument(
        "--top", type=whole_number(0), default=10, metavar="N", help="features to list (default: %(default)s)"
    )
    where.add_argument(
        "--save",
        type=file_ending_in(".safetensors"),
        metavar="FILE",
        help="save logits and features here, as FILE.safetensors",
    )
    add_machine(parser.add_argument_group("how it is computed"))


def _add_changes(group: argparse._ArgumentGroup) -> None:
    for how, metavar, text in (
        ("set", "NODE=V", "give a feature this activation: L12/4031@5=0"),
        ("add", "NODE=V", "add to it"),
        ("scale", "NODE=V", "multiply it; -2 turns it round, twice as strong"),
        ("ablate", "NODE", "set it to 0; @all, @5-, @2:5, @1,4 or @-1 name other positions"),
        ("patch", "NODE=TEXT", "its value on another prompt, there; @4:TEXT for another place of it"),
    ):
        group.add_argument(
            f"--{how}",
            dest="changes",
            action="append",
            type=change(how),
            metavar=metavar,
            help=text,
        )
    group.add_argument(
        "--graph",
        metavar="FILE",
        help="a graph of PROMPT: its supernodes and labels may stand for NODE, its predictions are compared",
    )
    group.add_argument(
        "--strengths",
        nargs="+",
        type=number,
        metavar="S",
        help="make all changes so many times: a becomes a + S (changed - a); 0 is no change, 1 the change",
    )


def _add_response(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--regime",
        type=one_of(*REGIMES),
        metavar="R",
        help="direct (as edges predict), frozen-attention or free, the real model (default: free)",
    )
    group.add_argument(
        "--layers",
        type=layer_range,
        metavar="A:B",
        help="write changes at layers A to B - 1 only, and hold their MLPs",
    )
    group.add_argument(
        "--generate", type=whole_number(1), metavar="N", help="go on for N tokens, without and with changes"
    )
    group.add_argument(
        "--temperature",
        type=number,
        metavar="T",
        help="draw these at random; 0 takes the likeliest (default)",
    )
    group.add_argument("--seed", type=whole_number(0), metavar="N", help="for --temperature (default: 0)")


def run(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is loaded; save before printing, so nothing is lost."""
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
            model = load_model(arguments, progress)
            changes = [each.among([] if graph is None else names_of(graph)) for each in arguments.changes]
            results, generations = _run(arguments, changes, model, graph, progress)
            try:
                saved = save_results(results, arguments.save) if arguments.save else None
            except ClewError as error:  # told after the report, which it does not cost
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
    check_prompt(arguments, " in front of --strengths" if arguments.strengths else "")
    if not arguments.changes:
        raise ClewError(
            "intervene needs a change: --set, --add, --scale, --ablate or --patch; see clew intervene --help"
        )
    check_names(arguments.changes, arguments.graph is not None)
    if arguments.generate and arguments.regime not in (None, "free"):
        raise ClewError("--generate is for the real model, so it needs --regime free (the default)")
    if arguments.generate and arguments.layers:
        raise ClewError("--layers holds MLPs on the prompt alone, so it does not go with --generate")
    if arguments.temperature is not None and arguments.temperature < 0:
        raise ClewError(f"--temperature: expected 0 or above, not {arguments.temperature:g}")
    for option in ("temperature", "seed"):
        if getattr(arguments, option) is not None and not arguments.generate:
            raise ClewError(f"--{option} is for --generate N, which is not there")
    if arguments.save is not None:
        check_writable(arguments.save)


def _graph(arguments: argparse.Namespace, progress: Progress) -> Graph | None:
    if arguments.graph is None:
        return None
    from clew.graph.reader import open_graph

    progress.stage(f"Opening {arguments.graph}")
    return open_graph(arguments.graph)


def _run(
    arguments: argparse.Namespace,
    changes: list[Change],
    model: Model,
    graph: Graph | None,
    progress: Progress,
) -> tuple[tuple[InterventionResult, ...], tuple[Generation, ...]]:
    from clew.intervention.intervene import intervene
    from clew.intervention.settings import InterveneCall

    prompt = arguments.prompt if arguments.tokens is None else arguments.tokens
    strengths = arguments.strengths or [1.0]
    progress.stage("Changing features")
    interventions = [each.intervention for each in changes]
    results = intervene(
        model.language_model,
        model.dictionary,
        prompt,
        InterveneCall(
            interventions,
            arguments.regime or "free",
            strengths=strengths,
            layers=_layers(arguments.layers, model.language_model.n_layers),
            graph=graph,
            sink=arguments.sink,
        ),
        generated=arguments.generate or 0,
    )
    if not arguments.generate:
        return results, ()
    progress.stage(f"Generating {arguments.generate} tokens")
    generations = model.generate(
        prompt,
        interventions,
        arguments.generate,
        strengths=strengths,
        temperature=arguments.temperature or 0.0,
        seed=arguments.seed or 0,
        graph=graph,
        sink=arguments.sink,
    )
    return results, generations


def _layers(given: slice | None, n_layers: int) -> range | None:
    if given is None:
        return None
    return range(given.start or 0, n_layers if given.stop is None else given.stop)
