"""What came of an intervention."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.files import write_file
from clew.graph.frames import import_pandas
from clew.graph.graph import quote
from clew.intervention.intervention import Feature, Intervention, Source, as_source
from clew.intervention.regimes import Regime
from clew.version import __version__

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 2
"""Interventions that a result's `repr` names."""


@dataclass(frozen=True)
class TokenChange:
    """One next token before and after."""

    text: str
    token_id: int
    probability_before: float
    probability_after: float
    logit_change: float
    """Of the centred logit (less the mean over all tokens), before a soft-cap."""


@dataclass(frozen=True)
class TargetChange:
    """One target of a graph: what the graph predicts and what happened, in centred logits before a soft-cap.

    The logit less the mean logit, or the difference of two logits, as the target's row explains it.
    """

    text: str
    predicted: float
    measured: float
    is_difference: bool = False


@dataclass(frozen=True)
class FeatureChange:
    """One feature at one position: its activation before and after."""

    layer: int
    position: int
    index: int
    before: float
    after: float

    @property
    def name(self) -> str:
        return f"{Feature(self.layer, self.index)}@{self.position}"

    def __repr__(self) -> str:
        return f"FeatureChange({self.name}: {self.before:.4g} -> {self.after:.4g})"


@dataclass(frozen=True, eq=False)
class FeatureChanges:
    """Every feature that was active before or after, or was changed; sorted by layer, position, index.

    Those at the sink are among them, although a graph leaves them out.
    """

    layer: Int[Tensor, " feature"]
    position: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    before: Float[Tensor, " feature"]
    after: Float[Tensor, " feature"]
    """Activations; of a feature that was changed, what it was changed to."""
    pre_activation_before: Float[Tensor, " feature"]
    pre_activation_after: Float[Tensor, " feature"]
    """What the feature read; that of a changed feature too."""

    was_changed: Bool[Tensor, " feature"]
    """Whether an intervention names it here."""

    def __len__(self) -> int:
        return len(self.layer)

    def most_changed(self, count: int = 10) -> list[FeatureChange]:
        """Those that moved most, without any that an intervention names; the largest change first."""
        moved = torch.where(self.was_changed, 0, (self.after - self.before).abs())
        chosen = moved.topk(min(count, len(moved))).indices.tolist()
        return [self.row(number) for number in chosen if moved[number] > 0]

    @property
    def by_hand(self) -> list[FeatureChange]:
        """Those that an intervention names."""
        return [self.row(number) for number in self.was_changed.nonzero().squeeze(1).tolist()]

    def row(self, number: int) -> FeatureChange:
        return FeatureChange(
            *(int(column[number]) for column in (self.layer, self.position, self.index)),
            before=float(self.before[number]),
            after=float(self.after[number]),
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row a feature, with its name and the fields above as columns; `ClewError` without pandas."""
        pandas = import_pandas()
        columns = {name: values.cpu().numpy() for name, values in vars(self).items()}
        places = zip(*(columns[name] for name in ("layer", "index", "position")), strict=True)
        names = [f"{Feature(layer, index)}@{position}" for layer, index, position in places]
        return pandas.DataFrame({"name": names, **columns})

    def __repr__(self) -> str:
        return f"FeatureChanges({len(self):,} features, {int(self.was_changed.sum()):,} of them by hand)"


@dataclass(frozen=True, eq=False)
class InterventionResult:
    """The model's output and features with and without some changes."""

    regime: Regime
    strength: float
    interventions: tuple[Intervention, ...]
    """As they were given: patches and names of a graph too."""
    layers: range | None
    """Where changes were written and MLPs held; None for no such limit."""
    model: str
    dictionary: str
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    logits_before: Float[Tensor, "position vocabulary"]
    logits_after: Float[Tensor, "position vocabulary"]
    features: FeatureChanges
    top: tuple[TokenChange, ...]
    """The likeliest next tokens before and after, by the larger of both probabilities."""
    kl: float
    """KL divergence (nats) of the next token's distribution after from that before."""
    targets: tuple[TargetChange, ...] = ()
    """Those of the graph, where one was given, the weightiest first."""
    not_in_graph: int = 0
    """Changed features that the graph does not hold: what they do is in no prediction."""

    def save(self, path: str | Path) -> Path:
        """Write logits and features as safetensors; see `save_results`."""
        return save_results([self], path)

    def __repr__(self) -> str:
        before = max(self.top, key=lambda token: token.probability_before)
        after = max(self.top, key=lambda token: token.probability_after)
        shown = [str(each) for each in self.interventions[:SHOWN]] or ["nothing changed"]
        if len(self.interventions) > SHOWN:
            shown.append(f"{len(self.interventions) - SHOWN} more")
        held = "" if self.layers is None else f", MLPs of layers {spell_layers(self.layers)} held"
        return (
            f"InterventionResult({', '.join(shown)}; strength {self.strength:g}, {self.regime.value}{held}: "
            f"{quote(before.text)} p={before.probability_before:.2f} -> {quote(after.text)} "
            f"p={after.probability_after:.2f}, KL {self.kl:.3g} nats)"
        )


def spell_layers(layers: range) -> str:
    """`20 to 26`, or `20` for a range of one."""
    return f"{layers.start} to {layers[-1]}" if len(layers) > 1 else str(layers.start)


def token_changes(
    before: Float[Tensor, " vocabulary"],
    after: Float[Tensor, " vocabulary"],
    moved: Float[Tensor, " vocabulary"],
    texts: Callable[[int], str],
    count: int = 10,
) -> tuple[TokenChange, ...]:
    """The likeliest tokens of either distribution; `moved` says by how much logits before a soft-cap changed,
    `texts` spells a token id.
    """
    p, q = before.softmax(-1), after.softmax(-1)
    chosen = torch.maximum(p, q).topk(min(count, len(p))).indices.tolist()
    centred = moved - moved.mean()
    return tuple(
        TokenChange(texts(token), token, float(p[token]), float(q[token]), float(centred[token]))
        for token in chosen
    )


def kl_divergence(before: Float[Tensor, " vocabulary"], after: Float[Tensor, " vocabulary"]) -> float:
    """KL(after || before) in nats."""
    p, q = after.double().log_softmax(-1), before.double().log_softmax(-1)
    return float((p.exp() * (p - q)).sum().clamp(min=0))


def save_results(results: Sequence[InterventionResult], path: str | Path) -> Path:
    """Write logits and features of one run's results, one for each strength; returns the path.

    `logits_before` is `[position, vocabulary]`. So is `logits_after` of one result; of several it is
    `[strength, position, vocabulary]`, their features stand one after the other, and `feature_strength` says
    which strength each belongs to, counted from 0. The metadata say what was done, as JSON. Raises
    `ClewError` where it cannot be written.
    """
    from safetensors.torch import save

    path, first, several = Path(path).expanduser(), results[0], len(results) > 1
    after = [result.logits_after for result in results]
    arrays = {
        "logits_before": first.logits_before,
        "logits_after": torch.stack(after) if several else after[0],
    }
    for name in vars(first.features):
        arrays[f"feature_{name}"] = torch.cat([getattr(result.features, name) for result in results])
    if several:
        counts = torch.tensor([len(result.features) for result in results])
        arrays["feature_strength"] = torch.repeat_interleave(torch.arange(len(results)), counts)
    facts: dict[str, Any] = {
        "clew": __version__,
        "model": first.model,
        "dictionary": first.dictionary,
        "tokens": first.tokens,
        "token_ids": first.token_ids,
        "interventions": [_facts(each) for each in first.interventions],
        "regime": first.regime.value,
        "layers": None if first.layers is None else [first.layers.start, first.layers.stop],
        "strengths": [result.strength for result in results],
    }
    metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    write_file(path, save({name: value.cpu().contiguous() for name, value in arrays.items()}, metadata))
    return path


def _facts(intervention: Intervention) -> dict[str, Any]:
    """What was asked for: names of features, positions as on the command line, how, and the value."""
    value = intervention.value
    if intervention.how == "patch":
        source: Source = as_source(value)
        prompt = source.prompt if isinstance(source.prompt, str) else [int(token) for token in source.prompt]
        value = {"prompt": prompt, "position": source.position}
    return {
        "features": [str(each) for each in intervention.given],
        "positions": intervention.place.removeprefix("@") or None,
        "how": intervention.how,
        "value": value if value is None or isinstance(value, dict) else float(value),  # type: ignore[arg-type]
    }
