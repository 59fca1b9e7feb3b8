"""Interventions on the real network by plain hooks that add `change x decoder`: slow, and right.

Nothing here shares code with `clew.intervention`, but for the activations of the dictionary.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.feature import FeatureAt
from clew.model.language_model import LanguageModel
from tests.autograd_oracle import attention_patterns, attention_replaced_by


@dataclass(frozen=True)
class Response:
    """The network's results: logits and each layer's pre-activations, `[position, feature]`."""

    logits: Tensor
    pre_activation: list[Tensor]


@torch.no_grad()
def changed_run(
    model: LanguageModel,
    dictionary: Dictionary,
    token_ids: Tensor,
    set_to: Mapping[FeatureAt, float],
    *,
    frozen_attention: bool = False,
) -> Response:
    """The network with features set to activations."""
    patterns = attention_patterns(model, token_ids) if frozen_attention else None
    pre_activation: list[Tensor] = []
    added = [torch.zeros(len(token_ids), model.d_model) for _ in model.layers]

    def see(number: int):
        norm = model.layers[number].mlp_norm

        def hook(module, inputs):
            stream = inputs[0][0]
            x = stream
            if dictionary.read_point is not ReadPoint.RESIDUAL and norm.module is not None:
                x = norm.module.forward(stream)
                if dictionary.read_point is ReadPoint.NORMALIZED:
                    x = (x if norm.bias is None else x - norm.bias) / norm.gain
            pre, activation = dictionary.respond(number, x)
            pre_activation.append(pre)
            for at, value in set_to.items():
                if at.layer == number:
                    written = dictionary.decoder(number, torch.tensor([at.index]))[0]
                    change = value - activation[at.position, at.index]
                    for ahead, direction in enumerate(written):
                        added[number + ahead][at.position] += change * direction

        return hook

    def write(number: int):
        def hook(module, inputs, output):
            if isinstance(output, tuple):
                return (hook(module, inputs, output[0]), *output[1:])
            return output + added[number].reshape(output.shape)

        return hook

    with contextlib.ExitStack() as stack:
        for number, layer in enumerate(model.layers):
            stack.callback(layer.mlp_reader.register_forward_pre_hook(see(number)).remove)
            inside = dictionary.write_point is WritePoint.MLP_OUTPUT
            writer = layer.mlp if inside else layer.mlp_writer
            stack.callback(writer.register_forward_hook(write(number)).remove)
        if patterns is not None:
            stack.enter_context(attention_replaced_by(model, patterns))
        logits = model.network(input_ids=token_ids[None], use_cache=False).logits[0]
    return Response(logits, pre_activation)
