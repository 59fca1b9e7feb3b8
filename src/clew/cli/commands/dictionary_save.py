"""`clew dictionary save`: write transcoders in the format that most tools read, or with fewer bits."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clew.attribution.settings import PromptSettings
from clew.cli.model_options import add_overrides, read_transcoders
from clew.cli.options import add_option, add_options, settings_of
from clew.dictionary.settings import SaveSettings
from clew.files import check_new_folder
from clew.load_settings import LoadSettings

if TYPE_CHECKING:
    from clew.cli.progress import Progress
    from clew.dictionary.transcoder_set import TranscoderSet
    from clew.inspection.inspection import Inspection
    from clew.model.language_model import LanguageModel

SUMMARY = "write transcoders as a circuit-tracer folder"
USAGE = "REF FOLDER [options]"
EXAMPLE = """\
example:
  clew dictionary save org/name/width_16k my-transcoders
  clew dictionary save my-transcoders compact --bits 4 --model smollm2"""

SINK = "first token that they were trained behind, which every prompt gets (or none)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dictionary", metavar="REF", help="a folder, a file or a hub reference")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="the folder to write, new or empty")
    corrections = parser.add_argument_group("corrections of the files")
    add_overrides(corrections)
    add_option(corrections, PromptSettings, "sink", metavar="TOKEN", help=SINK)
    group = parser.add_argument_group("fewer bits, and what they cost")
    add_options(group, SaveSettings, bits="N", group="N", measure="")
    add_option(group, LoadSettings, "reference", flag="--model", metavar="NAME")


def run(arguments: argparse.Namespace) -> None:
    """Check that the folder is new or empty before anything is read."""
    from clew.cli.progress import Progress
    from clew.cli.reports.dictionary import print_costs
    from clew.cli.terminal import page, size
    from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
    from clew.dictionary.reference import load_transcoders

    folder, saving = check_new_folder(arguments.folder), settings_of(arguments, SaveSettings)
    scores = []
    with Progress() as progress:
        transcoders = read_transcoders(arguments, progress)
        if arguments.sink is not None:
            transcoders = replace(transcoders, sink=arguments.sink)
        measured = saving.bits is not None and saving.measure
        model = _model(arguments, progress) if measured else None
        if model is not None:
            scores.append(_scores(arguments, progress, model, transcoders))
        progress.stage(f"Writing {folder}")
        save_transcoders(transcoders, folder, transcoders.trained_on, bits=saving.bits, group=saving.group)
        for remark in transcoders.remarks:
            progress.note(remark)
        if model is not None:
            scores.append(_scores(arguments, progress, model, load_transcoders(folder)))
    n_layers = len(transcoders.layers)
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    layers = f"{n_layers} layer{'s' * (n_layers > 1)}"
    print(f"Saved  {folder} ({transcoders.kind}, {layers}, {size(n_bytes)})")
    if scores:
        with page() as console:
            print_costs(console, *scores)


def _model(arguments: argparse.Namespace, progress: Progress) -> LanguageModel:
    from clew.facade import load_model

    progress.stage(f"Loading {arguments.reference}")
    return load_model(arguments.reference, on_note=progress.note)


def _scores(
    arguments: argparse.Namespace, progress: Progress, model: LanguageModel, transcoders: TranscoderSet
) -> Inspection:
    from clew.dictionary.reference import short_name
    from clew.dictionary.transcoder_dictionary import bind
    from clew.inspection.inspection import inspect_dictionary

    dictionary = bind(model, transcoders, short_name(arguments.dictionary), low_memory=True)
    return inspect_dictionary(dictionary, on_stage=progress.stage)
