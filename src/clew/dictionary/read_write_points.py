"""Read points and write points: the places at an MLP where features read the stream and write to it."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor

from clew.errors import ClewError
from clew.model.language_model import LanguageModel, Norm
from clew.model.recording import Recording

Point = TypeVar("Point", "ReadPoint", "WritePoint")


class StreamPoint(Enum):
    """A place in the stream; its value describes it for people."""

    @property
    def option(self) -> str:
        """The name of the point, as an option takes it."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def verb(cls) -> str:
        """The action of features there: `read` or `write`."""
        return cls.__name__.removesuffix("Point").lower()


class ReadPoint(StreamPoint):
    """The place in front of an MLP that encoder directions belong to."""

    RESIDUAL = "the raw stream before the MLP's norm"
    NORMALIZED = "after the norm's scale, before its gain"
    MLP_INPUT = "after the norm's gain"


class WritePoint(StreamPoint):
    """The place behind an MLP that decoder directions belong to."""

    MLP_OUTPUT = "the output of the MLP itself, before a norm behind it"
    STREAM = "the vector that is added to the stream"


def point_named(kind: type[Point], name: Point | str | None) -> Point | None:
    """The point of a name; None for None. Raises `ClewError` for any other name."""
    if name is None or isinstance(name, kind):
        return name
    point = {point.option: point for point in kind}.get(str(name).replace("_", "-").lower())
    if point is None:
        choices = ", ".join(f"{point.option} ({point.value})" for point in kind)
        raise ClewError(f"{name!r} is not a {kind.verb()} point; choose one of {choices}.")
    return point


def write_values(
    model: LanguageModel,
    recording: Recording,
    point: WritePoint,
    layer: int,
    values: Float[Tensor, "position d_model"],
) -> Float[Tensor, "position d_model"]:
    """The vectors that values at a layer's write point add to the stream."""
    norm, scale = model.layers[layer].mlp_post_norm, recording.mlp_post_scale
    if point is WritePoint.STREAM or norm is None or scale is None:
        return values
    return norm.apply(values, scale[layer])


def read_values(
    model: LanguageModel, recording: Recording, point: ReadPoint, layer: int
) -> Float[Tensor, "position d_model"]:
    """The values at a layer's read point on a recording."""
    norm = model.layers[layer].mlp_norm
    return values_at(point, norm, recording.residual_mid[layer], recording.mlp_scale[layer])


def values_at(
    point: ReadPoint, norm: Norm, residual: Float[Tensor, "... d_model"], scale: Float[Tensor, "..."]
) -> Float[Tensor, "... d_model"]:
    """The values at a read point, from the stream before the MLP's norm and that norm's scale."""
    if point is ReadPoint.RESIDUAL:
        return residual
    if point is ReadPoint.MLP_INPUT:
        return norm.apply(residual, scale)
    centred = residual - residual.mean(dim=-1, keepdim=True) if norm.centred else residual
    return centred * scale.unsqueeze(-1)
