"""A graph's nodes and edges as pandas tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clew.errors import ClewError
from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import edge_shares

if TYPE_CHECKING:
    import pandas as pd


def node_frame(graph: GraphArrays) -> pd.DataFrame:
    """A table with one row per node, in node order.

    Columns: id, name, kind (feature, error, token or target), layer, position, token (the text at that
    position), feature, activation, influence, label, output (the five tokens that a feature promotes
    most). Raises `ClewError` without pandas.
    """
    pandas = import_pandas()
    ids = graph.node_ids
    kinds = [kind.name.lower() for kind in NodeKind]
    return pandas.DataFrame(
        {
            "id": ids,
            "name": [graph.node_name(node) for node in range(graph.n_nodes)],
            "kind": pandas.Categorical.from_codes(graph.node_kind, kinds),
            "layer": graph.node_layer,
            "position": graph.node_position,
            "token": np.array(graph.info.tokens, dtype=object)[graph.node_position],
            "feature": graph.node_feature,
            "activation": graph.node_activation,
            "influence": graph.node_influence,
            "label": [graph.label(node) or "" for node in range(graph.n_nodes)],
            "output": _output_column(graph),
        }
    )


def edge_frame(graph: GraphArrays) -> pd.DataFrame:
    """A table with one row per edge, in CSR order over targets.

    Columns: source and target (node indices), source_id and target_id, weight, share (of its target's
    absolute input). Raises `ClewError` without pandas.
    """
    pandas = import_pandas()
    ids, target = graph.node_ids, graph.edge_target
    return pandas.DataFrame(
        {
            "source": graph.edge_source,
            "target": target,
            "source_id": pandas.Categorical.from_codes(graph.edge_source, ids),
            "target_id": pandas.Categorical.from_codes(target, ids),
            "weight": graph.edge_weight,
            "share": edge_shares(graph),
        }
    )


def _output_column(graph: GraphArrays) -> list[str]:
    column = [""] * graph.n_nodes
    if graph.output_tokens is not None:
        for node in graph.output_tokens.node.tolist():
            column[node] = ", ".join(graph.promoted(node, 5))
    return column


def import_pandas():
    """The module pandas; raises `ClewError` if it is not installed."""
    try:
        import pandas
    except ImportError:
        raise ClewError("Tables need pandas; install it: pip install pandas.") from None
    return pandas
