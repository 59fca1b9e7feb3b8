"""Settings of training; nothing here needs torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt

from clew.options import Share
from clew.progress import OnNote, ignore_note

Kind = Literal["plt", "skip-plt", "clt"]
Beginning = Literal["samples", "neurons"]
ActivationKind = Literal["threshold", "batchtopk", "topk", "jumprelu"]

MOST_TOKENS, MOST_END_TO_END = 50_000_000, 10_000_000
"""Tokens of the two stretches where there is time enough."""
BATCH = 8192

OnFigures: TypeAlias = Callable[[Any], None]
"""Called with the `StepFigures` of each step."""


def ignore_figures(figures: Any) -> None:
    """An `OnFigures` that does nothing."""


@dataclass(frozen=True)
class TrainSettings:
    """A dictionary to train, its text and its schedule; every default is a recommendation."""

    out: str | Path
    """The folder to write, new or empty."""
    _: KW_ONLY
    data: str | Path | Sequence[str | Path] = "self"
    """Text, JSONL or parquet files, folders, names of datasets, or self: the model writes the text."""
    field: str = "text"
    """The field or column that holds the text, where there are several."""
    kind: Kind = "plt"
    """plt writes to its own layer, skip-plt adds a linear map, clt writes to all layers above too."""
    features: Annotated[int, Ge(1)] | None = None
    """Features of a layer (by default eight for each dimension of the stream)."""
    activation: ActivationKind = "threshold"
    """One threshold a layer steered to the wanted L0, or BatchTopK, TopK or JumpReLU as published."""
    l0: Annotated[float, Gt(0)] = 40.0
    """Mean active features of a layer at a position."""
    layers: str = "all"
    """Layers to train: all, or from-to such as 0-11."""
    minutes: Annotated[float, Gt(0)] = 60.0
    """Minutes that a run may take, by measured speed, where tokens are not named."""
    tokens: Annotated[int, Ge(1)] | None = None
    """Tokens to train each layer on by itself (by default 50 million, or what the minutes allow)."""
    end_to_end: Annotated[int, Ge(0)] | None = None
    """Tokens of the last stretch, which trains all layers together on the replaced model's answers (by
    default 10 million, a fifth of the tokens named, or what the minutes allow)."""
    context: Annotated[int, Ge(2)] = 64
    """Tokens of a sequence, the first one (the sink) included."""
    batch: Annotated[int, Ge(1)] | None = None
    """Tokens of a step (by default 8192, or fewer for a run of few tokens)."""
    end_to_end_batch: Annotated[int, Ge(1)] | None = None
    """Tokens of a step of the last stretch (by default 8192, or fewer for a run of few tokens)."""
    learning_rate: Annotated[float, Gt(0)] | None = None
    """Adam's rate while layers are trained by themselves (by default 8e-4, more in a run of few steps)."""
    end_to_end_rate: Annotated[float, Gt(0)] = 2e-3
    """Adam's rate in the last stretch, as a share of each array's root mean square."""
    local_weight: Annotated[float, Ge(0)] = 0.2
    """Weight of the layers' own error (FVU) beside the KL (nats) in the last stretch."""
    most_dense: Share = 0.1
    """Raise the threshold of features that are active at more than this share of positions."""
    dead_after: Annotated[int, Ge(1)] = 3_000_000
    """Tokens without an activation after which a feature begins anew."""
    near_sink_weight: Annotated[float, Ge(1)] | None = None
    """Let a position count in a layer's own error as at most so many median ones, where near-sinks write
    thousands of times as much; their own output is then learned late (by default all count alike)."""
    auxiliary: Annotated[float, Ge(0)] = 1 / 32
    """Weight of BatchTopK's and TopK's loss on dead features; with 0 these begin anew."""
    bandwidth: Annotated[float, Gt(0)] = 0.1
    """Width of pre-activations around a threshold that give JumpReLU's thresholds a gradient."""
    penalty_warm_up: Share = 0.3
    """Share of the layers' own training over which JumpReLU's penalty rises."""
    bits: Literal[2, 3, 4, 5, 6, 8] | None = None
    """Save weights in so many bits, and let the last stretch know of it (by default float16)."""
    sink: str | None = None
    """Text of the first token (by default that of the model's tokenizer, or the model's measured sink)."""
    leave_out: Sequence[str] = ()
    """Tokens whose positions count as little as the sink's, by their text or as id:7."""
    checkpoint: Annotated[float, Gt(0)] = 5.0
    """Minutes between checkpoints; a killed run loses no more."""
    tensorboard: bool = False
    """Write TensorBoard's event files too, beside log.jsonl."""
    resume: bool = False
    """Go on with the unfinished run in the folder."""
    begin: Beginning | None = None
    """Let features begin as inputs and outputs of random tokens (samples), or as the MLP's own neurons (by
    default neurons in a run of fewer than a thousand steps, where the model has some)."""
    init_from: str | Path | None = None
    """Begin with the transcoders of this folder instead of random samples."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of all that is drawn at random."""
    memory: Annotated[int, Ge(2**20)] | None = None
    """Bytes for the activations of a step; layers are trained in groups that fit (by default a quarter of
    what is free)."""

    @property
    def n_local_steps(self) -> int:
        """Steps of the first stretch."""
        return max(1, (self.tokens or MOST_TOKENS) // (self.batch or BATCH))


@dataclass(frozen=True)
class TrainCall(TrainSettings):
    """Parameters of `Model.train`."""

    _: KW_ONLY
    on_note: OnNote = ignore_note
    """Called with a sentence about what was measured or begins."""
    on_figures: OnFigures = ignore_figures
    """Called with the figures of each step: loss, active and dead features by layer."""
