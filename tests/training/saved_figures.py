"""Figures of a run's transcoders as they are now, saved and read back."""

from __future__ import annotations

from pathlib import Path

import torch

from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.quality import Quality, quality_on
from clew.dictionary.reference import load_transcoders
from clew.dictionary.replaced_model import Agreement, measure_agreement
from clew.dictionary.transcoder_dictionary import bind
from clew.model.recording import record
from clew.training.run import TrainingRun


def saved_figures(run: TrainingRun, texts: torch.Tensor, folder: Path) -> tuple[Quality, Agreement]:
    """The quality by layer, and the next tokens with every MLP replaced."""
    target = folder / str(run.step)
    save_transcoders(run.transcoders("tiny", None), target, "tiny", bits=run.settings.bits)
    dictionary = bind(run.model, load_transcoders(target), "saved")
    quality = quality_on(dictionary, (record(run.model, text) for text in texts))
    return quality, measure_agreement(dictionary, texts)
