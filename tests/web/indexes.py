"""Indexes of example texts for graphs that are looked at in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clew.feature import Feature
from clew.graph.graph import Graph, NodeKind
from clew.index.exchange.feature_file import BOTTOM, TOP, FeatureFile, FileExample, Quantile
from clew.index.exchange.folder import write_details
from clew.index.exchange.importing import import_details
from clew.index.storage.locations import default_location
from tests.web.graphs import WORDS
from tests.web.serving import Server

EDGES = (-4.0, -2.0, -1.0, 0.0, 0.0, 1.0, 2.0, 4.0, 8.0)
COUNTS = (2, 8, 90, 700, 150, 40, 8, 2)
"""Counts of 1,000 positions: 10 % below zero, 70 % at zero, 20 % above."""
N_EXAMPLES = 7


def example(word: str, number: int, activation: float) -> FileExample:
    """A text of two lines in which one word stands out, and the one after it a little the other way."""
    before = f" line {number} speaks of a".split(" ")[1:]
    after = ["today\n", "and", "of", "nothing", "else"]
    tokens = tuple(f" {piece}" for piece in (*before, word, *after))
    place = len(before)
    activations = [0.0] * len(tokens)
    activations[place], activations[place + 1] = activation, -activation / 4
    return FileExample(tokens, tuple(activations), peak=place)


def details(layer: int, feature: int, word: str, **more: object) -> FeatureFile:
    """A feature that likes a word, and another one on its negative side."""
    tops = [example(word, number, 8 - number / 2) for number in range(N_EXAMPLES)]
    bottoms = [example("shadow", number, -4 + number / 4) for number in range(2)]
    level = [example(word, 50, 1.5)]
    return FeatureFile(
        Feature(layer, feature),
        transcoder="neurons",
        quantiles=(
            Quantile(TOP, tuple(tops)),
            Quantile("from 1 to 2", tuple(level)),
            Quantile(BOTTOM, tuple(bottoms)),
        ),
        top_outputs=(f" {word}s", " and"),
        bottom_outputs=(" never",),
        minimum=-4.0,
        maximum=8.0,
        histogram=COUNTS,
        frequency=0.3,
        more={"histogram_edges": EDGES, "positions": sum(COUNTS), "activation_mean": 0.1, **more},
    )


def never_seen(layer: int, feature: int) -> FeatureFile:
    return FeatureFile(Feature(layer, feature), transcoder="neurons", more={"positions": sum(COUNTS)})


def by_rule(text: str) -> dict[str, object]:
    """A label that was made of tokens."""
    return {"label": text, "label_source": "tokens", "label_author": "tokens and output tokens"}


def by_model(text: str, confidence: float) -> dict[str, object]:
    """A label that a language model gave."""
    source = {"label_source": "model", "label_author": "tiny-chat"}
    return {"label": text, "label_confidence": confidence, **source}


def place_of(graph: Graph, node: str) -> tuple[int, int]:
    """Layer and index of a feature's node."""
    index = graph.node_ids.index(node)
    return int(graph.node_layer[index]), int(graph.node_feature[index])


def features_with_words(graph: Graph) -> dict[tuple[int, int], str]:
    """Every feature of a graph with a word of its own, as far as there are words."""
    nodes = graph.of_kind(NodeKind.FEATURE).tolist()
    pairs = dict.fromkeys((int(graph.node_layer[node]), int(graph.node_feature[node])) for node in nodes)
    return {pair: f"{WORDS[number % len(WORDS)]}{number}" for number, pair in enumerate(pairs)}


def make_index(server: Server, folder: Path, graph: Graph, features: Sequence[FeatureFile] = ()) -> Path:
    """An index of a graph's model and dictionary in the place where the server looks: of every feature of the
    graph, as `details` says, save for those that are given."""
    given = {(one.feature.layer, one.feature.index): one for one in features}
    words = features_with_words(graph)
    every = {pair: details(*pair, word) for pair, word in words.items()} | given
    write_details([every[pair] for pair in sorted(every)], folder / "details", "json")
    model, dictionary = graph.info.model, graph.info.dictionary
    server.indexes.mkdir(exist_ok=True)
    place = server.indexes / default_location(model, dictionary).name
    import_details(folder / "details", place, model=model, dictionary=dictionary)
    return place
