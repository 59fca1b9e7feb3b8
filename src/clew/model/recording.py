"""One forward pass through the unmodified model, and all that must be remembered to make it linear."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from clew.model.language_model import LanguageModel, Norm, part_of


@dataclass(frozen=True)
class Recording:
    """What one prompt did to the model, in float32 on the model's device.

    With patterns and scales held fixed, the residual stream up to any later read point is a linear
    function of the embedding and of what each MLP wrote.
    """

    token_ids: Int[Tensor, " position"]
    embedding: Float[Tensor, "position d_model"]
    """What enters the first layer (Gemma's embedding scale included)."""
    pattern: tuple[Float[Tensor, "head position position"], ...]
    """Attention after softmax, per layer: rows attend, columns are attended to."""
    attention_scale: Float[Tensor, "layer position"]
    attention_post_scale: Float[Tensor, "layer position"] | None
    residual_mid: Float[Tensor, "layer position d_model"]
    """The stream before each MLP's norm; where MLPs run beside attention, the layer's input."""
    mlp_scale: Float[Tensor, "layer position"]
    mlp_post_scale: Float[Tensor, "layer position"] | None
    mlp_write: Float[Tensor, "layer position d_model"]
    """What each MLP adds to the stream, after its post-norm where it has one."""
    final_scale: Float[Tensor, " position"]
    residual_final: Float[Tensor, "position d_model"]
    """The stream before the final norm."""
    final_normalized: Float[Tensor, " d_model"]
    """The final norm's output at the last position, as the model computed it."""
    logits: Float[Tensor, " vocabulary"]
    """Of the next token (after a soft-cap where the model has one)."""

    @property
    def n_positions(self) -> int:
        return len(self.token_ids)


@torch.no_grad()
def record(model: LanguageModel, token_ids: Int[Tensor, " position"]) -> Recording:
    """Run the model once over a prompt (at least one token) and remember everything that gets frozen."""
    token_ids = token_ids.to(model.device)
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str, take: Callable[[tuple, Any], Tensor]) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
            seen.setdefault(name, []).append(take(inputs, output)[0].float())

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
            (layer.mlp_writer, keep("mlp_write", _mlp_output)),
        ]
        post_norms = {
            "attention_post_scale": layer.attention_post_norm,
            "mlp_post_scale": layer.mlp_post_norm,
        }
        for name, post in post_norms.items():
            if post is not None and post.module is not None:
                hooks.append((post.module, keep(name, scale_of(post))))
    final = part_of(model.network, model.anatomy.final_norm)
    hooks.append((final, keep("final_scale", scale_of(model.final_norm))))
    hooks.append((final, keep("residual_final", lambda inputs, output: inputs[0])))
    hooks.append((final, keep("final_normalized", lambda inputs, output: output[:, -1])))

    with model.exclusive, installed(hooks):
        logits = model.next_token_logits(token_ids[None])[0]

    def stacked(name: str) -> Tensor:
        return torch.stack(seen[name])

    return Recording(
        token_ids=token_ids,
        embedding=seen["embedding"][0],
        pattern=tuple(seen["pattern"]),
        attention_scale=stacked("attention_scale"),
        attention_post_scale=stacked("attention_post_scale") if "attention_post_scale" in seen else None,
        residual_mid=stacked("residual_mid"),
        mlp_scale=stacked("mlp_scale"),
        mlp_post_scale=stacked("mlp_post_scale") if "mlp_post_scale" in seen else None,
        mlp_write=stacked("mlp_write"),
        final_scale=seen["final_scale"][0],
        residual_final=seen["residual_final"][0],
        final_normalized=seen["final_normalized"][0],
        logits=logits,
    )


def _mlp_output(inputs: tuple, output: Any) -> Tensor:
    """Mixtures of experts may give their routing along, or all positions of a batch in one row."""
    output = output[0] if isinstance(output, tuple) else output
    return output.reshape(inputs[0].shape)


@contextlib.contextmanager
def installed(hooks: list[tuple[nn.Module, Callable[..., None]]]) -> Iterator[None]:
    """Forward hooks that are gone afterwards, whatever happens."""
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
