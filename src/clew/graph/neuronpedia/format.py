"""The vocabulary of Neuronpedia's graph JSON: feature types, ids, labels of outputs, settings."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from clew.errors import ClewError
from clew.graph.arrays import NodeKind

FEATURE_TYPES: dict[str, NodeKind] = {
    "cross layer transcoder": NodeKind.FEATURE,
    "lorsa": NodeKind.FEATURE,
    "mlp reconstruction error": NodeKind.ERROR,
    "lorsa error": NodeKind.ERROR,
    "bias": NodeKind.ERROR,
    "unknown": NodeKind.ERROR,
    "embedding": NodeKind.TOKEN,
    "logit": NodeKind.TARGET,
}
"""Kind of node for each feature type; a bias counts as an error, because no feature explains it."""

WRITTEN_TYPE: dict[NodeKind, str] = {
    NodeKind.FEATURE: "cross layer transcoder",
    NodeKind.ERROR: "mlp reconstruction error",
    NodeKind.TOKEN: "embedding",
    NodeKind.TARGET: "logit",
}

SETTINGS: dict[str, tuple[str, str]] = {
    "max_targets": ("generation_settings", "max_n_logits"),
    "target_probability": ("generation_settings", "desired_logit_prob"),
    "max_nodes": ("generation_settings", "max_feature_nodes"),
    "node_threshold": ("pruning_settings", "node_threshold"),
    "edge_threshold": ("pruning_settings", "edge_threshold"),
}
"""Group and name in the metadata, for each of clew's settings."""

CLEW_FACTS = (
    "prompt_changes",
    "targets",
    "predictions",
    "prediction_ids",
    "sink",
    "roles",
    "messages",
    "scores",
    "pruned_scores",
    "whole",
    "conservation",
    "influence_left_out",
)
"""Fields of `GraphInfo` that the format lacks; clew writes them under `metadata.clew`."""

CLEW_ANNOTATIONS = ("feature_labels", "supernode_colors", "supernode_places", "node_places")
"""Fields of `Annotations` that the format lacks; clew writes them there too."""

LONGEST_QUOTE = 40
"""Characters of a file's value that a message quotes."""
AUTOMATIC = "clerp_is_automatic"
"""Field that marks a node's label as made by clew from output tokens; reading drops such a label."""

INDEX_IN_ID = re.compile(r"_(-?\d+)_\d+$")
OUTPUT_LABEL = re.compile(r'(?:Output|Logit) "(.*)" \(p=([0-9.eE+-]+)\)', re.DOTALL)


def pair(layer: int, index: int) -> int:
    """Cantor's pairing function: the `feature` of a feature node."""
    return (layer + index) * (layer + index + 1) // 2 + index


def unpair(number: int) -> tuple[int, int]:
    """The layer and index whose `pair` is a number from 0."""
    total = (math.isqrt(8 * number + 1) - 1) // 2
    index = number - total * (total + 1) // 2
    return total - index, index


def index_in_id(node_id: str) -> int | None:
    """The feature or token number in `3_5_1`, `3_cro_5_1`, `E_5_1`; None for other ids."""
    match = INDEX_IN_ID.search(node_id)
    return int(match[1]) if match else None


def output_label(text: str, probability: float) -> str:
    """An output's label: `Output "tok" (p=0.123)`, the only form that Neuronpedia reads."""
    return f'Output "{text}" (p={probability:.3f})'


def read_output_label(label: str) -> tuple[str, float | None]:
    """Text and probability in an output's label; the whole label and None if it has another form."""
    match = OUTPUT_LABEL.fullmatch(label)
    if not match:
        return label, None
    try:
        return match[1], float(match[2])
    except ValueError:
        return match[1], None


def sanitized(text: str, fallback: str) -> str:
    """A slug made of a text: at most 80 characters of `[a-zA-Z0-9_.-]`."""
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", text).strip("-")[:80].rstrip("-") or fallback


class Field(NamedTuple):
    """Types that a field may have."""

    types: tuple[type, ...]
    required: bool = False
    is_share: bool = False
    """True for a number from 0 to 1."""


TEXT, NUMBER = (str,), (int, float)

TOP_FIELDS = {
    "metadata": Field((dict,), True),
    "nodes": Field((list,), True),
    "links": Field((list,), True),
    "qParams": Field((dict,)),
}
METADATA_FIELDS = {
    "slug": Field(TEXT, True),
    "scan": Field(TEXT, True),
    "prompt": Field(TEXT, True),
    "prompt_tokens": Field((list,), True),
    "info": Field((dict,)),
    "generation_settings": Field((dict,)),
    "pruning_settings": Field((dict,)),
    "feature_details": Field((dict,)),
    "node_threshold": Field(NUMBER),
    "replacement_score": Field(NUMBER, is_share=True),
    "completeness_score": Field(NUMBER, is_share=True),
}
NODE_FIELDS = {
    "node_id": Field(TEXT, True),
    "feature": Field((int, type(None)), True),
    "layer": Field((str, int), True),
    "ctx_idx": Field((int,), True),
    "feature_type": Field(TEXT, True),
    "jsNodeId": Field(TEXT, True),
    "clerp": Field((str, type(None)), True),
    "influence": Field(NUMBER),
    "activation": Field(NUMBER),
    "token_prob": Field(NUMBER, is_share=True),
}
LINK_FIELDS = {
    "source": Field(TEXT, True),
    "target": Field(TEXT, True),
    "weight": Field(NUMBER, True),
}

LARGEST_FLOAT32 = 3.4028234663852886e38

ROUNDING = 1e-3

JSON_NAME = {dict: "an object", list: "a list", str: "a string", int: "a whole number", float: "a number"}


def check_fields(where: str, item: Any, fields: dict[str, Field]) -> None:
    """Raise `ClewError` for a missing field, a wrong type, or a number that is not finite.

    Fields that are not required may be null. Fields that are not listed are not checked.
    """
    if not isinstance(item, dict):
        raise ClewError(f"{where} is {shown(item)}; expected a JSON object.")
    for name, field in fields.items():
        if field.required and name not in item:
            raise ClewError(f'{where} lacks the field "{name}".')
        value = item.get(name)
        if value is None and (not field.required or type(None) in field.types):
            continue
        if not isinstance(value, field.types) or isinstance(value, bool):
            raise ClewError(f'{where}: "{name}" is {shown(value)}; expected {_expected(field)}.')
        if field.types == NUMBER and isinstance(value, int | float) and not abs(value) <= LARGEST_FLOAT32:
            raise ClewError(f'{where}: "{name}" is {shown(value)}; expected a finite number.')
        if field.is_share and not -ROUNDING <= float(value or 0) <= 1 + ROUNDING:
            raise ClewError(f'{where}: "{name}" is {shown(value)}; expected a number from 0 to 1.')


def _expected(field: Field) -> str:
    if field.types == NUMBER:
        return "a number"
    return " or ".join(JSON_NAME[kind] for kind in field.types if kind in JSON_NAME)


def shown(value: Any) -> str:
    """A value of a file for a message, cut where it is long."""
    return _cut(repr(value))


def quoted(text: str) -> str:
    """An id or another text of a file in double quotes, cut where it is long."""
    return f'"{_cut(text)}"'


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}..."
