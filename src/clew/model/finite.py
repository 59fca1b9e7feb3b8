"""Numbers that are not finite, refused by the layer where the model's own first appear."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from clew.errors import ClewError
from clew.options import option_name

if TYPE_CHECKING:
    from clew.model.language_model import LanguageModel

WIDER = {torch.float16: "bfloat16 or float32", torch.bfloat16: "float32"}
"""Formats that hold larger numbers, or the same ones more exactly."""


def precision(model: LanguageModel) -> str:
    """The name of the model's number format, such as `float16`."""
    return str(model.unembedding_weight.dtype).removeprefix("torch.")


def all_finite(values: Tensor) -> bool:
    """True where no value is infinite or NaN, in one pass and without a mask as large as the values."""
    if not values.numel() or not values.is_floating_point():
        return True
    return bool(torch.stack(torch.aminmax(values)).isfinite().all())


def norms_inside(block: nn.Module) -> list[nn.Module]:
    """The norms of a layer, or those of queries and keys in an attention block."""
    return [part for part in block.modules() if "Norm" in type(part).__name__]


def has_overflowed(values: Tensor) -> Tensor:
    """True (in a tensor) where a norm of finite values writes zeros, as their mean square is not finite."""
    mean_square = values.float().square().mean(dim=-1)
    return (values.isfinite().all(dim=-1) & ~mean_square.isfinite()).any()


@torch.no_grad()
def refuse_not_finite(model: LanguageModel, token_ids: Tensor) -> NoReturn:
    """Raise `ClewError` that names the first layer whose stream is not finite, and what to do.

    Runs the model once more, on texts `[batch, position]` on which it is known to fail.
    """
    if (name := _damaged_weights(model)) is not None:
        raise ClewError(
            f"{model.name}'s weights {name} hold numbers that are not finite; fetch or save its files again."
        )
    dtype = model.unembedding_weight.dtype
    advice = "its weights are too large, or damaged: fetch or save its files again"
    if dtype in WIDER:
        advice = f"load it with {option_name('dtype', WIDER[dtype])}"
    raise ClewError(f"{model.name}'s {_first_fault(model, token_ids)} in {precision(model)}; {advice}.")


def _damaged_weights(model: LanguageModel) -> str | None:
    """The first weights with a NaN, or with an infinite number that no conversion to float16 has made."""
    for name, weights in model.network.named_parameters():
        narrow = weights.dtype == torch.float16
        if bool(weights.isnan().any() if narrow else ~weights.isfinite().all()):
            return name
    return None


def _first_fault(model: LanguageModel, token_ids: Tensor) -> str:
    """The first place whose numbers are not finite, as the middle of a sentence."""
    found: list[tuple[Tensor, str]] = []

    def watch_stream(fault: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
            values = output[0] if isinstance(output, tuple) else output
            found.append((~values.isfinite().all(), fault))

        return hook

    def watch_norm(fault: str) -> Callable[..., None]:
        return lambda module, inputs, output: found.append((has_overflowed(inputs[0]), fault))

    def watch_embedding(module: nn.Module, inputs: tuple) -> None:
        found.append((~inputs[0].isfinite().all(), "embedding is not finite"))

    with contextlib.ExitStack() as stack:
        stack.enter_context(model.exclusive)
        stack.callback(model.layers[0].module.register_forward_pre_hook(watch_embedding).remove)
        for number, layer in enumerate(model.layers):
            for norm in norms_inside(layer.module):
                hook = watch_norm(f"norm of finite numbers overflows in layer {number}")
                stack.callback(norm.register_forward_hook(hook).remove)
            hook = watch_stream(f"stream is not finite after layer {number}")
            stack.callback(layer.module.register_forward_hook(hook).remove)
        if (final := model.final_norm.module) is not None:
            hook = watch_norm("final norm overflows")
            stack.callback(final.register_forward_hook(hook).remove)
        model.run(token_ids)
    return next((fault for wrong, fault in found if bool(wrong)), "logits are not finite")
