"""A graph's prompt run once more, and the proof that model and dictionary are those of the graph."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64

from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import read_values
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.intervention.prediction import Place
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording, record

LARGEST_DIFFERENCE = 0.2
"""Relative; half precision stays well below in the median, another model or dictionary does not."""


def place_of(graph: Graph, node: int) -> Place:
    """Layer, position and index of a feature node."""
    return int(graph.node_layer[node]), int(graph.node_position[node]), int(graph.node_feature[node])


def check_fits(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> None:
    """Raise `ClewError` for a graph with layers, tokens or features that there are not."""
    if not isinstance(graph, Graph):
        raise ClewError(f"A graph is what model.trace or clew.open gives, not {graph!r}.")
    vocabulary = len(model.unembedding_weight)
    if len(graph.of_kind(NodeKind.TARGET)) and graph.n_layers != model.n_layers:
        raise ClewError(
            f"This graph is of a model with {graph.n_layers} layers ({graph.info.model}), but {model.name} "
            f"has {model.n_layers}; name the graph's own model."
        )
    ids = [*graph.token_ids.tolist(), *(target.token_id for target in graph.info.targets)]
    if not ids or min(ids) < 0 or max(ids) >= vocabulary:
        raise ClewError(f"This graph has tokens that {model.name} does not have; name the graph's own model.")
    features = graph.of_kind(NodeKind.FEATURE)
    features = features[graph.node_feature[features] >= 0]  # others are attention's, of imported graphs
    layers, counts = graph.node_layer[features], np.array(dictionary.n_features)
    missing = layers >= len(counts)
    missing |= graph.node_feature[features] >= counts[np.minimum(layers, len(counts) - 1)]
    if missing.any():
        name = graph.node_name(int(features[np.argmax(missing)]))
        raise ClewError(
            f"{dictionary.name} has no feature {name}; name the dictionary that the graph was traced "
            f"with ({graph.info.dictionary or 'it does not say which'})."
        )


def recorded_again(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> Recording:
    """The graph's prompt in the model; `ClewError` where it has other layers, tokens or features."""
    check_fits(model, dictionary, graph)
    return record(model, torch.from_numpy(graph.token_ids))


def check_same_model(
    model: LanguageModel, dictionary: Dictionary, recording: Recording, graph: Graph, nodes: np.ndarray
) -> None:
    """Raise `ClewError` unless these features are the dictionary's, and as active as the graph says."""
    places = [place_of(graph, node) for node in nodes]
    for node, (_, _, index) in zip(nodes.tolist(), places, strict=True):
        if index < 0:
            raise ClewError(
                f"{dictionary.name} has no feature {graph.node_name(node)}, which is attention's."
            )
    expected = graph.node_activation[nodes].astype(np.float64)
    if not np.isfinite(expected).all():
        raise ClewError("This graph holds no activations, so it predicts nothing.")
    found = activations(model, dictionary, recording, places)
    size = np.maximum(np.abs(expected), np.abs(found))
    difference = np.divide(np.abs(found - expected), size, out=np.zeros(len(size)), where=size > 0)
    if len(nodes) and np.median(difference) > LARGEST_DIFFERENCE:
        raise ClewError(
            f"The graph's features have other activations in {model.name} with {dictionary.name} (they "
            f"differ by {np.median(difference):.0%} in the median); name the model and the dictionary that "
            "it was traced with."
        )


@torch.no_grad()
def activations(
    model: LanguageModel, dictionary: Dictionary, recording: Recording, places: list[Place]
) -> Float64[np.ndarray, " place"]:
    """What features at given places are at on a recording."""
    found = np.zeros(len(places))
    by_layer: dict[int, list[int]] = {}
    for number, (layer, _, _) in enumerate(places):
        by_layer.setdefault(layer, []).append(number)
    for layer, numbers in by_layer.items():
        _, activation = dictionary.respond(layer, read_values(model, recording, dictionary.read_point, layer))
        where = torch.tensor([places[number][1:] for number in numbers], device=activation.device)
        found[numbers] = activation[where[:, 0], where[:, 1]].cpu().double().numpy()
    return found
