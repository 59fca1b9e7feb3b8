"""Remove a graph's features one by one and compare what happens with what the graph says."""

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
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import direct_effects, total_effects
from clew.intervention.graph_compatibility import check_fits, check_same_model, place_of, recorded_again
from clew.intervention.hooks import steered
from clew.intervention.prediction import Place
from clew.intervention.regimes import Setting, Spread, spread_along_edges
from clew.intervention.validation_result import NodeCheck, Validation
from clew.model.language_model import LanguageModel
from clew.model.recording import Recording
from clew.progress import OnProgress, ignore_progress

MOST_COLUMNS = 32
DEFAULT_MEMORY = 512 * 2**20
"""Bytes that the runs of one pass may take together."""


@torch.no_grad()
def validate_graph(
    model: LanguageModel,
    dictionary: Dictionary,
    graph: Graph,
    *,
    count: int = 50,
    random_count: int | None = None,
    seed: int = 0,
    memory: int = DEFAULT_MEMORY,
    on_progress: OnProgress = ignore_progress,
) -> Validation:
    """Ablate the `count` most influential features one by one, and as many others at random.

    Each is set to zero at its position twice: with everything but the edges held (the direct regime, which
    must agree with them) and in the real model (the free regime). Raises `ClewError` for a graph that is not
    of this model and dictionary, or has no features.
    """
    check_fits(model, dictionary, graph)
    chosen, n_top = _chosen(graph, count, count if random_count is None else random_count, seed)
    recording = recorded_again(model, dictionary, graph)
    check_same_model(model, dictionary, recording, graph, chosen)
    run = _Run(model, dictionary, recording, graph)
    direct, free = direct_effects(graph)[:, chosen], total_effects(graph)[:, chosen]
    parts: list[_Measured] = []
    done, step = 0, _columns(run, memory)
    while done < len(chosen):
        on_progress("Ablating features", done, len(chosen))
        parts.append(run.measured(chosen[done : done + step]))
        done += step
    on_progress("Ablating features", len(chosen), len(chosen))
    measured = [np.concatenate(columns, axis=-1) for columns in zip(*map(_arrays, parts), strict=True)]
    checks = _checks(graph, chosen, n_top, -direct, -free, _Measured(*measured))
    main = graph.info.targets[_main(graph)]
    return Validation(target=main.text, nodes=tuple(checks), n_features=len(graph.of_kind(NodeKind.FEATURE)))


def _chosen(graph: Graph, count: int, random_count: int, seed: int) -> tuple[np.ndarray, int]:
    """Feature nodes, the most influential first, then others at random; and how many come first."""
    if count < 0 or random_count < 0 or count + random_count == 0:
        raise ClewError(f"At least one feature must be tested, not {count} and {random_count} at random.")
    features = graph.of_kind(NodeKind.FEATURE)
    if not len(features):
        raise ClewError("This graph has no features, so there is nothing to test.")
    if not len(graph.of_kind(NodeKind.TARGET)):
        raise ClewError("This graph has no targets, so there is nothing to measure.")
    order = features[np.argsort(-graph.node_influence[features], kind="stable")]
    top, rest = order[:count], order[count:]
    drawn = np.random.default_rng(seed).permutation(len(rest))[:random_count]
    return np.concatenate([top, rest[np.sort(drawn)]]), len(top)


def _main(graph: Graph) -> int:
    """The target that weighs most."""
    return int(np.argmax([target.weight for target in graph.info.targets]))


@dataclass(frozen=True)
class _Measured:
    """What ablations did, one column each."""

    direct: Float64[np.ndarray, "target column"]
    free: Float64[np.ndarray, "target column"]
    """Changes of the targets' centred logits."""
    gap: Float64[np.ndarray, " column"]
    kl: Float64[np.ndarray, " column"]


def _arrays(measured: _Measured) -> tuple[np.ndarray, ...]:
    return measured.direct, measured.free, measured.gap, measured.kl


