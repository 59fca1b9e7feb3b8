"""Validation: ablate a graph's features one by one, and compare the effects with its predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from clew.attribution.linear_map import LinearMap
from clew.attribution.targets import output_targets
from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.feature import FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import direct_effects, total_effects
from clew.intervention.graph_compatibility import record_prompt, require_activations
from clew.intervention.hooks import last_logits
from clew.intervention.regimes import DirectEffects, PreparedRun, propagate_along_edges
from clew.intervention.result import kl_divergence
from clew.intervention.settings import ValidationSettings
from clew.intervention.validation_result import NodeCheck, Validation
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording
from clew.options import check_options
from clew.progress import OnProgress, ignore_progress

MOST_COLUMNS = 32
DEFAULT_MEMORY = 512 * 2**20
"""Bytes that the runs of one pass may take together."""


@torch.no_grad()
def validate_graph(
    model: LanguageModel,
    dictionary: Dictionary,
    graph: Graph,
    settings: ValidationSettings = ValidationSettings(),
    *,
    memory: int = DEFAULT_MEMORY,
    on_progress: OnProgress = ignore_progress,
) -> Validation:
    """Ablate the most influential features one by one, and others drawn at random.

    Each is set to zero at its position twice: in the direct regime, which must agree with the edges, and in
    the free regime, the real model. Raises `ClewError` for a graph that is not of this model and dictionary,
    or has no features.
    """
    check_options(settings)
    recording = record_prompt(model, dictionary, graph)
    chosen, n_top = _chosen(graph, settings)
    require_activations(dictionary, graph, chosen)
    ablation = _Ablation(model, dictionary, recording, graph)
    direct, free = direct_effects(graph)[:, chosen], total_effects(graph)[:, chosen]
    parts: list[_Effects] = []
    done, step = 0, _columns(ablation, memory)
    while done < len(chosen):
        on_progress("Ablating features", done, len(chosen))
        parts.append(ablation.effects(chosen[done : done + step]))
        done += step
    on_progress("Ablating features", len(chosen), len(chosen))
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    measured = [np.concatenate(arrays, axis=-1) for arrays in columns]
    if not all(np.isfinite(values).all() for values in measured):
        raise ClewError(
            "Measured effects are not finite: the graph's activations are too large to take away in float32."
        )
    checks = _checks(graph, chosen, n_top, -direct, -free, _Effects(*measured))
    main = graph.info.targets[_main_target(graph)]
    return Validation(target=main.text, nodes=tuple(checks), n_features=len(graph.of_kind(NodeKind.FEATURE)))


def _chosen(graph: Graph, settings: ValidationSettings) -> tuple[np.ndarray, int]:
    """Feature nodes, the most influential first, then others at random; and the number of the former."""
    count, random_count = settings.count, settings.random_count
    random_count = count if random_count is None else random_count
    if count + random_count == 0:
        raise ClewError("There is no feature to test; count or random_count must be above 0.")
    features = graph.of_kind(NodeKind.FEATURE)
    if not len(features):
        raise ClewError("This graph has no features, so there is nothing to test.")
    if not len(graph.of_kind(NodeKind.TARGET)):
        raise ClewError("This graph has no targets, so there is nothing to measure.")
    order = features[np.argsort(-graph.node_influence[features], kind="stable")]
    top, rest = order[:count], order[count:]
    random = np.random.default_rng(settings.seed).permutation(len(rest))[:random_count]
    return np.concatenate([top, rest[np.sort(random)]]), len(top)


def _main_target(graph: Graph) -> int:
    """The number of the target that weighs most."""
    return int(np.argmax([target.weight for target in graph.info.targets]))


@dataclass(frozen=True)
class _Effects:
    """Measured effects of ablations, one column each."""

    direct: Float64[np.ndarray, "target column"]
    free: Float64[np.ndarray, "target column"]
    """Changes of the targets' centred logits."""
    gap: Float64[np.ndarray, " column"]
    kl: Float64[np.ndarray, " column"]


