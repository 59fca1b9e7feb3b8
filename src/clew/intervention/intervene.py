"""Change features on a prompt and see what the model and all other features do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from clew.dictionary.protocols import Dictionary
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.intervention.feature_names import with_names_resolved
from clew.intervention.graph_compatibility import check_fits
from clew.intervention.hooks import run_free
from clew.intervention.intervention import Feature, Intervention
from clew.intervention.layer_interventions import LayerEdits, is_number, resolve
from clew.intervention.patching import with_patches_resolved
from clew.intervention.prediction import Place, feature_nodes, predicted_changes
from clew.intervention.regimes import Pass, Regime, Setting, run_direct, run_with_frozen_attention
from clew.intervention.residual_writes import changed_places
from clew.intervention.result import (
    FeatureChanges,
    InterventionResult,
    TargetChange,
    kl_divergence,
    token_changes,
)
from clew.model.language_model import LanguageModel
from clew.model.prompt import encode_prompt
from clew.model.recording import record

RUN = {
    Regime.DIRECT: run_direct,
    Regime.FROZEN_ATTENTION: run_with_frozen_attention,
    Regime.FREE: run_free,
}
STRENGTHS_AT_ONCE = 8
"""Bounds the logits and activations that are in memory together."""
SAME = 0.1
"""Activations of a graph and of a run that differ by more, in the median, are not of the same features."""


def intervene(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: str | Sequence[int],
    interventions: Sequence[Intervention],
    *,
    regime: Regime | str = Regime.FREE,
    strengths: Sequence[float] = (1.0,),
    layers: range | None = None,
    sink: str | None = None,
    graph: Graph | None = None,
    generated: int = 0,
) -> tuple[InterventionResult, ...]:
    """One result for each strength, side by side in one run; a strength multiplies every change.

    With `layers` changes are written there only, and no MLP in this range responds (constrained patching).
    A `graph` of the same prompt knows names, and each result compares what it predicts for its targets
    (not with `layers`: an edge carries all that a feature writes). Changes of tokens that are `generated`
    later may be among them, and do nothing here. Raises `ClewError` for what is not there, contradicts
    itself, or is too large for float32.
    """
    regime = regime_named(regime)
    setting = prepare(
        model,
        dictionary,
        prompt,
        interventions,
        strengths=strengths,
        layers=layers,
        sink=sink,
        graph=graph,
        generated=generated,
    )
    plain = model.read_logits(setting.recording.residual_final, setting.recording.final_scale)
    results = []
    for some in _column_groups(setting):
        found = RUN[regime](some)
        if graph is not None:
            _check_activations(graph, found)
        for column in range(1, len(some.strength)):
            results.append(_result(some, found, column, regime, plain, graph))
    return tuple(results)


def prepare(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: str | Sequence[int],
    interventions: Sequence[Intervention],
    *,
    strengths: Sequence[float] = (1.0,),
    layers: range | None = None,
    sink: str | None = None,
    graph: Graph | None = None,
    generated: int = 0,
) -> Setting:
    """All that a run needs, checked; its first column makes no change.

    Positions may also be those of so many `generated` tokens.
    """
    _check_strengths(strengths)
    if graph is not None:
        check_fits(model, dictionary, graph)
    named = with_names_resolved(interventions, graph)
    encoded = encode_prompt(model, prompt, sink)
    n_positions = len(encoded.token_ids)
    if graph is not None and graph.token_ids.tolist() != encoded.token_ids.tolist():
        raise ClewError("The graph is of another prompt than the one that is changed; trace this one.")
    plain = with_patches_resolved(model, dictionary, named, n_positions, sink=sink)
    edits = resolve(plain, dictionary.n_features, n_positions, generated)
    _check_layers(layers, model.n_layers, dictionary, edits)
    return Setting(
        model=model,
        dictionary=dictionary,
        recording=record(model, encoded.token_ids),
        edits=edits,
        strength=torch.tensor([0.0, *map(float, strengths)], device=model.device),
        layers=range(model.n_layers) if layers is None else layers,
        constrained=layers is not None,
        interventions=tuple(interventions),
    )


def _check_strengths(strengths: Sequence[float]) -> None:
    if isinstance(strengths, str) or not isinstance(strengths, Iterable):
        raise ClewError(f"Strengths are several numbers such as [-1, 0, 1], not {strengths!r}.")
    for strength in strengths:
        if not is_number(strength):
            raise ClewError(f"A strength must be a finite number, not {strength}.")
    if not len(strengths):
        raise ClewError("There is no strength; give at least one.")


def regime_named(regime: Regime | str) -> Regime:
    """`ClewError` for a word that is no regime."""
    try:
        return Regime(regime)
    except ValueError:
        known = ", ".join(each.value for each in Regime)
        raise ClewError(f"There is no regime {regime!r}; the regimes are {known}.") from None


def plain_logits(setting: Setting) -> Float[Tensor, "position vocabulary"]:
    """The unchanged model's logits at every position."""
    recording = setting.recording
    return setting.model.soft_capped(
        setting.model.read_logits(recording.residual_final, recording.final_scale)
    )


