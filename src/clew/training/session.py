"""A whole training run: text, steps, checkpoints, and in the end a folder of transcoders."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.files import check_new_folder
from clew.inspection.inspection import Inspection
from clew.model.language_model import LanguageModel
from clew.progress import OnNote, OnStep, ignore_note, ignore_step
from clew.training.activations import fast_attention
from clew.training.checkpoint import FILE as CHECKPOINT
from clew.training.checkpoint import load_checkpoint, save_checkpoint
from clew.training.feasibility import (
    check_model,
    check_settings,
    free_memory,
    layers_of,
    n_features_of,
    sink_of,
)
from clew.training.log import Log, check_tensorboard
from clew.training.report import write_report
from clew.training.run import StepFigures, TrainingRun
from clew.training.saved_settings import SavedRun, read_settings, save_settings, settings_to_go_on
from clew.training.settings import BATCH, OnFigures, TrainSettings, ignore_figures
from clew.training.text.opening import SELF, Shape, open_data
from clew.training.text.sources import Skipped, find_sources

RUN = "run"
"""The folder in a run's folder that holds what only training needs."""
HELD_OUT = {"cuda": 256, "cpu": 64}
"""Held-out sequences that the result is measured on, by device."""


@dataclass(frozen=True)
class Trained:
    """Transcoders after a run, in their folder."""

    folder: Path
    settings: TrainSettings
    """The settings as they were used: sizes that were left open are chosen."""
    dictionary: TranscoderSet
    figures: Inspection | None
    """Measured on held-out text; None for a run that was stopped."""
    step: int
    n_steps: int

    @property
    def complete(self) -> bool:
        """False for a run that was stopped and can be resumed."""
        return self.step >= self.n_steps

    def __repr__(self) -> str:
        state = str(self.figures) if self.figures else f"stopped at step {self.step:,} of {self.n_steps:,}"
        return f"Trained({self.folder}, {self.dictionary.kind}, {state})"


def check_before_loading(settings: TrainSettings) -> SavedRun | None:
    """Check all that needs no model, and give the run to go on with, if the settings say so.

    Raises `ClewError` for an option out of bounds, text that is not there, a folder that is not empty, and a
    folder without a run to go on with.
    """
    folder, saved = Path(settings.out).expanduser(), None
    if settings.resume:
        saved = read_settings(folder)
        settings = settings_to_go_on(saved, settings)
    check_settings(settings)
    find_sources([name for name in _data(settings) if name != SELF], settings.field, Skipped())
    if settings.tensorboard:
        check_tensorboard()
    if saved is None:
        check_new_folder(folder)
    return saved


