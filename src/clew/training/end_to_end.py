"""The last stretch: all layers learn together that the replaced model answers as the model does.

The loss is the KL divergence of the replaced model's next tokens from the model's, and beside it each
layer's own error on the replaced model's stream, so that features keep to what their MLP computes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from clew.model.language_model import LanguageModel
from clew.model.recording import installed
from clew.training.activations import products_in
from clew.training.feasibility import left_out_ids
from clew.training.finite_loss import NotFiniteLoss, refuse_not_finite
from clew.training.local_stage import on_device
from clew.training.objectives.objective import Objective
from clew.training.ranks import ALONE, Ranks
from clew.training.replaced_model import InSequences, Replacement, replaced
from clew.training.rounding import rounded
from clew.training.schedule import end_to_end_rate
from clew.training.settings import TrainSettings
from clew.training.shared_pass import own_rows
from clew.training.transcoders import StackedTranscoders

LARGEST_ERROR = 4.0
"""A layer's error counts no more than this, in variances: an early mistake is not all that matters."""

LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class EndToEndReport:
    """Figures of one step."""

    kl: float
    """Mean KL divergence of a position's next token, in nats."""
    fvu: Float[Tensor, " layer"]
    l0: Float[Tensor, " layer"]


class EndToEnd:
    """One layer's transcoder for each replaced MLP (in the model's own units), and one optimiser."""

    def __init__(
        self,
        model: LanguageModel,
        layers: Mapping[int, tuple[StackedTranscoders, Objective]],
        settings: TrainSettings,
        ranks: Ranks = ALONE,
    ) -> None:
        """Begin with all layers, the same in each process."""
        self.model, self.layers, self.settings, self.ranks = model, dict(layers), settings, ranks
        self.left_out = torch.tensor(left_out_ids(model, settings), device=model.device)
        groups: list[dict[str, Any]] = []
        for stacked, _ in self.layers.values():
            for array in stacked.trained().values():
                array.requires_grad_(True)
                size = float(array.detach().square().mean().sqrt())
                groups.append({"params": [array], "size": max(size, 1e-8)})
        self.optimizer = torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.98), fused=True)

    def step(self, token_ids: Int[Tensor, "sequence position"], step: int, n_steps: int) -> EndToEndReport:
        """Learn from one batch of texts, of which each process takes a part."""
        rows = own_rows(token_ids, self.ranks)
        share = len(rows) / len(token_ids)
        token_ids = rows if len(rows) else token_ids[:1]
        for group in self.optimizer.param_groups:
            group["lr"] = group["size"] * end_to_end_rate(self.settings.end_to_end_rate, step, n_steps)
        counted = ~torch.isin(token_ids[:, 1:], self.left_out)
        active: dict[int, Tensor] = {}
        with torch.no_grad(), products_in(self.model.device), self._counting(active, counted):
            truth = log_probabilities(self.model, token_ids)
        errors: dict[int, Tensor] = {}
        sums = WrittenSums()
        replacements = {
            layer: self._replacement(layer, sums, errors, share, counted) for layer in self.layers
        }
        with replaced(self.model, replacements), products_in(self.model.device):
            guess = log_probabilities(self.model, token_ids)
        kl = (truth.exp() * (truth - guess)).sum(-1)[counted].mean()
        del truth, guess
        fvu = torch.stack(list(errors.values()))
        loss = kl + self.settings.local_weight * fvu.clamp(max=LARGEST_ERROR).mean()
        if self.ranks.count == 1:  # several learn of it together, from the report
            refuse_not_finite(fvu, range(len(fvu)))
            if not kl.is_cuda and not bool(kl.isfinite()):
                raise NotFiniteLoss(None)
        self.optimizer.zero_grad(set_to_none=True)
        (share * loss).backward()
        arrays = [array for group in self.optimizer.param_groups for array in group["params"]]
        for array in arrays:
            array.grad = self.ranks.sum(array.grad)
        torch.nn.utils.clip_grad_norm_(arrays, LARGEST_GRADIENT)
        self.optimizer.step()
        for layer, (stacked, objective) in self.layers.items():
            active[layer] = self.ranks.sum(share * active[layer])
            objective.after_step(stacked, active[layer], self.settings.l0, step / n_steps)
        l0 = torch.stack([each.sum() for each in active.values()])
        return EndToEndReport(
            float(self.ranks.sum(share * kl.detach())), self.ranks.sum(share * fvu.detach()), l0
        )

    @contextlib.contextmanager
    def _counting(
        self, active: dict[int, Tensor], counted: Bool[Tensor, "sequence position"]
    ) -> Iterator[None]:
        """A block that counts how often features are active while the model runs as it is.

        L0 is that of the model's own stream, on which features are traced; the replaced model's is lower.
        """

        def count(layer: int) -> Callable[..., None]:
            stacked, objective = self.layers[layer]

            def hook(module: Any, inputs: tuple, output: Any) -> None:
                x = inputs[0][:, 1:][counted][None]
                as_saved = with_rounding(stacked, self.settings.bits)
                pre_activation = as_saved.pre_activations(x.to(torch.bfloat16 if x.is_cuda else x.dtype))
                activation = objective.activate(stacked, pre_activation, self.settings.l0)
                active[layer] = (activation > 0).float().mean(1)

            return hook

        with installed([(self.model.layers[layer].mlp, count(layer)) for layer in self.layers]):
            yield

    def state(self) -> dict[str, Any]:
        """All that a later process needs to go on."""
        return {
            "arrays": {layer: dict(stacked.arrays()) for layer, (stacked, _) in self.layers.items()},
            "objectives": {layer: vars(objective) for layer, (_, objective) in self.layers.items()},
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        with torch.no_grad():
            for layer, (stacked, objective) in self.layers.items():
                for name, array in stacked.arrays():
                    array.copy_(state["arrays"][layer][name])
                vars(objective).update(on_device(state["objectives"][layer], stacked.encoder.device))
        self.optimizer.load_state_dict(state["optimizer"])

    def _replacement(
        self,
        layer: int,
        sums: WrittenSums,
        errors: dict[int, Tensor],
        share: float,
        counted: Bool[Tensor, "sequence position"],
    ) -> Replacement:
        stacked, objective = self.layers[layer]

        def replacement(read: InSequences, written: InSequences) -> InSequences:
            guess = sums.take(layer, transcode(stacked, objective, read, self.settings)[0])
            target = written.detach()[counted].float()
            mean = self.ranks.sum(share * target.mean(0))
            variance = self.ranks.sum(share * (target - mean).square().mean())
            errors[layer] = (guess[counted].float() - target).square().mean() / variance
            return torch.where(counted[..., None], guess.to(written.dtype), written)

        return replacement


class WrittenSums:
    """Sums of what features have written so far to layers that a pass of the model has not come to."""

    def __init__(self) -> None:
        self._sums: dict[int, Tensor] = {}

    def take(self, layer: int, outputs: Float[Tensor, "written ..."]) -> Float[Tensor, "..."]:
        """Add what a layer's features write, from this layer up, and give the whole of what it gets."""
        for ahead, output in enumerate(outputs.unbind(), start=layer):
            self._sums[ahead] = self._sums[ahead] + output if ahead in self._sums else output
        return self._sums.pop(layer)


def transcode(
    stacked: StackedTranscoders, objective: Objective, read: InSequences, settings: TrainSettings
) -> tuple[Float[Tensor, "written sequence position d_model"], Float[Tensor, "1 token feature"]]:
    """Outputs of one layer's transcoder, as it will be saved, and its activations."""
    as_saved = with_rounding(stacked, settings.bits)
    dtype = (
        torch.get_autocast_dtype(read.device.type)
        if torch.is_autocast_enabled(read.device.type)
        else read.dtype
    )
    x = read.flatten(0, 1)[None].to(dtype)
    activation = objective.activate(stacked, as_saved.pre_activations(x), settings.l0)
    return as_saved.reconstruct(activation, x).unflatten(1, read.shape[:2]), activation


def with_rounding(stacked: StackedTranscoders, bits: int | None) -> StackedTranscoders:
    """Transcoders as they will be saved."""
    return StackedTranscoders(
        encoder=rounded(stacked.encoder, bits),
        encoder_bias=stacked.encoder_bias,
        decoder=rounded(stacked.decoder, bits),
        decoder_bias=stacked.decoder_bias,
        threshold=stacked.threshold,
        skip=None if stacked.skip is None else rounded(stacked.skip, bits),
        reach=stacked.reach,
    )


def log_probabilities(
    model: LanguageModel, token_ids: Int[Tensor, "sequence position"]
) -> Float[Tensor, "sequence position vocabulary"]:
    """The next token after each position but the first one, where nothing is replaced."""
    return model.run(token_ids).logits[:, 1:].float().log_softmax(-1)
