"""The first stretch: every layer's transcoder learns its MLP's output from its MLP's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from clew.training.activations import ByLayer
from clew.training.dead_features import Since, begin_features
from clew.training.objectives.objective import Attempt, Objective
from clew.training.schedule import local_rate, wanted_l0
from clew.training.settings import TrainSettings
from clew.training.transcoders import Normalization, StackedTranscoders

RENEWALS, LAST_RENEWAL = 20, 0.7
"""Dead features begin anew so many times in a run, and never after this share of it."""


@dataclass(frozen=True)
class StepReport:
    """Figures of one step, by layer."""

    fvu: Float[Tensor, " layer"]
    """Fraction of the variance of the normalized output left unexplained."""
    l0: Float[Tensor, " layer"]
    dead: Float[Tensor, " layer"]
    """The share of features that have not been active for `dead_after` tokens."""


class LayerGroup:
    """Some layers, their objective and their optimiser; for a CLT, all layers."""

    def __init__(
        self, stacked: StackedTranscoders, objective: Objective, normalization: Normalization
    ) -> None:
        self.stacked, self.objective, self.normalization = stacked, objective, normalization
        trained = list(stacked.trained().values())
        if objective.learns_threshold:
            trained.append(stacked.threshold)
        for array in trained:
            array.requires_grad_(True)
        self.optimizer = torch.optim.Adam(trained, betas=(0.9, 0.99), fused=True, lr=0.0)
        self.since: Since = torch.zeros_like(stacked.threshold, dtype=torch.int64)

    def step(
        self, reads: ByLayer, writes: ByLayer, settings: TrainSettings, step: int, n_steps: int
    ) -> StepReport:
        """Learn from one batch of values at the MLPs' inputs and outputs."""
        done = step / n_steps
        l0 = wanted_l0(settings.l0, done, self.stacked.n_features)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = local_rate(settings.learning_rate, step, n_steps)
        dtype = torch.bfloat16 if reads.device.type == "cuda" else torch.float32
        x = self.normalization.read(reads.float()).to(dtype)
        y = self.normalization.write(writes.float())
        pre_activation = self.stacked.pre_activations(x)
        activation = self.objective.activate(self.stacked, pre_activation, l0)
        residual = y - self.stacked.reconstruct(activation, x).float()
        fvu = residual.square().mean((1, 2)) / y.square().mean((1, 2))
        dead = self._dead(settings, n_steps, len(x[0]))
        attempt = Attempt(pre_activation, activation, residual, dead)
        loss = fvu + self.objective.penalty(self.stacked, attempt, l0, done)
        self.optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        self.optimizer.step()
        return self._after(
            activation.detach(), x, residual.detach(), fvu.detach(), l0, settings, step, n_steps
        )

    @torch.no_grad()
    def _after(
        self,
        activation: Tensor,
        x: ByLayer,
        residual: ByLayer,
        fvu: Float[Tensor, " layer"],
        l0: float,
        settings: TrainSettings,
        step: int,
        n_steps: int,
    ) -> StepReport:
        self.stacked.normalize_decoders()
        n_active = (activation > 0).sum(1)
        self.objective.after_step(self.stacked, n_active / activation.shape[1], l0, step / n_steps)
        self.since = torch.where(n_active > 0, 0, self.since + activation.shape[1])
        dead = self._dead(settings, n_steps, activation.shape[1])
        renewal = max(1, n_steps // RENEWALS)
        due = step % renewal == renewal - 1 and step < LAST_RENEWAL * n_steps
        if due and self.objective.renews_dead:
            begin_features(self.stacked, self.optimizer, dead, x, residual)
            self.since[dead] = 0
        return StepReport(fvu, n_active.sum(1) / activation.shape[1], dead.float().mean(1))

    def _dead(self, settings: TrainSettings, n_steps: int, n_tokens: int) -> Bool[Tensor, "layer feature"]:
        return self.since > min(settings.dead_after, max(1, n_steps // RENEWALS) * n_tokens)

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on."""
        return {
            "arrays": dict(self.stacked.arrays()),
            "optimizer": self.optimizer.state_dict(),
            "since": self.since,
            "normalization": vars(self.normalization),
            "objective": vars(self.objective),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        with torch.no_grad():
            for name, array in self.stacked.arrays():
                array.copy_(state["arrays"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.since.copy_(state["since"])
        device = self.since.device
        arrays = {name: array.to(device) for name, array in state["normalization"].items()}
        self.normalization = Normalization(**arrays)
        vars(self.objective).update(on_device(state["objective"], self.since.device))


def step_all(
    groups: Sequence[LayerGroup],
    values: tuple[ByLayer, ByLayer],
    settings: TrainSettings,
    step: int,
    n_steps: int,
) -> StepReport:
    """One step of every group on a batch of values of all layers."""
    reports, begin = [], 0
    for group in groups:
        some = slice(begin, begin + len(group.stacked.encoder))
        reports.append(group.step(values[0][some], values[1][some], settings, step, n_steps))
        begin = some.stop
    return StepReport(
        *(torch.cat([getattr(report, name) for report in reports]) for name in ("fvu", "l0", "dead"))
    )


def on_device(values: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The values with their tensors on a device."""
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in values.items()}
