"""All that comes before a run's first step: checks, sizes, the text, and a checkpoint to go on from."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from clew.dictionary.formats import config_yaml
from clew.dictionary.reference import load_transcoders
from clew.errors import ClewError
from clew.files import check_new_folder
from clew.model.language_model import LanguageModel
from clew.progress import OnNote, OnStep, ignore_note
from clew.training.checkpoint import FILE as CHECKPOINT
from clew.training.checkpoint import load_checkpoint
from clew.training.feasibility import (
    check_model,
    check_settings,
    free_memory,
    layers_of,
    left_out_ids,
    n_features_of,
    sink_of,
)
from clew.training.log import check_tensorboard
from clew.training.plan import estimate, measure_speed, sized
from clew.training.ranks import Ranks
from clew.training.run import TrainingRun
from clew.training.saved_settings import (
    SavedRun,
    check_same_model,
    read_settings,
    save_settings,
    settings_to_go_on,
)
from clew.training.saved_transcoders import check_beginning
from clew.training.settings import BATCH, TrainSettings
from clew.training.shared_batches import SharedBatches
from clew.training.text.batches import TokenBatches
from clew.training.text.opening import SELF, Shape, open_data
from clew.training.text.sources import Skipped, find_sources

RUN = "run"
"""The folder in a run's folder that holds what only training needs."""


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


def data_of(settings: TrainSettings) -> list[str]:
    """The names of files, folders and datasets, and `self`."""
    data = [settings.data] if isinstance(settings.data, str | Path) else settings.data
    return [str(each) for each in data]


class Preparation:
    """A run that is about to begin."""

    def __init__(
        self,
        model: LanguageModel,
        settings: TrainSettings,
        on_note: OnNote,
        on_text: OnStep,
        ranks: Ranks,
    ) -> None:
        """Check all, and choose what the settings leave open: in the first process, for all of them."""
        self.model, self.settings, self.ranks = model, settings, ranks
        self.on_note = on_note if ranks.is_first else ignore_note
        self.on_text = on_text
        self.folder = Path(settings.out).expanduser()
        self.scratch = self.folder / RUN
        self._opened: TokenBatches | None = None
        self.settings = ranks.by_first(self._checked)
        self.layers, self.sink = layers_of(model, self.settings), sink_of(model, self.settings)
        if not self.settings.resume:
            self._choose_sizes()
        ranks.by_first(self._write_settings)

    def _checked(self) -> TrainSettings:
        """The settings, also those of a run to go on with, after all that is refused before any work."""
        model, saved = self.model, check_before_loading(self.settings)
        if saved is not None:
            self.settings = settings_to_go_on(saved, self.settings)
            check_same_model(saved, model.name, model.weights_key)
        self.layers, self.sink = layers_of(model, self.settings), sink_of(model, self.settings)
        left_out_ids(model, self.settings)
        if self.settings.init_from is not None:
            initial = load_transcoders(self.settings.init_from)
            check_beginning(initial, self.layers, model.d_model, self.settings)
            width = initial.layers[self.layers[0]].n_features
            self.settings = replace(self.settings, features=width)
        check_model(model, self.layers, self.settings, free_memory(model.device), self.ranks.count)
        if SELF not in data_of(self.settings):
            self._opened = self._open()
        # Listeners beside the settings stay in their own process.
        return TrainSettings(
            **{each.name: getattr(self.settings, each.name) for each in fields(TrainSettings)}
        )

    def _choose_sizes(self) -> None:
        """Choose what the settings leave open, and say how long the run will take."""
        memory = self.settings.memory or -int(self.ranks.largest(-free_memory(self.model.device) // 4)[0])
        self.settings = replace(
            self.settings, features=n_features_of(self.model, self.settings), memory=memory
        )
        self.on_note("Measuring the speed of this machine ...")
        writes = SELF in data_of(self.settings)
        measured = measure_speed(
            self.model, self.layers, self.settings, sink=self.sink, writes=writes, ranks=self.ranks
        )
        speed = self.ranks.share(measured, 0)
        self.settings = sized(self.settings, speed)
        self.on_note(estimate(self.settings, speed))

    def _write_settings(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        save_settings(self.folder, self.model.name, self.model.weights_key, self.settings)

    def _open(self) -> TokenBatches:
        """The text to train on."""
        settings = self.settings
        rows = max(1, (settings.batch or BATCH) // settings.context)
        return self._opened or open_data(
            self.model,
            data_of(settings),
            Shape(self.sink, settings.context, rows, seed=settings.seed),
            tokens=(settings.tokens or 0) + (settings.end_to_end or 0),
            field=settings.field,
            folder=self.scratch,
            on_step=self.on_text,
        )

    def training(self) -> TrainingRun:
        """The run at its beginning, or where its checkpoint left it."""
        try:
            return self._training(SharedBatches(self.ranks, self._open))
        except KeyboardInterrupt:
            left = f"no step was taken; --resume begins the run in {self.folder}"
            raise KeyboardInterrupt(left) from None

    def _training(self, batches: TokenBatches) -> TrainingRun:
        state: dict[str, Any] | None = None
        if self.settings.resume and (self.scratch / CHECKPOINT).exists():
            state = load_checkpoint(self.scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.on_note("Measuring the MLPs' inputs and outputs ...")
        training = TrainingRun(self.model, self.layers, batches, self.settings, self.ranks)
        if state is not None:
            training.restore(state)
            self.on_note(f"The run goes on after step {training.step:,} of {training.n_steps:,}.")
        return training
