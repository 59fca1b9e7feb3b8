"""`clew dictionary inspect`: facts about transcoders, and how well they explain a model."""

from __future__ import annotations

import argparse
from pathlib import Path

from clew.attribution.settings import PromptSettings
from clew.cli.model_options import add_overrides, read_transcoders
from clew.cli.options import add_option, add_options, settings_of
from clew.errors import ClewError
from clew.files import check_writable, named_path
from clew.inspection.settings import InspectSettings
from clew.load_settings import LoadSettings

SUMMARY = "measure transcoders on a text, and write a report"
USAGE = "REF [options]"
EXAMPLE = """\
example:
  clew dictionary inspect my-transcoders --model smollm2
  clew dictionary inspect org/name --model org/model --report report.html"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dictionary", metavar="REF", help="a folder, a file or a hub reference")
    add_option(parser, LoadSettings, "reference", flag="--model", metavar="NAME")
    parser.add_argument(
        "--text", metavar="FILE", type=Path, help="text to measure on (default: a built-in one)"
    )
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="write all figures with plots to a page (HTML)"
    )
    add_options(parser, InspectSettings, graphs="N", max_nodes="N")
    add_options(parser, PromptSettings, sink="TOKEN")
    add_overrides(parser.add_argument_group("corrections of the files"))


def run(arguments: argparse.Namespace) -> None:
    """Check the text before anything is loaded."""
    from clew.cli.progress import Progress
    from clew.cli.reports.dictionary import print_dictionary
    from clew.cli.terminal import page
    from clew.dictionary.built_in_texts import longer_text
    from clew.dictionary.misfit import misfit, suspicion
    from clew.dictionary.quality import text_windows
    from clew.dictionary.reference import short_name
    from clew.dictionary.transcoder_dictionary import bind
    from clew.facade import load_model
    from clew.inspection.html_report import write_html_report
    from clew.inspection.inspection import inspect_dictionary

    if arguments.dictionary == "neurons":
        raise ClewError("Neurons are the model's own MLPs, so there is nothing to measure; name transcoders.")
    text = longer_text() if arguments.text is None else _text(arguments.text)
    if arguments.report is not None:
        check_writable(arguments.report)
    settings = settings_of(arguments, InspectSettings)
    with Progress() as progress:
        transcoders = read_transcoders(arguments, progress)
        progress.stage(f"Loading {arguments.reference}")
        model = load_model(arguments.reference, on_note=progress.note)
        dictionary = bind(model, transcoders, short_name(arguments.dictionary), low_memory=True)
        inspection = inspect_dictionary(
            dictionary,
            text_windows(dictionary, text, arguments.sink),
            graphs=settings.graphs,
            neurons=True,
            max_nodes=settings.max_nodes,
            sink=arguments.sink,
            on_stage=progress.stage,
        )
        progress.stage("Trying other read points")
        quality = inspection.quality
        warning = (suspicion if quality.fvu <= 1 else misfit)(dictionary, quality, text)
        for remark in dictionary.remarks:
            progress.note(remark)
    if arguments.report is not None:
        name = "the built-in text" if arguments.text is None else arguments.text.name
        write_html_report(inspection, arguments.report, text=name, warning=warning)
    with page() as console:
        print_dictionary(console, arguments.dictionary, dictionary, inspection, warning)
    if arguments.report is not None:
        print(f"Saved  {arguments.report}")


def _text(path: Path) -> str:
    try:
        text = named_path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ClewError(f"{path} is not text in UTF-8; name a plain text file.") from error
    except OSError as error:
        raise ClewError(
            f"{path} cannot be read ({error.strerror or error}); check its name and folder."
        ) from error
    if not text.strip():
        raise ClewError(f"{path} is empty; name a text of a few sentences.")
    return text
