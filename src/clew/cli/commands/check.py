"""`clew check`: a model and its dictionary, checked from the files to generated tokens."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

from clew.cli.model_options import add_machine, add_overrides, load_model
from clew.cli.options import add_option, settings_of
from clew.load_settings import LoadSettings

SUMMARY = "check that a model and its dictionary are read right"
USAGE = "[MODEL] [options]"
EXAMPLE = """\
example:
  clew check smollm2
  clew check my-model --dictionary my-transcoders --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "reference",
        nargs="?",
        default=LoadSettings.reference,
        metavar="MODEL",
        help="short name, folder, .gguf file or hub id (default: smollm2)",
    )
    add_option(parser, LoadSettings, "dictionary", metavar="REF")
    add_overrides(parser.add_argument_group("corrections of the dictionary's files"))
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print all findings as JSON")
    add_machine(parser.add_argument_group("computation"))


def run(arguments: argparse.Namespace) -> int:
    """Load without the checks of loading, so that all of them have a line; 1 where one fails."""
    from clew.cli.progress import Progress
    from clew.cli.reports.check import print_check
    from clew.cli.terminal import page

    begin = time.perf_counter()
    with Progress() as progress:
        model = load_model(replace(settings_of(arguments, LoadSettings), check=False), progress)
        result = model.check(on_progress=progress.work)
    if arguments.json:
        print(json.dumps(result.as_json(), indent=2))
    else:
        with page() as console:
            print_check(console, result, time.perf_counter() - begin)
    return 0 if result.ok else 1
