"""The names of read and write points in published files.

There are two vocabularies: TransformerLens hooks (circuit-tracer, SAELens), possibly with their block in
front, and Hugging Face modules with `.input` or `.output` behind (Gemma Scope 2, SAELens's `hf_hook_name`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clew.dictionary.formats.config_keys import shown
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
    "post_attention_layernorm.input": ReadPoint.RESIDUAL,
    "post_attention_layernorm.output": ReadPoint.MLP_INPUT,
    "ln_2.input": ReadPoint.RESIDUAL,
    "ln_2.output": ReadPoint.MLP_INPUT,
    "mlp.input": ReadPoint.MLP_INPUT,
}
WRITES = {
    "hook_mlp_out": WritePoint.STREAM,
    "mlp.hook_out": WritePoint.STREAM,
    "post_feedforward_layernorm.output": WritePoint.STREAM,
    "mlp.output": WritePoint.MLP_OUTPUT,
}
NORM_OF_LLAMA = "post_attention_layernorm"
"""The norm in front of the MLP in most models; in Gemma 2 and 3 the norm behind attention."""
HOOKS: Mapping[type, Mapping[str, Any]] = {ReadPoint: READS, WritePoint: WRITES}
LAYER_OF_HOOK = r"(?:[\w.]*\.)?(?:blocks|layers|h)\.(\d+)\."
"""The layer's path with its number, which may stand in front of a name above."""


def layer_of_hook(hook: str) -> int | None:
    """The layer at the beginning of a hook's full name; None without one."""
    match = re.match(LAYER_OF_HOOK, hook)
    return int(match[1]) if match else None


def name_in_layer(hook: str) -> str:
    """A hook's name without the layer's path in front."""
    return re.sub("^" + LAYER_OF_HOOK, "", hook)


def point_of(kind: type[Point], hook: str, path: Path) -> Point:
    """The point of a hook. Raises `ClewError` for an unknown one; `path` is the file that names it."""
    points, verb, name = HOOKS[kind], kind.verb(), name_in_layer(hook)
    if name not in points:
        raise ClewError(
            f"{path} says that features {verb} at '{shown(hook)}', but clew supports only "
            f"{', '.join(points)}; if it is another name of one of these, pass "
            f"{option_name(f'{verb}_point')}."
        )
    return points[name]
