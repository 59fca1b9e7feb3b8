"""The steps of a training run, read back from its log."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import fmean

FIGURES = {
    "fvu": "FVU",
    "l0": "L0",
    "dead": "Dead features",
    "kl": "KL, nats",
}
"""Keys of a step's figures, which are numbers or one number for each layer, and their names."""
STAGES = {"local": "Each layer by itself", "end-to-end": "All layers, end to end"}
MOST_POINTS = 300


@dataclass(frozen=True)
class Curve:
    """One figure over the tokens of one stage."""

    figure: str
    stage: str
    tokens: tuple[float, ...]
    values: tuple[float, ...]


def read_curves(path: Path) -> tuple[Curve, ...]:
    """The curves of a log, a JSON object a line with `stage`, `tokens` and `FIGURES`.

    Lines of another kind are passed over, and so is a line that a kill has cut; none for a file that is not
    there.
    """
    points: dict[tuple[str, str], dict[float, float]] = {}
    for step in _steps(path):
        for figure in FIGURES:
            value = _mean(step.get(figure))
            if value is not None:
                points.setdefault((step["stage"], figure), {})[step["tokens"]] = value
    return tuple(
        Curve(FIGURES[figure], STAGES.get(stage, stage), *_thinned(found))
        for (stage, figure), found in sorted(points.items(), key=_order)
        if len(found) > 1
    )


def _order(entry: tuple[tuple[str, str], Mapping[float, float]]) -> tuple[bool, int]:
    stage, figure = entry[0]
    return stage != "local", list(FIGURES).index(figure)


def _steps(path: Path) -> list[dict]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    steps = []
    for line in lines:
        try:
            step = json.loads(line)
        except ValueError:
            continue
        if isinstance(step, dict) and isinstance(step.get("stage"), str) and _mean(step.get("tokens")):
            steps.append(step)
    return steps


def _mean(value: object) -> float | None:
    """A number, or the mean of a list of numbers; None for anything else."""
    values = value if isinstance(value, list) else [value]
    numbers = [each for each in values if isinstance(each, int | float) and isfinite(each)]
    return fmean(numbers) if numbers and len(numbers) == len(values) else None


def _thinned(points: Mapping[float, float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Points in their order, means of neighbours where there are many."""
    tokens = sorted(points)
    together = -(-len(tokens) // MOST_POINTS)
    groups: list[Sequence[float]] = [tokens[at : at + together] for at in range(0, len(tokens), together)]
    return tuple(group[-1] for group in groups), tuple(fmean(points[t] for t in group) for group in groups)
