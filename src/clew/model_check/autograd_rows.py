"""Rows of a graph against automatic differentiation: the effect of each source on a node, by autograd."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import ActiveFeatures, Dictionary, Encoding
from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording
from clew.model_check.frozen_network import FrozenRun, run_frozen

PARTS = 3
"""Parts of the layers, low to high, of which the most influential feature's row is compared."""


def chosen_rows(graph: Graph) -> list[int]:
    """The most influential feature of each part of the layers, and the main output."""
    features, outputs = graph.of_kind(NodeKind.FEATURE), graph.of_kind(NodeKind.TARGET)
    rows = []
    for layers in np.array_split(np.unique(graph.node_layer[features]), PARTS):
        among = features[np.isin(graph.node_layer[features], layers)]
        if len(among):
            rows.append(int(among[np.argmax(graph.node_influence[among])]))
    return [*rows, int(outputs[np.argmax(graph.node_activation[outputs])])]


def worst_row_difference(
    model: LanguageModel, dictionary: Dictionary, recording: Recording, graph: Graph
) -> float:
    """The largest difference between an edge of a feature or token and autograd, relative to its row."""
    neurons = isinstance(dictionary, NeuronDictionary)
    encoding = dictionary.encode(recording)
    run = run_frozen(model, encoding, recording, neurons=neurons)
    features = _features(graph, graph.of_kind(NodeKind.FEATURE), model.device)
    differences = []
    for row in chosen_rows(graph):
        with torch.enable_grad():
            value = _explained(model, encoding, run, graph, row, neurons)
            gradient = torch.autograd.grad(value, run.sources, retain_graph=True, allow_unused=True)
        on_embedding, *on_leaves = (
            torch.zeros_like(leaf) if each is None else each
            for leaf, each in zip(run.sources, gradient, strict=True)
        )
        of_tokens = (run.embedding[0] * on_embedding).float().sum(-1)
        of_features = (_of_neurons if neurons else _of_transcoders)(encoding, run, features, on_leaves)
        differences.append(_difference(graph, row, of_features, of_tokens))
    return max(differences)


def _features(graph: Graph, nodes: np.ndarray, device: torch.device) -> ActiveFeatures:
    columns = (graph.node_layer, graph.node_position, graph.node_feature)
    layer, position, index = (
        torch.from_numpy(column[nodes].astype(np.int64)).to(device) for column in columns
    )
    return ActiveFeatures(layer, position, index, torch.from_numpy(graph.node_activation[nodes]).to(device))


def _explained(
    model: LanguageModel, encoding: Encoding, run: FrozenRun, graph: Graph, row: int, neurons: bool
) -> Tensor:
    """The value that a row explains, as a function of the leaves."""
    if graph.node_kind[row] == NodeKind.TARGET:
        column = model.unembedding_weight[graph.target(row).token_id].float() - model.mean_unembedding
        return run.normalized[0].float() @ column
    at = graph.feature_at(row)
    read = run.reads[at.layer][at.position]
    if neurons:
        return read[at.index]
    direction, _, _ = encoding.reads(_features(graph, np.array([row]), model.device))
    return read @ direction[0]


def _of_neurons(
    encoding: Encoding, run: FrozenRun, features: ActiveFeatures, on_leaves: list[Tensor]
) -> Tensor:
    """The effects of neurons: activation times gradient."""
    effect = torch.zeros(len(features), device=features.activation.device)
    for layer, (leaf, gradient) in enumerate(zip(run.leaves, on_leaves, strict=True)):
        here = torch.nonzero(features.layer == layer).squeeze(1)
        at = features.position[here], features.index[here]
        effect[here] = (leaf.detach()[at] * gradient[at]).float()
    return effect


def _of_transcoders(
    encoding: Encoding, run: FrozenRun, features: ActiveFeatures, on_leaves: list[Tensor]
) -> Tensor:
    """The effects of features: their writes times the gradient there, over all layers that they write to."""
    effect = torch.zeros(len(features), device=features.activation.device)
    for layer, gradient in enumerate(on_leaves):
        writers, direction = encoding.writes(features, layer)
        at_write = gradient[features.position[writers]].float()
        effect[writers] += (direction * at_write).sum(-1) * features.activation[writers]
    return effect


def _difference(graph: Graph, row: int, of_features: Tensor, of_tokens: Tensor) -> float:
    expected, found = np.zeros((2, graph.n_nodes))
    expected[graph.of_kind(NodeKind.FEATURE)] = of_features.cpu().numpy()
    expected[graph.of_kind(NodeKind.TOKEN)] = of_tokens.detach().cpu().numpy()
    edges = slice(graph.edge_offset[row], graph.edge_offset[row + 1])
    found[graph.edge_source[edges]] = graph.edge_weight[edges]
    found[graph.of_kind(NodeKind.ERROR)] = 0
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return float("inf")
    largest = max(np.abs(expected).max(), np.abs(found).max())
    return float(np.abs(found - expected).max() / largest) if largest > 0 else 0.0
