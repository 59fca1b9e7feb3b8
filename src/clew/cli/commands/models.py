"""`clew models`: the models that are ready on this machine, and how to get the others."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from clew.model.ready_models import ReadyModel

SUMMARY = "list the models that are ready on this machine"
USAGE = "[options]"
EXAMPLE = """\
example:
  clew models
  clew trace "The capital of France is" --model smollm2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no options of its own."""


def run(arguments: argparse.Namespace) -> None:
    from clew.cli.terminal import page
    from clew.model.ready_models import ready_models

    models = ready_models()
    ready = [model for model in models if model.ready]
    missing = [model for model in models if not model.ready and not model.outdated]
    outdated = [model for model in models if model.outdated]
    with page() as console:
        groups = (
            ("Ready", ready),
            ("Not here yet", missing),
            ("Of other versions of clew, not used: delete them to make room", outdated),
        )
        for title, group in groups:
            if group:
                console.print(title, style="bold")
                for model in group:
                    _print_model(console, model)
                console.print()
        line = "clew trace PROMPT --model NAME takes one of these names, a folder, a .gguf file or a hub id."
        console.print(line, soft_wrap=True)


def _print_model(console: Console, model: ReadyModel) -> None:
    """Print a model; names, folders and commands have lines of their own, so that they can be copied."""
    from rich.text import Text

    from clew.cli.terminal import size
    from clew.dictionary.short_names import NAMED_DICTIONARIES
    from clew.model.short_names import NAMED_MODELS

    facts = [model.licence, size(model.size) if model.size else ""]
    console.print("  ".join(["", model.name, *(fact for fact in facts if fact)]), soft_wrap=True)
    named = NAMED_MODELS.get(model.name)
    dictionaries = [each for each in NAMED_DICTIONARIES.values() if each.model == model.name]
    for line in (
        model.description,
        f"in {model.folder}" if model.folder and str(model.folder) != model.name else "",
        "" if model.folder or not model.ready else "installed; the first use converts it once",
        model.command,
        "" if model.ready or named is None else named.terms,
        *(f"dictionary {each.name}" + ("" if each.folder else f": {each.command}") for each in dictionaries),
    ):
        if line:
            style = "" if line == model.command else "dim"
            console.print(Text(f"    {line}", style=style), soft_wrap=True)
