"""Where features read the stream and where they write to it."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor

from clew.errors import ClewError
from clew.model.language_model import LanguageModel, Norm
from clew.model.recording import Recording

Point = TypeVar("Point", "ReadPoint", "WritePoint")


class ReadPoint(Enum):
    """Where encoder directions live."""

    RESIDUAL = "the raw stream before the MLP's norm"
    NORMALIZED = "after the norm's scale, before its gain"
    MLP_INPUT = "after the norm's gain"

    @property
    def option(self) -> str:
        """As the user writes it."""
        return self.name.lower().replace("_", "-")


class WritePoint(Enum):
    """Where decoder directions live."""

    MLP_OUTPUT = "what the MLP itself computes, before a norm behind it"
    STREAM = "what is added to the stream"

    @property
    def option(self) -> str:
        """As the user writes it."""
        return self.name.lower().replace("_", "-")


def point_named(kind: type[Point], name: Point | str | None) -> Point | None:
    """The point that a user wrote, None where they wrote none; `ClewError` for anything else."""
    if name is None or isinstance(name, kind):
        return name
    found = {point.option: point for point in kind}.get(str(name).replace("_", "-").lower())
    if found is None:
        known = ", ".join(f"{point.option} ({point.value})" for point in kind)
        raise ClewError(f"There is no {kind.__name__[:-5].lower()} point {name!r}; there are {known}.")
    return found


def write_values(
    model: LanguageModel,
    recording: Recording,
    point: WritePoint,
    layer: int,
    values: Float[Tensor, "position d_model"],
) -> Float[Tensor, "position d_model"]:
    """What values at a layer's write point add to the stream."""
    norm, scale = model.layers[layer].mlp_post_norm, recording.mlp_post_scale
    if point is WritePoint.STREAM or norm is None or scale is None:
        return values
    return norm.apply(values, scale[layer])


def read_values(
    model: LanguageModel, recording: Recording, point: ReadPoint, layer: int
) -> Float[Tensor, "position d_model"]:
    """What stands at a layer's read point on a recording."""
    norm = model.layers[layer].mlp_norm
    return values_at(point, norm, recording.residual_mid[layer], recording.mlp_scale[layer])


def values_at(
    point: ReadPoint, norm: Norm, residual: Float[Tensor, "... d_model"], scale: Float[Tensor, "..."]
) -> Float[Tensor, "... d_model"]:
    """What stands at a read point where this is the stream before the MLP's norm, and its scale."""
    if point is ReadPoint.RESIDUAL:
        return residual
    if point is ReadPoint.MLP_INPUT:
        return norm.apply(residual, scale)
    centred = residual - residual.mean(dim=-1, keepdim=True) if norm.centred else residual
    return centred * scale.unsqueeze(-1)
