"""`clew dictionary list`: the dictionaries that are at hand on this machine, and for which models."""

from __future__ import annotations

import argparse

SUMMARY = "list the dictionaries that are at hand, and for which models"
USAGE = "[options]"
EXAMPLE = """\
example:
  clew dictionary list
  clew trace "The capital of France is" --dictionary neurons"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no options of its own."""


def run(arguments: argparse.Namespace) -> None:
    from rich.text import Text

    from clew.cli.terminal import page, size
    from clew.dictionary.short_names import NAMED_DICTIONARIES

    with page() as console:
        for each in NAMED_DICTIONARIES.values():
            folder = each.folder
            console.print(Text(f"  {each.name}  for {each.model}  {each.licence}"), soft_wrap=True)
            console.print(Text(f"    {each.description}", style="dim"), soft_wrap=True)
            if folder is None:
                console.print(Text(f"    not installed: {each.command}", style="dim"), soft_wrap=True)
            else:
                weight = size(sum(file.stat().st_size for file in folder.iterdir()))
                console.print(
                    Text(f"    {weight} in {folder}; used for {each.model} by default", style="dim"),
                    soft_wrap=True,
                )
        console.print(Text("  neurons  for every model but mixtures of experts"), soft_wrap=True)
        console.print(
            Text("    the model's own, with nothing to install; used where no other is", style="dim"),
            soft_wrap=True,
        )
        console.print()
        console.print(
            "--dictionary takes one of these names, a folder, a file or a hub path of transcoders.",
            soft_wrap=True,
        )
