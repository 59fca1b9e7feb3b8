"""`clew trace`: load a model, trace a prompt, save and print the graph."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from clew.attribution.settings import TraceCall, TraceSettings
from clew.cli.arguments import file_ending_in, target
from clew.cli.library_server import add_library, open_library, serve_until_stopped
from clew.cli.model_options import (
    add_chat,
    add_machine,
    add_model,
    add_prompt,
    add_tokens,
    load_model,
    prompt_of,
)
from clew.cli.options import MEBIBYTE, add_option, add_options, settings_of
from clew.cli.settings import TraceOutput
from clew.errors import ClewError
from clew.files import check_writable
from clew.load_settings import LoadSettings
from clew.model.messages import PromptLike

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
    add_prompt(parser, "text whose next token is explained")
    what = parser.add_argument_group("what to trace")
    add_tokens(what)
    add_chat(what)
    add_model(what)
    add_option(what, TraceSettings, "targets", nargs="+", type=target, metavar="TEXT")
    add_options(what, TraceSettings, sink="TOKEN")
    size = parser.add_argument_group("size of the graph")
    add_options(size, TraceSettings, max_targets="N", target_probability="P", max_nodes="N")
    add_options(size, TraceSettings, node_threshold="P", edge_threshold="P", selection="HOW")
    _add_files(parser.add_argument_group("output"))
    machine = parser.add_argument_group("computation")
    add_machine(machine)
    add_option(machine, TraceSettings, "memory", unit=MEBIBYTE, metavar="MIB")


def _add_files(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--out", type=file_ending_in(".clew"), metavar="FILE.clew", help="save the graph here")
    pruned = "save the pruned graph here, in Neuronpedia's JSON"
    group.add_argument("--json", type=file_ending_in(".json"), metavar="FILE.json", help=pruned)
    add_options(group, TraceOutput, keep="WHAT")
    group.add_argument("--open", action="store_true", help="add the graph to the library, and open the page")
    add_library(group)


def run(arguments: argparse.Namespace) -> None:
    """Check the arguments before anything is loaded; save before printing, so nothing is lost."""
    prompt = prompt_of(arguments, "--targets" if arguments.targets else "")
    if arguments.library is not None and not arguments.open:
        raise ClewError("--library needs --open; to save the graph as a file, use --out FILE.clew")
    for path in (arguments.out, arguments.json):
        if path is not None:
            check_writable(path)
    from clew.cli.index_lookup import with_labels_of_index
    from clew.cli.progress import Progress
    from clew.cli.reports.graph import print_file, print_report
    from clew.cli.terminal import page

    written: list[tuple[Path, Graph]] = []
    library = open_library(arguments.library) if arguments.open else None
    try:
        with Progress() as progress:
            model, whole, pruned = _trace(arguments, prompt, progress)
            pruned = with_labels_of_index(pruned)
            progress.stage("Saving")
            failure = _save(arguments, whole, pruned, written)
            entry = library and library.add(whole if arguments.keep == "all" else pruned)
        with page() as console:
            print_report(console, pruned)
            for path, graph in written:
                print_file(console, "Saved", path, graph)
            if not arguments.out and not arguments.json and not arguments.open:
                console.print("The graph is not saved; --out FILE.clew saves it.")
    except BaseException as error:
        if library:
            library.close()
        if not isinstance(error, KeyboardInterrupt):
            raise
        names = " and ".join(str(path) for path, _ in written)
        raise KeyboardInterrupt(names and f"{names} had been written") from None
    if library and entry:
        _open_page(library, entry.id, model)
    if failure:
        raise failure


def _trace(
    arguments: argparse.Namespace, prompt: PromptLike, progress: Progress
) -> tuple[Model, Graph, Graph]:
    """The model, the whole graph, and what pruning keeps of it."""
    begin = time.perf_counter()
    model = load_model(settings_of(arguments, LoadSettings), progress)
    from clew.attribution.trace import GapWarning
    from clew.model.normalization import ChangedPrompt
    from clew.model.sink import DisturbingSink

    for category in (GapWarning, ChangedPrompt, DisturbingSink):  # the report says it in words
        warnings.simplefilter("ignore", category)
    loading = time.perf_counter() - begin
    progress.stage("Reading the prompt")
    call = settings_of(arguments, TraceCall, on_progress=progress.work)
    whole = model.trace(prompt, **vars(call))
    whole = whole.with_info(timing={"loading": loading, **whole.info.timing})
    return model, whole, whole.prune(call.node_threshold, call.edge_threshold)


def _save(
    arguments: argparse.Namespace, whole: Graph, pruned: Graph, written: list[tuple[Path, Graph]]
) -> ClewError | None:
    """Write the files and list them in `written`; an error is returned, so that the report comes first."""
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


def _open_page(library: Library, graph: str, model: Model) -> None:
    from clew.server.http_server import listen

    print()
    serve_until_stopped(listen(), library, graph=graph, model=model)
