"""What published files call the places where features read and write.

Three vocabularies: TransformerLens hooks (circuit-tracer, SAELens), possibly with their block in front;
Hugging Face modules with `.input` or `.output` behind (Gemma Scope 2); and clew's own names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from clew.dictionary.read_write_points import Point, ReadPoint, WritePoint
from clew.errors import ClewError

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
LAYER_OF_HOOK = r"(?:[\w.]*\.)?(?:blocks|layers|h)\.(\d+)\."
"""What may stand in front of a name above: the layer's path, with its number."""


def layer_of_hook(hook: str) -> int | None:
    """The layer that a hook's full name begins with, if it does."""
    match = re.match(LAYER_OF_HOOK, hook)
    return int(match[1]) if match else None


def read_point_of(hook: str, where: str) -> ReadPoint:
    """Raises ClewError for a hook that is not known; `where` is the file that names it."""
    return _point_of(hook, where, READS, "read")


def write_point_of(hook: str, where: str) -> WritePoint:
    """Raises ClewError for a hook that is not known; `where` is the file that names it."""
    return _point_of(hook, where, WRITES, "write")


def _point_of(hook: str, where: str, known: Mapping[str, Point], verb: str) -> Point:
    name = re.sub("^" + LAYER_OF_HOOK, "", hook)
    if name not in known:
        raise ClewError(
            f"{where} says that features {verb} at {hook!r}, which clew does not know (it knows "
            f"{', '.join(known)}): give --{verb}-point ({verb}_point in Python) if it is one of these under "
            "another name."
        )
    return known[name]
