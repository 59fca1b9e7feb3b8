"""`clew dictionary save`: write transcoders in the format that most tools read."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.cli.model_options import add_overrides, read_transcoders
from clew.cli.options import add_options, settings_of
from clew.dictionary.settings import SaveSettings
from clew.files import check_new_folder

SUMMARY = "write transcoders as a circuit-tracer folder"
USAGE = "REF FOLDER [options]"
EXAMPLE = """\
example:
  clew dictionary save org/name/width_16k my-transcoders
  clew dictionary save coder.safetensors my-coder --read-point residual
  clew dictionary save my-transcoders compact --bits 4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dictionary", metavar="REF", help="a folder, a file or a hub reference")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the folder to write, new or empty")
    add_options(parser, SaveSettings, bits="N", group="N")
    add_overrides(parser.add_argument_group("corrections of the files"))


def run(arguments: argparse.Namespace) -> None:
    """Check that the folder is new or empty before anything is read."""
    from clew.cli.progress import Progress
    from clew.cli.terminal import size
    from clew.dictionary.formats.circuit_tracer_writer import save_transcoders

    folder = check_new_folder(arguments.folder)
    with Progress() as progress:
        transcoders = read_transcoders(arguments, progress)
        progress.stage(f"Writing {folder}")
        packing = settings_of(arguments, SaveSettings)
        save_transcoders(transcoders, folder, transcoders.trained_on, bits=packing.bits, group=packing.group)
        for remark in transcoders.remarks:
            progress.note(remark)
    n_layers = len(transcoders.layers)
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    layers = f"{n_layers} layer{'s' * (n_layers > 1)}"
    print(f"Saved  {folder} ({transcoders.kind}, {layers}, {size(n_bytes)})")
