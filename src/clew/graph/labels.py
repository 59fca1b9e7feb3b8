"""Labels of nodes, and which one counts where there are several.

In this order: the node's own label, the label that a person gave its feature in this graph, then the index's
label of the feature (a person's before a model's before one made of tokens: `clew.index.storage.labels`).
"""

from __future__ import annotations

from collections.abc import Mapping

from clew.feature import Feature
from clew.graph.info import Annotations, IndexLabel


def label_of(
    node_id: str,
    feature: Feature | None,
    annotations: Annotations,
    index_labels: Mapping[str, IndexLabel],
    *,
    by_rule: bool = True,
) -> str | None:
    """The label that counts for a node, which stands for `feature` or (None) for something else.

    None where nobody labelled it; labels that an index made of tokens count unless `by_rule` is False.
    """
    own = annotations.labels.get(node_id)
    if own or feature is None:
        return own or None
    if label := annotations.feature_labels.get(str(feature)):
        return label
    index_label = index_labels.get(str(feature))
    return index_label.text if index_label and (by_rule or not index_label.by_rule) else None
