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
from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.training.activations import mlp_values, products_in
from clew.training.dead_features import begin_from_samples
from clew.training.end_to_end import EndToEnd
from clew.training.local_stage import LayerGroup, step_all
from clew.training.objectives.choose import choose_objective
from clew.training.objectives.objective import Objective
from clew.training.schedule import wanted_l0
from clew.training.settings import BATCH, MOST_END_TO_END, MOST_TOKENS, TrainSettings
from clew.training.text.batches import TokenBatches
from clew.training.transcoders import Normalization, StackedTranscoders, layer_transcoder

Layers = Mapping[int, tuple[StackedTranscoders, Objective]]
"""By layer, a transcoder of the model's own values, and its objective."""

FIRST_BATCHES = 4
"""Batches that the normalization is measured on."""

BYTES_OF_FEATURE = 6
"""Values in memory for each feature and token while a group learns."""


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
    ) -> None:
        self.model, self.layers, self.batches, self.settings = model, tuple(layers), batches, settings
        self.n_features = settings.features or 8 * model.d_model
        self.batch = settings.batch or BATCH
        self.step = 0
        self.end_to_end: EndToEnd | None = None
        self.groups = self._begin()

    @property
    def n_local_steps(self) -> int:
        return max(1, (self.settings.tokens or MOST_TOKENS) // self.batch)

    @property
    def n_end_to_end_steps(self) -> int:
        tokens = self.settings.end_to_end
        return (MOST_END_TO_END if tokens is None else tokens) // self.batch

    @property
    def n_steps(self) -> int:
        """Steps of both stretches."""
        return self.n_local_steps + self.n_end_to_end_steps

    @property
    def finished(self) -> bool:
        return self.step >= self.n_steps

    def advance(self) -> StepFigures:
        """Take one step."""
        token_ids = shorter(self.batches.next(), self.step).to(self.model.device)
        place, self.step = self.step, self.step + 1
        if place < self.n_local_steps:
            with products_in(self.model.device):
                values = mlp_values(self.model, token_ids, self.layers)
            report = step_all(self.groups, values, self.settings, place, self.n_local_steps)
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
            if self.end_to_end is None:
                self.end_to_end = EndToEnd(self.model, self.folded(), self.settings)
            whole = self.end_to_end.step(token_ids, place, self.n_end_to_end_steps)
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
        found: dict[int, tuple[StackedTranscoders, Objective]] = {}
        for group in self.groups:
            whole = group.normalization.folded(group.stacked)
            for place in range(len(whole.encoder)):
                found[self.layers[len(found)]] = whole.of_layer(place), group.objective.of_layer(place)
        return found

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

    def state(self) -> dict[str, Any]:
        """All that `restore` needs, in tensors and plain values."""
        return {
            "step": self.step,
            "batches": self.batches.state(),
            "groups": [group.state() for group in self.groups] if self.end_to_end is None else [],
            "end_to_end": None if self.end_to_end is None else self.end_to_end.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, to the same weights bit for bit on the CPU."""
        self.step = state["step"]
        self.batches.restore(state["batches"])
        for group, saved in zip(self.groups, state["groups"], strict=False):
            group.restore(saved)
        if state["end_to_end"] is not None:
            self.end_to_end = EndToEnd(self.model, self.folded(), self.settings)
            self.end_to_end.restore(state["end_to_end"])

    def _begin(self) -> list[LayerGroup]:
        """Groups of layers that begin from samples of the first batches."""
        with products_in(self.model.device):
            pairs = [
                mlp_values(self.model, self.batches.next().to(self.model.device), self.layers)
                for _ in range(FIRST_BATCHES)
            ]
        reads, writes = (torch.cat(values, dim=1).float() for values in zip(*pairs, strict=True))
        if not bool(reads.isfinite().all() and writes.isfinite().all()):
            raise ClewError(
                f"The MLPs of {self.model.name} give values that are not finite; load it in float32."
            )
        groups, at_once = [], self._layers_at_once()
        for begin in range(0, len(self.layers), at_once):
            some = slice(begin, begin + at_once)
            normalization = Normalization.of(reads[some], writes[some])
            stacked = begin_from_samples(
                normalization.read(reads[some]),
                normalization.write(writes[some]),
                self.n_features,
                wanted_l0(self.settings.l0, 0.0, self.n_features),
                torch.Generator().manual_seed(self.settings.seed),
                kind=self.settings.kind,
            )
            groups.append(LayerGroup(stacked, choose_objective(self.settings), normalization))
        return groups

    def _layers_at_once(self) -> int:
        """The number of layers whose activations fit into the memory of a step; all of them for a CLT."""
        if self.settings.kind == "clt":
            return len(self.layers)
        free = self.settings.memory or _free_memory(self.model.device) // 4
        size = 2 if self.model.device.type == "cuda" else 4
        return max(1, free // (self.batch * self.n_features * size * BYTES_OF_FEATURE))


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


def _free_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available
