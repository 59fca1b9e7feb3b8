"""`clew dictionary inspect`: facts about transcoders, and how well they explain a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.attribution.settings import PromptSettings
from clew.cli.model_options import add_overrides, read_transcoders
from clew.cli.options import add_option, add_options
from clew.errors import ClewError
from clew.load_settings import LoadSettings

SUMMARY = "measure transcoders on a text, layer by layer"
USAGE = "REF [options]"
EXAMPLE = """\
example:
  clew dictionary inspect my-transcoders --model smollm2
  clew dictionary inspect org/name --model org/model --text novel.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dictionary", metavar="REF", help="a folder, a file or a hub reference")
    add_option(parser, LoadSettings, "reference", flag="--model", metavar="NAME")
    parser.add_argument(
        "--text", metavar="FILE", type=Path, help="text to measure on (default: a built-in one)"
    )
    add_options(parser, PromptSettings, sink="TOKEN")
    add_overrides(parser.add_argument_group("corrections of the files"))


def run(arguments: argparse.Namespace) -> None:
    """Check the text before anything is loaded."""
    from clew.cli.progress import Progress
    from clew.cli.reports.dictionary import print_dictionary
    from clew.cli.terminal import page
    from clew.dictionary.misfit import misfit, suspicion
    from clew.dictionary.quality import TEXT, measure_quality
    from clew.dictionary.reference import short_name
    from clew.dictionary.replaced_model import measure_replaced_model
    from clew.dictionary.transcoder_dictionary import bind
    from clew.facade import load_model

    if arguments.dictionary == "neurons":
        raise ClewError("Neurons are the model's own MLPs, so there is nothing to measure; name transcoders.")
    text = TEXT if arguments.text is None else _text(arguments.text)
    with Progress() as progress:
        transcoders = read_transcoders(arguments, progress)
        progress.stage(f"Loading {arguments.reference}")
        model = load_model(arguments.reference, on_note=progress.note)
        name = short_name(arguments.dictionary)
        dictionary = bind(model, transcoders, name, low_memory=True)
        progress.stage("Measuring")
        quality = measure_quality(dictionary, text, arguments.sink)
        progress.stage("Trying other read points")
        doubt = suspicion if quality.fvu <= 1 else misfit
        warning = doubt(dictionary, quality, text)
        progress.stage("Replacing every MLP")
        replaced = measure_replaced_model(dictionary, text, sink=arguments.sink)
        for remark in dictionary.remarks:
            progress.note(remark)
    with page() as console:
        print_dictionary(console, arguments.dictionary, dictionary, quality, replaced, warning)


def _text(path: Path) -> str:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ClewError(f"{path} is not text in UTF-8; name a plain text file.") from error
    except OSError as error:
        raise ClewError(
            f"{path} cannot be read ({error.strerror or error}); check its name and folder."
        ) from error
    if not text.strip():
        raise ClewError(f"{path} is empty; name a text of a few sentences.")
    return text
