"""`clew dictionary inspect`: what transcoders are, and how well they explain a model, layer by layer."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.cli.model_options import add_overrides, read_transcoders
from clew.errors import ClewError

SUMMARY = "measure transcoders on a text, layer by layer"
USAGE = "REF [options]"
EXAMPLE = """\
example:
  clew dictionary inspect my-transcoders --model smollm2
  clew dictionary inspect org/name --model org/model --text novel.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REF", help="a folder, a file or a hub reference")
    parser.add_argument(
        "--model",
        metavar="NAME",
        default="smollm2",
        help="the model it is for: short name, folder, .gguf file or hub id (default: %(default)s)",
    )
    parser.add_argument(
        "--text", metavar="FILE", type=Path, help="measure on this text, not on a built-in one"
    )
    add_overrides(parser.add_argument_group("what the files say wrong, or do not say"))


def run(arguments: argparse.Namespace) -> None:
    """Refuse a text that cannot be read before anything is loaded."""
    from clew.cli.progress import Progress
    from clew.cli.reports.dictionary import print_dictionary
    from clew.cli.terminal import page
    from clew.dictionary.misfit import misfit
    from clew.dictionary.quality import TEXT, measure_quality
    from clew.dictionary.reference import short_name
    from clew.dictionary.transcoder_dictionary import bind
    from clew.facade import load_model

    if arguments.reference == "neurons":
        raise ClewError(
            "neurons need no measuring: they are the model's MLPs, so they leave nothing unexplained."
        )
    text = TEXT if arguments.text is None else _text(arguments.text)
    with Progress() as progress:
        transcoders = read_transcoders(arguments, progress)
        progress.stage(f"Loading {arguments.model}")
        model = load_model(arguments.model, on_note=progress.note)
        dictionary = bind(model, transcoders, short_name(arguments.reference), low_memory=True)
        progress.stage("Measuring")
        quality = measure_quality(dictionary, text)
        progress.stage("Looking for what would fit better")
        warning = misfit(dictionary, quality, text) if quality.fvu > 1 else ""
    with page() as console:
        print_dictionary(console, arguments.reference, dictionary, quality, warning)


def _text(path: Path) -> str:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ClewError(f"{path} is not text in UTF-8; give a plain text file.") from error
    except OSError as error:
        raise ClewError(
            f"{path} cannot be read ({error.strerror or error}); check the name and the folder."
        ) from error
    if not text.strip():
        raise ClewError(f"{path} is empty; give a text of a few sentences.")
    return text
