"""`clew trace`: load a model, trace a prompt, save and print the graph."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from clew.attribution.settings import TraceCall, TraceSettings
from clew.cli.arguments import check_prompt, file_ending_in, one_of, target
from clew.cli.library_page import add_library, opened_library, serve_until_stopped
from clew.cli.model_options import add_machine, add_model, load_model
from clew.cli.options import MEBIBYTE, add_option, settings_of
from clew.errors import ClewError
from clew.files import check_writable

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.facade import Model
    from clew.graph.graph import Graph
    from clew.server.library import Library

SUMMARY = "find the features that led from a prompt to the next token"
USAGE = "PROMPT [options]"
EXAMPLE = """\
example:
  clew trace "The capital of France is" --out paris.clew
  clew trace "The opposite of hot is" --targets " cold" " cold minus  warm\""""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="text; what follows it gets explained")
    _add_what(parser.add_argument_group("what to trace"))
    _add_size(parser.add_argument_group("how much of it"))
    _add_files(parser.add_argument_group("where it goes"))
    _add_machine(parser.add_argument_group("how it is computed"))


def _add_what(group: argparse._ArgumentGroup) -> None:
    add_model(group)
    add_option(group, TraceSettings, "targets", nargs="+", type=target, metavar="TEXT")
    add_option(group, TraceSettings, "sink", metavar="TOKEN")


def _add_size(group: argparse._ArgumentGroup) -> None:
    add_option(group, TraceSettings, "max_targets", metavar="N")
    add_option(group, TraceSettings, "target_probability", metavar="P")
    add_option(group, TraceSettings, "max_nodes", metavar="N")
    add_option(group, TraceSettings, "node_threshold", metavar="P")
    add_option(group, TraceSettings, "edge_threshold", metavar="P")
    add_option(group, TraceSettings, "selection", metavar="HOW")


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--out", type=file_ending_in(".clew"), metavar="FILE.clew", help="save the graph here")
    group.add_argument(
        "--json",
        type=file_ending_in(".json"),
        metavar="FILE.json",
        help="save the pruned graph here, in Neuronpedia's JSON",
    )
    group.add_argument(
        "--keep",
        type=one_of("pruned", "all"),
        default="pruned",
        metavar="WHAT",
        help="what --out and --open keep: pruned or all (default: %(default)s)",
    )
    group.add_argument(
        "--open", action="store_true", help="put the graph into the library, and open it on a page"
    )
    add_library(group)


def _add_machine(group: argparse._ArgumentGroup) -> None:
    add_machine(group)
    add_option(group, TraceSettings, "memory", unit=MEBIBYTE, metavar="MIB")


def run(arguments: argparse.Namespace) -> None:
    """Refuse what cannot work before anything is loaded; save before printing, so nothing is lost."""
    _check(arguments)
    from clew.cli.graph_index import with_labels_found
    from clew.cli.progress import Progress
    from clew.cli.reports.graph import print_file, print_report
    from clew.cli.terminal import page

    written: list[tuple[Path, Graph]] = []
    library = opened_library(arguments.library) if arguments.open else None
    try:
        with Progress() as progress:
            model, whole, pruned = _traced(arguments, progress)
            pruned = with_labels_found(pruned)
            progress.stage("Saving")
            failure = _save(arguments, whole, pruned, written)
            entry = library and library.add(whole if arguments.keep == "all" else pruned)
        with page() as console:
            print_report(console, pruned)
            for path, graph in written:
                print_file(console, "Saved", path, graph)
            if not arguments.out and not arguments.json and not arguments.open:
                console.print("Nothing was saved; --out FILE.clew keeps the graph.")
    except BaseException as error:
        if library:
            library.close()
        if not isinstance(error, KeyboardInterrupt):
            raise
        names = " and ".join(str(path) for path, _ in written)
        raise KeyboardInterrupt(names and f"{names} had been written") from None
    if library and entry:
        _show(library, entry.id, model)
    if failure:
        raise failure


def _show(library: Library, graph: str, model: Model) -> None:
    from clew.server.http_server import listen

    print()
    serve_until_stopped(listen(), library, graph=graph, model=model)


def _check(arguments: argparse.Namespace) -> None:
    check_prompt(arguments, " in front of --targets" if arguments.targets else "")
    if arguments.library is not None and not arguments.open:
        raise ClewError("--library is for --open, which is not there; --out FILE.clew saves a file")
    for path in (arguments.out, arguments.json):
        if path is not None:
            check_writable(path)


def _traced(arguments: argparse.Namespace, progress: Progress) -> tuple[Model, Graph, Graph]:
    """The model, the whole graph, and what pruning keeps of it."""

    begin = time.perf_counter()
    model = load_model(arguments, progress)
    from clew.attribution.trace import GapWarning

    warnings.simplefilter("ignore", GapWarning)  # the report says it in words
    loading = time.perf_counter() - begin
    progress.stage("Reading the prompt")
    prompt = arguments.prompt if arguments.tokens is None else arguments.tokens
    call = settings_of(arguments, TraceCall, on_progress=progress.work)
    whole = model.trace(prompt, **vars(call))
    whole = whole.with_info(timing={"loading": loading, **whole.info.timing})
    return model, whole, whole.prune(call.node_threshold, call.edge_threshold)


def _save(
    arguments: argparse.Namespace, whole: Graph, pruned: Graph, written: list[tuple[Path, Graph]]
) -> ClewError | None:
    """Write what was asked for and note it in `written`; what could not be written is told afterwards."""
    for path, graph in (
        (arguments.out, whole if arguments.keep == "all" else pruned),
        (arguments.json, pruned),
    ):
        if path is not None:
            try:
                written.append((graph.save(path), graph))
            except ClewError as error:
                return error
    return None
