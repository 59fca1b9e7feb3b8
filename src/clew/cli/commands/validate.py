"""`clew validate`: remove a graph's features one by one and compare prediction and effect."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clew.cli.arguments import file_ending_in
from clew.cli.model_options import add_overrides, load_model
from clew.cli.options import add_option, add_options, settings_of
from clew.dictionary.short_names import NEURONS
from clew.errors import ClewError
from clew.files import check_writable, write_file
from clew.intervention.settings import CircuitSettings, ValidationSettings
from clew.load_settings import LoadSettings

if TYPE_CHECKING:
    from clew.facade import Model
    from clew.graph.graph import Graph
    from clew.intervention.circuits import Circuit

SUMMARY = "test a graph by removing its features one by one"
USAGE = "FILE [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew --keep all
  clew validate paris.clew --top 60 --random 60 --svg paris.svg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .clew file")
    what = parser.add_argument_group("what to test")
    add_option(what, ValidationSettings, "count", flag="--top", metavar="N")
    add_option(what, ValidationSettings, "random_count", flag="--random", metavar="N")
    add_options(what, ValidationSettings, seed="N")
    add_option(
        what,
        CircuitSettings,
        "outside",
        flag="--circuit",
        metavar="HOW",
        default=None,
        help="also test a circuit, with all other features at zero or mean",
    )
    what.add_argument(
        "--nodes",
        nargs="+",
        metavar="NODE",
        help="nodes of the circuit: L24/1005@5, node ids, supernodes (default: what pruning keeps)",
    )
    parser.add_argument_group("output").add_argument(
        "--svg", type=file_ending_in(".svg"), metavar="FILE.svg", help="save a scatter plot here"
    )
    model = parser.add_argument_group("model (by default the one that the graph names)")
    add_option(model, LoadSettings, "reference", flag="--model", metavar="NAME", default=None)
    add_option(model, LoadSettings, "dictionary", metavar="REF", default=None)
    add_overrides(model)
    add_option(model, LoadSettings, "dtype", metavar="T", default=None)
    machine = parser.add_argument_group("computation")
    add_options(machine, LoadSettings, device="D", low_memory="")


def run(arguments: argparse.Namespace) -> None:
    """Check the arguments before a model is loaded; save before printing."""
    from clew.cli.progress import Progress
    from clew.cli.reports.validation import print_circuit, print_validation
    from clew.cli.reports.validation_plot import check_matplotlib, validation_svg
    from clew.cli.terminal import page
    from clew.graph.reader import open_graph

    settings = settings_of(arguments, ValidationSettings)
    singly = settings.count + (settings.random_count or 0) > 0
    if not singly and (not arguments.outside or arguments.svg):
        raise ClewError("validate needs at least one feature to remove; see clew validate --help")
    if arguments.nodes and not arguments.outside:
        raise ClewError("--nodes needs --circuit zero or --circuit mean; see clew validate --help")
    if arguments.svg is not None:
        check_writable(arguments.svg)
        check_matplotlib()

    with Progress() as progress:
        progress.stage(f"Opening {arguments.file}")
        graph = open_graph(arguments.file)
        model = load_model(load_settings(arguments, graph), progress)
        progress.stage("Reading the prompt")
        result = circuit = None
        if singly:
            result = model.validate(graph, **vars(settings), on_progress=progress.work)
        if arguments.outside:
            progress.stage("Removing a circuit")
            circuit = _circuit(model, graph, arguments)
        if arguments.svg is not None and result is not None:
            write_file(arguments.svg, validation_svg(graph, result).encode())
    with page() as console:
        if result is not None:
            print_validation(console, graph, result)
        if circuit is not None:
            print_circuit(console, circuit, arguments.nodes)
        if arguments.svg is not None:
            console.print(f"Saved  {arguments.svg}", soft_wrap=True)


def _circuit(model: Model, graph: Graph, arguments: argparse.Namespace) -> Circuit:
    if arguments.nodes:
        return model.circuit(graph, arguments.nodes, outside=arguments.outside)
    from clew.graph.pruning import part_to_read

    return model.circuit(part_to_read(graph), outside=arguments.outside)


def load_settings(arguments: argparse.Namespace, graph: Graph) -> LoadSettings:
    """The settings of the graph's trace, replaced by those on the command line."""
    saved = graph.info.settings if graph.foreign is None else {}
    reference = arguments.reference or saved.get("model")
    if not isinstance(reference, str):
        tool = f" (it was made by {graph.info.generator})" if graph.info.generator else ""
        raise ClewError(
            f"{arguments.file} does not say how to load its model{tool}; pass --model NAME, and --dictionary "
            "REF for its features."
        )
    names = ["dictionary", "dtype"]
    if arguments.dictionary is None:  # another dictionary reads and writes elsewhere
        names += ["read_point", "write_point", "k"]
    of_graph = {name: saved[name] for name in names if isinstance(saved.get(name), str | int)}
    if saved:
        of_graph.setdefault("dictionary", NEURONS)
    given = {
        name: value for name, value in vars(settings_of(arguments, LoadSettings)).items() if value is not None
    }
    defaults = vars(LoadSettings())
    return LoadSettings(**{**defaults, **of_graph, **given, "reference": reference, "check": False})
