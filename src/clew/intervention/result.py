"""What came of an intervention."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
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
    """One target of a graph: what the graph predicts, and what happened, in centred logits."""

    text: str
    predicted: float
    measured: float


@dataclass(frozen=True)
class FeatureChanges:
    """Every feature that was active before or after, or was changed; sorted by layer, position, index."""

    layer: Int[Tensor, " feature"]
    position: Int[Tensor, " feature"]
    index: Int[Tensor, " feature"]
    before: Float[Tensor, " feature"]
    after: Float[Tensor, " feature"]
    """Activations; of a feature that was changed, what it was changed to."""
    pre_activation_before: Float[Tensor, " feature"]
    pre_activation_after: Float[Tensor, " feature"]
    """What the feature read; that of a changed feature too."""

    def __len__(self) -> int:
        return len(self.layer)


@dataclass(frozen=True)
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

    def save(self, path: str | Path) -> Path:
        """Write logits and features as safetensors; returns the path. `ClewError` if it cannot be written."""
        from safetensors.torch import save_file

        path = Path(path).expanduser()
        arrays = {"logits_before": self.logits_before, "logits_after": self.logits_after}
        arrays |= {f"feature_{name}": value for name, value in vars(self.features).items()}
        try:
            save_file({name: value.cpu().contiguous() for name, value in arrays.items()}, path)
        except (OSError, RuntimeError) as error:
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
    before: Float[Tensor, " vocabulary"], after: Float[Tensor, " vocabulary"], texts, count: int = 10
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
