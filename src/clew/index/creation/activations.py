"""Activations of all features while the model reads, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.dictionary.neurons import NeuronDictionary, parts_of
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import values_at
from clew.model.language_model import LanguageModel
from clew.model.recording import installed

OnLayer = Callable[[int, Float[Tensor, "window position feature"]], None]
"""Called with each layer's activations in float32, the lowest layer first, in memory of the model."""


def is_two_sided(dictionary: Dictionary) -> bool:
    """True where activations may be negative, as those of neurons may."""
    return isinstance(dictionary, NeuronDictionary)


@torch.no_grad()
def read_activations(
    model: LanguageModel,
    dictionary: Dictionary,
    token_ids: Int[Tensor, "window position"],
    on_layer: OnLayer,
) -> None:
    """Run the model once over some windows and give each layer's activations to `on_layer`.

    Neurons are the inputs of the MLP's last projection; transcoders read their read point.
    """
    widths = enumerate(dictionary.n_features)
    hooks = [_hook(model, dictionary, layer, on_layer) for layer, width in widths if width]
    with model.exclusive, installed(hooks):
        model.next_token_logits(token_ids)


def _hook(
    model: LanguageModel, dictionary: Dictionary, layer: int, on_layer: OnLayer
) -> tuple[nn.Module, Callable[..., None]]:
    """The module to watch in a layer, and the hook that gives the layer's activations."""
    if isinstance(dictionary, NeuronDictionary):
        down = parts_of(model.layers[layer]).down.module
        return down, lambda module, inputs, output: on_layer(layer, inputs[0].float())
    norm = model.layers[layer].mlp_norm

    def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
        residual = inputs[0].float()
        x = values_at(dictionary.read_point, norm, residual, norm.scale(residual))
        _, activation = dictionary.respond(layer, x.flatten(0, 1))
        on_layer(layer, activation.unflatten(0, residual.shape[:2]))

    return model.layers[layer].mlp_reader, hook
