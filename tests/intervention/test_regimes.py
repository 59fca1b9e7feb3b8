"""Frozen attention and the free regime against hooks of the test's own; no change moves nothing."""

from __future__ import annotations

import random

import pytest
import torch

from clew.attribution.trace import TraceSettings, trace
from clew.errors import ClewError
from clew.feature import Feature
from clew.intervention.intervention import Intervention
from clew.intervention.layer_interventions import changed_features, resolve_interventions
from clew.intervention.regimes import PreparedRun
from clew.intervention.run_intervention import RUN
from clew.intervention.settings import REGIMES, Regime
from clew.model.recording import record
from tests.autograd_oracle import attention_replaced_by
from tests.intervention.hook_oracle import changed_run
from tests.intervention.keyword_calls import intervene, prepare
from tests.intervention.random_changes import PAIRS, dictionary_of, random_features
from tests.random_transcoders import random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model

IDS = random_ids(7).tolist()
every_regime = pytest.mark.parametrize("regime", REGIMES)


@pytest.mark.parametrize(("architecture", "kind"), PAIRS[::3])
@pytest.mark.parametrize("regime", ["frozen-attention", "free"])
def test_the_network_with_hooks_does_the_same(architecture: str, kind: str, regime: Regime):
    draw = random.Random(f"{architecture} {kind}")
    model = tiny_model(architecture)
    dictionary = dictionary_of(model, kind, draw)
    graph = trace(model, dictionary, IDS, TraceSettings(max_nodes=10**6))
    set_to = {place: draw.uniform(-2, 2) for place in random_features(graph, draw, 6)}
    changes = [Intervention(at.feature, at.position, "set", value) for at, value in set_to.items()]
    expected = changed_run(
        model, dictionary, torch.tensor(IDS), set_to, frozen_attention=regime == "frozen-attention"
    )
    (result,) = intervene(model, dictionary, IDS, changes, regime=regime)
    torch.testing.assert_close(result.logits_after, expected.logits, rtol=1e-4, atol=2e-4)
    found = RUN[regime](prepare(model, dictionary, IDS, changes))
    for layer, pre_activation in enumerate(expected.pre_activation):
        torch.testing.assert_close(found.pre_activation[layer][1], pre_activation, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
@every_regime
def test_no_intervention_changes_no_logit(architecture: str, regime: Regime):
    model = tiny_model(architecture)
    dictionary = random_transcoders(model, "CLT ReLU")
    (result,) = intervene(model, dictionary, IDS, [], regime=regime)
    plain = model.network(input_ids=torch.tensor([IDS]), use_cache=False).logits[0]
    assert (result.logits_after - result.logits_before).abs().max() <= 1e-5
    torch.testing.assert_close(result.logits_before, plain, rtol=0, atol=1e-5)
    assert result.kl <= 1e-9
    assert torch.equal(result.features.before, result.features.after)
    # Not only the difference of two runs: the run itself is the model's.
    own = model.soft_capped(RUN[regime](prepare(model, dictionary, IDS, [])).logits)
    torch.testing.assert_close(own[1], plain, rtol=1e-5, atol=2e-5)


@every_regime
def test_strengths_side_by_side_are_those_one_by_one(regime: Regime):
    model = tiny_model("Gemma3ForCausalLM")
    dictionary = random_transcoders(model, "CLT JumpReLU with skip")
    changes = [Intervention(Feature(0, 2), 3, "set", 2.0), Intervention(Feature(1, 4), "all", "scale", -1.0)]
    strengths = [-2, -1, 0, 0.5, 1, 2, 3, 4, 5, 6]
    together = intervene(model, dictionary, IDS, changes, regime=regime, strengths=strengths)
    assert [result.strength for result in together] == strengths
    for strength, result in zip(strengths, together, strict=True):
        (alone,) = intervene(model, dictionary, IDS, changes, regime=regime, strengths=[strength])
        torch.testing.assert_close(result.logits_after, alone.logits_after, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(result.features.after, alone.features.after, rtol=1e-5, atol=1e-5)
    assert torch.equal(together[2].logits_before, together[2].logits_after)


def test_a_strength_multiplies_the_change_and_not_the_value():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    feature = Feature(0, 2)
    for how, value, change in [
        ("ablate", None, lambda a: -a),
        ("set", 3.0, lambda a: 3 - a),
        ("add", 3.0, lambda a: 3 + 0 * a),
        ("scale", 3.0, lambda a: 2 * a),
    ]:
        results = intervene(
            model, dictionary, IDS, [Intervention(feature, "all", how, value)], strengths=[1, 0.5, -1]
        )
        for result in results:
            changed = result.features.was_changed
            before, after = result.features.before[changed], result.features.after[changed]
            assert changed.sum() == len(IDS)
            torch.testing.assert_close(after, before + result.strength * change(before))


def test_in_the_direct_regime_the_same_features_stay_active():
    """Also those of a TopK, however far another one rises: an edge knows no threshold."""
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT TopK")
    changes = [Intervention(Feature(0, index), 2, "set", 50.0) for index in range(7)]
    (result,) = intervene(model, dictionary, IDS, changes, regime="direct")
    features = result.features
    others = ~features.was_changed
    assert (features.before[others] != 0).all()
    moved = features.pre_activation_after - features.pre_activation_before
    torch.testing.assert_close((features.after - features.before)[others], moved[others], rtol=0, atol=1e-5)
    assert moved[others].abs().max() > 1
    assert features.after[features.was_changed].tolist() == pytest.approx([50.0] * 7)


@every_regime
def test_a_feature_set_to_what_it_is_stays_there_whatever_it_reads(regime: Regime):
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    plain = dictionary.encode(record(model, torch.tensor(IDS)))
    active = plain.active(2)
    place = Feature(2, int(active.index[-1])), int(active.position[-1]), float(active.activation[-1])
    changes = [
        Intervention(place[0], place[1], "set", place[2]),
        Intervention([Feature(0, index) for index in range(7)], "all", "add", 3.0),
    ]
    features = intervene(model, dictionary, IDS, changes, regime=regime)[0].features
    (row,) = ((features.layer == 2) & features.was_changed).nonzero().squeeze(1)
    assert float(features.after[row]) == pytest.approx(place[2], rel=1e-5)


def test_half_precision_answers_in_every_regime():
    model = tiny_model("MixtralForCausalLM", dtype=torch.bfloat16)
    dictionary = random_transcoders(model, "CLT ReLU")
    for regime in REGIMES:
        (result,) = intervene(
            model, dictionary, IDS, [Intervention(Feature(0, 1), 3, "set", 4.0)], regime=regime
        )
        assert result.logits_after.isfinite().all()
        assert result.kl > 0


def test_half_precision_does_not_round_small_changes_away_in_the_direct_regime():
    """The same weights in float32 say what the change is, whatever the logits that it stands beside."""
    model = tiny_model("LlamaForCausalLM", dtype=torch.bfloat16)
    change = Intervention(Feature(2, 1), 6, "add", 1e-3)
    result = intervene(model, random_transcoders(model, "PLT ReLU"), IDS, [change], regime="direct")[0]
    moved = (result.logits_after - result.logits_before)[-1]
    recording = record(model, torch.tensor(IDS))
    direction = 1e-3 * random_transcoders(model, "PLT ReLU").decoder(2, torch.tensor([1]))[0, 0]
    read = model.final_norm.apply(direction, recording.final_scale[-1])
    expected = model.unembedding_weight.float() @ read
    assert (moved - expected).norm() <= 0.01 * expected.norm()


def written_at(setting: PreparedRun) -> set[int]:
    """The layers at which the changes of a setting were taken up by some MLP's output."""
    found = set()
    pending = setting.residual_writes()
    for layer in range(setting.model.n_layers):
        edits = setting.by_layer.get(layer)
        if edits is not None:
            pending.change(layer, torch.ones(len(setting.strength), 7, 7))
        if pending.take(layer) is not None:
            found.add(layer)
    return found


def test_a_layer_range_limits_where_a_change_is_written():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "CLT ReLU")
    changes = [Intervention(Feature(0, 1), 3, "set", 4.0)]
    assert written_at(prepare(model, dictionary, IDS, changes)) == {0, 1, 2}
    assert written_at(prepare(model, dictionary, IDS, changes, layers=range(1, 2))) == {1}


@pytest.mark.parametrize("architecture", ["LlamaForCausalLM", "Gemma2ForCausalLM", "Llama4ForCausalLM"])
@pytest.mark.parametrize("regime", ["frozen-attention", "free"])
@pytest.mark.parametrize("layers", [range(0, 2), range(0, 3)], ids=["some", "all"])
def test_in_a_layer_range_no_mlp_responds(architecture: str, regime: Regime, layers: range):
    """Every MLP of the range writes what it wrote on the prompt, plus the change's direction."""
    model = tiny_model(architecture)
    dictionary = random_transcoders(model, "CLT ReLU")
    (result,) = intervene(
        model,
        dictionary,
        IDS,
        [Intervention(Feature(0, 1), 3, "add", 4.0)],
        regime=regime,
        layers=layers,
    )
    recording, stack = record(model, torch.tensor(IDS)), []
    for number in layers:
        change = torch.zeros(len(IDS), model.d_model)
        change[3] = 4 * dictionary.decoder(0, torch.tensor([1]))[0, number]
        held = recording.mlp_write[number] + change

        def hold(module, inputs, output, held=held):
            if isinstance(output, tuple):
                return (held.reshape(output[0].shape), *output[1:])
            return held.reshape(output.shape)

        stack.append(model.layers[number].mlp_writer.register_forward_hook(hold))
    if regime == "free":
        expected = model.network(input_ids=torch.tensor([IDS]), use_cache=False).logits[0]
    else:
        with attention_replaced_by(model, list(recording.pattern)):
            expected = model.network(input_ids=torch.tensor([IDS]), use_cache=False).logits[0]
    for handle in stack:
        handle.remove()
    torch.testing.assert_close(result.logits_after, expected, rtol=1e-4, atol=1e-4)
    assert (result.logits_after - result.logits_before).abs().max() > 1e-3


def test_layer_ranges_that_cannot_be_meant_are_refused():
    model = tiny_model("LlamaForCausalLM")
    dictionary = random_transcoders(model, "PLT ReLU")
    changes = [Intervention(Feature(0, 1), 3)]
    for layers in (range(2, 9), range(1, 1), range(0, 3, 2), (0, 1)):
        with pytest.raises(ClewError, match=r"is not a range of the model's layers 0 to 2\.$"):
            intervene(model, dictionary, IDS, changes, layers=layers)  # type: ignore[arg-type]
    with pytest.raises(ClewError, match=r"^L0/1 writes to layer 0, outside of the layers 1 to 2; nothing"):
        intervene(model, dictionary, IDS, changes, layers=range(1, 3))


def test_many_features_at_one_position_each_are_resolved_at_once():
    changes = [Intervention(Feature(0, index), position) for index in range(500) for position in range(20)]
    edits = resolve_interventions(changes, [500], 20)
    assert changed_features(edits[0], 20, 500).all()