def train(
    model: LanguageModel,
    settings: TrainSettings,
    *,
    on_note: OnNote = ignore_note,
    on_text: OnStep = ignore_step,
    on_figures: OnFigures = ignore_figures,
    should_stop: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train transcoders of a model, and save them in circuit-tracer's format.

    Args:
        model: The model whose MLPs they replace.
        settings: The transcoders, their text and the schedule.
        on_note: Called with a sentence about what was measured or begins.
        on_text: Called with how many texts the model has written, and how many it will write.
        on_figures: Called with the figures of each step.
        should_stop: Asked after each step; if it says so, what is there is saved, to be resumed.

    Raises:
        ClewError: Anything that `check_before_loading` refuses, a model or a machine that the settings do
            not fit, text that is too little, a loss that is not finite, or a disk that is full.
    """
    saved = check_before_loading(settings)
    if saved is not None:
        settings = _same_model(model, saved, settings_to_go_on(saved, settings))
    layers, sink = layers_of(model, settings), sink_of(model, settings)
    check_model(model, layers, settings, free_memory(model.device))
    if saved is None:
        settings = replace(
            settings,
            features=n_features_of(model, settings),
            memory=settings.memory or free_memory(model.device) // 4,
            batch=settings.batch or BATCH,
        )
        Path(settings.out).expanduser().mkdir(parents=True, exist_ok=True)
        save_settings(Path(settings.out).expanduser(), model.name, model.weights_key, settings)
    return _Session(model, settings, layers, sink, on_note, on_figures).run(should_stop, on_text)


def _data(settings: TrainSettings) -> list[str]:
    data = [settings.data] if isinstance(settings.data, str | Path) else settings.data
    return [str(each) for each in data]


def _same_model(model: LanguageModel, saved: SavedRun, settings: TrainSettings) -> TrainSettings:
    if (saved.model, saved.weights) != (model.name, model.weights_key):
        raise ClewError(
            f"The run in {settings.out} trains transcoders of {saved.model} (weights {saved.weights}), and "
            f"the model is {model.name} (weights {model.weights_key}); load the same one."
        )
    return settings


class _Session:
    """The run between its folder and its listeners."""

    def __init__(
        self,
        model: LanguageModel,
        settings: TrainSettings,
        layers: Sequence[int],
        sink: int,
        on_note: OnNote,
        on_figures: OnFigures,
    ) -> None:
        self.model, self.settings, self.layers, self.sink = model, settings, layers, sink
        self.on_note, self.on_figures = on_note, on_figures
        self.folder = Path(settings.out).expanduser()

    @property
    def scratch(self) -> Path:
        return self.folder / RUN

    def run(self, should_stop: Callable[[], bool], on_text: OnStep) -> Trained:
        state: dict[str, Any] | None = None
        if self.settings.resume and (self.scratch / CHECKPOINT).exists():
            state = load_checkpoint(self.scratch)
        settings = self.settings
        context, batch = settings.context, settings.batch or BATCH
        shape = Shape(self.sink, context, max(1, batch // context), seed=settings.seed)
        batches = open_data(
            self.model,
            _data(settings),
            shape,
            tokens=(settings.tokens or 0) + (settings.end_to_end or 0),
            field=settings.field,
            folder=self.scratch,
            on_step=on_text,
        )
        self.scratch.mkdir(exist_ok=True)
        training = TrainingRun(self.model, self.layers, batches, settings)
        if state is not None:
            training.restore(state["run"])
            self.on_note(f"Goes on after step {training.step:,} of {training.n_steps:,}.")
        log = Log(self.folder, training.step, tensorboard=settings.tensorboard)
        with fast_attention(self.model, batches.held_out[:2]), log:
            self._steps(training, log, should_stop)
        self._save(training)
        figures = None
        if training.finished:
            held_out = batches.held_out[: HELD_OUT.get(self.model.device.type, 64)]
            figures = write_report(self.model, settings, held_out, on_note=self.on_note)
            (self.scratch / CHECKPOINT).unlink(missing_ok=True)
        return Trained(
            self.folder,
            settings,
            load_transcoders(self.folder),
            figures,
            training.step,
            training.n_steps,
        )

    def _steps(self, training: TrainingRun, log: Log, should_stop: Callable[[], bool]) -> None:
        saved = time.monotonic()
        while not training.finished:
            figures = training.advance()
            self._refuse_not_finite(figures)
            log.write(training.step, figures)
            self.on_figures(figures)
            stop = should_stop()
            if stop or time.monotonic() - saved > 60 * self.settings.checkpoint:
                save_checkpoint(self.scratch, {"run": training.state()})
                saved = time.monotonic()
            if stop:
                return

    def _refuse_not_finite(self, figures: StepFigures) -> None:
        bad = (~figures.fvu.isfinite()).nonzero().flatten().tolist()
        if bad:
            raise ClewError(
                f"The loss of layer {self.layers[bad[0]]} is not finite at step {figures.step:,} of the "
                f"stage {figures.stage}; lower the rate of learning."
            )

    def _save(self, training: TrainingRun) -> None:
        """Write the transcoders as they are; each file replaces the older one whole."""
        transcoders = training.transcoders(self.model.name, self.model.token_text(self.sink))
        written = self.scratch / "weights"
        shutil.rmtree(written, ignore_errors=True)
        save_transcoders(transcoders, written, self.model.name, bits=self.settings.bits)
        for path in sorted(written.iterdir(), key=lambda path: path.suffix == ".yaml"):
            path.replace(self.folder / path.name)
        written.rmdir()
