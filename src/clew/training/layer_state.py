"""The state of layers in their own training, layer by layer, so that other groups and processes can go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from clew.training.local_stage import LayerGroup
from clew.training.transcoders import Normalization

LayerState = Mapping[str, Any]


def layer_states(group: LayerGroup) -> Iterator[LayerState]:
    """The state of each layer of a group, on the CPU."""
    for place in range(len(group.layers)):
        moments = {
            name: {
                key: _copy(group, name, place, value) for key, value in group.optimizer.state[array].items()
            }
            for name, array in group.trained.items()
        }
        yield {
            "arrays": {name: _copy(group, name, place, array) for name, array in group.stacked.arrays()},
            "moments": moments,
            "since": _copy(group, "since", place, group.since),
            "normalization": group.normalization.of_layer(place, group.stacked.places[place]),
            "objective": {
                name: _copy(group, name, place, value) if isinstance(value, Tensor) else value
                for name, value in vars(group.objective).items()
            },
        }


def restore_layers(group: LayerGroup, states: Sequence[LayerState]) -> None:
    """Go on where the states of all layers of a run were taken."""
    own = [states[layer] for layer in group.layers]
    device = group.since.device

    def joined(*path: str) -> Any:
        """The layers' values in one tensor; a value that is not one is the same for all."""
        values: list[Any] = own
        for name in path:
            values = [value[name] for value in values]
        some = values[0]
        if not isinstance(some, Tensor) or some.ndim == 0:
            return some
        return torch.cat(values).to(device)

    with torch.no_grad():
        for name, array in group.stacked.arrays():
            array.copy_(joined("arrays", name))
    for name, array in group.trained.items():
        group.optimizer.state[array] = {key: joined("moments", name, key) for key in own[0]["moments"][name]}
    group.since.copy_(joined("since"))
    for name in own[0]["objective"]:
        setattr(group.objective, name, joined("objective", name))
    written = states if group.stacked.crosses_layers else own
    group.normalization = Normalization(
        **{
            name: torch.cat([state["normalization"][name] for state in each]).to(device)
            for each, names in ((own, ("read_mean", "read_scale")), (written, ("write_mean", "write_scale")))
            for name in names
        }
    )


def _copy(group: LayerGroup, name: str, place: int, value: Tensor) -> Tensor:
    """The part of an array that belongs to a layer; a single number belongs to each."""
    if value.ndim > 0:
        value = value[group.stacked.pairs(place) if name == "decoder" else slice(place, place + 1)]
    return value.detach().to("cpu", copy=True)
