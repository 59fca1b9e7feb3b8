"""Results of an intervention, and their safetensors file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.feature import FeatureAt
from clew.files import named_path, write_file
from clew.graph.frames import import_pandas
from clew.graph.graph import quote
from clew.intervention.intervention import Intervention, as_source
from clew.intervention.settings import Regime
from clew.model.messages import PromptLike
from clew.version import __version__

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 2
"""Interventions that the `repr` of a result names."""


@dataclass(frozen=True)
class TokenChange:
    """A next token before and after the changes."""

    text: str
    token_id: int
    probability_before: float
    probability_after: float
    logit_change: float
    """Change of the centred logit (less the mean over all tokens), before a soft-cap."""


@dataclass(frozen=True)
class TargetChange:
    """The predicted and the measured change of one target of a graph.

    Both are changes of the centred logit (less the mean over all tokens) or of the difference of two logits,
    before a soft-cap.
    """

    text: str
    predicted: float
    measured: float
    is_difference: bool = False
    """True for a target such as `" Paris minus Rome"`."""
    identity: tuple[int, int | None] = (-1, None)
    """The ids of its token and of the one that is subtracted, because tokens may be spelled alike."""


@dataclass(frozen=True)
class FeatureChange:
    """The activation of one feature at one position, before and after the changes."""

    layer: int
    position: int
    index: int
    before: float
    after: float

    @property
    def feature(self) -> FeatureAt:
        """The changed feature, with its position."""
        return FeatureAt(self.layer, self.position, self.index)

    @property
    def name(self) -> str:
        """Its name: `L12/4031@5`."""
        return str(self.feature)

    def __repr__(self) -> str:
        return f"FeatureChange({self.name}: {self.before:.4g} -> {self.after:.4g})"


@dataclass(frozen=True, eq=False)
class FeatureChanges:
    """Every feature that was active before or after, or was changed; sorted by layer, position, index.

    Features at the sink are included, although graphs leave them out.
    """

    layer: Int[Tensor, " feature"]
    position: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    before: Float[Tensor, " feature"]
    after: Float[Tensor, " feature"]
    """Activations after the changes; of a changed feature, its new value."""
    pre_activation_before: Float[Tensor, " feature"]
    pre_activation_after: Float[Tensor, " feature"]
    """Pre-activations after the changes; of a changed feature, before its own change."""
    was_changed: Bool[Tensor, " feature"]
    """True where an intervention names the feature at this position."""

    def __len__(self) -> int:
        return len(self.layer)

    def most_changed(self, count: int = 10) -> list[FeatureChange]:
        """The `count` features whose activations changed most, the largest change first.

        Features that an intervention names are left out.
        """
        moved = torch.where(self.was_changed, 0, (self.after - self.before).abs())
        chosen = moved.topk(min(count, len(moved))).indices
        return self._rows(chosen[moved[chosen] > 0])

    @property
    def by_hand(self) -> list[FeatureChange]:
        """The features that an intervention names."""
        return self._rows(self.was_changed.nonzero().squeeze(1))

    def _rows(self, numbers: Int[Tensor, " row"]) -> list[FeatureChange]:
        columns = (self.layer, self.position, self.index, self.before, self.after)
        rows = zip(*(column[numbers].tolist() for column in columns), strict=True)
        return [FeatureChange(*row) for row in rows]

    @property
    def frame(self) -> pd.DataFrame:
        """A pandas data frame with a row for each feature, and its name and the fields above as columns.

        Raises:
            ClewError: pandas is not installed.
        """
        pandas = import_pandas()
        columns = {name: values.cpu().numpy() for name, values in vars(self).items()}
        places = zip(*(columns[name] for name in ("layer", "position", "index")), strict=True)
        names = [str(FeatureAt(*place)) for place in places]
        return pandas.DataFrame({"name": names, **columns})

    def __repr__(self) -> str:
        return f"FeatureChanges({len(self):,} features, {int(self.was_changed.sum()):,} of them by hand)"


@dataclass(frozen=True, eq=False)
class InterventionResult:
    """The model's logits and features, before and after some changes."""

    regime: Regime
    strength: float
    interventions: tuple[Intervention, ...]
    """The interventions as given, patches and names of a graph included."""
    layers: range | None
    """The layers at which changes were written and MLPs held fixed; None for no such limit."""
    model: str
    dictionary: str
    token_ids: tuple[int, ...]
    tokens: tuple[str, ...]
    logits_before: Float[Tensor, "position vocabulary"]
    logits_after: Float[Tensor, "position vocabulary"]
    """Logits at every position, behind a final soft-cap."""
    features: FeatureChanges
    top: tuple[TokenChange, ...]
    """The likeliest next tokens before and after, by the larger of both probabilities."""
    kl: float
    """KL divergence (nats) of the next token's distribution after from that before."""
    targets: tuple[TargetChange, ...] = ()
    """Targets of the graph, if one was given, the weightiest first."""
    not_in_graph: int = 0
    """Number of changed features that the graph does not hold; predictions leave out their effects."""

    def save(self, path: str | Path) -> Path:
        """Write logits and features as a safetensors file, as `save_results` does.

        Args:
            path: The file to write; an older one is replaced.

        Returns:
            The path.

        Raises:
            ClewError: The file cannot be written.
        """
        return save_results([self], path)

    def __repr__(self) -> str:
        before = max(self.top, key=lambda token: token.probability_before)
        after = max(self.top, key=lambda token: token.probability_after)
        shown = [str(each) for each in self.interventions[:SHOWN]] or ["nothing changed"]
        if len(self.interventions) > SHOWN:
            shown.append(f"{len(self.interventions) - SHOWN} more")
        held = "" if self.layers is None else f", MLPs of layers {spell_layers(self.layers)} held"
        return (
            f"InterventionResult({', '.join(shown)}; strength {self.strength:g}, {self.regime}{held}: "
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
    """The likeliest tokens of either distribution.

    `moved` holds the changes of logits before a soft-cap; `texts` gives the text of a token id.
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
    which strength each belongs to, counted from 0. The metadata describe the run as JSON. Raises `ClewError`
    where the file cannot be written.
    """
    from safetensors.torch import save

    path, first, several = named_path(path), results[0], len(results) > 1
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
        "regime": first.regime,
        "layers": None if first.layers is None else [first.layers.start, first.layers.stop],
        "strengths": [result.strength for result in results],
    }
    metadata = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    write_file(path, save({name: value.cpu().contiguous() for name, value in arrays.items()}, metadata))
    return path


def _facts(intervention: Intervention) -> dict[str, Any]:
    """An intervention as JSON: names of features, positions as on the command line, how, and the value."""
    value = intervention.value
    if intervention.how == "patch":
        source = as_source(value)
        value = {"prompt": _spelled(source.prompt), "position": source.position}
    return {
        "features": [str(each) for each in intervention.given],
        "positions": intervention.spelled_positions.removeprefix("@") or None,
        "how": intervention.how,
        "value": value if value is None or isinstance(value, dict) else float(value),  # type: ignore[arg-type]
    }


def _spelled(prompt: PromptLike) -> str | list[int] | list[dict[str, str]]:
    if isinstance(prompt, str):
        return prompt
    return [dict(each) if isinstance(each, Mapping) else int(each) for each in prompt]  # type: ignore[return-value]
