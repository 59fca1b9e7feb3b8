"""What came of an intervention."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.errors import ClewError
from clew.graph.graph import quote
from clew.intervention.passes import Regime


@dataclass(frozen=True)
class TokenChange:
    """One next token before and after."""

    text: str
    token_id: int
    probability_before: float
    probability_after: float
    logit_change: float


@dataclass(frozen=True)
class TargetChange:
    """One target of a graph: what the graph predicts and what happened, in centred logits before a soft-cap.

    The logit less the mean logit, or the difference of two logits, as the target's row explains it.
    """

    text: str
    predicted: float
    measured: float


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

    def most_changed(self, count: int = 10) -> list[int]:
        """Which of them, not counting those that an intervention names, moved most; the largest first."""
        moved = torch.where(self.was_changed, 0, (self.after - self.before).abs())
        chosen = moved.topk(min(count, len(moved))).indices.tolist()
        return [number for number in chosen if moved[number] > 0]

    def __repr__(self) -> str:
        return f"FeatureChanges({len(self):,} features, {int(self.was_changed.sum()):,} of them by hand)"


@dataclass(frozen=True, eq=False)
class InterventionResult:
    """The model's output and features with and without some changes."""

    regime: Regime
    strength: float
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
        """Write logits and features as safetensors; returns the path. `ClewError` if it cannot be written."""
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        path = Path(path).expanduser()
        arrays = {"logits_before": self.logits_before, "logits_after": self.logits_after}
        arrays |= {f"feature_{name}": value for name, value in vars(self.features).items()}
        facts = {
            "regime": self.regime.value,
            "strength": str(self.strength),
            "tokens": json.dumps(self.tokens),
        }
        try:
            # Whole or not at all, whatever happens meanwhile.
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
                part = Path(folder) / "part"
                save_file({name: value.cpu().contiguous() for name, value in arrays.items()}, part, facts)
                part.replace(path)
        except (OSError, SafetensorError) as error:
            raise ClewError(f"{path} cannot be written ({error}).") from error
        return path

    def __repr__(self) -> str:
        before = max(self.top, key=lambda token: token.probability_before)
        after = max(self.top, key=lambda token: token.probability_after)
        return (
            f"InterventionResult({self.regime.value}: {quote(before.text)} "
            f"p={before.probability_before:.2f} -> {quote(after.text)} p={after.probability_after:.2f}, "
            f"KL {self.kl:.3g} nats)"
        )


def token_changes(
    before: Float[Tensor, " vocabulary"],
    after: Float[Tensor, " vocabulary"],
    texts: Callable[[int], str],
    count: int = 10,
) -> tuple[TokenChange, ...]:
    """The likeliest tokens of either distribution; `texts` spells a token id."""
    p, q = before.softmax(-1), after.softmax(-1)
    chosen = torch.maximum(p, q).topk(min(count, len(p))).indices.tolist()
    return tuple(
        TokenChange(
            texts(token), token, float(p[token]), float(q[token]), float(after[token] - before[token])
        )
        for token in chosen
    )


def kl_divergence(before: Float[Tensor, " vocabulary"], after: Float[Tensor, " vocabulary"]) -> float:
    """KL(after || before) in nats."""
    p, q = after.double().log_softmax(-1), before.double().log_softmax(-1)
    return float((p.exp() * (p - q)).sum().clamp(min=0))
