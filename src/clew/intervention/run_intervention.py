"""Change features on a prompt and compare the outputs and all features before and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from clew.dictionary.finite_activations import check_activations
from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.feature import Feature, FeatureAt
from clew.graph.graph import Graph, NodeKind
from clew.intervention.feature_names import resolve_names
from clew.intervention.graph_compatibility import (
    check_graph_activations,
    check_graph_fits,
    warn_of_another_sink,
)
from clew.intervention.hooks import run_free
from clew.intervention.intervention import Intervention
from clew.intervention.layer_interventions import (
    AffineIntervention,
    changed_features,
    is_number,
    resolve_interventions,
)
from clew.intervention.patching import resolve_patches
from clew.intervention.regimes import ForwardPass, PreparedRun, run_direct, run_with_frozen_attention
from clew.intervention.result import (
    FeatureChanges,
    InterventionResult,
    TargetChange,
    kl_divergence,
    token_changes,
)
from clew.intervention.settings import ChangeCall, InterveneCall, Regime
from clew.model.language_model import LanguageModel
from clew.model.messages import PromptLike
from clew.model.prompt import encode_prompt, sink_option
from clew.model.recording import record
from clew.options import check_options

RUN = {"direct": run_direct, "frozen-attention": run_with_frozen_attention, "free": run_free}
"""The function that runs a model in each regime."""

STRENGTHS_AT_ONCE = 8
"""Bounds the logits and activations that are in memory together."""


def intervene(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: PromptLike,
    call: InterveneCall,
    *,
    generated: int = 0,
) -> tuple[InterventionResult, ...]:
    """One result for each strength, all from one run.

    With `layers` changes are written there only, and no MLP in this range responds (constrained patching).
    Results compare a graph's predictions for its targets, but not with `layers`: an edge carries all that a
    feature writes. Interventions may name positions of `generated` tokens, where they do nothing here. Raises
    `ClewError` for interventions that do not fit the model, contradict each other, or are too large for
    float32.
    """
    check_options(call)
    run = prepare(model, dictionary, prompt, call, layers=call.layers, generated=generated)
    plain = model.read_logits(run.recording.residual_final, run.recording.final_scale)
    results = []
    for some in run.strength[1:].split(STRENGTHS_AT_ONCE):
        part = replace(run, strength=torch.cat([run.strength[:1], some]))
        outputs = RUN[call.regime](part)
        for layer, (pre, activation) in enumerate(
            zip(outputs.pre_activation, outputs.activation, strict=True)
        ):
            check_activations(layer, pre, "pre-activation")
            check_activations(layer, activation)
        for column in range(1, len(part.strength)):
            results.append(_result(part, outputs, column, call.regime, plain, call.graph))
    return tuple(results)


def prepare(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: PromptLike,
    call: ChangeCall,
    *,
    layers: range | None = None,
    generated: int = 0,
) -> PreparedRun:
    """A run with all interventions checked; its first column makes no change.

    Interventions may name positions of `generated` tokens behind the prompt.
    """
    strengths = _checked_strengths(call.strengths)
    several = isinstance(call.interventions, list | tuple)
    interventions: Sequence[Intervention] = call.interventions if several else [call.interventions]  # type: ignore
    if call.graph is not None:
        check_graph_fits(model, dictionary, call.graph)
        warn_of_another_sink(model, dictionary, call.graph)
    named = resolve_names(interventions, call.graph)
    encoded = encode_prompt(model, prompt, _sink(call), dictionary.sink)
    n_positions = len(encoded.token_ids)
    if call.graph is not None and call.graph.token_ids.tolist() != encoded.token_ids.tolist():
        raise ClewError("The graph is of another prompt than the one that is changed; trace this one.")
    patched = resolve_patches(model, dictionary, named, n_positions, sink=encoded.sink_option)
    by_layer = resolve_interventions(patched, dictionary.n_features, n_positions, generated)
    _check_layers(layers, model.n_layers, dictionary, by_layer)
    recording = record(model, encoded.token_ids)
    if call.graph is not None:
        check_graph_activations(model, dictionary, recording, call.graph)
    return PreparedRun(
        model=model,
        dictionary=dictionary,
        recording=recording,
        by_layer=by_layer,
        strength=torch.tensor([0.0, *map(float, strengths)], device=model.device),
        layers=range(model.n_layers) if layers is None else layers,
        constrained=layers is not None,
        interventions=tuple(interventions),
    )


def _sink(call: ChangeCall) -> str | None:
    """The sink of a call; that of its graph where it names none."""
    return call.sink if call.sink is not None or call.graph is None else sink_option(call.graph.sink)


def _checked_strengths(strengths: Sequence[float] | None) -> Sequence[float]:
    if strengths is None:
        return (1.0,)
    if isinstance(strengths, str) or not isinstance(strengths, Iterable):
        raise ClewError(f"Strengths are several numbers such as [-1, 0, 1], not {strengths!r}.")
    for strength in strengths:
        if not is_number(strength):
            raise ClewError(f"A strength is a finite number, not {strength}.")
    if not len(strengths):
        raise ClewError("There is no strength; give at least one.")
    return strengths


def own_changes(
    run: PreparedRun, features: FeatureChanges, *, strength: float = 1.0
) -> tuple[dict[FeatureAt, float], dict[FeatureAt, float]]:
    """For each changed feature its change as intended on the unchanged prompt, and the share of its input
    change that it still passes on."""
    before = {change.feature: change.before for change in features.by_hand}
    change, passes_on = {}, {}
    for layer, intervention in run.by_layer.items():
        assert isinstance(intervention, AffineIntervention)
        where = intervention.where(0, run.recording.n_positions)
        columns = (intervention.index, intervention.factor, intervention.constant)
        for index, factor, constant, at in zip(*(column.tolist() for column in columns), where, strict=True):
            for position in torch.nonzero(at).squeeze(1).tolist():
                feature = FeatureAt(layer, position, index)
                change[feature] = strength * (factor * before[feature] + constant)
                passes_on[feature] = 1 + strength * factor
    return change, passes_on


def _check_layers(
    layers: range | None, n_layers: int, dictionary: Dictionary, by_layer: dict[int, AffineIntervention]
) -> None:
    """Raise `ClewError` for layers that do not exist, or that a changed feature does not write to."""
    if layers is None:
        return
    sound = isinstance(layers, range) and len(layers) and layers.step == 1
    if not sound or not 0 <= layers.start < layers.stop <= n_layers:
        raise ClewError(f"{layers} is not a range of the model's layers 0 to {n_layers - 1}.")
    for layer, intervention in by_layer.items():
        written = range(layer, layer + dictionary.decoder(layer, intervention.index[:1]).shape[1])
        if not set(written) & set(layers):
            to = f"layer {layer}" if len(written) == 1 else f"layers {layer} to {written[-1]}"
            raise ClewError(
                f"{Feature(layer, int(intervention.index[0]))} writes to {to}, outside of the layers "
                f"{layers.start} to {layers.stop - 1}; nothing would change."
            )


def _result(
    run: PreparedRun,
    outputs: ForwardPass,
    column: int,
    regime: Regime,
    plain: Tensor,
    graph: Graph | None,
) -> InterventionResult:
    model, token_ids = run.model, tuple(run.recording.token_ids.tolist())
    strength = float(run.strength[column])
    if not run.by_layer or strength == 0:
        column = 0
    # Both from one product, so that without a change the difference is 0, rounding included.
    moved = outputs.logits[column] - outputs.logits[0]
    before, after = model.soft_capped(plain), model.soft_capped(plain + moved)
    features = _feature_changes(run, outputs, column)
    targets, missing = (), 0
    if graph is not None and not run.constrained:
        change, passes_on = own_changes(run, features, strength=strength)
        predicted, missing = predicted_changes(
            graph, change, directly=regime == "direct", passes_on=passes_on
        )
        targets = _targets(graph, predicted, moved[-1])
    return InterventionResult(
        regime=regime,
        strength=strength,
        interventions=run.interventions,
        layers=run.layers if run.constrained else None,
        model=model.name,
        dictionary=run.dictionary.name,
        token_ids=token_ids,
        tokens=tuple(model.token_text(token) for token in token_ids),
        logits_before=before,
        logits_after=after,
        features=features,
        top=token_changes(before[-1], after[-1], moved[-1], model.token_text),
        kl=kl_divergence(before[-1], after[-1]),
        targets=targets,
        not_in_graph=missing,
    )


def _feature_changes(run: PreparedRun, outputs: ForwardPass, column: int) -> FeatureChanges:
    parts: list[tuple[Tensor, ...]] = []
    for layer, (pre, activation) in enumerate(zip(outputs.pre_activation, outputs.activation, strict=True)):
        shown = (activation[0] != 0) | (activation[column] != 0)
        by_hand = torch.zeros_like(shown)
        if (intervention := run.by_layer.get(layer)) is not None:
            by_hand = changed_features(intervention, *shown.shape).to(shown.device)
        position, index = torch.nonzero(shown | by_hand, as_tuple=True)
        chosen = [values[position, index] for values in (activation[0], activation[column])]
        read = [values[position, index] for values in (pre[0], pre[column])]
        layers = torch.full_like(index, layer)
        parts.append((layers, position, index, *chosen, *read, by_hand[position, index]))
    return FeatureChanges(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _targets(
    graph: Graph, predicted: Float64[np.ndarray, " node"], moved: Float[Tensor, " vocabulary"]
) -> tuple[TargetChange, ...]:
    changes = []
    for node, target in zip(graph.of_kind(NodeKind.TARGET).tolist(), graph.info.targets, strict=True):
        other = moved.mean() if target.minus_id is None else moved[target.minus_id]
        measured = float(moved[target.token_id] - other)
        change = TargetChange(
            target.text, float(predicted[node]), measured, target.minus_id is not None, target.identity
        )
        changes.append((target.weight, change))
    return tuple(change for _, change in sorted(changes, key=lambda pair: -pair[0]))


def feature_nodes(graph: Graph) -> dict[FeatureAt, int]:
    """The node of each feature that the graph holds."""
    return {graph.feature_at(node): node for node in graph.of_kind(NodeKind.FEATURE).tolist()}


def predicted_changes(
    graph: Graph,
    change: Mapping[FeatureAt, float],
    *,
    directly: bool,
    passes_on: Mapping[FeatureAt, float] | None = None,
) -> tuple[Float64[np.ndarray, " node"], int]:
    """The change of every node's value, and the number of changed features that the graph does not hold.

    `change` holds changes of activations. `directly` follows single edges. Otherwise changes follow all
    paths: each feature passes on all that it receives; a changed feature passes on its own change and the
    share `passes_on` (by default none) of what it receives. Raises `ClewError` for a graph without
    activations.
    """
    features, nodes = graph.of_kind(NodeKind.FEATURE), feature_nodes(graph)
    activation = graph.node_activation.astype(np.float64)
    if not np.isfinite(activation[features]).all():
        raise ClewError("This graph holds no activations, so it predicts nothing.")
    own = {nodes[feature]: amount for feature, amount in change.items() if feature in nodes}
    share = {nodes[feature]: part for feature, part in (passes_on or {}).items() if feature in nodes}
    per_unit = np.zeros(graph.n_nodes)
    np.divide(1, activation, out=per_unit, where=(graph.node_kind == NodeKind.FEATURE) & (activation != 0))
    moved = np.zeros(graph.n_nodes)
    for node, amount in own.items():
        moved[node] = amount
    result = moved.copy()
    # Sources stand in lower layers, and so earlier in the order of nodes.
    for node in np.flatnonzero(np.diff(graph.edge_offset)).tolist():
        edges = slice(graph.edge_offset[node], graph.edge_offset[node + 1])
        source = graph.edge_source[edges]
        received = float(graph.edge_weight[edges] @ (moved[source] * per_unit[source]))
        if node not in own:
            result[node] = received
        elif not directly:
            result[node] += share.get(node, 0.0) * received
        if not directly:
            moved[node] = result[node]
    return result, len(change) - len(own)
