"""A whole training run: text, steps, checkpoints, and in the end a folder of transcoders."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clew.dictionary.formats import config_yaml
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.files import check_new_folder
from clew.inspection.inspection import Inspection
from clew.interruption import ending_softly
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
from clew.training.finite_loss import NotFiniteLoss, first_not_finite
from clew.training.log import Log, check_tensorboard
from clew.training.plan import estimate, measure_speed, sized
from clew.training.report import write_report
from clew.training.run import StepFigures, TrainingRun
from clew.training.saved_settings import (
    SavedRun,
    check_same_model,
    read_settings,
    save_settings,
    settings_to_go_on,
)
from clew.training.settings import BATCH, OnFigures, TrainSettings, ignore_figures
from clew.training.text.batches import TokenBatches
from clew.training.text.opening import SELF, Shape, open_data
from clew.training.text.sources import Skipped, find_sources

RUN = "run"
"""The folder in a run's folder that holds what only training needs."""
HELD_OUT = {"cuda": 256, "cpu": 64}
"""Held-out sequences that the result is measured on, by device."""
UNSEEN_STEPS = 20
"""Steps after which a GPU is made to wait for a look at its losses."""
STOPPING = "Saving after this step; press Ctrl-C again to stop at once."
AT_CHECKPOINT = "the run is at its last checkpoint; --resume continues"


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
        if not (folder / RUN / CHECKPOINT).exists() and (folder / config_yaml.FILE).exists():
            raise ClewError(
                f"The run in {folder} is complete; train on from it with --init-from into another folder."
            )
    check_settings(settings)
    find_sources([name for name in data_of(settings) if name != SELF], settings.field, Skipped())
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
) -> Trained:
    """Train transcoders of a model, and save them in circuit-tracer's format.

    Ctrl-C ends the run with what there is, saved and ready to be resumed; a second one ends it at once.

    Args:
        model: The model whose MLPs they replace.
        settings: The transcoders, their text and the schedule.
        on_note: Called with a sentence about what was measured or begins.
        on_text: Called with how many texts the model has written, and how many it will write.
        on_figures: Called with the figures of each step.

    Raises:
        ClewError: Anything that `check_before_loading` refuses, a model or a machine that the settings do
            not fit, text that is too little, a loss that is not finite, or a disk that is full.
    """
    saved = check_before_loading(settings)
    if saved is not None:
        settings = settings_to_go_on(saved, settings)
        check_same_model(saved, model.name, model.weights_key)
    layers, sink = layers_of(model, settings), sink_of(model, settings)
    check_model(model, layers, settings, free_memory(model.device))
    begun = _Begun(model, settings, layers, sink, on_note)
    batches = None if SELF in data_of(settings) else begun.open(on_text)
    if saved is None:
        begun.choose_sizes()
        begun.folder.mkdir(parents=True, exist_ok=True)
    save_settings(begun.folder, model.name, model.weights_key, begun.settings)
    try:
        training = begun.training(batches or begun.open(on_text))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"no step was taken; --resume begins the run in {begun.folder}") from None
    return _Session(begun, training, on_figures).run()


def data_of(settings: TrainSettings) -> list[str]:
    """The names of files, folders and datasets, and `self`."""
    data = [settings.data] if isinstance(settings.data, str | Path) else settings.data
    return [str(each) for each in data]


