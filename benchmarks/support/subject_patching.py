"""Patch the neurons that carry one prompt's subject into another prompt, and see whose answer comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.support.neuron_graphs import trace_neurons
from clew.dictionary.neurons import NeuronDictionary
from clew.feature import FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import Intervention
from clew.intervention.run_intervention import intervene
from clew.intervention.settings import InterveneCall
from clew.model.language_model import LanguageModel


@dataclass(frozen=True)
class SubjectPatch:
    """A prompt, a source prompt that differs only in its subject, and the answers to both."""

    prompt: str
    source: str
    answer: str
    source_answer: str


DALLAS = SubjectPatch(
    "Dallas is a city in the state of", "Miami is a city in the state of", " Texas", " Florida"
)
JORDAN = SubjectPatch(
    "Michael Jordan plays the sport of", "Tiger Woods plays the sport of", " basketball", " golf"
)
HOT = SubjectPatch("The opposite of hot is", "The opposite of big is", " cold", " small")
FRANCE = SubjectPatch("The capital of France is", "The capital of Germany is", " Paris", " Berlin")


@dataclass(frozen=True)
class Answers:
    """Probabilities of both answers, and the likeliest token."""

    answer: float
    source_answer: float
    likeliest: str


def source_graph(model: LanguageModel, patch: SubjectPatch) -> Graph:
    """The graph of the source prompt, whose neurons give their values."""
    return trace_neurons(model, patch.source, max_nodes=8192)


def subject_positions(model: LanguageModel, patch: SubjectPatch) -> list[int]:
    """The positions at which the prompts differ, counted from the end because only one may have a sink."""
    ids, source_ids = (
        model.tokenizer.encode(text, add_special_tokens=False) for text in (patch.prompt, patch.source)
    )
    pairs = zip(ids, source_ids, strict=True)
    return [position - len(ids) for position, (one, other) in enumerate(pairs) if one != other]


def subject_neurons(graph: Graph, positions: Sequence[int], count: int) -> list[FeatureAt]:
    """The most influential neurons of a graph at some positions (counted from the end)."""
    features = graph.of_kind(NodeKind.FEATURE)
    features = features[np.argsort(-graph.node_influence[features], kind="stable")]
    n_positions = len(graph.token_ids)
    here = [int(node) for node in features if int(graph.node_position[node]) - n_positions in positions]
    return [graph.feature_at(node) for node in here[:count]]


def random_neurons(model: LanguageModel, neurons: Sequence[FeatureAt], seed: int) -> list[FeatureAt]:
    """Random neurons, as many in the same layers at the same positions."""
    width = NeuronDictionary(model).n_features
    rng, drawn = np.random.default_rng(seed), set()
    for layer, position in ((each.layer, each.position) for each in neurons):
        neuron = None
        while neuron is None or neuron in drawn or neuron in neurons:
            neuron = FeatureAt(layer, position, int(rng.integers(width[layer])))
        drawn.add(neuron)
    return sorted(drawn)


def patched_answers(
    model: LanguageModel, patch: SubjectPatch, neurons: Sequence[FeatureAt]
) -> tuple[Answers, Answers]:
    """The prompt's answers before and after these neurons get their values from the source prompt."""
    changes = [
        Intervention(
            [str(each.feature) for each in neurons if each.position == position],
            position,
            "patch",
            patch.source,
        )
        for position in sorted({each.position for each in neurons})
    ]
    (result,) = intervene(model, NeuronDictionary(model), patch.prompt, InterveneCall(changes))
    tokens = [
        model.tokenizer.encode(text, add_special_tokens=False)[0]
        for text in (patch.answer, patch.source_answer)
    ]
    before, after = (
        Answers(float(share[tokens[0]]), float(share[tokens[1]]), model.token_text(int(share.argmax())))
        for share in (logits[-1].softmax(dim=-1) for logits in (result.logits_before, result.logits_after))
    )
    return before, after
