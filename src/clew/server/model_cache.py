"""The one model that stays in memory, and the check that another would fit."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.dictionary.short_names import (
    NAMED_DICTIONARIES,
    NEURONS,
    chosen_dictionary,
    full_dictionary,
    named_folder,
)
from clew.errors import ClewError
from clew.files import named_path
from clew.graph.graph import Graph
from clew.load_record import LoadRecord, recorded_load
from clew.load_settings import LoadSettings
from clew.model.short_names import full_reference
from clew.options import options_of
from clew.progress import OnNote
from clew.server.errors import RequestError
from clew.server.schemas.models import LoadedModel

if TYPE_CHECKING:
    from clew.facade import Model

IDENTITY = "dictionary", "dtype", "read_point", "write_point", "k"
"""Options of `clew.load` that make one loaded model another, besides its reference; graphs keep them."""
USUAL_SECONDS = 15.0
"""Time to load a small model on a laptop."""
_CHANGED = "The files of {} have changed since they were loaded"
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class ModelCache:
    """One model in memory, of at most `budget` bytes of weights; None for as much as is free."""

    def __init__(self, budget: int | None = None, model: Model | None = None) -> None:
        self._budget = budget
        self._model = model
        self._lock = threading.Lock()
        self.notes: list[str] = []
        """Sentences about what was noticed when the model was loaded."""

    @property
    def loaded(self) -> LoadedModel | None:
        """Names of model and dictionary, as they were given."""
        model = self._model
        if model is None:
            return None
        return LoadedModel(model=str(model.settings["model"]), dictionary=str(model.settings["dictionary"]))

    def ready(self, wanted: LoadSettings) -> Model | None:
        """The model in memory, if it is the wanted one."""
        wanted, model = _chosen(wanted), self._model
        return model if model is not None and _matches(model.settings, wanted) else None

    def unchanged(self, wanted: LoadSettings) -> Model | None:
        """The model in memory, if it is the wanted one; `RequestError` where its files have changed since."""
        model = self.ready(wanted)
        if model is not None and model.changed_on_disk():
            raise RequestError(409, f"{_CHANGED.format(wanted.reference)}; load it again.")
        return model

    def get(self, wanted: LoadSettings, on_note: OnNote, check: Callable[[], None]) -> Model:
        """The wanted model, loaded where it is not in memory; `check` may raise to cancel after loading.

        Raises `ClewError` for a model that cannot be loaded, or that does not fit into memory.
        """
        wanted = _chosen(wanted)
        with self._lock:
            ready = self.ready(wanted)
            if ready and not ready.changed_on_disk():
                return ready
            notes = [f"{_CHANGED.format(wanted.reference)}, so they are loaded anew."] if ready else []
            for note in notes:
                on_note(note)
            self._model = ready = None
            gc.collect()  # a network is full of circles
            import clew

            options = {name: getattr(wanted, name) for name in options_of(LoadSettings)}

            def hear(note: str) -> None:
                if not note.endswith("..."):  # as stages of the work do
                    notes.append(note)
                on_note(note)

            self._check_memory(wanted, on_note)
            model = clew.load(options.pop("reference"), **options, on_note=hear)
            check()
            self._model, self.notes = model, notes
            return model

    def _check_memory(self, wanted: LoadSettings, on_note: OnNote) -> None:
        """Raise `ClewError` for a model larger than the memory; on a GPU its driver does that."""
        import psutil

        from clew.model.loading import choose_device
        from clew.model.reference import resolve

        if choose_device("auto") != "cpu" and self._budget is None:
            return
        files = resolve(wanted.reference, on_note=on_note)
        need = weight_bytes(files.folder, wanted.dtype) + _dictionary_bytes(wanted)
        have = psutil.virtual_memory().available if self._budget is None else self._budget
        if need > have:
            limit = "is free" if self._budget is None else "is its budget here (--memory-budget)"
            raise ClewError(
                f"{files.name} and its dictionary need about {need / 2**30:.1f} GiB of memory, and only "
                f"{have / 2**30:.1f} GiB {limit}. Choose a smaller model, or close other programs."
            )


def settings_of(graph: Graph) -> LoadSettings:
    """The settings that load a graph's own model; `ClewError` where the graph does not name one."""
    settings = graph.info.settings if graph.foreign is None else {}
    if not isinstance(settings.get("model"), str):
        maker = f" (made by {graph.info.generator})" if graph.info.generator else ""
        raise ClewError(
            f"This graph came from elsewhere{maker} and does not say how to load its model "
            f"({graph.info.model or 'it names none'}), so it cannot be changed here. Trace its prompt with a "
            "model of this machine instead."
        )
    options = {name: settings[name] for name in IDENTITY if isinstance(settings.get(name), str | int)}
    options.setdefault("dictionary", NEURONS)
    model = settings["model"]
    if record := _record_of(graph):
        model, options["dictionary"] = record.model, record.dictionary
    return LoadSettings(model, **options, check=options["dictionary"] == NEURONS)


