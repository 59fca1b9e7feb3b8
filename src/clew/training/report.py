"""The end of a run: the saved transcoders are measured, and a report and a model card lie beside them."""

from __future__ import annotations

from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from clew.files import write_file
from clew.inspection.html_report import write_html_report
from clew.inspection.inspection import Inspection, inspect_dictionary
from clew.model.language_model import LanguageModel
from clew.progress import OnNote, ignore_note
from clew.training.log import FILE as LOG
from clew.training.model_card import model_card
from clew.training.settings import TrainSettings

REPORT, CARD = "report.html", "README.md"
GRAPHS = 3
"""Prompts that are traced, with the dictionary and with the model's neurons."""


def write_report(
    model: LanguageModel,
    settings: TrainSettings,
    held_out: Int[Tensor, "sequence position"],
    *,
    on_note: OnNote = ignore_note,
) -> Inspection:
    """Measure the transcoders in the folder `settings.out`, as they were saved, and tell of it there.

    Args:
        model: The model that they were trained on.
        settings: The settings that they were trained with.
        held_out: Texts that they were not trained on, each with a sink in front.
        on_note: Called with what is measured.
    """
    folder = Path(settings.out).expanduser()
    dictionary = bind(model, load_transcoders(folder), folder.resolve().name)
    inspection = inspect_dictionary(
        dictionary,
        list(held_out),
        graphs=GRAPHS,
        neurons=True,
        on_stage=lambda stage: on_note(f"{stage} ..."),
    )
    write_html_report(inspection, folder / REPORT, text="held-out text", log=folder / LOG)
    write_file(folder / CARD, model_card(inspection, dictionary, settings).encode())
    return inspection
