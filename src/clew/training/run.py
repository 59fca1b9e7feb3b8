"""A training run: both stretches, with a state that can be saved and gone on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.dictionary.read_write_points import ReadPoint, WritePoint
from clew.dictionary.transcoder_set import TranscoderSet
from clew.model.language_model import LanguageModel
from clew.training.end_to_end import EndToEnd
from clew.training.finite_loss import all_finite
from clew.training.local_stage import LayerGroup
from clew.training.objectives.objective import Objective
from clew.training.own_layers import FIRST_TOKENS, OwnLayers
from clew.training.ranks import ALONE, Ranks
from clew.training.settings import BATCH, MOST_END_TO_END, TrainSettings
from clew.training.text.batches import TokenBatches
from clew.training.transcoders import StackedTranscoders, layer_transcoder

Layers = Mapping[int, tuple[StackedTranscoders, Objective]]
"""By layer, a transcoder of the model's own values, and its objective."""


@dataclass(frozen=True)
class StepFigures:
    """Figures of a step, for a view or a log."""

    stage: str
    """`local` or `end-to-end`."""
    step: int
    n_steps: int
    tokens: int
    """Tokens seen in this stage."""
    fvu: Float[Tensor, " layer"]
    l0: Float[Tensor, " layer"]
    dead: Float[Tensor, " layer"] | None = None
    kl: float | None = None


OnStep = Callable[[StepFigures], None]


class TrainingRun:
    """The state of a run between two steps."""

    def __init__(
        self,
        model: LanguageModel,
        layers: Sequence[int],
        batches: TokenBatches,
        settings: TrainSettings,
        ranks: Ranks = ALONE,
        first_tokens: int = FIRST_TOKENS,
    ) -> None:
        """Begin, in each of a run's processes with the same batches; all must call each method."""
        self.model, self.layers, self.batches, self.settings = model, tuple(layers), batches, settings
        self.ranks = ranks
        self.batch = settings.batch or BATCH
        self.local_rows = max(1, self.batch // settings.context)
        self.end_to_end_batch = settings.end_to_end_batch or self.batch
        self.step = 0
        batches.batch = self.local_rows
        self.end_to_end: EndToEnd | None = None
        self.own_layers: OwnLayers | None = OwnLayers(model, layers, batches, settings, ranks, first_tokens)

    @property
    def groups(self) -> list[LayerGroup]:
        """Groups of this process's layers while they are trained by themselves."""
        return self.own_layers.groups if self.own_layers else []

    @property
    def n_local_steps(self) -> int:
        return self.settings.n_local_steps

    @property
    def n_end_to_end_steps(self) -> int:
        tokens = self.settings.end_to_end
        return (MOST_END_TO_END if tokens is None else tokens) // self.end_to_end_batch

    @property
    def n_steps(self) -> int:
        """Steps of both stretches."""
        return self.n_local_steps + self.n_end_to_end_steps

    @property
    def finished(self) -> bool:
        return self.step >= self.n_steps

    def advance(self) -> StepFigures:
        """Take one step."""
        rows = self.local_rows
        if self.step >= self.n_local_steps:
            rows = max(1, self.end_to_end_batch // self.settings.context)
        self.batches.batch = rows
        token_ids = shorter(self.batches.next(), self.step).to(self.model.device)
        place, self.step = self.step, self.step + 1
        if place < self.n_local_steps:
            assert self.own_layers is not None
            report = self.own_layers.step(token_ids, place, self.n_local_steps)
            figures = StepFigures(
                "local",
                place + 1,
                self.n_local_steps,
                (place + 1) * token_ids.numel(),
                report.fvu,
                report.l0,
                report.dead,
            )
        else:
            place -= self.n_local_steps
            whole = self._last_stretch().step(token_ids, place, self.n_end_to_end_steps)
            figures = StepFigures(
                "end-to-end",
                place + 1,
                self.n_end_to_end_steps,
                (place + 1) * token_ids.numel(),
                whole.fvu,
                whole.l0,
                kl=whole.kl,
            )
        return figures

    def folded(self) -> Layers:
        """Each layer's transcoder as it is now, reading and writing the model's own values."""
        if self.end_to_end is not None:
            return self.end_to_end.layers
        assert self.own_layers is not None
        return self.own_layers.folded()

    def transcoders(self, trained_on: str, sink: str | None) -> TranscoderSet:
        """The transcoders as they are now, to save or to trace with."""
        dtype = torch.float32 if self.settings.bits else torch.float16
        layers = {
            layer: layer_transcoder(stacked, objective.saved_activation(stacked, 0), dtype)
            for layer, (stacked, objective) in self.folded().items()
        }
        return TranscoderSet(
            layers,
            ReadPoint.MLP_INPUT,
            WritePoint.MLP_OUTPUT,
            "trained by clew",
            trained_on=trained_on,
            sink=sink,
        )

    @property
    def is_finite(self) -> bool:
        """False if a weight is infinite or no number, in any process."""
        parts = [group.stacked for group in self.groups]
        if self.end_to_end is not None:
            parts = [stacked for stacked, _ in self.end_to_end.layers.values()]
        finite = all(all_finite(array for _, array in part.arrays()) for part in parts)
        return not self.ranks.largest(not finite)[0]

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, in tensors and plain values; empty but in the first process."""
        layers = self.own_layers.states() if self.own_layers else []
        if not self.ranks.is_first:
            return {}
        return {
            "step": self.step,
            "batches": self.batches.state(),
            "layers": layers,
            "end_to_end": None if self.end_to_end is None else self.end_to_end.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, to the same weights bit for bit on the CPU.

        There may be more or fewer processes than there were.
        """
        self.step = state["step"]
        self.batches.restore(state["batches"])
        if state["end_to_end"] is not None:
            self._last_stretch().restore(state["end_to_end"])
        elif self.own_layers is not None:
            self.own_layers.restore(state["layers"])

    def _last_stretch(self) -> EndToEnd:
        if self.end_to_end is None:
            self.end_to_end = EndToEnd(self.model, self.folded(), self.settings, self.ranks)
            self.own_layers = None
        return self.end_to_end


def shorter(token_ids: Int[Tensor, "sequence position"], step: int) -> Int[Tensor, "piece position"]:
    """Sequences cut into halves at every other step and into quarters at every fourth, all behind the sink.

    Prompts that people trace are short, and a long text has few positions near its beginning.
    """
    n_pieces = (1, 2, 1, 4)[step % 4]
    length = (token_ids.shape[1] - 1) // n_pieces
    if length < 1:
        return token_ids
    pieces = token_ids[:, 1 : 1 + n_pieces * length].reshape(-1, length)
    return torch.cat([token_ids[:1, :1].expand(len(pieces), 1), pieces], dim=1)
