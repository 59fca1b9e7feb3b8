"""Windows of tokens: cut from texts and batched, the same for every worker, and read by the model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, Int64
from torch import Tensor, nn

from clew.dictionary.finite_activations import check_activations
from clew.dictionary.neurons import NeuronDictionary, parts_of
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import values_at
from clew.index.creation.corpus import Piece
from clew.model.finite import all_finite
from clew.model.language_model import LanguageModel
from clew.model.recording import installed
from clew.model.tokenizer_calls import split_text

PIECES_AT_ONCE = 16
"""Pieces of text that are tokenised together."""
SORTED_TOGETHER = 4
"""Batches that share out their windows by length, so that little is padded."""
OnLayer = Callable[[int, Float[Tensor, "window position feature"]], None]
"""Called with each layer's activations in float32, the lowest layer first, in memory of the model."""


@dataclass(frozen=True)
class Batch:
    """Windows that are read together; shorter ones are padded at their end."""

    number: int
    window_ids: Int64[np.ndarray, " window"]
    """The number of each window in the corpus."""
    token_ids: Int32[np.ndarray, "window position"]
    lengths: Int64[np.ndarray, " window"]
    digest: str
    """A digest of all windows up to these."""
    n_texts: int
    """Texts that began up to here."""


def cut_batches(
    model: LanguageModel, pieces: Iterable[Piece], *, window: int, batch: int, sink: int | None, wanted: int
) -> Iterator[Batch]:
    """Batches of `batch` windows of all texts, of at most `wanted` tokens (0 for all).

    A window belongs to one text and has at most `window` tokens, the sink included.
    """
    digest, number, first_window = hashlib.blake2b(digest_size=16), 0, 0
    windows = _windows(model, pieces, window, sink, wanted)
    while group := list(islice(windows, SORTED_TOGETHER * batch)):
        lengths = np.array([len(ids) for ids, _ in group])
        order = np.argsort(-lengths, kind="stable")
        for begin in range(0, len(group), batch):
            chosen = order[begin : begin + batch]
            token_ids = np.full((len(chosen), int(lengths[chosen].max())), sink or 0, dtype=np.int32)
            for row, place in enumerate(chosen):
                token_ids[row, : lengths[place]] = group[place][0]
            digest.update(token_ids.tobytes())
            digest.update(lengths[chosen].tobytes())
            yield Batch(
                number, first_window + chosen, token_ids, lengths[chosen], digest.hexdigest(), group[-1][1]
            )
            number += 1
        first_window += len(group)


def _windows(
    model: LanguageModel, pieces: Iterable[Piece], window: int, sink: int | None, wanted: int
) -> Iterator[tuple[list[int], int]]:
    """Token ids of each window, and the number of texts that began up to it."""
    front = [] if sink is None else [sink]
    room = window - len(front)
    left = wanted or float("inf")
    held: list[int] = []
    n_texts = 0
    for ids, begins in chain(_tokenised(model, pieces), [([], True)]):  # the last text ends, too
        if begins and held:
            taken = held[: int(min(len(held), left))]
            left -= len(taken)
            yield front + taken, n_texts
            held = []
        n_texts += begins
        held += ids
        while len(held) >= room and left > 0:
            taken = held[: int(min(room, left))]
            left -= len(taken)
            yield front + taken, n_texts
            held = held[room:]
        if left <= 0:
            return


def _tokenised(model: LanguageModel, pieces: Iterable[Piece]) -> Iterator[tuple[list[int], bool]]:
    stream = iter(pieces)
    while some := list(islice(stream, PIECES_AT_ONCE)):
        texts = [piece.text for piece in some]
        tokenised = split_text(model.tokenizer, texts)
        yield from ((ids, piece.begins) for ids, piece in zip(tokenised, some, strict=True))


def is_two_sided(dictionary: Dictionary) -> bool:
    """True where activations may be negative, as those of neurons may."""
    return isinstance(dictionary, NeuronDictionary)


@torch.no_grad()
def read_activations(
    model: LanguageModel,
    dictionary: Dictionary,
    token_ids: Int[Tensor, "window position"],
    on_layer: OnLayer,
) -> None:
    """Run the model once over some windows and give each layer's activations to `on_layer`.

    Neurons are the inputs of the MLP's last projection; transcoders read their read point. Raises `ClewError`
    for activations and logits that are not finite.
    """
    faulty: list[tuple[int, Tensor]] = []

    def on_checked_layer(layer: int, activation: Tensor) -> None:
        if all_finite(activation):
            on_layer(layer, activation)
        else:
            faulty.append((layer, activation))

    widths = enumerate(dictionary.n_features)
    hooks = [_hook(model, dictionary, layer, on_checked_layer) for layer, width in widths if width]
    with model.exclusive, installed(hooks):
        model.next_token_logits(token_ids)  # refuses a stream that is not finite, by its own layer
    for layer, activation in faulty:
        check_activations(layer, activation)


def _hook(
    model: LanguageModel, dictionary: Dictionary, layer: int, on_layer: OnLayer
) -> tuple[nn.Module, Callable[..., None]]:
    """The module to watch in a layer, and the hook that gives the layer's activations."""
    if isinstance(dictionary, NeuronDictionary):
        down = parts_of(model.layers[layer]).down.module
        return down, lambda module, inputs, output: on_layer(layer, inputs[0].float())
    norm = model.layers[layer].mlp_norm

    def hook(module: nn.Module, inputs: tuple, output: Any) -> None:
        residual = inputs[0].float()
        x = values_at(dictionary.read_point, norm, residual, norm.scale(residual))
        _, activation = dictionary.respond(layer, x.flatten(0, 1))
        on_layer(layer, activation.unflatten(0, residual.shape[:2]))

    return model.layers[layer].mlp_reader, hook
