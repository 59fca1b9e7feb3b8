"""Graphs of a model's own neurons, and answers of the real model with some of them set to zero."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel


def trace_neurons(model: LanguageModel, prompt: str, **options: Any) -> Graph:
    """The whole graph of a prompt; `options` are those of `TraceSettings`."""
    return trace(model, NeuronDictionary(model), prompt, TraceSettings(**options))


def most_influential(graph: Graph, count: int) -> np.ndarray:
    """The feature nodes with the most influence, the highest first."""
    features = graph.of_kind(NodeKind.FEATURE)
    return features[np.argsort(-graph.node_influence[features])[:count]]


def random_nodes(graph: Graph, count: int, seed: int) -> np.ndarray:
    """Feature nodes of the graph, drawn evenly."""
    return np.random.default_rng(seed).choice(graph.of_kind(NodeKind.FEATURE), count, replace=False)


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
