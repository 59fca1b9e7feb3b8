"""Graphs from computed edges: nodes in file order, with the names of prompt and model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from clew.attribution.edge_weights import EdgeWeights
from clew.attribution.targets import OutputTargets
from clew.dictionary.protocols import ActiveFeatures
from clew.graph.graph import Graph, NodeKind
from clew.graph.info import GraphInfo
from clew.model.language_model import LanguageModel
from clew.model.prompt import Prompt
from clew.model.recording import Recording
from clew.version import __version__

SHOWN_PREDICTIONS = 10


def build_graph(
    model: LanguageModel,
    dictionary: str,
    prompt: Prompt,
    recording: Recording,
    features: ActiveFeatures,
    outputs: OutputTargets,
    edges: EdgeWeights,
) -> Graph:
    """A graph with its nodes in file order; influence and scores are computed later."""
    n_features, n_outputs = len(features), len(outputs.targets)
    sources, n_sources = edges.sources, edges.sources.n_columns
    n_tokens = recording.n_positions
    n_errors = n_sources - n_features - n_tokens
    output_ids = [t.token_id if t.minus_id is None else -1 for t in outputs.targets]
    counts = np.diff(edges.adjacency.offset)
    row_length = np.concatenate(
        [counts[:n_features], np.zeros(n_errors + n_tokens, int), counts[n_features:]]
    )
    gap = np.full(n_errors + n_tokens, np.nan)
    last = recording.n_positions - 1
    return Graph(
        node_kind=np.repeat(np.array([*NodeKind], np.uint8), [n_features, n_errors, n_tokens, n_outputs]),
        node_layer=np.append(sources.layer.cpu().numpy(), [model.n_layers] * n_outputs).astype(np.int16),
        node_position=np.append(sources.position.cpu().numpy(), [last] * n_outputs).astype(np.int32),
        node_feature=np.concatenate(
            [features.index.cpu().numpy(), np.full(n_errors, -1), prompt.token_ids.numpy(), output_ids]
        ).astype(np.int64),
        node_activation=np.concatenate(
            [features.activation.cpu().numpy(), gap, [t.weight for t in outputs.targets]]
        ).astype(np.float32),
        node_influence=np.zeros(n_sources + n_outputs, np.float32),
        edge_offset=np.concatenate([[0], np.cumsum(row_length)]).astype(np.int64),
        edge_source=edges.adjacency.source,
        edge_weight=edges.adjacency.weight,
        token_ids=prompt.token_ids.numpy().astype(np.int64),
        node_constant=_around(edges.adjacency.constant, n_features, gap),
        node_total=_around(edges.total, n_features, gap),
        info=GraphInfo(
            prompt=prompt.text,
            tokens=prompt.tokens,
            prompt_changes=prompt.changes,
            model=model.name,
            dictionary=dictionary,
            targets=outputs.targets,
            **_predictions(model, recording),
            sink=prompt.sink,
            roles=prompt.roles,
            messages=prompt.messages,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            generator=f"clew {__version__}",
        ),
    )


def _around(values: np.ndarray, n_features: int, gap: np.ndarray) -> np.ndarray:
    """Values of rows with NaN at errors and tokens, which have no row."""
    return np.concatenate([values[:n_features], gap, values[n_features:]]).astype(np.float32)


def _predictions(model: LanguageModel, recording: Recording) -> dict[str, Any]:
    probability, token = recording.logits.softmax(-1).topk(min(SHOWN_PREDICTIONS, len(recording.logits)))
    ids = tuple(token.tolist())
    pairs = zip(ids, probability.tolist(), strict=True)
    return {
        "predictions": tuple((model.token_text(token), probability) for token, probability in pairs),
        "prediction_ids": ids,
    }
