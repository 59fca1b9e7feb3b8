"""`clew validate`: remove a graph's features one by one and print how well it foretold what happens."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.cli.arguments import file_ending_in, one_of, whole_number
from clew.cli.commands.show import prune_as_asked
from clew.cli.model_options import DTYPES, add_overrides
from clew.errors import ClewError
from clew.files import check_writable

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.facade import Model
    from clew.graph.graph import Graph
    from clew.intervention.circuits import Circuit

SUMMARY = "remove features one by one and see if a graph is right"
USAGE = "FILE [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew --keep all
  clew validate paris.clew --top 60 --random 60 --svg paris.svg"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .clew file")
    what = parser.add_argument_group("what to test")
    for name, text in (
        ("--top", "most influential features to remove"),
        ("--random", "other features to remove, drawn at random"),
    ):
        what.add_argument(
            name, type=whole_number(0), default=50, metavar="N", help=f"{text} (default: %(default)s)"
        )
    what.add_argument(
        "--seed", type=whole_number(0), default=0, metavar="N", help="of the draw (default: %(default)s)"
    )
    what.add_argument(
        "--circuit",
        type=one_of("zero", "mean"),
        metavar="HOW",
        help="also take a set of features as a circuit, all others to zero or mean",
    )
    what.add_argument(
        "--nodes",
        nargs="+",
        metavar="NODE",
        help="for --circuit: this set (L24/1005@5, a node's id, a supernode); default: what pruning keeps",
    )
    parser.add_argument_group("where it goes").add_argument(
        "--svg", type=file_ending_in(".svg"), metavar="FILE.svg", help="save a scatter plot here"
    )
    _add_model(parser.add_argument_group("in place of what the graph says"))
    machine = parser.add_argument_group("how it is computed")
    machine.add_argument(
        "--device", metavar="D", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)"
    )
    machine.add_argument(
        "--low-memory", action="store_true", help="read encoders from disk whenever they are needed"
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", metavar="NAME", help="the model, as for clew trace")
    group.add_argument("--dictionary", metavar="REF", help="its features, as for clew trace")
    add_overrides(group)
    group.add_argument("--dtype", type=one_of(*DTYPES), metavar="T", help=", ".join(DTYPES))


def run(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before a model is loaded; save before printing."""
    from clew.cli.progress import Progress
    from clew.cli.reports.validation import print_circuit, print_validation
    from clew.cli.reports.validation_plot import check_matplotlib, validation_svg
    from clew.cli.terminal import page
    from clew.graph.reader import open_graph

    singly = arguments.top + arguments.random > 0
    if not singly and (not arguments.circuit or arguments.svg):
        raise ClewError("validate needs at least one feature to remove; see clew validate --help")
    if arguments.nodes and not arguments.circuit:
        raise ClewError("--nodes is the set for --circuit zero or --circuit mean, which is not there")
    if arguments.svg is not None:
        check_writable(arguments.svg)
        check_matplotlib()
    with Progress() as progress:
        progress.stage(f"Opening {arguments.file}")
        graph = open_graph(arguments.file)
        model = _loaded(arguments, graph, progress)
        progress.stage("Reading the prompt")
        found = circuit = None
        if singly:
            found = model.validate(
                graph,
                count=arguments.top,
                random_count=arguments.random,
                seed=arguments.seed,
                on_progress=progress.work,
            )
        if arguments.circuit:
            progress.stage("Removing a circuit")
            circuit = _circuit(model, graph, arguments)
        if arguments.svg is not None and found is not None:
            _save(arguments.svg, validation_svg(graph, found))
    with page() as console:
        if found is not None:
            print_validation(console, graph, found)
        if circuit is not None:
            print_circuit(console, circuit, arguments.nodes)
        if arguments.svg is not None:
            console.print(f"Saved  {arguments.svg}", soft_wrap=True)


def _circuit(model: Model, graph: Graph, arguments: argparse.Namespace) -> Circuit:
    if arguments.nodes:
        return model.circuit(graph, arguments.nodes, outside=arguments.circuit)
    kept = graph if graph.node_total is None else prune_as_asked(graph)
    return model.circuit(kept, outside=arguments.circuit)


def _loaded(arguments: argparse.Namespace, graph: Graph, progress: Progress) -> Model:
    options = load_options(arguments, graph)
    progress.stage(f"Loading {options['reference']}")
    import clew

    return clew.load(**options, on_note=progress.note)


def load_options(arguments: argparse.Namespace, graph: Graph) -> dict[str, Any]:
    """What `clew.load` gets: the graph's own settings, save for what the user names instead."""
    settings = graph.info.settings if graph.foreign is None else {}
    reference = arguments.model or settings.get("model")
    if not isinstance(reference, str):
        maker = f" (it was made by {graph.info.generator})" if graph.info.generator else ""
        raise ClewError(
            f"{arguments.file} does not say how to load its model{maker}; name it with --model, and its "
            "features with --dictionary."
        )
    kept = ("dictionary", "dtype")
    if arguments.dictionary is None:  # another dictionary reads and writes elsewhere
        kept += ("read_point", "write_point", "k")
    options = {name: settings[name] for name in kept if isinstance(settings.get(name), str | int)}
    for name in ("dictionary", "read_point", "write_point", "k", "dtype"):
        if getattr(arguments, name) is not None:
            options[name] = getattr(arguments, name)
    return {
        "reference": reference,
        **options,
        "device": arguments.device,
        "low_memory": arguments.low_memory,
        "check": False,
    }


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ClewError(f"{path} cannot be written: {error.strerror}; choose another place.") from error
