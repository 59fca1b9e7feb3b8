"""The free regime: forward hooks that change features in the real model while a `with` lasts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from clew.attribution.linear_map import LinearMap
from clew.dictionary.read_write_points import WritePoint, values_at
from clew.intervention.regimes import ForwardPass, PreparedRun
from clew.model.finite import all_finite
from clew.model.language_model import part_of


class InterventionHooks:
    """Hooks on one network and their state; forward passes of other threads are left alone."""

    def __init__(self, run: PreparedRun) -> None:
        self._run, self._writes = run, run.residual_writes()
        self._thread = threading.get_ident()
        self.start = 0
        """The position of the first token of the next forward pass."""
        self.pre_activation: dict[int, Tensor] = {}
        self.activation: dict[int, Tensor] = {}
        self.logits: Tensor | None = None
        """Before a soft-cap."""

    def read_hook(self, layer: int) -> Callable[..., None]:
        """A hook on the module that reads the stream in front of a layer's MLP."""
        dictionary, norm = self._run.dictionary, self._run.model.layers[layer].mlp_norm

        def hook(module: Any, inputs: tuple) -> None:
            if threading.get_ident() != self._thread:
                return
            stream = inputs[0].float()
            x = values_at(dictionary.read_point, norm, stream, norm.scale(stream))
            self.pre_activation[layer], activation = dictionary.respond(layer, x)
            self.activation[layer] = self._writes.change(layer, activation, self.start)

        return hook

    def write_hook(self, layer: int) -> Callable[..., Any]:
        """A hook on the module that writes at the layer's write point."""
        run = self._run
        held = run.recording.mlp_write[layer] if run.constrained and layer in run.layers else None
        linear = LinearMap(run.model, run.recording)

        def hook(module: Any, inputs: tuple, output: Any) -> Any:
            if threading.get_ident() != self._thread:
                return None
            if isinstance(output, tuple):
                return (hook(module, inputs, output[0]), *output[1:])
            added = self._writes.take(layer)
            if held is not None:
                output = held.expand(inputs[0].shape).to(output.dtype).reshape(output.shape)
            if added is not None and run.constrained:
                added = linear.at_stream(run.dictionary.write_point, layer, added)
            return output if added is None else output + added.to(output.dtype).reshape(output.shape)

        return hook

    def checked_logits(self) -> Tensor:
        """Logits of the last pass, before a soft-cap; `ClewError` where a change was too large for them."""
        assert self.logits is not None
        self._writes.largest.check_logits(self.logits)
        return self.logits

    def is_finite_unchanged(self) -> bool:
        """True if the last pass was finite in the column without a change."""
        return self.logits is not None and all_finite(self.logits[0])

    def logits_hook(self, module: Any, inputs: tuple, output: Tensor) -> None:
        """A hook on the unembedding."""
        if threading.get_ident() == self._thread:
            self.logits = output.float()


@contextlib.contextmanager
def hooked(run: PreparedRun, *, watched: bool) -> Iterator[InterventionHooks]:
    """Make the changes of a run in every forward pass of the network by this thread.

    Row i of the batch makes the changes of column i of the run. Features are read in the layers that
    change, and in every layer if `watched`. The hooks are removed at the end, also after an exception.
    """
    model = run.model
    hooks, handles = InterventionHooks(run), []
    before_norm = run.dictionary.write_point is WritePoint.MLP_OUTPUT and not run.constrained
    with model.exclusive:
        try:
            for number, layer in enumerate(model.layers):
                if watched or number in run.by_layer:
                    handles.append(layer.mlp_reader.register_forward_pre_hook(hooks.read_hook(number)))
                writer = layer.mlp if before_norm else layer.mlp_writer
                handles.append(writer.register_forward_hook(hooks.write_hook(number)))
            unembedding = part_of(model.network, model.anatomy.unembedding)
            handles.append(unembedding.register_forward_hook(hooks.logits_hook))
            yield hooks
        finally:
            for handle in handles:
                handle.remove()


@torch.no_grad()
def run_free(run: PreparedRun) -> ForwardPass:
    """Outputs where the whole model responds."""
    model = run.model
    ids = run.recording.token_ids.expand(len(run.strength), -1)
    with hooked(run, watched=True) as hooks:
        model.run(ids)
    layers = range(model.n_layers)
    return ForwardPass(
        hooks.checked_logits(),
        tuple(hooks.pre_activation[layer] for layer in layers),
        tuple(hooks.activation[layer] for layer in layers),
    )


@torch.no_grad()
def last_logits(run: PreparedRun) -> Float[Tensor, "column vocabulary"]:
    """Logits of the next token in the free regime, before a soft-cap."""
    ids = run.recording.token_ids.expand(len(run.strength), -1)
    with hooked(run, watched=False) as hooks:
        run.model.run(ids, logits_to_keep=1)
    return hooks.checked_logits()[:, -1]
