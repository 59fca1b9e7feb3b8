"""Every objective finds the features that synthetic data was made of, though they are superposed."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from clew.training.dead_features import unit
from clew.training.first_weights import begin_from_samples
from clew.training.local_stage import LayerGroup
from clew.training.objectives.choose import choose_objective
from clew.training.schedule import wanted_l0
from clew.training.settings import ActivationKind, TrainSettings
from clew.training.transcoders import Normalization

NAMES = get_args(ActivationKind)
D_MODEL, TRUE, FEATURES, L0, STEPS, TOKENS = 32, 64, 96, 3.0, 300, 512


class SparseData:
    """Inputs and outputs that are sums of few of twice as many features as there are dimensions.

    With `linear`, inputs have a dense part beside the features, and outputs a linear image of inputs.
    """

    def __init__(self, seed=0, linear=0.0):
        self.generator = torch.Generator().manual_seed(seed)
        self.read, self.write = unit(self.random(1, TRUE, D_MODEL)), unit(self.random(1, TRUE, D_MODEL))
        self.linear = linear * self.random(1, D_MODEL, D_MODEL) / D_MODEL**0.5

    def random(self, *shape):
        return torch.randn(*shape, generator=self.generator)

    def batch(self, tokens=TOKENS):
        uniform = torch.rand(2, 1, tokens, TRUE, generator=self.generator)
        activation = (uniform[0] < L0 / TRUE) * (0.5 + uniform[1])
        x = activation @ self.read
        if self.linear.any():
            x = x + 0.3 * self.random(1, tokens, D_MODEL)
        return x, activation @ self.write + x @ self.linear.transpose(1, 2)


def begin(data, **changes):
    settings = TrainSettings("unused", l0=L0, learning_rate=8e-3, **changes)
    reads, writes = data.batch(4096)
    normalization = Normalization.of(reads, writes, settings.near_sink_weight)
    stacked = begin_from_samples(
        normalization.read(reads),
        normalization.write(writes),
        FEATURES,
        wanted_l0(L0, 0, FEATURES, STEPS),
        torch.Generator().manual_seed(0),
        settings.kind,
        places=[0],
    )
    return LayerGroup([0], stacked, choose_objective(settings), normalization), settings


def learn(data, group, settings):
    return [group.step(*data.batch(), settings, step, STEPS) for step in range(STEPS)]


def found(data, group):
    """The mean of true features' largest cosines with a decoder direction."""
    decoder = group.normalization.folded(group.stacked).decoder.detach()
    return float((data.write @ unit(decoder).transpose(1, 2)).amax(2).mean())


@pytest.mark.parametrize("name", NAMES)
def test_superposed_features_are_found(name):
    data = SparseData()
    group, settings = begin(data, activation=name)
    before = found(data, group)
    report = learn(data, group, settings)[-1]
    assert before < 0.75
    assert found(data, group) > 0.95
    assert float(report.l0) == pytest.approx(L0, rel=0.2)


def test_a_saved_threshold_keeps_as_many_features_as_batchtopk_did():
    data = SparseData(1)
    group, settings = begin(data, activation="batchtopk")
    learn(data, group, settings)
    folded = group.normalization.folded(group.stacked)
    x, _ = data.batch(4096)
    saved = group.objective.saved_activation(folded, 0)
    with torch.no_grad():
        active = (saved(folded.pre_activations(x)[0]) > 0).sum(1).float().mean()
    assert float(active) == pytest.approx(L0, rel=0.1)


def test_a_skip_connection_finds_the_linear_part():
    data, unexplained = SparseData(2, linear=1.0), {}
    for kind in ("plt", "skip-plt"):
        group, settings = begin(data, kind=kind)
        unexplained[kind] = float(learn(data, group, settings)[-1].fvu)
        skip = group.normalization.folded(group.stacked.of_layer(0)).skip
    assert skip is not None
    cosine = torch.nn.functional.cosine_similarity(skip.flatten(), data.linear.flatten(), dim=0)
    assert float(cosine) > 0.9
    assert unexplained["skip-plt"] < 0.5 * unexplained["plt"]


@pytest.mark.parametrize("name", NAMES)
def test_dead_features_come_alive(name):
    """Half of them begin dead: the others are too few to find all."""
    data = SparseData(3)
    group, settings = begin(data, activation=name, dead_after=2 * TOKENS)
    half = slice(FEATURES // 2, FEATURES)
    with torch.no_grad():
        group.stacked.encoder[:, half] *= 0.01
        group.stacked.threshold[:, half] += 0.3
    dead = [float(report.dead) for report in learn(data, group, settings)]
    assert max(dead[:20]) > 0.4
    assert dead[-1] < 0.4
    assert found(data, group) > 0.9


@pytest.mark.parametrize(("weight", "low"), [(10.0, True), (None, False)])
def test_near_sinks_that_write_far_more_are_not_all_that_is_learned(weight, low):
    """One token of sixteen writes a hundred times as much, as the second position of some models does."""
    data = SparseData(4)
    plain = data.batch

    def with_sinks(tokens=TOKENS):
        x, y = plain(tokens)
        x[:, ::16] += 3 * data.read[:, :1]
        y[:, ::16] += 100 * (1 + 0.3 * data.random(1, y[:, ::16].shape[1], 1)) * data.write[:, :1]
        return x, y

    data.batch = with_sinks
    group, settings = begin(data, near_sink_weight=weight)
    learn(data, group, settings)
    folded, (x, y) = group.normalization.folded(group.stacked), plain(4096)
    with torch.no_grad():
        activation = group.objective.activate(folded, folded.pre_activations(x), L0)
        error = (folded.reconstruct(activation, x) - y).square().mean() / y.square().mean()
    assert (float(error) < 0.3) == low
