"""The model with its MLPs replaced by transcoders that are still trained."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from clew.model.language_model import LanguageModel
from clew.model.recording import installed, mlp_output

InSequences = Float[Tensor, "sequence position d_model"]

Replacement: TypeAlias = Callable[[InSequences, InSequences], InSequences]
"""A function of an MLP's input and output that gives what is to stand for the output."""


@contextlib.contextmanager
def replaced(model: LanguageModel, replacements: Mapping[int, Replacement]) -> Iterator[None]:
    """A block in which the model's MLPs are replaced, but for their output at the first position.

    The first position is the sink, which transcoders leave out.
    """

    def put(replacement: Replacement) -> Callable[..., Any]:
        def hook(module: nn.Module, inputs: tuple, output: Any) -> Any:
            read, written = inputs[0], mlp_output(inputs, output)
            new = replacement(read[:, 1:], written[:, 1:]).to(written.dtype)
            new = torch.cat([written[:, :1], new], dim=1)
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return hook

    hooks = [(model.layers[layer].mlp, put(replacement)) for layer, replacement in replacements.items()]
    with model.exclusive, installed(hooks):
        yield
