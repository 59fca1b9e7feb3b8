"""A whole training run: text, steps, checkpoints, and in the end a folder of transcoders."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_set import TranscoderSet
from clew.errors import ClewError
from clew.inspection.inspection import Inspection
from clew.interruption import ending_softly
from clew.model.language_model import LanguageModel
from clew.progress import OnNote, OnStep, ignore_note, ignore_step
from clew.training.activations import fast_attention
from clew.training.checkpoint import FILE as CHECKPOINT
from clew.training.checkpoint import load_checkpoint, save_checkpoint
from clew.training.finite_loss import NotFiniteLoss, first_not_finite
from clew.training.log import Log
from clew.training.preparation import Preparation
from clew.training.ranks import ALONE, Ranks
from clew.training.report import write_report
from clew.training.run import StepFigures, TrainingRun
from clew.training.settings import OnFigures, TrainSettings, ignore_figures

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


def train(
    model: LanguageModel,
    settings: TrainSettings,
    *,
    on_note: OnNote = ignore_note,
    on_text: OnStep = ignore_step,
    on_figures: OnFigures = ignore_figures,
    ranks: Ranks = ALONE,
) -> Trained:
    """Train transcoders of a model, and save them in circuit-tracer's format.

    Ctrl-C ends the run with what there is, saved and ready to be resumed; a second one ends it at once.

    Args:
        model: The model whose MLPs they replace.
        settings: The transcoders, their text and the schedule.
        on_note: Called with a sentence about what was measured or begins.
        on_text: Called with how many texts the model has written, and how many it will write.
        on_figures: Called with the figures of each step.
        ranks: The processes that train together; the first one reads text, writes files and tells of it.

    Raises:
        ClewError: Anything that `check_before_loading` refuses, a model or a machine that the settings do
            not fit, text that is too little, a loss that is not finite, or a disk that is full.
    """
    prepared = Preparation(model, settings, on_note, on_text, ranks)
    return _Session(prepared, prepared.training(), on_figures).run()


class _Session:
    """The steps of a run, its checkpoints, and its end."""

    def __init__(self, prepared: Preparation, training: TrainingRun, on_figures: OnFigures) -> None:
        self.prepared, self.training, self.on_figures = prepared, training, on_figures
        self.model, self.settings, self.on_note = prepared.model, prepared.settings, prepared.on_note
        self.folder, self.scratch, self.ranks = prepared.folder, prepared.scratch, prepared.ranks
        self.unseen: list[tuple[int, StepFigures]] = []
        """Steps whose losses have not been looked at."""

    def run(self) -> Trained:
        """Take all steps, or as many as there are before Ctrl-C; then save."""
        training, held_out = self.training, self.training.batches.held_out
        with fast_attention(self.model, held_out[:2]):
            with (
                self._log() as log,
                ending_softly(lambda: self.on_note(STOPPING), AT_CHECKPOINT) as asked,
            ):
                self._steps(log, asked)
            if not training.finished:
                state = training.state()
                self.ranks.by_first(lambda: save_checkpoint(self.scratch, state))
            self._save()
        figures: list[Inspection] = []

        def report() -> None:
            some = held_out[: HELD_OUT.get(self.model.device.type, HELD_OUT["cpu"])]
            figures.append(write_report(self.model, self.settings, some, on_note=self.on_note))
            (self.scratch / CHECKPOINT).unlink(missing_ok=True)

        if training.finished:
            self.ranks.by_first(report)
        return Trained(
            self.folder,
            self.settings,
            load_transcoders(self.folder),
            figures[0] if figures else None,
            training.step,
            training.n_steps,
        )

    def _log(self) -> AbstractContextManager[Log | None]:
        if not self.ranks.is_first:
            return nullcontext()
        return Log(self.folder, self.training.step, tensorboard=self.settings.tensorboard)

    def _steps(self, log: Log | None, asked: Callable[[], bool]) -> None:
        at_once = UNSEEN_STEPS if self.model.device.type == "cuda" else 1
        saved = time.monotonic()
        while not self.training.finished:
            late = time.monotonic() - saved > 60 * self.settings.checkpoint
            stop, due = self.ranks.largest(asked(), late)
            if due:
                self._look(log)
                self._checkpoint()
                saved = time.monotonic()
            if stop:
                break
            try:
                figures = self.training.advance()
            except NotFiniteLoss as error:
                raise self._not_finite(self.training.step, error.place) from None
            self.unseen.append((self.training.step, figures))
            if len(self.unseen) >= at_once:
                self._look(log)
            self.on_figures(figures)
        self._look(log)

    def _look(self, log: Log | None) -> None:
        """Refuse losses that are not finite, and note the others."""
        for step, figures in self.unseen:
            if not bool(figures.fvu.isfinite().all()):
                raise self._not_finite(step, first_not_finite(figures.fvu))
            if log is not None:
                log.write(step, figures)
        self.unseen.clear()

    def _checkpoint(self) -> None:
        """Write the state of the run, unless the disk is full: then the last one stays."""
        state = self.training.state()
        try:
            self.ranks.by_first(lambda: save_checkpoint(self.scratch, state))
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
        loss = "The KL divergence" if place is None else f"The loss of layer {self.prepared.layers[place]}"
        return ClewError(
            f"{loss} is not finite at step {step:,} of {training.n_steps:,}; {kept}. Lower learning_rate or "
            "end_to_end_rate, and go on from there (--init-from) or from the last checkpoint (--resume)."
        )

    def _save(self) -> None:
        """Write the transcoders as they are; each file replaces the older one whole."""
        transcoders = self.training.transcoders(self.model.name, self.model.token_text(self.prepared.sink))
        self.ranks.by_first(lambda: self._write(transcoders))

    def _write(self, transcoders: TranscoderSet) -> None:
        written = self.scratch / "weights"
        shutil.rmtree(written, ignore_errors=True)
        save_transcoders(transcoders, written, self.model.name, bits=self.settings.bits)
        for path in sorted(written.iterdir(), key=lambda path: path.suffix == ".yaml"):
            path.replace(self.folder / path.name)
        written.rmdir()
