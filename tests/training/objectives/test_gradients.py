"""Gradients of every objective: those of its plain formula, of finite differences, and of the mean loss."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from clew.training.objectives.choose import OBJECTIVES, choose_objective
from clew.training.objectives.dead_feature_loss import dead_feature_loss
from clew.training.objectives.jump_relu import JumpReLUObjective, straight_through
from clew.training.objectives.objective import Attempt
from clew.training.settings import ActivationKind, TrainSettings
from clew.training.transcoders import StackedTranscoders

LAYERS, TOKENS, FEATURES, D_MODEL, L0 = 2, 40, 12, 5, 3.0
NAMES = get_args(ActivationKind)


def settings(name, **changes):
    return TrainSettings(out="unused", activation=name, l0=L0, **changes)


def transcoders(seed=0):
    torch.manual_seed(seed)

    def random(*shape):
        return torch.randn(LAYERS, *shape, dtype=torch.float64)

    stacked = StackedTranscoders(
        encoder=random(FEATURES, D_MODEL),
        encoder_bias=random(FEATURES),
        decoder=random(FEATURES, D_MODEL),
        decoder_bias=random(D_MODEL),
        threshold=0.5 + random(FEATURES).abs(),
        skip=random(D_MODEL, D_MODEL),
    )
    for _, array in stacked.arrays():
        array.requires_grad_(True)
    return stacked, random(TOKENS, D_MODEL), random(TOKENS, D_MODEL)


def loss(objective, stacked, x, y, dead=None):
    pre_activation = stacked.pre_activations(x)
    activation = objective.activate(stacked, pre_activation, L0)
    residual = y - stacked.reconstruct(activation, x)
    dead = torch.zeros(LAYERS, FEATURES, dtype=torch.bool) if dead is None else dead
    attempt = Attempt(pre_activation, activation, residual, torch.ones(LAYERS, TOKENS), dead)
    return (residual.square().mean((1, 2)) + objective.penalty(stacked, attempt, L0, 0.5)).sum()


def gradients(stacked, value):
    names = [name for name, _ in stacked.arrays()]
    found = torch.autograd.grad(value, [array for _, array in stacked.arrays()], allow_unused=True)
    return dict(zip(names, found, strict=True))


def kept(name, stacked, pre_activation):
    """True where a feature is active, by each paper's own words."""
    ordered = pre_activation.sort(dim=-1, descending=True).values
    positive = pre_activation > 0
    if name == "topk":
        return (pre_activation >= ordered[..., int(L0) - 1 : int(L0)]) & positive
    if name == "batchtopk":
        flat = pre_activation.flatten(1).sort(descending=True).values
        return (pre_activation >= flat[:, int(L0 * TOKENS) - 1, None, None]) & positive
    return pre_activation > stacked.threshold[:, None]


