"""Activations that are not finite, refused by the feature's name."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from clew.errors import ClewError
from clew.feature import Feature
from clew.model.finite import all_finite


def check_activations(layer: int, activation: Float[Tensor, "... feature"], name: str = "activation") -> None:
    """Raise `ClewError` for activations (or pre-activations) of a layer's features that are infinite or NaN.

    The stream that features read is finite, so they come of weights that are too large.
    """
    if all_finite(activation):
        return
    wrong = (~activation.isfinite()).nonzero()[0]
    feature, value = Feature(layer, int(wrong[-1])), float(activation[tuple(wrong)])
    raise ClewError(
        f"The {name} of {feature} is {value}: the dictionary's weights are too large for float32, or "
        "damaged; fetch or save its files again."
    )
