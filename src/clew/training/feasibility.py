"""Settings that a model or a machine cannot fulfil are refused in a sentence, before any work."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch

from clew.errors import ClewError
from clew.model.language_model import LanguageModel
from clew.model.prompt import usual_sink
from clew.model.sink import named_sink_id
from clew.model.template import encode_text
from clew.options import check_options
from clew.training.ranks import owners
from clew.training.settings import TrainSettings

BYTES_OF_WEIGHT = 16
"""A weight in float32, its gradient and two moments of the optimiser."""


def check_settings(settings: TrainSettings) -> None:
    """Raise `ClewError` for values out of bounds, and for options that exclude each other."""
    check_options(settings)
    if settings.init_from is not None and settings.begin is not None:
        raise ClewError(f"Training begins with init_from or with {settings.begin}, not with both.")
    if not re.fullmatch(r"all|\d+|\d+-\d+", settings.layers):
        raise ClewError(f"layers must be all, one number, or from-to such as 0-11, not {settings.layers!r}.")
    if settings.features is not None:
        _check_l0(settings.l0, settings.features)
    batch = settings.batch
    if batch is not None and batch < settings.context:
        raise ClewError(
            f"A step of {batch:,} tokens holds no sequence of {settings.context:,}; raise batch or "
            "lower context."
        )
    if settings.sink == "none":
        raise ClewError(
            "Training needs a first token, whose position is left out; name one as the sink, or leave sink "
            "out."
        )


def layers_of(model: LanguageModel, settings: TrainSettings) -> range:
    """The layers to train; raises `ClewError` for those that the model lacks."""
    if settings.layers == "all":
        return range(model.n_layers)
    first, _, last = settings.layers.partition("-")
    chosen = range(int(first), int(last or first) + 1)
    if not chosen or chosen[-1] >= model.n_layers:
        raise ClewError(
            f"{model.name} has the layers 0 to {model.n_layers - 1}, not {settings.layers}; name some "
            "of these."
        )
    return chosen


def sink_of(model: LanguageModel, settings: TrainSettings) -> int:
    """The first token of every sequence, as in tracing; raises `ClewError` for a model that has none."""
    if settings.sink is not None:
        return named_sink_id(model, settings.sink)
    found = usual_sink(model)
    if found is None:
        raise ClewError(f"{model.name} has no special token to begin texts with; name a token as the sink.")
    return found.token_id


def left_out_ids(model: LanguageModel, settings: TrainSettings) -> list[int]:
    """The tokens whose positions do not count; raises `ClewError` for a text that is not one token."""
    return [_token_named(model, text) for text in settings.leave_out]


def _token_named(model: LanguageModel, text: str) -> int:
    number = text.removeprefix("id:")
    if number != text and number.isascii() and number.isdigit():
        ids = [int(number)]
    else:
        ids = encode_text(model, text, "The token").bare
    if len(ids) != 1 or ids[0] >= model.vocabulary.size:
        raise ClewError(
            f"{text!r} of leave_out is not one token of {model.name}; name a token's text, or id:7."
        )
    return ids[0]


def n_features_of(model: LanguageModel, settings: TrainSettings) -> int:
    return settings.features or 8 * model.d_model


def check_model(
    model: LanguageModel, layers: Sequence[int], settings: TrainSettings, free: int, n_ranks: int = 1
) -> None:
    """Raise `ClewError` for what does not fit the model, or `free` bytes of memory in each process."""
    features = n_features_of(model, settings)
    _check_l0(settings.l0, features)
    if settings.begin == "neurons" and model.anatomy.neurons is None:
        raise ClewError(
            f"{model.name} is a mixture of experts, whose neurons no transcoder can begin from; begin from "
            "samples."
        )
    if settings.context > model.context_length:
        raise ClewError(
            f"Sequences of {settings.context:,} tokens exceed the {model.context_length:,} that {model.name} "
            "reads; lower context."
        )
    owners([1] * len(layers), n_ranks)
    n_matrices = 2 * len(layers)
    if settings.kind == "clt":
        if layers[0] != 0:
            raise ClewError(
                "A cross-layer transcoder is trained for all layers from 0 on, such as 0-11; name these, or "
                "choose the kind plt."
            )
        n_matrices = sum(1 + len(layers) - layer for layer in layers)
    needed = BYTES_OF_WEIGHT * n_matrices * features * model.d_model
    if settings.end_to_end == 0:  # the last stretch has all layers in each process
        needed //= n_ranks
    if needed > free:
        fit = free // (needed // features)
        raise ClewError(
            f"{features:,} features for each of {len(layers)} layers need about {needed / 1e9:,.1f} GB to "
            f"train, and {free / 1e9:,.1f} GB are free; take at most {fit:,} features, or train fewer layers "
            "at a time."
        )


def _check_l0(l0: float, features: int) -> None:
    if l0 >= features:
        raise ClewError(
            f"{l0:g} of {features:,} features cannot be active at a position; lower l0 or raise features."
        )


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available
