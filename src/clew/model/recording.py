"""One forward pass through the unmodified model, with all values that make it linear once they are frozen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.model.finite import all_finite, has_overflowed, norms_inside, refuse_not_finite
from clew.model.language_model import LanguageModel, Norm, part_of


@dataclass(frozen=True)
class Recording:
    """Values of one forward pass, in float32 on the model's device.

    With attention patterns and norm scales frozen, the residual stream at any read point is a linear
    function of the embedding and of the outputs of the MLPs before it.
    """

    token_ids: Int[Tensor, " position"]
    embedding: Float[Tensor, "position d_model"]
    """The input of the first layer, with Gemma's embedding scale."""
    pattern: tuple[Float[Tensor, "head position position"], ...]
    """Attention after softmax, per layer: rows attend, columns are attended to."""
    attention_scale: Float[Tensor, "layer position"]
    attention_post_scale: Float[Tensor, "layer position"] | None
    residual_mid: Float[Tensor, "layer position d_model"]
    """The stream before each MLP's norm; the layer's input if MLPs run beside attention."""
    mlp_scale: Float[Tensor, "layer position"]
    mlp_post_scale: Float[Tensor, "layer position"] | None
    mlp_write: Float[Tensor, "layer position d_model"]
    """The vectors that each MLP adds to the stream, after its post-norm if it has one."""
    final_scale: Float[Tensor, " position"]
    residual_final: Float[Tensor, "position d_model"]
    """The stream before the final norm."""
    final_normalized: Float[Tensor, " d_model"]
    """The final norm's output at the last position, as the model computed it."""
    logits: Float[Tensor, " vocabulary"]
    """Logits of the next token, after the soft-cap if the model has one."""

    @property
    def n_positions(self) -> int:
        return len(self.token_ids)


@torch.no_grad()
def record(model: LanguageModel, token_ids: Int[Tensor, " position"]) -> Recording:
    """Run the model once over a prompt (at least one token) and record the values to freeze.

    Raises `ClewError` where a value is not finite, or where a norm overflows and so writes zeros.
    """
    token_ids = token_ids.to(model.device)
    values: dict[str, list[Tensor]] = {}
    overflows: list[Tensor] = []

    def watch(module: nn.Module, inputs: tuple, output: Any) -> None:
        overflows.append(has_overflowed(inputs[0]))

    def keep(name: str, take: Callable[[tuple, Any], Tensor]) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
            values.setdefault(name, []).append(take(inputs, output)[0].float())

        return hook

    def scale_of(norm: Norm) -> Callable[[tuple, Any], Tensor]:
        return lambda inputs, output: norm.scale(inputs[0])

    hooks = [(model.layers[0].module, keep("embedding", lambda inputs, output: inputs[0]))]
    for layer in model.layers:
        hooks += [
            (layer.module, keep("attention_scale", scale_of(layer.attention_norm))),
            (layer.attention, keep("pattern", lambda inputs, output: output[1])),
            (layer.mlp_reader, keep("residual_mid", lambda inputs, output: inputs[0])),
            (layer.mlp_reader, keep("mlp_scale", scale_of(layer.mlp_norm))),
            (layer.mlp_writer, keep("mlp_write", mlp_output)),
        ]
        post_norms = {
            "attention_post_scale": layer.attention_post_norm,
            "mlp_post_scale": layer.mlp_post_norm,
        }
        for name, post in post_norms.items():
            if post is not None and post.module is not None:
                hooks.append((post.module, keep(name, scale_of(post))))
        hooks += [(norm, watch) for norm in norms_inside(layer.attention)]
    final = part_of(model.network, model.anatomy.final_norm)
    hooks.append((final, keep("final_scale", scale_of(model.final_norm))))
    hooks.append((final, keep("residual_final", lambda inputs, output: inputs[0])))
    hooks.append((final, keep("final_normalized", lambda inputs, output: output[:, -1])))

    with model.exclusive, installed(hooks):
        logits = model.run(token_ids[None], logits_to_keep=1).logits[0, -1].float()

    def by_layer(name: str) -> Tensor:
        return torch.stack(values[name])

    recording = Recording(
        token_ids=token_ids,
        embedding=values["embedding"][0],
        pattern=tuple(values["pattern"]),
        attention_scale=by_layer("attention_scale"),
        attention_post_scale=by_layer("attention_post_scale") if "attention_post_scale" in values else None,
        residual_mid=by_layer("residual_mid"),
        mlp_scale=by_layer("mlp_scale"),
        mlp_post_scale=by_layer("mlp_post_scale") if "mlp_post_scale" in values else None,
        mlp_write=by_layer("mlp_write"),
        final_scale=values["final_scale"][0],
        residual_final=values["residual_final"][0],
        final_normalized=values["final_normalized"][0],
        logits=logits,
    )
    if any(map(bool, overflows)) or not _is_usable(recording):
        refuse_not_finite(model, token_ids[None])
    return recording


def _is_usable(recording: Recording) -> bool:
    """True where all values are finite, and no norm has a scale of zero, which comes of an overflow.

    Patterns are left out: what is not finite there is not finite in the stream that they write to.
    """
    values = {name: value for name, value in vars(recording).items() if isinstance(value, Tensor)}
    scales = [value for name, value in values.items() if name.endswith("scale")]
    return all(map(all_finite, values.values())) and all(bool(scale.all()) for scale in scales)


def mlp_output(inputs: tuple, output: Any) -> Tensor:
    """An MLP's output; a mixture of experts may return its routing too, or flatten batch and positions."""
    output = output[0] if isinstance(output, tuple) else output
    return output.reshape(inputs[0].shape)


@contextlib.contextmanager
def installed(hooks: list[tuple[nn.Module, Callable[..., None]]]) -> Iterator[None]:
    """Forward hooks for the length of a block; they are removed even after an error."""
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