def _record_of(graph: Graph) -> LoadRecord | None:
    """The load on this machine of the graph's model and dictionary, by their fingerprints or their names."""
    settings = graph.info.settings
    names = ("model", "dictionary", "weights", "dictionary_weights")
    model, dictionary, *keys = (str(settings.get(name) or "") for name in names)
    return recorded_load(model, dictionary or NEURONS, *keys)


def seconds_to_load(wanted: LoadSettings) -> float:
    """The time that loading took here the last time; a guess for a small model where it never did."""
    record = recorded_load(str(wanted.reference), str(wanted.dictionary))
    return record.seconds if record and record.seconds else USUAL_SECONDS


def about_to_load(wanted: LoadSettings) -> str:
    """`Loading the model, about 15 s`."""
    return f"Loading the model, about {max(1, round(seconds_to_load(wanted)))} s"


def check_known(wanted: LoadSettings, known: set[tuple[str, str]]) -> None:
    """Raise `RequestError` for a model that only a file names: it may lie anywhere, the network included."""
    from clew.model.ready_models import ready_models

    model, dictionary = str(wanted.reference), str(wanted.dictionary)
    if (model, dictionary) in known or recorded_load(model, dictionary):
        return
    ready = {listed.name for listed in ready_models() if listed.ready}
    named = NAMED_DICTIONARIES.get(dictionary)
    if model not in ready or (dictionary != NEURONS and (named is None or named.model != model)):
        raise RequestError(
            409,
            f"The graph's file names the model {model!r} with {dictionary!r}, which nobody has used here "
            "yet. If you know where it is from, load it first.",
        )


def weight_bytes(folder: Path, dtype: str) -> int:
    """Bytes that a model's weights will take; 0 where its files do not say."""
    from safetensors import SafetensorError, safe_open

    count = 0
    for path in folder.glob("*.safetensors"):
        try:
            with safe_open(path, framework="numpy") as file:
                count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        except (SafetensorError, OSError):
            return 0
    return count * BYTES.get(dtype, 4)


def _chosen(wanted: LoadSettings) -> LoadSettings:
    """The settings with the model and the dictionary that they mean."""
    if isinstance(wanted.dictionary, str | Path | None):
        dictionary = full_dictionary(chosen_dictionary(wanted.reference, wanted.dictionary))
        return replace(wanted, reference=full_reference(wanted.reference), dictionary=dictionary)
    return wanted


def _dictionary_bytes(wanted: LoadSettings) -> int:
    """Bytes of the dictionary's files where they lie on this machine."""
    path = named_folder(str(wanted.dictionary)) or named_path(str(wanted.dictionary))
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else 0


def _matches(settings: Mapping[str, Any], wanted: LoadSettings) -> bool:
    """True where a loaded model has every option that is wanted; None means any value."""
    options = {name: getattr(wanted, name) for name in IDENTITY}
    options = {name: value for name, value in options.items() if value is not None}
    return settings.get("model") == str(wanted.reference) and options.items() <= settings.items()
