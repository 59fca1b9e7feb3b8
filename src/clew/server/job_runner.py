"""The work of jobs: load a model, trace a prompt, change and swap features."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clew.attribution.settings import TraceSettings
from clew.dictionary.short_names import chosen_dictionary, full_dictionary
from clew.errors import ClewWarning
from clew.load_settings import LoadSettings
from clew.model.short_names import full_reference
from clew.options import options_of
from clew.server.database import Database
from clew.server.events import Events
from clew.server.interventions import measure, notes_on, place_changes, python_for
from clew.server.job_queue import JobProgress
from clew.server.library import Library
from clew.server.model_cache import ModelCache, about_to_load, check_known, settings_of
from clew.server.open_graphs import OpenGraph
from clew.server.schemas.jobs import (
    InterveneRequest,
    InterventionOutcome,
    JobRequest,
    JobResult,
    LoadRequest,
    SwapRequest,
    TracedGraph,
    TraceRequest,
)
from clew.server.swaps import measure_swap, python_of_swap

if TYPE_CHECKING:
    from clew.facade import Model


class JobRunner:
    """Runs requests with the model in memory on the library's graphs."""

    def __init__(self, library: Library, events: Events, models: ModelCache) -> None:
        self._library, self._events, self._models = library, events, models

    def run(self, request: JobRequest, progress: JobProgress) -> JobResult:
        if isinstance(request, TraceRequest):
            return self._trace(request, progress)
        if isinstance(request, InterveneRequest):
            return self._intervene(request, progress)
        if isinstance(request, SwapRequest):
            return self._swap(request, progress)
        self._load(request, progress)
        return None

    def _load(self, request: LoadRequest | TraceRequest, progress: JobProgress) -> Model:
        progress.note(f"Loading {request.model}")
        wanted = LoadSettings(request.model, dictionary=request.dictionary)
        return self._models.get(wanted, progress.note, progress.check)

    def _trace(self, request: TraceRequest, progress: JobProgress) -> TracedGraph:
        model = self._load(request, progress)
        from clew.attribution.trace import GapWarning

        progress.note("Reading the prompt")
        options = {name: getattr(request, name) for name in options_of(TraceSettings)}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GapWarning)  # the graph says it
            graph = model.trace(request.prompt_like, **options, on_progress=progress.work)
        if min(request.node_threshold, request.edge_threshold) < 1:
            progress.note("Pruning")
            graph = graph.prune(request.node_threshold, request.edge_threshold)
        progress.note("Saving")
        entry = self._library.add(graph, request.name)
        self._events.publish("library", graph=entry.id, what="added")
        return TracedGraph(graph=entry.id)

    def _intervene(self, request: InterveneRequest, progress: JobProgress) -> InterventionOutcome:
        opened, wanted, model = self._model_of(request.graph, progress)
        changes = place_changes(request.changes, opened)
        with _hearing() as said, _stopping(progress.check):
            made = measure(model, opened, changes, request, progress)
        python = python_for(wanted, self._library.path_of(request.graph), changes, request)
        notes = list(dict.fromkeys([*notes_on(model, changes), *said]))
        return made.model_copy(update={"python": python, "notes": notes})

    def _swap(self, request: SwapRequest, progress: JobProgress) -> InterventionOutcome:
        opened, wanted, model = self._model_of(request.graph, progress)
        with _hearing() as said, _stopping(progress.check):
            made = measure_swap(model, opened, request, progress)
        python = python_of_swap(wanted, self._library.path_of(request.graph), request)
        return made.model_copy(update={"python": python, "notes": list(dict.fromkeys(said))})

    def _model_of(self, graph: str, progress: JobProgress) -> tuple[OpenGraph, LoadSettings, Model]:
        """A graph with its model, which is loaded where it is not in memory."""
        progress.note("Opening the graph")
        opened = self._library.opened(graph)
        wanted = settings_of(opened.graph)
        if self._models.ready(wanted) is None:
            check_known(wanted, references_used(self._library.database))
            progress.note(about_to_load(wanted))
        return opened, wanted, self._models.get(wanted, progress.note, progress.check)


@contextmanager
def _stopping(check: Callable[[], None]) -> Iterator[None]:
    """Let `check` stop this thread's forward passes at every module of a network."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    thread = threading.get_ident()
    handle = register_module_forward_pre_hook(
        lambda module, inputs: check() if threading.get_ident() == thread else None
    )
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _hearing() -> Iterator[list[str]]:
    """Collect the warnings of clew as sentences."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield said
    said += [str(each.message) for each in heard if issubclass(each.category, ClewWarning)]


def references_used(database: Database) -> set[tuple[str, str]]:
    """Models and dictionaries that somebody named here, in a job that loaded them."""
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT DISTINCT request ->> 'model' AS model, request ->> 'dictionary' AS dictionary "
            "FROM jobs WHERE kind IN ('load', 'trace') AND state = 'done'"
        )
        return {
            (
                full_reference(row["model"]),
                full_dictionary(chosen_dictionary(row["model"], row["dictionary"])),
            )
            for row in rows
        }
