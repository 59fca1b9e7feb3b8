"""Rates and targets over a run, as functions of the share of it that is done."""

from __future__ import annotations

L0_BEGIN, L0_FALL = 4.0, 0.25
"""The wanted L0 begins at so many times its target, and reaches it after this share of the run."""
FEW_STEPS = 100
"""Up to so many steps the wanted L0 begins at its target: there is no time for more."""

WARM_UP_STEPS = 200
COOL_DOWN = 0.3
"""The share of a run, at its end, over which the rate falls to nothing."""


RATE, MOST_TIMES, STEPS_OF_RATE = 8e-4, 2.5, 400
"""Adam's rate in runs of many steps; in shorter ones it grows with the root, up to so many times."""


def usual_rate(n_steps: int) -> float:
    """The recommended rate of a run of so many steps, while layers are trained by themselves."""
    return RATE * min(MOST_TIMES, max(1.0, (STEPS_OF_RATE / n_steps) ** 0.5))


def wanted_l0(target: float, done: float, n_features: int, n_steps: int) -> float:
    """The number of active features to aim at: it falls exponentially to the target."""
    begin = max(1.0, min(L0_BEGIN, n_features / 4 / target, n_steps / FEW_STEPS))
    return target * begin ** (1 - min(done / L0_FALL, 1.0))


def local_rate(rate: float, step: int, n_steps: int) -> float:
    """Adam's rate: linear warm-up, constant, linear fall over the last part."""
    warm = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(1, n_steps // 20)))
    return rate * warm * min(1.0, (n_steps - step) / max(1.0, COOL_DOWN * n_steps))


def end_to_end_rate(rate: float, step: int, n_steps: int) -> float:
    """Adam's rate in the last stretch: ten steps of warm-up, then a linear fall to nothing."""
    return rate * min(1.0, (step + 1) / 10) * (1 - step / n_steps)
