"""Set neurons to zero in the real model and see what its answer becomes."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import Tensor

from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel


def answer_probability(model: LanguageModel, graph: Graph, ablated: np.ndarray) -> float:
    """Probability of the graph's likeliest target with the given feature nodes (neurons) set to zero."""
    by_layer: dict[int, list[int]] = {}
    for node in ablated:
        by_layer.setdefault(int(graph.node_layer[node]), []).append(int(node))
    with contextlib.ExitStack() as hooks:
        for layer, nodes in by_layer.items():
            zero = _zero(graph.node_position[nodes], graph.node_feature[nodes])
            neurons = model.layers[layer].neurons
            assert neurons is not None
            hooks.callback(neurons.down.module.register_forward_pre_hook(zero).remove)
        logits = model.next_token_logits(torch.from_numpy(graph.token_ids)[None])[0]
    best = max(graph.info.targets, key=lambda target: target.weight)
    return float(logits.softmax(-1)[best.token_id])


def _zero(positions: np.ndarray, features: np.ndarray):
    def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        neurons = inputs[0].clone()
        neurons[0, positions, features] = 0
        return (neurons, *inputs[1:])

    return hook


def most_influential(graph: Graph, count: int) -> np.ndarray:
    features = graph.of_kind(NodeKind.FEATURE)
    return features[np.argsort(-graph.node_influence[features])[:count]]


def random_nodes(graph: Graph, count: int, seed: int) -> np.ndarray:
    """Active feature nodes of the graph, drawn evenly."""
    return np.random.default_rng(seed).choice(graph.of_kind(NodeKind.FEATURE), count, replace=False)
