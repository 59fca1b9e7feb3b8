"""Patch the neurons that carry one prompt's subject into another prompt, and see whose answer comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.graph import Graph, NodeKind
from clew.intervention.graph_compatibility import place_of
from clew.intervention.intervene import intervene
from clew.intervention.intervention import Feature, Intervention
from clew.intervention.prediction import Place
from clew.model.language_model import LanguageModel


@dataclass(frozen=True)
class Swap:
    """A prompt, another that differs from it in some tokens only, and the answers to both."""

    prompt: str
    source: str
    answer: str
    wanted: str
    sink: str | None = None
    """The same first token for both, where the tokenizer has none of its own."""


DALLAS = Swap("Dallas is a city in the state of", "Miami is a city in the state of", " Texas", " Florida")
JORDAN = Swap("Michael Jordan plays the sport of", "Tiger Woods plays the sport of", " basketball", " golf")
HOT = Swap("The opposite of hot is", "The opposite of big is", " cold", " small", "<|endoftext|>")
FRANCE = Swap("The capital of France is", "The capital of Germany is", " Paris", " Berlin", "<|endoftext|>")


@dataclass(frozen=True)
class Outcome:
    """Probabilities of both answers, and the likeliest token."""

    answer: float
    wanted: float
    likeliest: str


def source_graph(model: LanguageModel, swap: Swap) -> Graph:
    return trace(model, NeuronDictionary(model), swap.source, TraceSettings(max_nodes=8192, sink=swap.sink))


def subject(model: LanguageModel, swap: Swap) -> list[int]:
    """The positions where the prompts differ, counted from the end as sinks may not be."""
    one, other = (
        model.tokenizer.encode(text, add_special_tokens=False) for text in (swap.prompt, swap.source)
    )
    assert len(one) == len(other)
    return [place - len(one) for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]


def supernode(graph: Graph, positions: Sequence[int], count: int) -> list[Place]:
    """The most influential neurons of a graph at some positions (counted from the end)."""
    features = graph.of_kind(NodeKind.FEATURE)
    features = features[np.argsort(-graph.node_influence[features], kind="stable")]
    n_positions = len(graph.token_ids)
    here = [node for node in features if int(graph.node_position[node]) - n_positions in positions]
    return [place_of(graph, node) for node in here[:count]]


def others(model: LanguageModel, places: Sequence[Place], seed: int) -> list[Place]:
    """As many random neurons of the same layers at the same positions."""
    width = NeuronDictionary(model).n_features
    rng, drawn = np.random.default_rng(seed), set()
    for layer, position, _ in places:
        place = None
        while place is None or place in drawn or place in places:
            place = (layer, position, int(rng.integers(width[layer])))
        drawn.add(place)
    return sorted(drawn)


def swapped(model: LanguageModel, swap: Swap, places: Sequence[Place]) -> tuple[Outcome, Outcome]:
    """What the prompt is answered before and after these neurons get their values from the source."""
    dictionary, changes = NeuronDictionary(model), []
    for position in sorted({place[1] for place in places}):
        features = [Feature(layer, index) for layer, at, index in places if at == position]
        changes.append(Intervention(features, position, "patch", swap.source))
    (result,) = intervene(model, dictionary, swap.prompt, changes, sink=swap.sink)
    tokens = [
        model.tokenizer.encode(text, add_special_tokens=False)[0] for text in (swap.answer, swap.wanted)
    ]
    before, after = (
        Outcome(float(share[tokens[0]]), float(share[tokens[1]]), model.token_text(int(share.argmax())))
        for share in (logits[-1].softmax(dim=-1) for logits in (result.logits_before, result.logits_after))
    )
    return before, after
