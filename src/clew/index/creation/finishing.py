"""What an index needs besides counts: output tokens, spellings, and what it is searched by."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch

from clew.attribution.output_tokens import extreme_tokens
from clew.dictionary.protocols import Dictionary
from clew.dictionary.read_write_points import WritePoint
from clew.index.creation.checkpoints import drop_unused_windows, token_ids_used, write_outputs
from clew.index.storage.metadata import About, write_about
from clew.index.storage.schema import changing
from clew.index.storage.search import build_text_search
from clew.model.language_model import LanguageModel

FEATURES_AT_ONCE = 512
OnProgress = Callable[[str, int, int], None]


def finish(
    connection: sqlite3.Connection,
    model: LanguageModel,
    dictionary: Dictionary,
    about: About,
    on_progress: OnProgress,
    should_stop: Callable[[], bool] = lambda: False,
) -> About:
    """Complete an index whose texts are all read. One of several shards describes its share of the layers.

    `should_stop` is asked between layers; then the index stays unfinished.
    """
    worker, workers = about.shard
    mine = [layer for layer in range(about.n_layers) if layer % workers == worker - 1 and about.widths[layer]]
    for layer in mine:
        if should_stop():
            return about
        if not _has_outputs(connection, about, layer):
            _write_outputs(connection, model, dictionary, about, layer)
        on_progress("output tokens", layer + 1, about.n_layers)
    about = replace(about, complete=True)
    with changing(connection):
        drop_unused_windows(connection)
        spell(connection, token_ids_used(connection), model.token_text)
        if workers == 1:
            make_searchable(connection)
        write_about(connection, about)
    return about


def spell(connection: sqlite3.Connection, used: set[int], text_of: Callable[[int], str]) -> None:
    """Keep the spelling of every token that is used. Within the caller's transaction."""
    known = {number for (number,) in connection.execute("SELECT id FROM tokens")}
    missing = sorted(used - known)
    connection.executemany(
        "INSERT INTO tokens VALUES (?, ?)", ((number, text_of(number)) for number in missing)
    )


def make_searchable(connection: sqlite3.Connection) -> None:
    """Within the caller's transaction."""
    texts = dict(connection.execute("SELECT id, text FROM tokens"))

    def all_texts(ids: Iterable[int]) -> dict[int, str]:
        return texts

    build_text_search(connection, all_texts)


def _has_outputs(connection: sqlite3.Connection, about: About, layer: int) -> bool:
    first = about.offsets[layer]
    (missing,) = connection.execute(
        "SELECT count(*) FROM features WHERE id BETWEEN ? AND ? AND top_outputs IS NULL",
        (first, first + about.widths[layer] - 1),
    ).fetchone()
    return missing == 0


@torch.no_grad()
def _write_outputs(
    connection: sqlite3.Connection,
    model: LanguageModel,
    dictionary: Dictionary,
    about: About,
    layer: int,
) -> None:
    tokens, logits = [], []
    for some in torch.arange(about.widths[layer], device=model.device).split(FEATURES_AT_ONCE):
        found = extreme_tokens(model, _written(model, dictionary, layer, some))
        tokens.append(found[0].cpu())
        logits.append(found[1].cpu())
    first = about.offsets[layer]
    with changing(connection):
        write_outputs(
            connection,
            range(first, first + about.widths[layer]),
            torch.cat(tokens).numpy(),
            torch.cat(logits).numpy(),
        )


def _written(model: LanguageModel, dictionary: Dictionary, layer: int, index: torch.Tensor) -> torch.Tensor:
    """What one unit of some features adds to the stream over all layers, leaving the norms' scales out."""
    spans = dictionary.decoder(layer, index)
    added = torch.zeros_like(spans[:, 0])
    for ahead in range(spans.shape[1]):
        direction, norm = spans[:, ahead], model.layers[layer + ahead].mlp_post_norm
        if norm is not None and dictionary.write_point is WritePoint.MLP_OUTPUT:
            direction = direction * norm.gain
        added += direction
    return added
