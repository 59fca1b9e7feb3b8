"""A model whose MLPs are replaced by a dictionary, all at once, in plain forward passes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from clew.dictionary.read_write_points import WritePoint, values_at
from clew.dictionary.transcoder_dictionary import TranscoderDictionary

PIECE = 64 * 1024**2
"""Bytes of decoder rows that are in memory together."""


@contextlib.contextmanager
def replaced_mlps(dictionary: TranscoderDictionary) -> Iterator[None]:
    """Let the dictionary write in place of every MLP that has transcoders, in this thread's forward passes.

    Features read the stream of the replaced model itself, and a cross-layer feature writes to later layers
    too. At the first position, which is a sink, MLPs keep their own output. The hooks are removed at the end,
    also after an exception.
    """
    model, written = dictionary.model, _Written(dictionary)
    before_norm = dictionary.write_point is WritePoint.MLP_OUTPUT
    with model.exclusive, contextlib.ExitStack() as hooks:
        for number in dictionary.transcoders.layers:
            layer = model.layers[number]
            writer = layer.mlp if before_norm else layer.mlp_writer
            reading = layer.mlp_reader.register_forward_pre_hook(written.read_hook(number))
            hooks.callback(reading.remove)
            hooks.callback(writer.register_forward_hook(written.write_hook(number)).remove)
        yield


class _Written:
    """Sums of what features write, from the layers where they read on."""

    def __init__(self, dictionary: TranscoderDictionary) -> None:
        self._dictionary, self._thread = dictionary, threading.get_ident()
        self._sums: dict[int, Tensor] = {}

    def read_hook(self, layer: int) -> Callable[..., None]:
        """A hook on the module that reads the stream in front of a layer's MLP."""
        dictionary, norm = self._dictionary, self._dictionary.model.layers[layer].mlp_norm
        part = dictionary.transcoders.layers[layer]

        def hook(module: Any, inputs: tuple) -> None:
            if threading.get_ident() != self._thread:
                return
            stream = inputs[0].float()
            x = values_at(dictionary.read_point, norm, stream, norm.scale(stream))
            activation = dictionary.respond(layer, x)[1]
            for ahead, vectors in enumerate(_decoded(dictionary, layer, activation)):
                self._add(layer + ahead, vectors)
            if part.skip is not None:
                self._add(layer, x @ part.skip.read().to(x.device).T)
            if part.decoder_bias is not None:
                self._add(layer, part.decoder_bias.read().to(x.device))

        return hook

    def _add(self, layer: int, vectors: Float[Tensor, "..."]) -> None:
        self._sums[layer] = self._sums[layer] + vectors if layer in self._sums else vectors

    def write_hook(self, layer: int) -> Callable[..., Any]:
        """A hook on the module that writes at the layer's write point."""

        def hook(module: Any, inputs: tuple, output: Any) -> Any:
            if threading.get_ident() != self._thread:
                return None
            if isinstance(output, tuple):
                return (hook(module, inputs, output[0]), *output[1:])
            vectors = self._sums.pop(layer).to(output.dtype)
            vectors[:, 0] = output.reshape(vectors.shape)[:, 0]
            return vectors.reshape(output.shape)

        return hook


def _decoded(
    dictionary: TranscoderDictionary, layer: int, activation: Float[Tensor, "batch position feature"]
) -> Float[Tensor, "written batch position d_model"]:
    """The vectors that a layer's features write to it and to those above; rows of active ones are read."""
    decoder, d_model = dictionary.transcoders.layers[layer].decoder, dictionary.model.d_model
    output = activation.new_zeros(decoder.n_written, *activation.shape[:2], d_model)
    active = torch.nonzero(activation.flatten(0, 1).any(dim=0)).squeeze(1)
    for some in active.split(max(1, PIECE // (4 * decoder.n_written * d_model))):
        output += torch.einsum("bpf,fwd->wbpd", activation[..., some], dictionary.decoder(layer, some))
    return output
