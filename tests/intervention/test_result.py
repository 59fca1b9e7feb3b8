"""Results of interventions: numbers, names from a graph, predictions, files."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

import clew
from clew.attribution.trace import TraceSettings, trace
from clew.errors import ClewError
from clew.facade import Model
from clew.feature import Feature, FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import Annotations
from clew.intervention.intervention import Intervention
from clew.intervention.result import kl_divergence, token_changes
from clew.intervention.run_intervention import predicted_changes
from tests.random_transcoders import random_transcoders
from tests.tiny import random_ids, tiny_model

IDS = random_ids(6).tolist()


@pytest.fixture(scope="module")
def model() -> Model:
    language_model = tiny_model("Gemma2ForCausalLM")
    return Model(language_model, random_transcoders(language_model, "CLT ReLU"))


@pytest.fixture(scope="module")
def graph(model: Model) -> Graph:
    return model.trace(IDS, targets=[3, "w7 minus w9"], max_nodes=10**6)


def test_numbers_are_what_they_say(model: Model):
    result = model.intervene(IDS, Intervention(Feature(0, 2), 3, "set", 9.0))
    before, after = result.logits_before[-1].softmax(-1), result.logits_after[-1].softmax(-1)
    assert len(result.top) == 10
    for token in result.top:
        assert token.text == f"w{token.token_id}" or token.token_id < 2
        assert token.probability_before == pytest.approx(float(before[token.token_id]), rel=1e-5)
        assert token.probability_after == pytest.approx(float(after[token.token_id]), rel=1e-5)
        moved = uncapped(result.logits_after[-1]) - uncapped(result.logits_before[-1])
        centred = moved[token.token_id] - moved.mean()
        assert token.logit_change == pytest.approx(float(centred), rel=1e-3, abs=1e-4)
    larger = torch.maximum(before, after)
    assert [token.token_id for token in result.top] == larger.topk(10).indices.tolist()
    expected = float((after.double() * (after.double().log() - before.double().log())).sum())
    assert result.kl == pytest.approx(expected, rel=1e-3)
    assert repr(result).startswith('InterventionResult(L0/2@3 to 9; strength 1, free: "')
    assert repr(result).endswith(f"KL {result.kl:.3g} nats)")
    assert repr(result.features) == f"FeatureChanges({len(result.features)} features, 1 of them by hand)"


def uncapped(logits: torch.Tensor) -> torch.Tensor:
    """Before the soft-cap of the tiny Gemma 2."""
    return torch.atanh(logits.double() / 30) * 30


def test_a_result_says_what_was_done(model: Model):
    changes = [Intervention(Feature(0, index), 3) for index in range(4)]
    result = model.intervene(IDS, changes, "free", layers=range(0, 2), strengths=[0.5])[0]
    assert (result.interventions, result.layers, result.strength) == (tuple(changes), range(0, 2), 0.5)
    assert repr(result).startswith(
        "InterventionResult(L0/0@3 to 0, L0/1@3 to 0, 2 more; strength 0.5, free, MLPs of layers 0 to 1 held"
    )
    assert repr(model.intervene(IDS, [])).startswith("InterventionResult(nothing changed; strength 1, free: ")


def test_two_tokens_and_their_divergence():
    before, after = torch.tensor([0.0, math.log(3)]), torch.tensor([math.log(3), 0.0])
    assert kl_divergence(before, after) == pytest.approx(0.5 * math.log(3))
    first, second = token_changes(before, after, after - before, "ab".__getitem__)
    assert (first.probability_before, first.probability_after) == pytest.approx((0.25, 0.75))
    assert (second.text, second.logit_change) == ("b", pytest.approx(-math.log(3)))


def test_features_hold_all_that_is_active_or_changed(model: Model):
    features = model.intervene(IDS, Intervention(Feature(1, 2), "all", "set", 0.0)).features
    keys = list(
        zip(features.layer.tolist(), features.position.tolist(), features.index.tolist(), strict=True)
    )
    assert keys == sorted(set(keys))
    by_hand = {key for key, changed in zip(keys, features.was_changed.tolist(), strict=True) if changed}
    assert by_hand == {(1, position, 2) for position in range(6)}
    quiet = (features.before == 0) & (features.after == 0)
    assert features.was_changed[quiet].all()
    below = features.layer == 0
    assert torch.equal(features.before[below], features.after[below])
    moved = features.most_changed(5)
    sizes = [abs(each.after - each.before) for each in moved]
    assert sizes == sorted(sizes, reverse=True)
    assert not {each.name for each in moved} & {each.name for each in features.by_hand}
    assert repr(moved[0]) == f"FeatureChange({moved[0].name}: {moved[0].before:.4g} -> {moved[0].after:.4g})"


def test_features_as_a_table(model: Model):
    features = model.intervene(IDS, Intervention(Feature(1, 2), 3, "set", 0.0)).features
    frame = features.frame
    assert len(frame) == len(features)
    changed = frame.loc[frame["was_changed"].to_numpy().nonzero()[0]]
    assert changed[["name", "layer", "position", "after"]].to_numpy().tolist() == [["L1/2@3", 1, 3, 0]]


def test_one_strength_gives_one_result_and_several_a_tuple(model: Model):
    change = Intervention("L0/2", 3, "set", 9.0)
    one = model.intervene(IDS, [change])
    several = model.intervene(IDS, change, strengths=[1, 2])
    assert torch.allclose(one.logits_after, several[0].logits_after, atol=1e-5)
    before, after = model.generate(IDS, change, 3)
    assert (before.strength, after.strength) == (None, 1)


def test_a_file_keeps_logits_and_features(model: Model, tmp_path: Path):
    result = model.intervene(IDS, Intervention(Feature(0, 2), 3, "set", 9.0), "frozen-attention")
    path = result.save(tmp_path / "a.safetensors")
    with safe_open(path, "pt") as file:
        assert torch.equal(file.get_tensor("logits_before"), result.logits_before)
        assert torch.equal(file.get_tensor("logits_after"), result.logits_after)
        for name, value in vars(result.features).items():
            assert torch.equal(file.get_tensor(f"feature_{name}"), value)
        facts = file.metadata()
    assert facts == {
        "clew": clew.__version__,
        "model": model.language_model.name,
        "dictionary": model.dictionary.name,
        "tokens": json.dumps(result.tokens),
        "token_ids": json.dumps(IDS),
        "interventions": '[{"features": ["L0/2"], "positions": "3", "how": "set", "value": 9.0}]',
        "regime": "frozen-attention",
        "layers": "null",
        "strengths": "[1.0]",
    }
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ClewError, match=r"a\.safetensors cannot be written: there is no folder"):
        result.save(tmp_path / "none" / "a.safetensors")


def test_the_graph_predicts_and_says_what_it_lacks(model: Model, graph: Graph):
    node = int(graph.of_kind(NodeKind.FEATURE)[0])
    there = Intervention(Feature(int(graph.node_layer[node]), int(graph.node_feature[node])), "all", "ablate")
    result = model.intervene(IDS, there, "direct", graph=graph)
    held = (graph.node_layer == graph.node_layer[node]) & (graph.node_feature == graph.node_feature[node])
    assert result.not_in_graph == len(IDS) - int((held & (graph.node_kind == NodeKind.FEATURE)).sum())
    assert result.targets[0].text == "w7 minus w9"  # a difference weighs 1
    assert model.intervene(IDS, there).targets == ()
    assert model.intervene(IDS, there, layers=range(0, 3), graph=graph).targets == ()


def test_predictions_follow_paths_through_features_that_are_not_held():
    """By hand: token -> A -> B -> target, A -> target; weights 1, 2, 3 and 5, activations 1, 2."""
    graph = by_hand()
    change = {FeatureAt(0, 0, 0): 10.0}
    directly, _ = predicted_changes(graph, change, directly=True)
    assert directly.tolist() == [10, 20, 0, 50]
    along, missing = predicted_changes(graph, change | {FeatureAt(1, 0, 9): 1.0}, directly=False)
    assert along.tolist() == [10, 20, 0, 50 + 20 / 2 * 3]
    assert missing == 1
    held, _ = predicted_changes(graph, change | {FeatureAt(1, 0, 1): 0.0}, directly=False)
    assert held.tolist() == [10, 0, 0, 50]
    both, share = change | {FeatureAt(1, 0, 1): 4.0}, {FeatureAt(1, 0, 1): 0.5}
    half, _ = predicted_changes(graph, both, directly=False, passes_on=share)
    assert half.tolist() == [10, 14, 0, 50 + 14 / 2 * 3]


def by_hand() -> Graph:
    from clew.graph.info import GraphInfo, Target

    return Graph(
        node_kind=np.array([0, 0, 2, 3], np.uint8),
        node_layer=np.array([0, 1, -1, 2], np.int16),
        node_position=np.zeros(4, np.int32),
        node_feature=np.array([0, 1, 3, 5], np.int64),
        node_activation=np.array([1, 2, np.nan, 1], np.float32),
        node_influence=np.zeros(4, np.float32),
        edge_offset=np.array([0, 1, 2, 2, 4], np.int64),
        edge_source=np.array([2, 0, 0, 1], np.int32),
        edge_weight=np.array([1, 2, 5, 3], np.float32),
        token_ids=np.array([3], np.int64),
        info=GraphInfo(prompt="w3", tokens=("w3",), targets=(Target("w5", 5, 1.0, 1.0),)),
    )


def test_a_graph_of_something_else_is_refused(model: Model, graph: Graph):
    change = Intervention(Feature(0, 2), 3)
    with pytest.raises(ClewError, match=r"^The graph is of another prompt than the one that is changed"):
        model.intervene([*IDS, 3], change, graph=graph)
    other = Model(model.language_model, random_transcoders(model.language_model, "CLT ReLU", seed=9))
    with pytest.raises(ClewError, match=r"^The graph's features have other activations in tiny with"):
        other.intervene(IDS, change, graph=graph)
    bare = replace(graph, node_activation=np.full_like(graph.node_activation, np.nan))
    with pytest.raises(ClewError, match=r"^This graph holds no activations, so it predicts nothing"):
        model.intervene(IDS, change, graph=bare)


def named(graph: Graph, **names: list[int]) -> Graph:
    """With supernodes of these names and feature nodes."""
    supernodes = tuple((name, tuple(graph.node_id(node) for node in nodes)) for name, nodes in names.items())
    return replace(graph, annotations=replace(graph.annotations, supernodes=supernodes))


def test_a_supernode_means_its_nodes_where_they_are(model: Model, graph: Graph):
    nodes = graph.of_kind(NodeKind.FEATURE)[[1, 4, 7]].tolist()
    token = int(graph.of_kind(NodeKind.TOKEN)[1])
    with_names = named(graph, Texas=[*nodes, token])
    result = model.intervene(IDS, Intervention("Texas", None, "scale", -2.0), graph=with_names)
    places = sorted(
        (int(graph.node_layer[node]), int(graph.node_position[node]), int(graph.node_feature[node]))
        for node in nodes
    )
    features = result.features
    columns = (features.layer, features.position, features.index)
    assert places == sorted(zip(*(column[features.was_changed].tolist() for column in columns), strict=True))
    assert result.not_in_graph == 0
    everywhere = model.intervene(IDS, Intervention("Texas", "all"), graph=with_names).features
    assert everywhere.was_changed.sum() == len({place[::2] for place in places}) * len(IDS)
    both = Intervention(["Texas", Feature(2, 0), "L2/1"], 3)
    assert model.intervene(IDS, both, graph=with_names).features.was_changed.sum() >= 3
    assert len(model.generate(IDS, Intervention("Texas"), 2, graph=with_names)) == 2


def test_a_label_means_every_node_that_carries_it(model: Model, graph: Graph):
    nodes = graph.of_kind(NodeKind.FEATURE)[:2].tolist()
    labels = {graph.node_id(node): "say a capital" for node in nodes}
    labelled = replace(graph, annotations=Annotations(labels=labels))
    assert model.intervene(IDS, Intervention("say a capital"), graph=labelled).features.was_changed.sum() == 2


def test_a_label_of_a_feature_means_its_nodes_without_one_of_their_own(model: Model, graph: Graph):
    one, two = graph.of_kind(NodeKind.FEATURE)[:2].tolist()
    names = dict.fromkeys((graph.feature_name(one), graph.feature_name(two)), "say a capital")
    own = {graph.node_id(node): "another" for node in range(graph.n_nodes) if node not in (one, two)}
    labelled = replace(graph, annotations=Annotations(labels=own, feature_labels=names))
    assert model.intervene(IDS, Intervention("say a capital"), graph=labelled).features.was_changed.sum() == 2
    elsewhere = replace(graph, annotations=Annotations(feature_labels={"L99/1": "say a capital"}))
    with pytest.raises(ClewError, match="holds no features of this graph"):
        model.intervene(IDS, Intervention("say a capital"), graph=elsewhere)


def test_names_that_mean_nothing_or_two_things_are_refused(model: Model, graph: Graph):
    one, two = graph.of_kind(NodeKind.FEATURE)[:2].tolist()
    with_names = named(graph, Texas=[one], Austin=[int(graph.of_kind(NodeKind.TOKEN)[0])])

    def refused(name: str, graph: Graph) -> str:
        with pytest.raises(ClewError) as caught:
            model.intervene(IDS, Intervention(name), graph=graph)
        return str(caught.value)

    assert refused("Dallas", with_names) == (
        "The graph has no supernode and no label 'Dallas'; it has 'Texas', 'Austin'."
    )
    assert refused("Dallas", graph) == (
        "The graph has no supernode and no label 'Dallas'; it has no names at all, so name features such as "
        "L12/4031."
    )
    assert refused("Austin", with_names) == (
        "'Austin' holds no features of this graph; only features can be changed."
    )
    annotations = with_names.annotations
    twice = replace(annotations, supernodes=(*annotations.supernodes, *annotations.supernodes))
    assert refused("Texas", replace(graph, annotations=twice)) == (
        "The graph has 2 supernodes 'Texas'; rename them, or name their features."
    )
    also = replace(annotations, labels={graph.node_id(two): "Texas"})
    assert refused("Texas", replace(graph, annotations=also)) == (
        "In the graph 'Texas' is a supernode, and also the label of other nodes; rename one of them."
    )


def test_settings_of_a_trace_do_not_matter(model: Model):
    """A graph of few nodes predicts the same for them as the whole one."""
    few = trace(model.language_model, model.dictionary, IDS, TraceSettings(targets=[3], max_nodes=3))
    node = int(few.of_kind(NodeKind.FEATURE)[0])
    change = Intervention(
        Feature(int(few.node_layer[node]), int(few.node_feature[node])),
        int(few.node_position[node]),
        "set",
        5.0,
    )
    (target,) = model.intervene(IDS, change, "direct", graph=few).targets
    assert target.predicted == pytest.approx(target.measured, rel=1e-4, abs=1e-5)
