"""Settings of interventions, generated text, validations and circuits; nothing here needs torch or numpy.

Classes called `...Call` hold all parameters of a method of `Model` behind its first one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, TypeVar

from annotated_types import Ge

from clew.attribution.settings import PromptSettings
from clew.intervention.intervention import FeatureAtLike, Intervention
from clew.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from clew.graph.graph import Graph
else:
    Graph = TypeVar("Graph")  # its name alone: options are read without numpy

Regime: TypeAlias = Literal["direct", "frozen-attention", "free"]

REGIMES: dict[Regime, str] = {
    "direct": "Attention, norms and MLPs are held fixed, as an edge assumes.",
    "frozen-attention": "Attention patterns are held fixed; norms and MLPs respond.",
    "free": "Nothing is held fixed: the real model.",
}
"""Each regime, with the parts of the model that respond."""


@dataclass(frozen=True)
class Strengths:
    """Multiples of a change."""

    _: KW_ONLY
    strengths: Sequence[float] | None = None
    """Make all changes so many times: a becomes a + S (changed - a); 0 is no change, 1 the change."""


@dataclass(frozen=True)
class InterventionSettings(Strengths):
    """The response of the model to changes of features."""

    regime: Regime = "free"
    """The parts that respond: direct (as edges predict), frozen-attention or free (the real model)."""


@dataclass(frozen=True)
class GenerationSettings:
    """Length and sampling of generated text."""

    max_tokens: Annotated[int, Ge(1)] = 20
    """Generate at most so many tokens."""
    _: KW_ONLY
    temperature: Annotated[float, Ge(0)] = 0.0
    """Draw tokens at random at this temperature; 0 takes the likeliest."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of the random numbers, which are the same for every strength."""
    cache: bool = True
    """Keep keys and values of earlier positions (the result is the same without, only slower)."""


@dataclass(frozen=True, kw_only=True)
class ValidationSettings:
    """The features of a graph to test by ablation."""

    count: Annotated[int, Ge(0)] = 50
    """Ablate so many of the most influential features, one by one."""
    random_count: Annotated[int, Ge(0)] | None = None
    """Ablate so many others, drawn at random (by default as many)."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of the draw."""


@dataclass(frozen=True, kw_only=True)
class CircuitSettings:
    """The test of a circuit."""

    outside: Literal["zero", "mean"] = "zero"
    """Put features outside the circuit to zero, or to their mean over a built-in text."""


@dataclass(frozen=True)
class ChangeCall(Strengths, PromptSettings):
    """Parameters of every method that changes features."""

    interventions: Intervention | Sequence[Intervention] = ()
    """The changes to make, one or several."""
    _: KW_ONLY
    graph: Graph | None = None
    """A graph of this prompt, whose supernodes and labels may name features."""


@dataclass(frozen=True)
class InterveneCall(InterventionSettings, ChangeCall):
    """Parameters of `Model.intervene`."""

    _: KW_ONLY
    layers: range | None = None
    """Write changes at these layers only, and hold their MLPs fixed."""


@dataclass(frozen=True)
class GenerateCall(GenerationSettings, ChangeCall):
    """Parameters of `Model.generate`."""


@dataclass(frozen=True)
class CircuitCall(CircuitSettings):
    """Parameters of `Model.circuit`."""

    features: FeatureAtLike | Sequence[FeatureAtLike] | None = None
    """The circuit's features, one or several: `"L24/1005@5"` or `(layer, position, index)`; of a graph also a
    node's id, a supernode or a label (by default all features of the graph)."""


@dataclass(frozen=True, kw_only=True)
class SwapCall:
    """Parameters of `Model.swap_test`."""

    group: str | Sequence[FeatureAtLike] | None = None
    """The features to swap: a supernode, a label, or several features (by default all that the graph has at
    the content word of most influence)."""
    word: str | None = None
    """The word that takes the place of the prompt's own (by default one that the model finds)."""
    strengths: tuple[float, ...] = (1.0, 1.5, 2.0, 2.5, 3.0)
    """Make the swap so many times over, with one result for each."""


@dataclass(frozen=True, kw_only=True)
class ValidateCall(ValidationSettings):
    """Parameters of `Model.validate`."""

    on_progress: OnProgress = ignore_progress
    """Called with a phase, how much of it is done, and how much there is."""
