"""Objectives by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clew.training.objectives.batch_top_k import BatchTopKObjective
from clew.training.objectives.jump_relu import JumpReLUObjective
from clew.training.objectives.objective import Objective
from clew.training.objectives.steered_threshold import SteeredThreshold
from clew.training.objectives.top_k import TopKObjective
from clew.training.settings import ActivationKind, TrainSettings

OBJECTIVES: Mapping[ActivationKind, Callable[[TrainSettings], Objective]] = {
    "threshold": lambda settings: SteeredThreshold.of_run(settings.most_dense, settings.n_local_steps),
    "batchtopk": lambda settings: BatchTopKObjective(settings.most_dense, settings.auxiliary),
    "topk": lambda settings: TopKObjective(max(1, round(settings.l0)), settings.auxiliary),
    "jumprelu": lambda settings: JumpReLUObjective(
        settings.most_dense, settings.bandwidth, settings.penalty_warm_up
    ),
}


def choose_objective(settings: TrainSettings) -> Objective:
    """A new objective for some layers."""
    return OBJECTIVES[settings.activation](settings)
