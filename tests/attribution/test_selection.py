"""The chosen features are those with the largest total attribution through the whole linearised model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clew.attribution.linear_map import LinearMap
from clew.attribution.selection import select_features, total_attribution
from clew.attribution.targets import named_targets, output_targets
from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.graph import NodeKind
from clew.model.recording import record
from tests.attribution.test_rows import dense_row
from tests.autograd_oracle import effects, frozen_run
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import MIXTURES, WITH_NEURONS, random_ids, tiny_model


@pytest.mark.parametrize("architecture", sorted(WITH_NEURONS))
def test_total_attribution_sums_direct_effects_over_all_paths(architecture):
    """Chain the oracle's direct effects: total = direct + (total of each later reader) x (its row)."""
    model, ids = tiny_model(architecture), random_ids(4)
    model.text_config.final_logit_softcapping = None
    recording = record(model, ids)
    linear, encoding = LinearMap(model, recording), NeuronDictionary(model).encode(recording)
    outputs = output_targets(linear, named_targets(model, recording, ["w7 minus w9"]))
    found = total_attribution(linear, encoding, outputs)

    run = frozen_run(model, ids)
    total = torch.stack(effects(run, run.logits[7] - run.logits[9])[1])
    activation = torch.stack([encoding.state(layer).activation for layer in range(model.n_layers)])
    for layer in reversed(range(1, model.n_layers)):
        for position in range(len(ids)):
            for feature in range(total.shape[2]):
                below = torch.stack(effects(run, run.read[layer][position, feature])[1])
                per_unit = total[layer, position, feature] / activation[layer, position, feature]
                total += per_unit * below
    torch.testing.assert_close(torch.cat(found), total.abs().flatten(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("architecture", sorted([*MIXTURES, "GPTNeoXForCausalLM", "Olmo2ForCausalLM"]))
@pytest.mark.parametrize("kind", KINDS)
def test_total_attribution_of_transcoders_chains_their_direct_effects(architecture, kind):
    """The same chain: features whose rows are known, from the top layer down."""
    model = tiny_model(architecture)
    dictionary = random_transcoders(model, kind)
    targets = ["w7 minus w9"]
    ids = random_ids(4).tolist()
    graph = trace(model, dictionary, ids, TraceSettings(targets=targets, max_nodes=10**6, sink="none"))
    recording = record(model, torch.tensor(ids))
    linear, encoding = LinearMap(model, recording), dictionary.encode(recording)
    outputs = output_targets(linear, named_targets(model, recording, targets))
    found = torch.cat(total_attribution(linear, encoding, outputs))

    n_features = len(graph.of_kind(NodeKind.FEATURE))
    rows = torch.tensor(np.stack([dense_row(graph, node)[:n_features] for node in range(n_features)]))
    total = torch.tensor(dense_row(graph, graph.n_nodes - 1)[:n_features])
    activation = torch.tensor(graph.node_activation[:n_features])
    for node in reversed(range(n_features)):
        total += total[node] / activation[node] * rows[node]
    torch.testing.assert_close(found, total.abs().float(), rtol=1e-3, atol=1e-5)


def test_as_many_as_asked_for_and_none_at_the_sink():
    model = tiny_model("LlamaForCausalLM")
    recording = record(model, random_ids(6))
    linear, encoding = LinearMap(model, recording), NeuronDictionary(model).encode(recording)
    outputs = output_targets(linear, named_targets(model, recording, [7]))
    chosen = select_features(linear, encoding, outputs, max_nodes=50, first_position=1)
    assert len(chosen) == 50
    assert int(chosen.position.min()) >= 1
    everything = select_features(linear, encoding, outputs, max_nodes=10**6, first_position=1)
    assert len(everything) == encoding.n_active(1)
