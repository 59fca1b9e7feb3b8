"""Checks that a graph is of this model and dictionary, and the recording of its prompt."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from jaxtyping import Float64, Int

from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import read_values
from clew.errors import ClewError
from clew.feature import FeatureAt
from clew.fingerprints import same_weights
from clew.graph.arrays import check_is_graph
from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel
from clew.model.prompt import usual_sink
from clew.model.recording import Recording, record
from clew.model.sink import SinkWarning
from clew.sink import MEASURED, quoted

LARGEST_DIFFERENCE = 0.2
"""Relative; half precision stays well below in the median, another model or dictionary does not."""


def check_graph_fits(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> None:
    """Raise `ClewError` for a graph of other weights, or of layers, tokens or features that are not here."""
    check_is_graph(graph)
    _check_weights(model, dictionary, graph)
    vocabulary = len(model.unembedding_weight)
    if len(graph.of_kind(NodeKind.TARGET)) and graph.n_layers != model.n_layers:
        raise ClewError(
            f"This graph is of a model with {graph.n_layers} layers ({graph.info.model}), but {model.name} "
            f"has {model.n_layers}; load the graph's own model."
        )
    ids = [*graph.token_ids.tolist(), *(target.token_id for target in graph.info.targets)]
    if not ids or min(ids) < 0 or max(ids) >= vocabulary:
        raise ClewError(f"This graph has tokens that {model.name} does not have; load the graph's own model.")
    features = _dictionary_features(graph)
    layers, counts = graph.node_layer[features], np.array(dictionary.n_features)
    missing = layers >= len(counts)
    missing |= graph.node_feature[features] >= counts[np.minimum(layers, len(counts) - 1)]
    if missing.any():
        name = graph.node_name(int(features[np.argmax(missing)]))
        raise ClewError(
            f"{dictionary.name} has no feature {name}; load the dictionary that the graph was traced with "
            f"({graph.info.dictionary or 'its name is not in the graph'})."
        )


def _check_weights(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> None:
    """Raise `ClewError` for a graph whose model or dictionary had other weights, as far as it says so."""
    settings = graph.info.settings if graph.foreign is None else {}
    for name, own, here, what in (
        ("weights", model.weights_key, model.name, graph.info.model),
        ("dictionary_weights", dictionary.weights_key, dictionary.name, graph.info.dictionary),
    ):
        if own and not same_weights(own, str(settings.get(name, own))):
            if what != here:
                raise ClewError(f"This graph was traced with {what}, not with {here}; load {what}.")
            raise ClewError(
                f"This graph was traced with other weights of {what} than those of {here} here (their files "
                "have changed since, or are of another version); trace its prompt again."
            )


def warn_of_another_sink(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> None:
    """Warn (`SinkWarning`) of a graph behind a sink that was measured for it, and is not the model's now."""
    sink = graph.info.sink
    if sink is None or MEASURED not in sink.reason:
        return
    usual = usual_sink(model, dictionary.sink)
    if usual is None or usual.token_id != sink.token_id:
        warnings.warn(
            f"The graph was traced behind {quoted(sink.text)}, but {model.name} now reads prompts behind "
            f"{quoted(usual and usual.text)}; its own first token is used here, so trace the prompt again to "
            "compare it with new graphs.",
            SinkWarning,
            stacklevel=3,
        )


def record_prompt(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> Recording:
    """A recording of the graph's prompt; raises `ClewError` for a graph of another model or dictionary."""
    check_graph_fits(model, dictionary, graph)
    warn_of_another_sink(model, dictionary, graph)
    recording = record(model, torch.from_numpy(graph.token_ids))
    check_graph_activations(model, dictionary, recording, graph)
    return recording


def require_activations(dictionary: Dictionary, graph: Graph, nodes: Int[np.ndarray, " feature"]) -> None:
    """Raise `ClewError` unless these nodes are features of a dictionary and have an activation."""
    for node in nodes[graph.node_feature[nodes] < 0].tolist():
        raise ClewError(
            f"{dictionary.name} has no feature {graph.node_name(node)}, which is of an attention dictionary."
        )
    if not np.isfinite(graph.node_activation[nodes]).all():
        raise ClewError("This graph holds no activations, so it predicts nothing.")


def check_graph_activations(
    model: LanguageModel, dictionary: Dictionary, recording: Recording, graph: Graph
) -> None:
    """Raise `ClewError` unless the graph's activations, as far as it has any, are those of the recording.

    This is the one rule that tells a graph of another model or dictionary, where its sizes fit; `recording`
    is of the graph's prompt.
    """
    nodes = _dictionary_features(graph)
    nodes = nodes[np.isfinite(graph.node_activation[nodes])]
    expected = graph.node_activation[nodes].astype(np.float64)
    measured = activations_at(model, dictionary, recording, [graph.feature_at(node) for node in nodes])
    size = np.maximum(np.abs(expected), np.abs(measured))
    difference = np.divide(np.abs(measured - expected), size, out=np.zeros(len(size)), where=size > 0)
    if len(nodes) and np.median(difference) > LARGEST_DIFFERENCE:
        raise ClewError(
            f"The graph's features have other activations in {model.name} with {dictionary.name} (they "
            f"differ by {np.median(difference):.0%} in the median); load the model and the dictionary that "
            "it was traced with."
        )


@torch.no_grad()
def activations_at(
    model: LanguageModel, dictionary: Dictionary, recording: Recording, features: list[FeatureAt]
) -> Float64[np.ndarray, " feature"]:
    """The activations of features at their positions on a recording."""
    measured = np.zeros(len(features))
    by_layer: dict[int, list[int]] = {}
    for number, feature in enumerate(features):
        by_layer.setdefault(feature.layer, []).append(number)
    for layer, numbers in by_layer.items():
        _, activation = dictionary.respond(layer, read_values(model, recording, dictionary.read_point, layer))
        position = torch.tensor([features[number].position for number in numbers])
        index = torch.tensor([features[number].index for number in numbers])
        measured[numbers] = activation.cpu()[position, index].double().numpy()
    return measured


def _dictionary_features(graph: Graph) -> np.ndarray:
    """Feature nodes without those of an attention dictionary, which only imported graphs have."""
    features = graph.of_kind(NodeKind.FEATURE)
    return features[graph.node_feature[features] >= 0]
