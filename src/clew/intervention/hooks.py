"""The real model with some features changed: hooks for as long as a `with` lasts, and not longer."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from clew.attribution.linear_map import LinearMap
from clew.dictionary.read_write_points import WritePoint, values_at
from clew.intervention.regimes import Pass, Setting
from clew.model.language_model import part_of


class Steered:
    """What the hooks see and do while a network is steered; other threads' passes they leave alone."""

    def __init__(self, setting: Setting) -> None:
        self._setting, self._pending = setting, setting.pending()
        self._thread = threading.get_ident()
        self.start = 0
        """The position of the first token of the next forward pass."""
        self.pre_activation: dict[int, Tensor] = {}
        self.activation: dict[int, Tensor] = {}
        self.logits: Tensor | None = None
        """Before a soft-cap."""

    def read(self, layer: int) -> Callable[..., None]:
        """A hook on what reads the stream in front of a layer's MLP."""
        dictionary, norm = self._setting.dictionary, self._setting.model.layers[layer].mlp_norm

        def hook(module: Any, inputs: tuple) -> None:
            if threading.get_ident() != self._thread:
                return
            stream = inputs[0].float()
            x = values_at(dictionary.read_point, norm, stream, norm.scale(stream))
            self.pre_activation[layer], activation = dictionary.respond(layer, x)
            self.activation[layer] = self._pending.note(layer, activation, self.start)

        return hook

    def write(self, layer: int) -> Callable[..., Any]:
        """A hook on what writes at the layer's write point."""
        setting = self._setting
        held = setting.recording.mlp_write[layer] if setting.constrained and layer in setting.layers else None
        linear = LinearMap(setting.model, setting.recording)

        def hook(module: Any, inputs: tuple, output: Any) -> Any:
            if threading.get_ident() != self._thread:
                return None
            if isinstance(output, tuple):
                return (hook(module, inputs, output[0]), *output[1:])
            added = self._pending.take(layer)
            if held is not None:
                output = held.expand(inputs[0].shape).to(output.dtype).reshape(output.shape)
            if added is not None and setting.constrained:
                added = linear.at_stream(setting.dictionary.write_point, layer, added)
            return output if added is None else output + added.to(output.dtype).reshape(output.shape)

        return hook

    def checked_logits(self) -> Tensor:
        """Those of the last pass, before a soft-cap; `ClewError` where a change was too large for them."""
        assert self.logits is not None
        self._pending.largest.check_logits(self.logits)
        return self.logits

    def read_out(self, module: Any, inputs: tuple, output: Tensor) -> None:
        """A hook on the unembedding."""
        if threading.get_ident() == self._thread:
            self.logits = output.float()


@contextlib.contextmanager
def steered(setting: Setting, *, watched: bool) -> Iterator[Steered]:
    """Make a setting's changes in every forward pass of the network by this thread.

    A batch's rows are the columns of the setting. Features are read where they are changed, and in every
    layer where they are `watched`. Nothing is left behind, also after an exception.
    """
    model = setting.model
    state, handles = Steered(setting), []
    before_norm = setting.dictionary.write_point is WritePoint.MLP_OUTPUT and not setting.constrained
    with model.exclusive:
        try:
            for number, layer in enumerate(model.layers):
                if watched or number in setting.edits:
                    handles.append(layer.mlp_reader.register_forward_pre_hook(state.read(number)))
                writer = layer.mlp if before_norm else layer.mlp_writer
                handles.append(writer.register_forward_hook(state.write(number)))
            unembedding = part_of(model.network, model.anatomy.unembedding)
            handles.append(unembedding.register_forward_hook(state.read_out))
            yield state
        finally:
            for handle in handles:
                handle.remove()


@torch.no_grad()
def run_free(setting: Setting) -> Pass:
    """The whole model responds."""
    model = setting.model
    ids = setting.recording.token_ids.expand(len(setting.strength), -1)
    with steered(setting, watched=True) as state:
        model.network(input_ids=ids, use_cache=False)
    layers = range(model.n_layers)
    return Pass(
        state.checked_logits(),
        tuple(state.pre_activation[layer] for layer in layers),
        tuple(state.activation[layer] for layer in layers),
    )