def test_every_name_of_the_settings_has_an_objective():
    assert set(OBJECTIVES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_weights_are_those_of_the_plain_formula(name):
    stacked, x, y = transcoders()
    found = gradients(stacked, loss(choose_objective(settings(name)), stacked, x, y))
    z = torch.einsum("lfd,ltd->ltf", stacked.encoder, x) + stacked.encoder_bias[:, None]
    mask = kept(name, stacked, z.detach())
    a = z * mask
    guess = (
        torch.einsum("ltf,lfd->ltd", a, stacked.decoder)
        + stacked.decoder_bias[:, None]
        + torch.einsum("ltr,lwr->ltw", x, stacked.skip)
    )
    plain = ((y - guess) ** 2).mean((1, 2))
    if name == "jumprelu":
        n_active = mask.sum((1, 2)) / TOKENS
        coefficient = 0.2 / L0 * (n_active / L0) ** 2
        norm = stacked.decoder.detach().square().sum(-1).sqrt()
        plain = plain + coefficient * torch.tanh(4 * norm[:, None] * a).sum((1, 2)) / TOKENS
    expected = gradients(stacked, plain.sum())
    for array in ("encoder", "encoder_bias", "decoder", "decoder_bias", "skip"):
        torch.testing.assert_close(found[array], expected[array], rtol=1e-6, atol=1e-8)
    assert (found["threshold"] is not None) == (name == "jumprelu")


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_weights_are_finite_differences(name):
    stacked, x, y = transcoders(1)
    objective = choose_objective(settings(name))
    found = gradients(stacked, loss(objective, stacked, x, y))
    step = 1e-7
    with torch.no_grad():
        for array, value in stacked.arrays():
            if array == "threshold":
                continue
            for place in (0, value.numel() // 2, value.numel() - 1):
                flat = value.view(-1)
                before = float(flat[place])
                flat[place] = before + step
                above = loss(objective, stacked, x, y)
                flat[place] = before - step
                below = loss(objective, stacked, x, y)
                flat[place] = before
                slope = float((above - below) / (2 * step))
                assert float(found[array].flatten()[place]) == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_the_auxiliary_loss_teaches_dead_features_what_is_left_over():
    stacked, x, y = transcoders(2)
    dead = torch.zeros(LAYERS, FEATURES, dtype=torch.bool)
    dead[0, [1, 4, 7, 9]] = True
    z = stacked.pre_activations(x)
    left = y - stacked.reconstruct(z.relu(), x)
    found = dead_feature_loss(stacked, Attempt(z, z.relu(), left, torch.ones(LAYERS, TOKENS), dead))
    some = z[0][:, dead[0]]
    largest = some.relu() * (some >= some.sort(descending=True).values[:, 1:2])  # half of 5 dimensions
    plain = (left[0].detach() - largest @ stacked.decoder[0, dead[0]]).square().mean()
    plain = plain / left[0].detach().square().mean()
    torch.testing.assert_close(found, torch.stack([plain, torch.zeros_like(plain)]))
    expected = torch.autograd.grad(
        plain, list(stacked.trained().values()), retain_graph=True, allow_unused=True
    )
    expected = dict(zip(stacked.trained(), expected, strict=True))
    mine = gradients(stacked, found.sum())
    for array in ("encoder", "encoder_bias", "decoder"):
        torch.testing.assert_close(mine[array], expected[array])
    assert not mine["decoder"][:, ~dead[0]].any()
    assert not mine["encoder"][1].any()


@pytest.mark.parametrize("name", ["topk", "batchtopk"])
def test_the_auxiliary_loss_is_a_share_of_the_loss(name):
    stacked, x, y = transcoders(3)
    dead = torch.ones(LAYERS, FEATURES, dtype=torch.bool)
    with torch.no_grad():
        without = loss(choose_objective(settings(name, auxiliary=0)), stacked, x, y, dead)
        whole = loss(choose_objective(settings(name, auxiliary=1)), stacked, x, y, dead)
        half = loss(choose_objective(settings(name, auxiliary=0.5)), stacked, x, y, dead)
    assert float(whole - without) > 0
    assert float(half - without) == pytest.approx(float(whole - without) / 2)


def test_a_threshold_has_the_gradient_of_the_published_formula():
    torch.manual_seed(0)
    z, t = torch.randn(2, 500, 4, dtype=torch.float64), torch.rand(2, 1, 4, dtype=torch.float64) + 0.2
    weight, width = torch.randn_like(z), 0.3
    t.requires_grad_(True)
    (found,) = torch.autograd.grad((weight * straight_through(z, t, width)).sum(), t)
    kernel = (((z - t).abs() / width) < 0.5).double()
    torch.testing.assert_close(found, (-t / width * kernel * weight).sum(1, keepdim=True))


def test_a_threshold_has_the_slope_of_the_mean_loss():
    """The mean over many tokens is smooth, so it has finite differences where one token's loss jumps."""
    z = torch.linspace(0, 2, 400_000, dtype=torch.float64).view(1, -1, 1)
    t = torch.full((1, 1, 1), 0.7, dtype=torch.float64, requires_grad=True)

    def mean_loss(activation):
        return (activation - 0.3).square().mean()

    (found,) = torch.autograd.grad(mean_loss(straight_through(z, t, 0.002)), t)
    step = 0.001
    with torch.no_grad():
        above, below = (mean_loss(straight_through(z, t + change, 1)) for change in (step, -step))
    assert float(found) == pytest.approx(float((above - below) / (2 * step)), rel=0.01)


def test_dead_features_are_pushed_towards_their_thresholds():
    stacked, x, y = transcoders(4)
    with torch.no_grad():
        stacked.threshold += 100
    dead = torch.ones(LAYERS, FEATURES, dtype=torch.bool)
    found = gradients(stacked, loss(JumpReLUObjective(), stacked, x, y, dead))
    assert (found["encoder_bias"] < 0).all()
    assert (found["threshold"] > 0).all()