@dataclass(frozen=True)
class _Run:
    """A graph and all that is needed to run its prompt again."""

    model: LanguageModel
    dictionary: Dictionary
    recording: Recording
    graph: Graph

    def measured(self, nodes: np.ndarray) -> _Measured:
        setting = Setting(
            model=self.model,
            dictionary=self.dictionary,
            recording=self.recording,
            edits=one_in_each_column([place_of(self.graph, node) for node in nodes]),
            strength=torch.ones(len(nodes) + 1, device=self.model.device),
            layers=range(self.model.n_layers),
        )
        found = spread_along_edges(setting)
        outputs = output_targets(LinearMap(self.model, self.recording), self.graph.info.targets)
        direct = (outputs.direction.cpu().double() @ found.stream[1:, -1].cpu().double().T).numpy()
        gap = self._gap(nodes, found, direct)
        logits = last_logits(setting)
        capped = self.model.soft_capped(logits)
        return _Measured(direct, self._target_changes(logits), gap, _kl(capped))

    def _target_changes(self, logits: Tensor) -> Float64[np.ndarray, "target column"]:
        moved = (logits[1:] - logits[0]).cpu().double()
        rows = []
        for target in self.graph.info.targets:
            other = moved.mean(dim=-1) if target.minus_id is None else moved[:, target.minus_id]
            rows.append(moved[:, target.token_id] - other)
        return torch.stack(rows).numpy()

    def _gap(self, nodes: np.ndarray, found: Spread, targets: np.ndarray) -> Float64[np.ndarray, " column"]:
        """For each node the worst gap between an edge and what was measured, relative to its largest edge."""
        graph = self.graph
        column = np.full(graph.n_nodes, -1)
        column[nodes] = np.arange(len(nodes))
        edges = np.flatnonzero(column[graph.edge_source] >= 0)
        reader, column = graph.edge_target[edges], column[graph.edge_source[edges]]
        measured = np.zeros(len(edges))
        is_target = graph.node_kind[reader] == NodeKind.TARGET
        first = graph.n_nodes - len(targets)
        measured[is_target] = targets[reader[is_target] - first, column[is_target]]
        for layer, values in enumerate(found.read):
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

    index: Int[Tensor, " edit"]
    position: Int[Tensor, " edit"]
    column: Int[Tensor, " edit"]

    def change(
        self, activation: Float[Tensor, "column position edit"], start: int = 0
    ) -> Float[Tensor, "column position edit"]:
        """What to add to the activations of these features, from position `start` on."""
        changed = torch.zeros_like(activation)
        here = torch.nonzero((self.position >= start) & (self.position < start + activation.shape[1]))[:, 0]
        at = self.column[here], self.position[here] - start, here
        changed[at] = -activation[at]
        return changed

    def where(self, start: int, count: int) -> Bool[Tensor, "edit position"]:
        """Which positions from `start` on each edit changes."""
        return self.position[:, None] == torch.arange(start, start + count)


def one_in_each_column(places: Sequence[Place]) -> dict[int, SingleAblations]:
    """Ablations by layer, the first place in column 1 and so on: column 0 stays as it was."""
    by_layer: dict[int, list[tuple[int, int, int]]] = {}
    for column, (layer, position, index) in enumerate(places, start=1):
        by_layer.setdefault(layer, []).append((index, position, column))
    return {
        layer: SingleAblations(*torch.tensor(rows).T.unbind()) for layer, rows in sorted(by_layer.items())
    }


def last_logits(setting: Setting) -> Tensor:
    """Logits of the next token (before a soft-cap) in every column, in the free regime."""
    ids = setting.recording.token_ids.expand(len(setting.strength), -1)
    with steered(setting, watched=False) as state:
        setting.model.network(input_ids=ids, use_cache=False, logits_to_keep=1)
    return state.checked_logits()[:, -1]


def _kl(logits: Tensor) -> Float64[np.ndarray, " column"]:
    """KL divergence (nats) of every later column from the first."""
    share = logits.cpu().double().log_softmax(dim=-1)
    after, before = share[1:], share[0]
    return (after.exp() * (after - before)).sum(dim=-1).clamp(min=0).numpy()


def _columns(run: _Run, memory: int) -> int:
    """How many ablations fit beside the unchanged column."""
    per_position = 2 * sum(run.dictionary.n_features) + 8 * run.model.d_model
    per_column = 4 * (run.recording.n_positions * per_position + 6 * len(run.model.unembedding_weight))
    return max(1, min(MOST_COLUMNS, memory // per_column) - 1)


def _checks(
    graph: Graph,
    nodes: np.ndarray,
    n_top: int,
    predicted_direct: np.ndarray,
    predicted: np.ndarray,
    measured: _Measured,
) -> Iterator[NodeCheck]:
    main = _main(graph)
    weight = np.array([target.weight for target in graph.info.targets])
    weight = weight / weight.sum()
    for number, node in enumerate(nodes.tolist()):
        layer, position, index = place_of(graph, node)
        yield NodeCheck(
            name=graph.node_name(node),
            layer=layer,
            position=position,
            index=index,
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
