"""The one model that is kept loaded, and whether another would fit into memory."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError
from clew.graph.graph import Graph
from clew.server.errors import RequestError

if TYPE_CHECKING:
    from clew.facade import Model

OPTIONS = "model", "dictionary", "dtype", "read_point", "write_point", "k"
"""What makes one loaded model another, as `clew.load` is given it and graphs keep it."""
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


class ModelCache:
    """A model in memory; another one takes its place, never a place beside it.

    `budget` is how many bytes of weights it may have; None for as much memory as is free.
    """

    def __init__(self, budget: int | None = None, model: Model | None = None) -> None:
        self._budget = budget
        self._model = model
        self._lock = threading.Lock()

    @property
    def loaded(self) -> dict[str, str] | None:
        """Model and dictionary as they were named."""
        model = self._model
        if model is None:
            return None
        return {name: str(model.settings[name]) for name in ("model", "dictionary")}

    def ready(self, wanted: Mapping[str, Any]) -> Model | None:
        """The model in memory, if it is the wanted one."""
        model = self._model
        return model if model is not None and _fits(model.settings, wanted) else None

    def get(
        self, wanted: Mapping[str, Any], on_note: Callable[[str], None], check: Callable[[], None]
    ) -> Model:
        """The wanted model, loaded if it is not there yet; `check` may raise to say that it is too late.

        Raises `ClewError` for what cannot be had, or does not fit into memory.
        """
        with self._lock:
            if found := self.ready(wanted):
                return found
            self._model = None
            gc.collect()  # a network is full of circles
            import clew

            options = {name: value for name, value in wanted.items() if name != "model"}
            self._check_memory(wanted, on_note)
            model = clew.load(wanted["model"], **options, on_note=on_note)
            check()
            self._model = model
            return model

    def _check_memory(self, wanted: Mapping[str, Any], on_note: Callable[[str], None]) -> None:
        """On a graphics card its own driver says what fits."""
        import psutil

        from clew.model.language_model import choose_device
        from clew.model.reference import resolve

        if choose_device("auto") != "cpu" and self._budget is None:
            return
        files = resolve(wanted["model"], on_note=on_note)
        need = weights_in(files.folder, wanted.get("dtype", "float32")) + _dictionary_size(wanted)
        have = psutil.virtual_memory().available if self._budget is None else self._budget
        if need > have:
            limit = "is free" if self._budget is None else "is its budget here (--memory-budget)"
            raise ClewError(
                f"{files.name} and its dictionary need some {need / 2**30:.1f} GiB of memory, and only "
                f"{have / 2**30:.1f} GiB {limit}; choose a smaller model, or close something."
            )


def wanted_by(graph: Graph) -> dict[str, Any]:
    """What `clew.load` needs for a graph's own model; `ClewError` where the graph does not say it."""
    settings = graph.info.settings if graph.foreign is None else {}
    if not isinstance(settings.get("model"), str):
        maker = f", made by {graph.info.generator}" if graph.info.generator else ""
        raise ClewError(
            f"This graph came from elsewhere{maker}, and does not say how to load its model "
            f"({graph.info.model or 'it names none'}), so nothing can be changed on it here. Trace its "
            "prompt with a model of this machine to do that."
        )
    found = {name: settings[name] for name in OPTIONS if isinstance(settings.get(name), str | int)}
    neurons = found.get("dictionary", "neurons") == "neurons"
    return found if neurons else {**found, "check": False}


def check_known(wanted: Mapping[str, Any], known: set[tuple[str, str]]) -> None:
    """Refuse to load what only a file names: it could be any place on this machine or the network."""
    from clew.model.ready_models import ready_models

    model, dictionary = wanted["model"], wanted.get("dictionary", "neurons")
    if (model, dictionary) in known:
        return
    ready = {listed.name for listed in ready_models() if listed.ready}
    if model not in ready or dictionary != "neurons":
        raise RequestError(
            409,
            f"The graph's file names the model {model!r} with {dictionary!r}, which nobody has used here "
            "yet; load it yourself first (New graph), if you know where it is from.",
        )


def weights_in(folder: Path, dtype: str) -> int:
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


def _dictionary_size(wanted: Mapping[str, Any]) -> int:
    """Bytes of a dictionary's files where they lie on this machine under the name given."""
    path = Path(str(wanted.get("dictionary", "neurons"))).expanduser()
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else 0


def _fits(settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether nothing that is wanted is otherwise."""
    plain = {"dictionary": "neurons", "dtype": "float32"}
    asked = {**plain, **{name: wanted[name] for name in OPTIONS if wanted.get(name) is not None}}
    return all(settings.get(name) == value for name, value in asked.items())
