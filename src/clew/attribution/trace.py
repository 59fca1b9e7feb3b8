"""Trace a prompt to its attribution graph: record it, choose features, compute edges, check them.

The graphs are those of "Circuit Tracing: Revealing Computational Graphs in Language Models", Ameisen et al.
2025, https://transformer-circuits.pub/2025/attribution-graphs/methods.html
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from clew.attribution.edge_weights import compute_edge_weights
from clew.attribution.graph_builder import build_graph
from clew.attribution.linear_map import LinearMap
from clew.attribution.output_tokens import describe
from clew.attribution.partial_influence import select_by_influence
from clew.attribution.selection import select_features
from clew.attribution.settings import TraceSettings
from clew.attribution.targets import (
    OutputTargets,
    likeliest_targets,
    named_targets,
    output_targets,
)
from clew.dictionary.protocols import ActiveFeatures, Dictionary, Encoding
from clew.errors import ClewError, ClewWarning
from clew.graph.conservation import LARGEST_GAP, conservation_gap
from clew.graph.consistency import check_finite
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import measure_flow
from clew.graph.info import Target
from clew.graph.pruning import prune_masks
from clew.graph.scores import scores
from clew.model.language_model import LanguageModel
from clew.model.messages import PromptLike
from clew.model.prompt import encode_prompt
from clew.model.recording import Recording, record
from clew.options import check_options, options_of
from clew.progress import OnProgress, Stopwatch, ignore_progress


class GapWarning(ClewWarning):
    """The rows of a graph do not add up to the values that they explain."""


@torch.no_grad()
def trace(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: PromptLike,
    settings: TraceSettings = TraceSettings(),
    on_progress: OnProgress = ignore_progress,
) -> Graph:
    """The whole attribution graph of a prompt (text or token ids); prune it to read it.

    Features that pruning at the settings' thresholds keeps get their output tokens.
    Raises `ClewError` for a prompt, target, sink or setting that cannot be used, and for numbers that are not
    finite.
    """
    check_options(settings)
    watch = Stopwatch()
    with watch.phase("prompt"):
        encoded = encode_prompt(model, prompt, settings.sink, dictionary.sink)
    with watch.phase("recording"):
        recording = record(model, encoded.token_ids)
        linear = LinearMap(model, recording)
        encoding = dictionary.encode(recording)
    first = encoded.first_position
    with watch.phase("selection"):
        outputs = output_targets(linear, _chosen_targets(model, recording, settings))
        features = _chosen_features(linear, encoding, outputs, settings, first, on_progress)
    with watch.phase("rows"):
        edges = compute_edge_weights(
            linear, encoding, features, outputs, first, settings.memory, partial(on_progress, "rows")
        )
        graph = build_graph(model, dictionary.name, encoded, recording, features, outputs, edges)
    with watch.phase("influence"):
        _check_finite(graph, model)
        flow = measure_flow(graph)
        graph = replace(graph, node_influence=flow.influence.astype(np.float32))
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
    _check_finite(graph, model)
    stored = _stored_settings(settings)
    keys = {"weights": model.weights_key, "dictionary_weights": dictionary.weights_key}
    stored |= {name: key for name, key in keys.items() if key}
    return graph.with_info(timing=watch.seconds, settings=stored)


def _check_finite(graph: Graph, model: LanguageModel) -> None:
    """Raise `ClewError` for a number that is not finite: the recording was, so a product overflowed."""
    try:
        check_finite(graph)
    except ClewError as error:
        raise ClewError(
            f"The graph would not be finite, as weights of {model.name} or {graph.info.dictionary} are too "
            f"large for float32, or damaged: {error}"
        ) from error


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


def _decoders(linear: LinearMap, encoding: Encoding, features: ActiveFeatures, chosen: np.ndarray) -> Tensor:
    """The write of one unit of each chosen feature to the stream, summed over its layers."""
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
    """The targets in node order: differences first, then by token id."""
    requests = settings.targets
    if requests:
        named = [requests] if isinstance(requests, str | int) else requests
        targets = named_targets(model, recording, named)
    else:
        targets = likeliest_targets(
            model, recording, count=settings.max_targets, probability=settings.target_probability
        )
    return tuple(sorted(targets, key=lambda target: -1 if target.minus_id is not None else target.token_id))


def _stored_settings(settings: TraceSettings) -> dict[str, object]:
    values = {name: getattr(settings, name) for name in options_of(TraceSettings) if name != "memory"}
    if not isinstance(settings.targets, str | int | None):
        values["targets"] = list(settings.targets)
    return values
