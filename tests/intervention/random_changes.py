"""Random models with dictionaries of every kind, and random changes of their features."""

from __future__ import annotations

import random

from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.feature import FeatureAt
from clew.graph.graph import Graph
from clew.intervention.intervention import Intervention
from clew.intervention.run_intervention import feature_nodes
from clew.model.language_model import LanguageModel
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, WITH_NEURONS

PAIRS = [
    (architecture, kind)
    for architecture in sorted(CONFIG_BY_ARCHITECTURE)
    for kind in (*KINDS, "neurons")
    if kind != "neurons" or architecture in WITH_NEURONS
]
"""Every architecture with every kind of dictionary that it can have."""


def dictionary_of(model: LanguageModel, kind: str, draw: random.Random) -> Dictionary:
    """Transcoders of the kind, with random weights, read point and write point."""
    if kind == "neurons":
        return NeuronDictionary(model)
    points = draw.choice(list(ReadPoint)), draw.choice(list(WritePoint))
    return random_transcoders(model, kind, draw.randrange(100), *points)


def random_features(graph: Graph, draw: random.Random, count: int) -> list[FeatureAt]:
    """Some features that are nodes of the graph."""
    features = sorted(feature_nodes(graph))
    return draw.sample(features, min(count, len(features)))


def random_changes(features: list[FeatureAt], draw: random.Random) -> list[Intervention]:
    """A change of each feature, in a random way and by a random amount."""
    return [random_change(feature, draw) for feature in features]


def random_change(at: FeatureAt, draw: random.Random) -> Intervention:
    how = draw.choice(["ablate", "set", "add", "scale"])
    value = None if how == "ablate" else draw.uniform(-3, 3)
    return Intervention(at.feature, at.position, how, value)
