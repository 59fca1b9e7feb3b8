"""Change features on a prompt and see what the model and all other features do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clew.dictionary.base import Dictionary
from clew.errors import ClewError
from clew.graph.graph import Graph, NodeKind
from clew.intervention.intervention import Intervention, resolve
from clew.intervention.passes import Pass, Regime, Setting, run_direct, run_with_frozen_attention
from clew.intervention.prediction import predicted_changes
from clew.intervention.result import (
    FeatureChanges,
    InterventionResult,
    TargetChange,
    kl_divergence,
    token_changes,
)
from clew.intervention.steering import run_free
from clew.model.language_model import LanguageModel
from clew.model.prompt import encode_prompt
from clew.model.recording import record

RUN = {
    Regime.DIRECT: run_direct,
    Regime.FROZEN_ATTENTION: run_with_frozen_attention,
    Regime.FREE: run_free,
}


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
) -> tuple[InterventionResult, ...]:
    """One result for each strength, all in one run; a strength multiplies every change.

    With `layers` changes are written there only, and no MLP in this range responds (constrained patching).
    With a `graph` of the same prompt each result compares what it predicts for its targets. Raises
    `ClewError` for what is not there or contradicts itself.
    """
    regime = regime_named(regime)
    setting = prepare(model, dictionary, prompt, interventions, strengths=strengths, layers=layers, sink=sink)
    if graph is not None and graph.token_ids.tolist() != setting.recording.token_ids.tolist():
        raise ClewError("The graph is of another prompt than the one that is changed; trace this one.")
    found = RUN[regime](setting)
    tokens = tuple(model.token_text(token) for token in setting.recording.token_ids.tolist())
    return tuple(
        _result(setting, found, column, regime, tokens, graph) for column in range(1, len(found.logits))
    )


def prepare(
    model: LanguageModel,
    dictionary: Dictionary,
    prompt: str | Sequence[int],
    interventions: Sequence[Intervention],
    *,
    strengths: Sequence[float] = (1.0,),
    layers: range | None = None,
    sink: str | None = None,
) -> Setting:
    """All that a run needs, checked; its first column makes no change."""
    for strength in strengths:
        if not torch.isfinite(torch.tensor(float(strength))):
            raise ClewError(f"A strength must be a finite number, not {strength}.")
    encoded = encode_prompt(model, prompt, sink)
    edits = resolve(interventions, dictionary.n_features, len(encoded.token_ids))
    return Setting(
        model=model,
        dictionary=dictionary,
        recording=record(model, encoded.token_ids),
        edits=edits,
        strength=torch.tensor([0.0, *map(float, strengths)], device=model.device),
        layers=_checked(layers, model.n_layers),
    )


def _checked(layers: range | None, n_layers: int) -> range:
    if layers is None:
        return range(n_layers)
    if not len(layers) or layers.step != 1 or not 0 <= layers.start < layers.stop <= n_layers:
        raise ClewError(f"{layers} is no range of the model's layers 0 to {n_layers - 1}.")
    return layers


def regime_named(regime: Regime | str) -> Regime:
    """`ClewError` for a word that is no regime."""
    try:
        return Regime(regime)
    except ValueError:
        known = ", ".join(each.value for each in Regime)
        raise ClewError(f"There is no regime {regime!r}; the regimes are {known}.") from None


def _result(
    setting: Setting, found: Pass, column: int, regime: Regime, tokens: tuple[str, ...], graph: Graph | None
) -> InterventionResult:
    # Rounding of the same run without changes is taken out, so that no change moves nothing.
    before = plain_logits(setting)
    after = before + (found.logits[column] - found.logits[0])
    features = _feature_changes(setting, found, column)
    targets = () if graph is None else _targets(setting, graph, features, before, after, regime)
    return InterventionResult(
        regime=regime,
        strength=float(setting.strength[column]),
        tokens=tokens,
        logits_before=before,
        logits_after=after,
        features=features,
        top=token_changes(before[-1], after[-1], setting.model.token_text),
        kl=kl_divergence(before[-1], after[-1]),
        targets=targets,
    )


def plain_logits(setting: Setting) -> Tensor:
    """The unchanged model's logits at every position."""
    return setting.model.output_logits(setting.recording.residual_final, setting.recording.final_scale)


def _feature_changes(setting: Setting, found: Pass, column: int) -> FeatureChanges:
    parts: list[tuple[Tensor, ...]] = []
    for layer, (pre, activation) in enumerate(zip(found.pre_activation, found.activation, strict=True)):
        shown = (activation[0] != 0) | (activation[column] != 0)
        edits = setting.edits.get(layer)
        if edits is not None:
            where = edits.where(0, shown.shape[0]).to(shown.device)
            for index, positions in zip(edits.index.tolist(), where, strict=True):
                shown[:, index] |= positions
        position, index = torch.nonzero(shown, as_tuple=True)
        chosen = [values[position, index] for values in (activation[0], activation[column])]
        read = [values[position, index] for values in (pre[0], pre[column])]
        parts.append((torch.full_like(index, layer), position, index, *chosen, *read))
    return FeatureChanges(*(torch.cat(columns) for columns in zip(*parts, strict=True)))


def _targets(
    setting: Setting, graph: Graph, features: FeatureChanges, before: Tensor, after: Tensor, regime: Regime
) -> tuple[TargetChange, ...]:
    change = own_changes(setting, features)
    predicted, _ = predicted_changes(graph, change, directly=regime is Regime.DIRECT)
    moved = after[-1] - before[-1]
    found = []
    for node, target in zip(graph.of_kind(NodeKind.TARGET).tolist(), graph.info.targets, strict=True):
        other = moved.mean() if target.minus_id is None else moved[target.minus_id]
        measured = float(moved[target.token_id] - other)
        found.append(TargetChange(target.text, float(predicted[node]), measured))
    return tuple(found)


def own_changes(setting: Setting, features: FeatureChanges) -> dict[tuple[int, int, int], float]:
    """By how much each changed feature was changed, by layer, position and index."""
    amount = (features.after - features.before).tolist()
    keys = zip(features.layer.tolist(), features.position.tolist(), features.index.tolist(), strict=True)
    n_positions = setting.recording.n_positions
    wanted = {
        (layer, position, index)
        for layer, edits in setting.edits.items()
        for index, where in zip(edits.index.tolist(), edits.where(0, n_positions), strict=True)
        for position in torch.nonzero(where).squeeze(1).tolist()
    }
    return {key: moved for key, moved in zip(keys, amount, strict=True) if key in wanted}
