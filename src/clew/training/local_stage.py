"""The first stretch: every layer's transcoder learns its MLP's output from its MLP's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.training.activations import ByLayer
from clew.training.dead_features import Since, begin_features
from clew.training.finite_loss import refuse_not_finite
from clew.training.objectives.objective import Attempt, Objective
from clew.training.ranks import ALONE, Ranks
from clew.training.schedule import local_rate, usual_rate, wanted_l0
from clew.training.settings import TrainSettings
from clew.training.transcoders import Features, Normalization, StackedTranscoders, token_weights

RENEWALS, LAST_RENEWAL = 20, 0.7
"""Dead features begin anew so many times in a run, and never after this share of it."""
USUAL_GAPS = 200
"""Times the mean distance between two activations after which a feature may be dead."""


@dataclass(frozen=True)
class StepReport:
    """Figures of one step, by layer."""

    fvu: Float[Tensor, " layer"]
    """Fraction of the variance of the normalized output left unexplained; near-sinks count less."""
    l0: Float[Tensor, " layer"]
    dead: Float[Tensor, " layer"]
    """The share of features that have not been active for `dead_after` tokens."""


class LayerGroup:
    """Layers that learn in one product, their objective and their optimiser.

    The layers of a CLT that belong to this process are one group: what the other processes' layers write is
    added to what they write themselves.
    """

    def __init__(
        self,
        layers: Sequence[int],
        stacked: StackedTranscoders,
        objective: Objective,
        normalization: Normalization,
        ranks: Ranks = ALONE,
        n_pieces: int = 1,
    ) -> None:
        """Begin with transcoders of normalized values.

        Args:
            layers: The numbers of the layers among all that are trained.
            stacked: Their transcoders, which are changed in place.
            objective: How features become active.
            normalization: The normalization of the MLPs' inputs and outputs.
            ranks: The processes that hold the other layers of a CLT.
            n_pieces: The parts of a batch whose activations are in memory one after the other.
        """
        self.layers, self.ranks, self.n_pieces = tuple(layers), ranks, n_pieces
        self.stacked, self.objective, self.normalization = stacked, objective, normalization
        self.trained = stacked.trained()
        if objective.learns_threshold:
            self.trained["threshold"] = stacked.threshold
        for array in self.trained.values():
            array.requires_grad_(True)
        self.optimizer = torch.optim.Adam(list(self.trained.values()), betas=(0.9, 0.99), fused=True, lr=0.0)
        self.since: Since = torch.zeros_like(stacked.threshold, dtype=torch.int64)

    def step(
        self, reads: ByLayer, writes: ByLayer, settings: TrainSettings, step: int, n_steps: int
    ) -> StepReport:
        """Learn from one batch of values at the MLPs' inputs and outputs."""
        l0 = settings.l0
        if settings.init_from is None:
            l0 = wanted_l0(l0, step / n_steps, self.stacked.n_features, n_steps)
        rate = settings.learning_rate or usual_rate(n_steps)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = local_rate(rate, step, n_steps)
        dtype = torch.bfloat16 if reads.device.type == "cuda" else torch.float32
        x = self.normalization.read(reads.float()).to(dtype)
        y = self.normalization.write(writes.float())
        n_tokens, weight = x.shape[1], token_weights(y, settings.near_sink_weight)
        square = (weight * y.square().sum(2)).sum(1)
        dead = self._dead(settings, n_steps, n_tokens)
        self.optimizer.zero_grad(set_to_none=True)
        residuals, fvu, n_active = [], torch.zeros_like(square), torch.zeros_like(self.since)
        for some in torch.arange(n_tokens).chunk(self.n_pieces):
            piece = slice(int(some[0]), int(some[-1]) + 1)
            pre_activation = self.stacked.pre_activations(x[:, piece])
            activation = self.objective.activate(self.stacked, pre_activation, l0)
            residual = y[:, piece] - self._output(activation, x[:, piece])
            error = (weight[:, piece] * residual.square().sum(2)).sum(1) / square
            penalty = self.objective.penalty(
                self.stacked,
                Attempt(pre_activation, activation, residual, weight[:, piece], dead),
                l0,
                step / n_steps,
            )
            (error.sum() + len(some) / n_tokens * penalty.sum()).backward()
            n_active += (activation > 0).sum(1)
            fvu += error.detach()
            residuals.append(weight[:, piece, None].sqrt() * residual.detach())
        if self.ranks.count == 1:  # several learn of it together, from the report
            refuse_not_finite(fvu[self.stacked.own], self.layers)
        self.optimizer.step()
        self._after(n_active, x, torch.cat(residuals, dim=1), l0, settings, step, n_steps)
        return StepReport(
            fvu[self.stacked.own],
            n_active.sum(1) / n_tokens,
            self._dead(settings, n_steps, n_tokens).float().mean(1),
        )

    def _output(self, activation: Features, x: ByLayer) -> ByLayer:
        """The reconstruction, with what other processes add to a CLT's."""
        own = self.stacked.reconstruct(activation, x).float()
        if not self.stacked.crosses_layers or self.ranks.count == 1:
            return own
        return own + (self.ranks.sum(own.detach()) - own.detach())

    @torch.no_grad()
    def _after(
        self,
        n_active: Int[Tensor, "layer feature"],
        x: ByLayer,
        residual: ByLayer,
        l0: float,
        settings: TrainSettings,
        step: int,
        n_steps: int,
    ) -> None:
        """Steer thresholds, and begin dead features anew where that is due."""
        self.stacked.normalize_decoders()
        n_tokens = x.shape[1]
        self.objective.after_step(self.stacked, n_active / n_tokens, l0, step / n_steps)
        self.since = torch.where(n_active > 0, 0, self.since + n_tokens)
        renewal = max(1, n_steps // RENEWALS)
        due = step % renewal == renewal - 1 and step < LAST_RENEWAL * n_steps
        if due and self.objective.renews_dead:
            dead = self._dead(settings, n_steps, n_tokens)
            begin_features(self.stacked, self.optimizer, dead, x, residual)
            self.since[dead] = 0

    def _dead(self, settings: TrainSettings, n_steps: int, n_tokens: int) -> Bool[Tensor, "layer feature"]:
        """Features that were silent for long: by the settings, or in a short run by its length.

        A feature of usual density is never taken for dead, however short the run.
        """
        usual_gap = self.stacked.n_features / settings.l0
        silent = max(max(1, n_steps // RENEWALS) * n_tokens, USUAL_GAPS * usual_gap)
        return self.since > min(settings.dead_after, silent)


def step_all(
    groups: Sequence[LayerGroup],
    values: tuple[ByLayer, ByLayer],
    settings: TrainSettings,
    step: int,
    n_steps: int,
) -> Float[Tensor, "figure layer"]:
    """One step of every group on a batch of values; FVU, L0 and dead share of the groups' layers in order."""
    reports, begin = [], 0
    for group in groups:
        some = slice(begin, begin + len(group.layers))
        writes = values[1] if group.stacked.crosses_layers else values[1][some]
        report = group.step(values[0][some], writes, settings, step, n_steps)
        reports.append(torch.stack([report.fvu, report.l0, report.dead]))
        begin = some.stop
    return torch.cat(reports, dim=1)


def on_device(values: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The values with their tensors on a device."""
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in values.items()}