def own_changes(
    setting: Setting, features: FeatureChanges, *, strength: float = 1.0
) -> tuple[dict[Place, float], dict[Place, float]]:
    """By layer, position and index of each changed feature: the change as intended on the unchanged prompt,
    and the share of what the feature receives that it passes on all the same."""
    chosen = torch.nonzero(features.was_changed).squeeze(1)
    columns = (features.layer, features.position, features.index, features.before)
    before = {
        (layer, position, index): activation
        for layer, position, index, activation in zip(
            *(column[chosen].tolist() for column in columns), strict=True
        )
    }
    change, passes_on = {}, {}
    for layer, edits in setting.edits.items():
        assert isinstance(edits, LayerEdits)
        where = edits.where(0, setting.recording.n_positions)
        rows = zip(edits.index.tolist(), edits.factor.tolist(), edits.constant.tolist(), where, strict=True)
        for index, factor, constant, positions in rows:
            for position in torch.nonzero(positions).squeeze(1).tolist():
                place = (layer, position, index)
                change[place] = strength * (factor * before[place] + constant)
                passes_on[place] = 1 + strength * factor
    return change, passes_on


def _check_layers(
    layers: range | None, n_layers: int, dictionary: Dictionary, edits: dict[int, LayerEdits]
) -> None:
    """`ClewError` for a range that there is not, or that a changed feature does not write to."""
    if layers is None:
        return
    sound = isinstance(layers, range) and len(layers) and layers.step == 1
    if not sound or not 0 <= layers.start < layers.stop <= n_layers:
        raise ClewError(f"{layers} is no range of the model's layers 0 to {n_layers - 1}.")
    for layer, edit in edits.items():
        written = range(layer, layer + dictionary.decoder(layer, edit.index[:1]).shape[1])
        if not set(written) & set(layers):
            to = f"layer {layer}" if len(written) == 1 else f"layers {layer} to {written[-1]}"
            raise ClewError(
                f"{Feature(layer, int(edit.index[0]))} writes to {to}, outside of the layers "
                f"{layers.start} to {layers.stop - 1}; nothing would change."
            )


def _column_groups(setting: Setting) -> Iterator[Setting]:
    """The same with some of the strengths at a time, each time with the column without changes."""
    for some in setting.strength[1:].split(STRENGTHS_AT_ONCE):
        yield replace(setting, strength=torch.cat([setting.strength[:1], some]))


def _check_activations(graph: Graph, found: Pass) -> None:
    """`ClewError` for a graph of another dictionary, whose features would be taken for these."""
    off = []
    for (layer, position, index), node in feature_nodes(graph).items():
        if index < 0:  # an attention feature of an imported graph
            continue
        if layer >= len(found.activation) or index >= found.activation[layer].shape[2]:
            off.append(1.0)
            continue
        here, there = float(found.activation[layer][0, position, index]), float(graph.node_activation[node])
        off.append(abs(here - there) / max(abs(here), abs(there), 1e-12))
    off = [value for value in off if not math.isnan(value)]
    if off and sorted(off)[len(off) // 2] > SAME:
        raise ClewError(
            "The graph's features have other activations here, so it is of another model or dictionary; "
            "load those that it was traced with."
        )


def _result(
    setting: Setting,
    found: Pass,
    column: int,
    regime: Regime,
    plain: Tensor,
    graph: Graph | None,
) -> InterventionResult:
    model, token_ids = setting.model, tuple(setting.recording.token_ids.tolist())
    strength = float(setting.strength[column])
    if not setting.edits or strength == 0:
        column = 0
    # Rounding is taken out: no change moves nothing, though columns of one product may round apart.
    moved = found.logits[column] - found.logits[0]
    before, after = model.soft_capped(plain), model.soft_capped(plain + moved)
    features = _feature_changes(setting, found, column)
    targets, missing = (), 0
    if graph is not None and not setting.constrained:
        change, passes_on = own_changes(setting, features, strength=strength)
        predicted, missing = predicted_changes(
            graph, change, directly=regime is Regime.DIRECT, passes_on=passes_on
        )
        targets = _targets(graph, predicted, moved[-1])
    return InterventionResult(
        regime=regime,
        strength=strength,
        interventions=setting.interventions,
        layers=setting.layers if setting.constrained else None,
        model=model.name,
        dictionary=setting.dictionary.name,
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


def _feature_changes(setting: Setting, found: Pass, column: int) -> FeatureChanges:
    parts: list[tuple[Tensor, ...]] = []
    for layer, (pre, activation) in enumerate(zip(found.pre_activation, found.activation, strict=True)):
        shown = (activation[0] != 0) | (activation[column] != 0)
        by_hand = torch.zeros_like(shown)
        if (edits := setting.edits.get(layer)) is not None:
            by_hand = changed_places(edits, *shown.shape).to(shown.device)
        position, index = torch.nonzero(shown | by_hand, as_tuple=True)
        chosen = [values[position, index] for values in (activation[0], activation[column])]
        read = [values[position, index] for values in (pre[0], pre[column])]
        layers = torch.full_like(index, layer)
        parts.append((layers, position, index, *chosen, *read, by_hand[position, index]))
    return FeatureChanges(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _targets(
    graph: Graph, predicted: Float64[np.ndarray, " node"], moved: Float[Tensor, " vocabulary"]
) -> tuple[TargetChange, ...]:
    found = []
    for node, target in zip(graph.of_kind(NodeKind.TARGET).tolist(), graph.info.targets, strict=True):
        other = moved.mean() if target.minus_id is None else moved[target.minus_id]
        measured = float(moved[target.token_id] - other)
        change = TargetChange(target.text, float(predicted[node]), measured, target.minus_id is not None)
        found.append((target.weight, change))
    return tuple(change for _, change in sorted(found, key=lambda pair: -pair[0]))
