"""The vocabulary of Neuronpedia's graph JSON: feature types, ids, labels of outputs, settings."""

from __future__ import annotations

import math
import re

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
    "targets",
    "predictions",
    "sink",
    "scores",
    "pruned_scores",
    "whole",
    "conservation",
    "influence_left_out",
)
"""Fields of `GraphInfo` that the format lacks; clew writes them under `metadata.clew`."""

CLEW_ANNOTATIONS = ("feature_labels", "supernode_colors")
"""Fields of `Annotations` that the format lacks; clew writes them there too."""

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