class _Begun:
    """A run that is about to begin."""

    def __init__(
        self,
        model: LanguageModel,
        settings: TrainSettings,
        layers: Sequence[int],
        sink: int,
        on_note: OnNote,
    ) -> None:
        self.model, self.settings, self.layers, self.sink = model, settings, layers, sink
        self.on_note = on_note
        self.folder = Path(settings.out).expanduser()
        self.scratch = self.folder / RUN

    def open(self, on_text: OnStep) -> TokenBatches:
        """The text to train on."""
        settings = self.settings
        rows = max(1, (settings.batch or BATCH) // settings.context)
        return open_data(
            self.model,
            data_of(settings),
            Shape(self.sink, settings.context, rows, seed=settings.seed),
            tokens=(settings.tokens or 0) + (settings.end_to_end or 0),
            field=settings.field,
            folder=self.scratch,
            on_step=on_text,
        )

    def choose_sizes(self) -> None:
        """Choose what the settings leave open, and say how long the run will take."""
        self.settings = replace(
            self.settings,
            features=n_features_of(self.model, self.settings),
            memory=self.settings.memory or free_memory(self.model.device) // 4,
        )
        self.on_note("Measuring the speed of this machine ...")
        speed = measure_speed(
            self.model,
            self.layers,
            self.settings,
            sink=self.sink,
            writes=SELF in data_of(self.settings),
        )
        self.settings = sized(self.settings, speed)
        self.on_note(estimate(self.settings, speed))

    def training(self, batches: TokenBatches) -> TrainingRun:
        """The run at its beginning, or where its checkpoint left it."""
        state: dict[str, Any] | None = None
        if self.settings.resume and (self.scratch / CHECKPOINT).exists():
            state = load_checkpoint(self.scratch)
        self.scratch.mkdir(exist_ok=True)
        self.on_note("Measuring the MLPs' inputs and outputs ...")
        training = TrainingRun(self.model, self.layers, batches, self.settings)
        if state is not None:
            training.restore(state)
            self.on_note(f"The run goes on after step {training.step:,} of {training.n_steps:,}.")
        return training


class _Session:
    """The steps of a run, its checkpoints, and its end."""

    def __init__(self, begun: _Begun, training: TrainingRun, on_figures: OnFigures) -> None:
        self.begun, self.training, self.on_figures = begun, training, on_figures
        self.model, self.settings, self.on_note = begun.model, begun.settings, begun.on_note
        self.folder, self.scratch = begun.folder, begun.scratch
        self.unseen: list[tuple[int, StepFigures]] = []
        """Steps whose losses have not been looked at."""

    def run(self) -> Trained:
        """Take all steps, or as many as there are before Ctrl-C; then save."""
        training, held_out, figures = self.training, self.training.batches.held_out, None
        with fast_attention(self.model, held_out[:2]):
            with (
                Log(self.folder, training.step, tensorboard=self.settings.tensorboard) as log,
                ending_softly(lambda: self.on_note(STOPPING), AT_CHECKPOINT) as asked,
            ):
                self._steps(log, asked)
            if not training.finished:
                save_checkpoint(self.scratch, training.state())
            self._save()
        if training.finished:
            some = held_out[: HELD_OUT.get(self.model.device.type, HELD_OUT["cpu"])]
            figures = write_report(self.model, self.settings, some, on_note=self.on_note)
            (self.scratch / CHECKPOINT).unlink(missing_ok=True)
        dictionary = load_transcoders(self.folder)
        return Trained(
            self.folder, self.settings, dictionary, figures, self.training.step, self.training.n_steps
        )

    def _steps(self, log: Log, asked: Callable[[], bool]) -> None:
        at_once = UNSEEN_STEPS if self.model.device.type == "cuda" else 1
        saved = time.monotonic()
        while not (self.training.finished or asked()):
            try:
                figures = self.training.advance()
            except NotFiniteLoss as error:
                raise self._not_finite(self.training.step, error.place) from None
            self.unseen.append((self.training.step, figures))
            due = time.monotonic() - saved > 60 * self.settings.checkpoint
            if due or len(self.unseen) >= at_once or self.training.finished:
                self._look(log)
            self.on_figures(figures)
            if due:
                self._checkpoint()
                saved = time.monotonic()
        self._look(log)

    def _look(self, log: Log) -> None:
        """Refuse losses that are not finite, and note the others."""
        for step, figures in self.unseen:
            if not bool(figures.fvu.isfinite().all()):
                raise self._not_finite(step, first_not_finite(figures.fvu))
            log.write(step, figures)
        self.unseen.clear()

    def _checkpoint(self) -> None:
        """Write the state of the run, unless the disk is full: then the last one stays."""
        try:
            save_checkpoint(self.scratch, self.training.state())
        except ClewError as error:
            self.on_note(f"Warning: {error} The run goes on; its last checkpoint stays.")

    def _not_finite(self, step: int, place: int | None) -> ClewError:
        """Save the last good weights, and tell what happened."""
        training, kept = self.training, "no weights had been saved"
        training.step = step - 1
        if not training.is_finite and (self.scratch / CHECKPOINT).exists():
            training.restore(load_checkpoint(self.scratch))
        if training.is_finite:
            self._save()
            kept = f"the weights of step {training.step:,} are in {self.folder}"
        loss = "The KL divergence" if place is None else f"The loss of layer {self.begun.layers[place]}"
        return ClewError(
            f"{loss} is not finite at step {step:,} of {training.n_steps:,}; {kept}. Lower learning_rate or "
            "end_to_end_rate, and go on from there (--init-from) or from the last checkpoint (--resume)."
        )

    def _save(self) -> None:
        """Write the transcoders as they are; each file replaces the older one whole."""
        sink = self.model.token_text(self.begun.sink)
        written = self.scratch / "weights"
        shutil.rmtree(written, ignore_errors=True)
        save_transcoders(
            self.training.transcoders(self.model.name, sink),
            written,
            self.model.name,
            bits=self.settings.bits,
        )
        for path in sorted(written.iterdir(), key=lambda path: path.suffix == ".yaml"):
            path.replace(self.folder / path.name)
        written.rmdir()
