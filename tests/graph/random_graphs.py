"""Small random graphs to test with."""

from __future__ import annotations

import numpy as np

from clew.graph.graph import Graph, NodeKind, OutputTokens
from clew.graph.info import GraphInfo, Target


def random_graph(
    seed: int = 0,
    n_layers: int = 3,
    n_positions: int = 4,
    per_cell: int = 3,
    n_targets: int = 2,
    density: float = 0.5,
) -> Graph:
    """A layered graph: `per_cell` features and one error in each (layer, position), edges all upwards."""
    rng = np.random.default_rng(seed)
    nodes = [(NodeKind.TARGET, n_layers, n_positions - 1, token) for token in _draw(rng, n_targets)]
    nodes += [(NodeKind.TOKEN, -1, position, 100 + position) for position in range(n_positions)]
    for layer in range(n_layers):
        for position in range(n_positions):
            nodes.append((NodeKind.ERROR, layer, position, -1))
            nodes += [(NodeKind.FEATURE, layer, position, index) for index in _draw(rng, per_cell)]
    kind, layer, position, feature = np.array(sorted(nodes)).reshape(-1, 4).T

    weight = rng.dirichlet(np.ones(n_targets)) if n_targets else np.zeros(0)
    activation = np.where(kind == NodeKind.FEATURE, rng.gamma(2, size=len(kind)), np.nan)
    activation *= rng.choice([1, 1, -1], size=len(kind))
    activation[kind == NodeKind.TARGET] = weight

    has_row = (kind == NodeKind.FEATURE) | (kind == NodeKind.TARGET)
    possible = has_row[:, None] & (layer[None, :] < layer[:, None]) & (position[None, :] <= position[:, None])
    possible &= rng.random(possible.shape) < density
    source = np.nonzero(possible)[1]
    targets = tuple(
        Target(f" word{token}", int(token), float(np.float32(w)), float(np.float32(w)))
        for token, w in zip(feature[kind == NodeKind.TARGET], weight, strict=True)
    )
    features = np.flatnonzero(kind == NodeKind.FEATURE)
    return Graph(
        node_kind=kind.astype(np.uint8),
        node_layer=layer.astype(np.int16),
        node_position=position.astype(np.int32),
        node_feature=feature.astype(np.int64),
        node_activation=activation.astype(np.float32),
        node_influence=rng.random(len(kind)).astype(np.float32),
        edge_offset=np.concatenate([[0], np.cumsum(possible.sum(axis=1))]).astype(np.int64),
        edge_source=source.astype(np.int32),
        edge_weight=rng.normal(size=len(source)).astype(np.float32),
        token_ids=np.arange(100, 100 + n_positions),
        info=GraphInfo(
            prompt="a random prompt",
            tokens=tuple(f" token{position}" for position in range(n_positions)),
            model="org/tiny-model",
            targets=targets,
            token_text={token: f" word{token}" for token in range(1000)},
            settings={"max_nodes": 64, "node_threshold": 0.8, "edge_threshold": 0.98},
            created="2026-01-02T03:04:05+00:00",
        ),
        output_tokens=OutputTokens(
            node=features.astype(np.int32),
            token=rng.integers(0, 1000, size=(len(features), 20), dtype=np.int32),
            logit=rng.normal(size=(len(features), 20)).astype(np.float32),
        ),
    )


def _draw(rng: np.random.Generator, count: int) -> list[int]:
    return rng.choice(1000, size=count, replace=False).tolist()
