"""The layers of a run that belong to this process, in their own training."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from clew.dictionary.neurons import parts_of
from clew.dictionary.reference import load_transcoders
from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.training.activations import ByLayer
from clew.training.feasibility import free_memory, left_out_ids
from clew.training.first_weights import begin_from_neurons, begin_from_samples
from clew.training.layer_state import LayerState, layer_states, restore_layers
from clew.training.local_stage import LayerGroup, StepReport, on_device, step_all
from clew.training.objectives.choose import choose_objective
from clew.training.objectives.objective import Objective
from clew.training.ranks import ALONE, Ranks, owners
from clew.training.saved_transcoders import begin_from_saved
from clew.training.schedule import wanted_l0
from clew.training.settings import BATCH, TrainSettings
from clew.training.shared_pass import own_values
from clew.training.text.batches import TokenBatches
from clew.training.transcoders import Normalization, StackedTranscoders

FIRST_TOKENS = 8192
"""Tokens that the normalization is measured on, and features begin from, at least."""
FIRST_BATCHES = 4
"""Batches of them, at least."""

SHORT_RUN = 1000
"""Steps below which features begin as neurons, which saves learning them (docs/decisions/0012-training.md);
longer runs were only measured from samples."""

TRIED_TOKENS = 256
"""Tokens on which thresholds are found for transcoders that have none."""

BYTES_OF_FEATURE = 6
"""Values in memory for each feature and token while a group learns."""


class OwnLayers:
    """Groups of this process's layers. All processes must call each method."""

    def __init__(
        self,
        model: LanguageModel,
        layers: Sequence[int],
        batches: TokenBatches,
        settings: TrainSettings,
        ranks: Ranks = ALONE,
        first_tokens: int = FIRST_TOKENS,
    ) -> None:
        """Begin from samples of the first batches.

        Raises `ClewError` for more processes than layers, and for a model whose MLPs give values that are not
        finite.
        """
        self.model, self.layers, self.settings, self.ranks = model, tuple(layers), settings, ranks
        self.n_features = settings.features or 8 * model.d_model
        self.owners = owners([self._reach(place) for place in range(len(layers))], ranks.count)
        self.own = [place for place, owner in enumerate(self.owners) if owner == ranks.number]
        self.left_out = torch.tensor(left_out_ids(model, settings), device=model.device)
        self.groups = self._begin(batches, first_tokens)

    def step(self, token_ids: Int[Tensor, "sequence position"], step: int, n_steps: int) -> StepReport:
        """Learn from one batch, the same in each process; the report is on all layers."""
        own = step_all(self.groups, self._values(token_ids), self.settings, step, n_steps)
        figures = own.new_zeros(3, len(self.layers))
        figures[:, self.own] = own
        return StepReport(*self.ranks.sum(figures))

    def folded(self) -> dict[int, tuple[StackedTranscoders, Objective]]:
        """Each layer's transcoder, of the model's own values; all layers, on this process's device."""
        own: dict[int, tuple[StackedTranscoders, Objective]] = {}
        for group in self.groups:
            whole = group.normalization.folded(group.stacked)
            for place, layer in enumerate(group.layers):
                own[layer] = whole.of_layer(place), group.objective.of_layer(place)
        if self.ranks.count == 1:
            return {self.layers[place]: own[place] for place in own}
        found = {}
        for place, owner in enumerate(self.owners):
            mine = own.pop(place, None)
            whole = self.ranks.share(mine and _moved(*mine, torch.device("cpu")), owner)
            found[self.layers[place]] = _moved(*whole, self.model.device)
        return found

    def states(self) -> list[LayerState]:
        """The state of every layer, on the CPU of the first process; empty for the others."""
        own = {}
        for group in self.groups:
            own |= dict(zip(group.layers, layer_states(group), strict=True))
        found = [self.ranks.to_first(own.pop(place, None), owner) for place, owner in enumerate(self.owners)]
        return [state for state in found if state is not None]

    def restore(self, states: Sequence[LayerState]) -> None:
        """Go on where all layers' states were taken, by however many processes."""
        for group in self.groups:
            restore_layers(group, states)

    def _reach(self, place: int) -> int:
        return len(self.layers) - place if self.settings.kind == "clt" else 1

    def _values(self, token_ids: Int[Tensor, "sequence position"]) -> tuple[ByLayer, ByLayer]:
        values = own_values(
            self.model,
            token_ids,
            self.layers,
            self.owners,
            self.ranks,
            all_writes=self.settings.kind == "clt",
        )
        if not len(self.left_out):
            return values
        counted = ~torch.isin(token_ids[:, 1:], self.left_out).flatten()
        return values[0][:, counted], values[1][:, counted]

    def _begin(self, batches: TokenBatches, first_tokens: int) -> list[LayerGroup]:
        n_batches = max(FIRST_BATCHES, first_tokens // (self.settings.batch or BATCH))
        first = [self._values(batches.next().to(self.model.device)) for _ in range(n_batches)]
        reads, writes = (torch.cat(values, dim=1).float() for values in zip(*first, strict=True))
        if self.ranks.largest(float(not (reads.isfinite().all() and writes.isfinite().all())))[0]:
            raise ClewError(
                f"The MLPs of {self.model.name} give values that are not finite; load it in float32."
            )
        groups, crosses = [], self.settings.kind == "clt"
        n_steps = self.settings.n_local_steps
        first_l0 = wanted_l0(self.settings.l0, 0.0, self.n_features, n_steps)
        as_neurons = self.settings.begin == "neurons" or (
            self.settings.begin is None and n_steps < SHORT_RUN and self.model.anatomy.neurons is not None
        )
        initial = None
        if self.settings.init_from is not None:
            initial = load_transcoders(self.settings.init_from)
        at_once = len(self.own) if crosses else max(1, int(self._memory() // self._bytes(1)))
        for begin in range(0, len(self.own), at_once):
            some = slice(begin, begin + at_once)
            layers, written = self.own[some], writes if crosses else writes[some]
            normalization = Normalization.of(reads[some], written, self.settings.near_sink_weight)
            if initial is not None:
                numbers = [self.layers[place] for place in layers]
                x = normalization.read(reads[some, :TRIED_TOKENS])
                stacked = begin_from_saved(initial, numbers, normalization, x, self.settings)
            else:
                stacked = begin_from_samples(
                    normalization.read(reads[some]),
                    normalization.write(written),
                    self.n_features,
                    first_l0,
                    torch.Generator().manual_seed(self.settings.seed),
                    kind=self.settings.kind,
                    places=layers if crosses else range(len(layers)),
                )
                if as_neurons:
                    neurons = [parts_of(self.model.layers[self.layers[place]]) for place in layers]
                    x = normalization.read(reads[some])
                    begin_from_neurons(stacked, neurons, normalization, x, first_l0)
            groups.append(
                LayerGroup(
                    layers,
                    stacked,
                    choose_objective(self.settings),
                    normalization,
                    self.ranks,
                    self._n_pieces(len(layers)),
                )
            )
        return groups

    def _n_pieces(self, n_layers: int) -> int:
        """Parts of a batch whose activations fit; for a CLT, the same number in all processes."""
        wanted = -(-self._bytes(n_layers) // self._memory())
        if self.settings.kind == "clt":
            wanted = int(self.ranks.largest(wanted)[0])
        return wanted

    def _bytes(self, n_layers: int) -> int:
        """Bytes of some layers' activations while they learn from a batch."""
        size = 2 if self.model.device.type == "cuda" else 4
        return n_layers * (self.settings.batch or BATCH) * self.n_features * size * BYTES_OF_FEATURE

    def _memory(self) -> int:
        return self.settings.memory or free_memory(self.model.device) // 4


def _moved(
    stacked: StackedTranscoders, objective: Objective, device: torch.device
) -> tuple[StackedTranscoders, Objective]:
    arrays: dict[str, Any] = {name: array.to(device) for name, array in stacked.arrays()}
    moved = copy(objective)
    vars(moved).update(on_device(vars(objective), device))
    return replace(stacked, **arrays), moved