@dataclass(frozen=True)
class _Ablation:
    """Ablations of a graph's features on its own prompt."""

    model: LanguageModel
    dictionary: Dictionary
    recording: Recording
    graph: Graph

    def effects(self, nodes: np.ndarray) -> _Effects:
        run = PreparedRun(
            model=self.model,
            dictionary=self.dictionary,
            recording=self.recording,
            by_layer=one_in_each_column([self.graph.feature_at(node) for node in nodes.tolist()]),
            strength=torch.ones(len(nodes) + 1, device=self.model.device),
            layers=range(self.model.n_layers),
        )
        along_edges = propagate_along_edges(run)
        outputs = output_targets(LinearMap(self.model, self.recording), self.graph.info.targets)
        direct = (outputs.direction.cpu().double() @ along_edges.stream[1:, -1].cpu().double().T).numpy()
        gap = self._gap(nodes, along_edges, direct)
        logits = last_logits(run)
        before, *after = self.model.soft_capped(logits).cpu()
        kl = np.array([kl_divergence(before, column) for column in after])
        return _Effects(direct, self._target_changes(logits), gap, kl)

    def _target_changes(self, logits: Tensor) -> Float64[np.ndarray, "target column"]:
        moved = (logits[1:] - logits[0]).cpu().double()
        rows = []
        for target in self.graph.info.targets:
            other = moved.mean(dim=-1) if target.minus_id is None else moved[:, target.minus_id]
            rows.append(moved[:, target.token_id] - other)
        return torch.stack(rows).numpy()

    def _gap(
        self, nodes: np.ndarray, effects: DirectEffects, targets: np.ndarray
    ) -> Float64[np.ndarray, " column"]:
        """For each node the worst gap between an edge and its measurement, relative to its largest edge."""
        graph = self.graph
        column = np.full(graph.n_nodes, -1)
        column[nodes] = np.arange(len(nodes))
        edges = np.flatnonzero(column[graph.edge_source] >= 0)
        reader, column = graph.edge_target[edges], column[graph.edge_source[edges]]
        measured = np.zeros(len(edges))
        is_target = graph.node_kind[reader] == NodeKind.TARGET
        first = graph.n_nodes - len(targets)
        measured[is_target] = targets[reader[is_target] - first, column[is_target]]
        for layer, values in enumerate(effects.read):
            here = np.flatnonzero(~is_target & (graph.node_layer[reader] == layer))
            where = [
                torch.from_numpy(array[reader[here]].astype(np.int64))
                for array in (graph.node_position, graph.node_feature)
            ]
            measured[here] = values[torch.from_numpy(column[here] + 1), *where].cpu().numpy()
        worst, largest = np.zeros((2, len(nodes)))
        np.maximum.at(worst, column, np.abs(measured + graph.edge_weight[edges]))
        np.maximum.at(largest, column, np.abs(graph.edge_weight[edges]))
        return np.divide(worst, largest, out=np.zeros(len(nodes)), where=largest > 0)


@dataclass(frozen=True)
class SingleAblations:
    """Features of one layer set to zero at one position each, each in a column of its own."""

    index: Int[Tensor, " feature"]
    position: Int[Tensor, " feature"]
    column: Int[Tensor, " feature"]

    def change(
        self, activation: Float[Tensor, "column position feature"], start: int = 0
    ) -> Float[Tensor, "column position feature"]:
        """The change of these features' activations, from position `start` on."""
        changed = torch.zeros_like(activation)
        here = torch.nonzero((self.position >= start) & (self.position < start + activation.shape[1]))[:, 0]
        at = self.column[here], self.position[here] - start, here
        changed[at] = -activation[at]
        return changed

    def where(self, start: int, count: int) -> Bool[Tensor, "feature position"]:
        """True at the one position of each feature, for `count` positions from `start` on."""
        return self.position[:, None] == torch.arange(start, start + count)


def one_in_each_column(features: Sequence[FeatureAt]) -> dict[int, SingleAblations]:
    """Ablations by layer, of the first feature in column 1 and so on: column 0 stays as it was."""
    by_layer: dict[int, list[tuple[int, int, int]]] = {}
    for column, at in enumerate(features, start=1):
        by_layer.setdefault(at.layer, []).append((at.index, at.position, column))
    return {
        layer: SingleAblations(*torch.tensor(rows).T.unbind()) for layer, rows in sorted(by_layer.items())
    }


def _columns(ablation: _Ablation, memory: int) -> int:
    """The number of ablations that fit into memory beside the unchanged column."""
    per_position = 2 * sum(ablation.dictionary.n_features) + 8 * ablation.model.d_model
    per_column = 4 * (
        ablation.recording.n_positions * per_position + 6 * len(ablation.model.unembedding_weight)
    )
    return max(1, min(MOST_COLUMNS, memory // per_column) - 1)


def _checks(
    graph: Graph,
    nodes: np.ndarray,
    n_top: int,
    predicted_direct: np.ndarray,
    predicted: np.ndarray,
    measured: _Effects,
) -> Iterator[NodeCheck]:
    main = _main_target(graph)
    weight = np.array([target.weight for target in graph.info.targets])
    weight = weight / weight.sum()
    for number, node in enumerate(nodes.tolist()):
        at = graph.feature_at(node)
        yield NodeCheck(
            name=graph.node_name(node),
            layer=at.layer,
            position=at.position,
            index=at.index,
            is_top=number < n_top,
            activation=float(graph.node_activation[node]),
            influence=float(graph.node_influence[node]),
            predicted_direct=float(predicted_direct[main, number]),
            measured_direct=float(measured.direct[main, number]),
            gap=float(measured.gap[number]),
            predicted=float(predicted[main, number]),
            measured=float(measured.free[main, number]),
            predicted_size=float(weight @ np.abs(predicted[:, number])),
            measured_size=float(weight @ np.abs(measured.free[:, number])),
            kl=float(measured.kl[number]),
        )
