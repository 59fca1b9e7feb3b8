"""Settings of training that are folded into the weights exactly: scales, and biases taken off the input."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.weights import HeldWeights, RowScaledWeights, ScaledWeights, Weights

ROWS = 4096
"""Rows of an encoder that are in memory together in double precision."""


def scaled(weights: Weights, factor: float) -> Weights:
    return weights if factor == 1 else ScaledWeights(weights, factor)


def scale_rows(weights: Weights, factor: Float[Tensor, " row"]) -> Weights:
    return weights if bool((factor == 1).all()) else RowScaledWeights(weights, factor)


def taken_off_input(encoder: Weights, encoder_bias: Weights, bias: Weights) -> Weights:
    """The encoder bias of features that read `x - bias`: `b_enc - W_enc @ bias`."""
    vector, rows = bias.read().double(), encoder.read()
    shift = torch.cat([rows[begin : begin + ROWS].double() @ vector for begin in range(0, len(rows), ROWS)])
    return HeldWeights((encoder_bias.read().double() - shift).float())
