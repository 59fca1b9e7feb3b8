"""The names of read and write points in published files.

There are two vocabularies: TransformerLens hooks (circuit-tracer, SAELens), possibly with their block in
front, and Hugging Face modules with `.input` or `.output` behind (Gemma Scope 2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clew.dictionary.read_write_points import Point, ReadPoint, WritePoint
from clew.errors import ClewError
from clew.options import option_name

READS = {
    "hook_resid_mid": ReadPoint.RESIDUAL,
    "hook_mlp_in": ReadPoint.RESIDUAL,
    "ln2.hook_normalized": ReadPoint.NORMALIZED,
    "mlp.hook_in": ReadPoint.MLP_INPUT,
    "pre_feedforward_layernorm.input": ReadPoint.RESIDUAL,
    "pre_feedforward_layernorm.output": ReadPoint.MLP_INPUT,
    "mlp.input": ReadPoint.MLP_INPUT,
}
WRITES = {
    "hook_mlp_out": WritePoint.STREAM,
    "mlp.hook_out": WritePoint.STREAM,
    "post_feedforward_layernorm.output": WritePoint.STREAM,
    "mlp.output": WritePoint.MLP_OUTPUT,
}
HOOKS: Mapping[type, Mapping[str, Any]] = {ReadPoint: READS, WritePoint: WRITES}
LAYER_OF_HOOK = r"(?:[\w.]*\.)?(?:blocks|layers|h)\.(\d+)\."
"""The layer's path with its number, which may stand in front of a name above."""


def layer_of_hook(hook: str) -> int | None:
    """The layer at the beginning of a hook's full name; None without one."""
    match = re.match(LAYER_OF_HOOK, hook)
    return int(match[1]) if match else None


def point_of(kind: type[Point], hook: str, path: Path) -> Point:
    """The point of a hook. Raises `ClewError` for an unknown one; `path` is the file that names it."""
    points, verb = HOOKS[kind], kind.verb()
    name = re.sub("^" + LAYER_OF_HOOK, "", hook)
    if name not in points:
        raise ClewError(
            f"{path} says that features {verb} at {hook!r}, but clew supports only {', '.join(points)}; if "
            f"it is another name of one of these, pass {option_name(f'{verb}_point')}."
        )
    return points[name]
