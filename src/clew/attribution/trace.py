"""From a prompt to its attribution graph: record, select, sweep, check."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from clew.attribution.build import build_graph
from clew.attribution.linear import LinearMap
from clew.attribution.output_tokens import describe
from clew.attribution.partial_influence import select_by_influence
from clew.attribution.rows import compute_rows
from clew.attribution.selection import select_features
from clew.attribution.targets import (
    OutputTargets,
    TargetRequest,
    likeliest_targets,
    named_targets,
    output_targets,
)
from clew.dictionary.base import ActiveFeatures, Dictionary, Encoding
from clew.errors import ClewError
from clew.graph.conservation import LARGEST_GAP, conservation_gap
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import measure_flow
from clew.graph.info import Target
from clew.graph.prune import EDGE_THRESHOLD, NODE_THRESHOLD, check_thresholds, prune_masks
from clew.graph.scores import scores
from clew.model.language_model import LanguageModel
from clew.model.prompt import encode_prompt
from clew.model.recording import Recording, record

OnProgress = Callable[[str, int, int], None]
"""Called with a phase, how much of it is done, and how much there is."""


class GapWarning(UserWarning):
    """A graph's rows do not add up to what they explain."""


SELECTIONS = ("attribution", "influence")
LEAST_MEMORY, DEFAULT_MEMORY = 16 * 2**20, 96 * 2**20


@dataclass(frozen=True)
class TraceSettings:
    """What to trace; every default is a recommendation."""

    targets: TargetRequest | Sequence[TargetRequest] | None = None
    """Outputs to explain, one or several; None: the likeliest tokens."""
    max_targets: int = 10
    target_probability: float = 0.95
    """Without named targets: as few of the likeliest tokens as reach this together."""
    max_nodes: int = 4096
    """At most this many features become nodes; the rest counts into the error nodes."""
    selection: str = "attribution"
    """How features are chosen where more are active: "attribution" or "influence"."""
    sink: str | None = None
    """A token's text, "none", or None to choose."""
    node_threshold: float = NODE_THRESHOLD
    edge_threshold: float = EDGE_THRESHOLD
    """Features that pruning at these thresholds keeps get output tokens; the graph stays whole."""
    memory: int = DEFAULT_MEMORY
    """Bytes that the sweep may work in, besides the model and the result."""


@dataclass
class Stopwatch:
    """Seconds by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin


@torch.no_grad()
def trace(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: str | Sequence[int],
    settings: TraceSettings = TraceSettings(),
    on_progress: OnProgress = lambda phase, done, total: None,
) -> Graph:
    """The whole attribution graph of a prompt (text or token ids); prune it to read it.

    Features that survive pruning at the settings' thresholds are described by their output tokens.
    Raises `ClewError` for a prompt, target, sink or setting that cannot be used.
    """
    check_settings(settings)
    watch = Stopwatch()
    with watch.phase("prompt"):
        encoded = encode_prompt(model, prompt, settings.sink)
    with watch.phase("recording"):
        recording = record(model, encoded.token_ids)
        linear = LinearMap(model, recording)
        encoding = dictionary.encode(recording)
    first = encoded.first_position
    with watch.phase("selection"):
        outputs = output_targets(linear, _chosen_targets(model, recording, settings))
        features = _chosen_features(linear, encoding, outputs, settings, first, on_progress)
    with watch.phase("rows"):
        rows = compute_rows(
            linear, encoding, features, outputs, first, settings.memory, partial(on_progress, "rows")
        )
        graph = build_graph(model, dictionary.name, encoded, recording, features, outputs, rows)
    with watch.phase("influence"):
        flow = measure_flow(graph)
        graph = replace(graph, node_influence=flow.found.astype(np.float32))
        gap = conservation_gap(graph)
        graph = graph.with_info(scores=scores(graph, flow), conservation=gap)
        if gap > LARGEST_GAP:
            warnings.warn(
                f"Rows do not add up: the worst relative gap is {gap:.1e}.", GapWarning, stacklevel=2
            )
    with watch.phase("pruning"):
        keep_node, _ = prune_masks(graph, flow, settings.node_threshold, settings.edge_threshold)
    with watch.phase("output tokens"):
        survivors = np.flatnonzero(keep_node & (graph.node_kind == NodeKind.FEATURE))
        decoder = _decoders(linear, encoding, features, survivors)
        graph = describe(graph, survivors, model, decoder, partial(on_progress, "output tokens"))
    return graph.with_info(timing=watch.seconds, settings=_settings_kept(settings))


def _chosen_features(
    linear: LinearMap,
    encoding: Encoding,
    outputs: OutputTargets,
    settings: TraceSettings,
    first_position: int,
    on_progress: OnProgress,
) -> ActiveFeatures:
    select = select_features
    if settings.selection == "influence":
        select = partial(select_by_influence, memory=settings.memory)
    return select(
        linear,
        encoding,
        outputs,
        max_nodes=settings.max_nodes,
        first_position=first_position,
        on_progress=partial(on_progress, "selection"),
    )


def check_settings(settings: TraceSettings) -> None:
    """Raise `ClewError` for numbers that no graph can have."""
    check_thresholds(settings.node_threshold, settings.edge_threshold)
    if settings.max_nodes < 1:
        raise ClewError(f"A graph needs room for at least 1 feature, not {settings.max_nodes}.")
    if settings.selection not in SELECTIONS:
        raise ClewError(f"Features are chosen by {' or '.join(SELECTIONS)}, not by {settings.selection!r}.")
    if settings.memory < LEAST_MEMORY:
        raise ClewError(f"The sweep needs at least {LEAST_MEMORY // 2**20} MiB to work in.")


def _decoders(linear: LinearMap, encoding: Encoding, features: ActiveFeatures, chosen: np.ndarray) -> Tensor:
    """What one unit of each chosen feature adds to the stream, over all layers that it writes to."""
    subset = features.at(torch.from_numpy(chosen).to(features.layer.device))
    decoder = torch.zeros(len(subset), linear.model.d_model, device=linear.model.device)
    for layer in range(linear.model.n_layers):
        writers, direction = encoding.writes(subset, layer)
        decoder[writers] += linear.write_to_stream(
            encoding.write_point, layer, subset.position[writers], direction
        )
    return decoder


def _chosen_targets(
    model: LanguageModel, recording: Recording, settings: TraceSettings
) -> tuple[Target, ...]:
    """In node order: differences first, then by token id."""
    requests = settings.targets
    if requests:
        named = [requests] if isinstance(requests, str | int) else requests
        targets = named_targets(model, recording, named)
    else:
        targets = likeliest_targets(
            model, recording, count=settings.max_targets, probability=settings.target_probability
        )
    return tuple(sorted(targets, key=lambda target: -1 if target.minus_id is not None else target.token_id))


def _settings_kept(settings: TraceSettings) -> dict[str, object]:
    return {
        "max_nodes": settings.max_nodes,
        "selection": settings.selection,
        "max_targets": settings.max_targets,
        "target_probability": settings.target_probability,
        "targets": settings.targets
        if isinstance(settings.targets, str | int | None)
        else list(settings.targets),
        "sink": settings.sink,
        "node_threshold": settings.node_threshold,
        "edge_threshold": settings.edge_threshold,
    }
