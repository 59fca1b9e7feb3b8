"""Targets of edges: the chosen features, and outputs (next tokens, or differences of two)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.attribution.linear_map import LinearMap
from clew.attribution.named_tokens import named_token
from clew.attribution.settings import TargetRequest
from clew.dictionary.protocols import ActiveFeatures, Encoding
from clew.errors import ClewError
from clew.graph.graph import quote
from clew.graph.info import Target
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording


@dataclass(frozen=True)
class Targets:
    """Targets of edges: directions that read the stream before a layer's MLP.

    Output targets read the final stream and have `layer = n_layers`. Sorted by layer, then position.
    """

    direction: Float[Tensor, "target d_model"]
    layer: Int[Tensor, " target"]
    position: Int[Tensor, " target"]
    before_attention: bool
    """True where the MLP runs beside the attention, so that both read the same stream."""

    def __len__(self) -> int:
        return len(self.layer)

    @cached_property
    def cells(self) -> list[list[tuple[int, slice]]]:
        """For each layer the positions that have targets, each with its run of targets."""
        cells: list[list[tuple[int, slice]]] = [[] for _ in range(int(self.layer.max()) + 1)]
        keys = torch.stack([self.layer, self.position])
        unique, counts = torch.unique_consecutive(keys, dim=1, return_counts=True)
        begin = 0
        for layer, position, count in zip(*unique.tolist(), counts.tolist(), strict=True):
            cells[layer].append((position, slice(begin, begin + count)))
            begin += count
        return cells


@dataclass(frozen=True)
class OutputTargets:
    """Chosen outputs, each with its direction on the final stream and the total of its row."""

    targets: tuple[Target, ...]
    direction: Float[Tensor, "target d_model"]
    offset: Float[Tensor, " target"]
    total: Float[Tensor, " target"]
    """The centred logit (before a soft-cap), or the difference of two logits."""


def feature_reads(
    linear: LinearMap, encoding: Encoding, features: ActiveFeatures
) -> tuple[Tensor, Tensor, Tensor]:
    """Directions on the stream, constants and totals of the chosen features' rows."""
    direction, offset, total = encoding.reads(features)
    direction, offset = direction.clone(), offset.clone()
    for layer in features.layer.unique().tolist():
        chosen = torch.nonzero(features.layer == layer).squeeze(1)
        if (bias := linear.read_bias(encoding.read_point, layer)) is not None:
            offset[chosen] += direction[chosen] @ bias
        direction[chosen] = linear.read_from_stream(
            encoding.read_point, layer, features.position[chosen], direction[chosen]
        )
    return direction, offset, total


def likeliest_targets(
    model: LanguageModel, recording: Recording, *, count: int = 10, probability: float = 0.95
) -> tuple[Target, ...]:
    """The fewest of the likeliest next tokens that reach `probability` together, at most `count`."""
    share, token = recording.logits.softmax(-1).topk(min(count, len(recording.logits)))
    enough = int((share.cumsum(0) < probability).sum()) + 1
    pairs = zip(token.tolist()[:enough], share.tolist()[:enough], strict=True)
    return tuple(Target(model.token_text(token), token, p, p) for token, p in pairs)


def named_targets(
    model: LanguageModel, recording: Recording, requests: Sequence[TargetRequest]
) -> tuple[Target, ...]:
    """Targets that the user named; tokens weigh their probability, differences weigh 1.

    Raises `ClewError` where a text is not one token, an id is not in the vocabulary, or a target is
    named twice.
    """
    probability = recording.logits.softmax(-1)
    targets: dict[tuple[int, int | None], Target] = {}
    for request in requests:
        target = named_target(model, probability, request)
        if target.identity in targets:
            raise named_twice(target)
        targets[target.identity] = target
    return tuple(targets.values())


def named_twice(target: Target) -> ClewError:
    """The refusal of a target that is named more than once."""
    return ClewError(f"The target {quote(target.text)} ({_ids_in_words(target)}) is named twice.")


def named_target(model: LanguageModel, probability: Tensor, request: TargetRequest) -> Target:
    """One target that the user named; see `named_targets`."""
    if isinstance(request, str) and " minus " in request:
        left, right = request.split(" minus ", 1)
        if left.strip() and right.strip():
            ids = [named_token(model, probability, side) for side in (left, right)]
            if ids[0] == ids[1]:
                raise ClewError(f"The target {quote(request)} is the difference of a token and itself.")
            text = " minus ".join(model.token_text(token) for token in ids)
            return Target(text, ids[0], 1.0, minus_id=ids[1])
    token = named_token(model, probability, request)
    p = float(probability[token])
    return Target(model.token_text(token), token, p, p)


def _ids_in_words(target: Target) -> str:
    return f"id {target.token_id}" + (f" minus id {target.minus_id}" if target.minus_id is not None else "")


def output_targets(linear: LinearMap, targets: tuple[Target, ...]) -> OutputTargets:
    """Directions of the targets: unembedding columns less their mean, or the difference of two."""
    model, recording = linear.model, linear.recording
    pairs = [_columns(model, target) for target in targets]
    direction = torch.stack([column for column, _ in pairs])
    bias = torch.stack([bias for _, bias in pairs])
    norm_bias = model.final_norm.bias
    return OutputTargets(
        targets=targets,
        direction=linear.read_output(direction),
        offset=bias if norm_bias is None else direction @ norm_bias + bias,
        total=direction @ recording.final_normalized + bias,
    )


def _columns(model: LanguageModel, target: Target) -> tuple[Tensor, Tensor]:
    weight, bias = model.unembedding_weight, model.unembedding_bias
    zero = weight.new_zeros((), dtype=torch.float32)
    column = weight[target.token_id].float()
    own = zero if bias is None else bias[target.token_id].float()
    if target.minus_id is None:
        return column - model.mean_unembedding, own if bias is None else own - bias.float().mean()
    other = zero if bias is None else bias[target.minus_id].float()
    return column - weight[target.minus_id].float(), own - other
