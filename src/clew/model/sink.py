"""The sink of a model: a first token that soaks up attention, the same for every prompt.

"Efficient Streaming Language Models with Attention Sinks", Xiao et al. 2024, https://arxiv.org/abs/2309.17453
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from clew.errors import ClewError, ClewWarning
from clew.model.language_model import LanguageModel
from clew.model.sink_file import keep_sink, kept_sink
from clew.model.template import encode_text
from clew.sink import MEASURED, Sink, quoted

TEXTS = (
    "The capital of Norway is",
    "The opposite of cold is",
    "Ludwig van Beethoven wrote the",
    "def double(x):\n    return",
    "Monday, Tuesday, Wednesday,",
    "Le chat est assis sur la",
    "Once upon a time, there was a",
    "3 + 4 =",
)
"""Texts of different kinds on which a model's sink is measured: short, as traced prompts mostly are."""

MOST_TOKENS_AT_ONCE = 2048
"""The largest batch, in tokens, for trying sink candidates."""

SHORTLIST, TEXTS_OF_ALL = 12, 2
"""Candidates that are tried on every text; the first texts decide which, where there are more."""

ALIKE = 1e-4
"""Nats between two means that rounding alone may make; the first token in the vocabulary is then taken."""

SAME_VECTOR = 0.01
"""Relative distance of two embeddings below which the tokens count as one: untrained ones are alike."""


class SinkWarning(ClewWarning):
    """A first token is not the one to expect."""


class DisturbingSink(SinkWarning):
    """A sink changes the next-token distribution of a prompt much."""


def measured_sink(model: LanguageModel) -> Sink | None:
    """The special token that changes the answers on `TEXTS` least in the mean; None without any.

    It is measured once for a model and kept with it; for a model from files, also in clew's cache.
    """
    with model.exclusive:
        if "sink" not in model.kept:
            measurement = [_texts(model), special_ids(model), SHORTLIST, TEXTS_OF_ALL, ALIKE, SAME_VECTOR]
            found = kept_sink(model, measurement)
            if found is None and special_ids(model):
                found = _measure(model)
                if math.isfinite(found[1]):
                    keep_sink(model, measurement, *found)
            model.kept["sink"] = found
        found = model.kept["sink"]
    if found is None:
        return None
    token_id, mean_kl = found
    reason = f"changes answers least of {len(special_ids(model))} {MEASURED}"
    return Sink(model.token_text(token_id), token_id, reason=reason, mean_kl=mean_kl)


def _measure(model: LanguageModel) -> tuple[int, float]:
    """The id of the special token with the least mean divergence, and this mean."""
    texts = _texts(model)
    candidates = _with_different_vectors(model, special_ids(model))
    if len(candidates) > SHORTLIST:
        on_some = _mean_divergence(model, texts[:TEXTS_OF_ALL], candidates)
        candidates = [candidates[rank] for rank in sorted(on_some.argsort(stable=True)[:SHORTLIST].tolist())]
    mean = _mean_divergence(model, texts, candidates)
    mean = mean.nan_to_num(nan=torch.inf)  # a model that is not finite is refused where it is recorded
    best = int((mean <= mean.min() + ALIKE).nonzero()[0])
    return candidates[best], max(0.0, float(mean[best]))


def _texts(model: LanguageModel) -> list[list[int]]:
    """Token ids of `TEXTS`; of a tokenizer that has none of their words, a few ordinary ones."""
    unknown, room = model.tokenizer.unk_token_id, model.context_length - 1
    texts = [[token for token in encode_text(model, text).bare if token != unknown] for text in TEXTS]
    if not any(texts):
        ordinary = set(range(len(model.unembedding_weight))) - set(special_ids(model))
        texts = [sorted(ordinary)[:8]]
    return [text[:room] for text in texts if text]


def _with_different_vectors(model: LanguageModel, token_ids: Sequence[int]) -> list[int]:
    """The tokens without those whose embedding is nearly that of an earlier one."""
    vectors = model.network.get_input_embeddings().weight[list(token_ids)].float()
    chosen: list[int] = []
    for place, vector in enumerate(vectors):
        distance = (vectors[chosen] - vector).norm(dim=-1)
        if not bool((distance <= SAME_VECTOR * vector.norm()).any()):
            chosen.append(place)
    return [token_ids[place] for place in chosen]


def _mean_divergence(
    model: LanguageModel, texts: Sequence[list[int]], candidates: Sequence[int]
) -> Float[Tensor, " candidate"]:
    rows = [_divergences(model, text, [[candidate, *text] for candidate in candidates]) for text in texts]
    return torch.stack(rows).mean(dim=0)


def divergence(model: LanguageModel, token_ids: Sequence[int], other: Sequence[int]) -> float:
    """KL divergence (nats) of the next token behind some ids from that behind others; 0 for the same ids."""
    return 0.0 if list(token_ids) == list(other) else float(_divergences(model, token_ids, [other]))


def _divergences(
    model: LanguageModel, token_ids: Sequence[int], others: Sequence[Sequence[int]]
) -> Float[Tensor, " other"]:
    """The same for several others of one length."""
    plain = _log_probabilities(model, [token_ids])
    batch = max(1, MOST_TOKENS_AT_ONCE // len(others[0]))
    divergence = []
    for first in range(0, len(others), batch):
        changed = _log_probabilities(model, others[first : first + batch])
        divergence.append((plain.exp() * (plain - changed)).sum(dim=-1))
    return torch.cat(divergence).cpu()


def _log_probabilities(
    model: LanguageModel, rows: Sequence[Sequence[int]]
) -> Float[Tensor, "row vocabulary"]:
    return model.next_token_logits(torch.tensor(rows)).log_softmax(dim=-1)


def special_ids(model: LanguageModel) -> list[int]:
    """The tokenizer's special tokens that have a row in the vocabulary, in order."""
    added = model.tokenizer.added_tokens_decoder
    size = model.unembedding_weight.shape[0]
    return sorted(token for token, spelling in added.items() if spelling.special and token < size)


def named_sink_id(model: LanguageModel, sink: str, *, by_dictionary: bool = False) -> int:
    """The id of a sink that a person or a dictionary names by a token's text, as `id:7`, or as `bos`.

    Raises `ClewError` for a text that is not one token, an id outside the vocabulary, and a tokenizer without
    a BOS.
    """
    size = len(model.unembedding_weight)
    number = sink.removeprefix("id:")
    if sink == "bos":
        ids = [model.tokenizer.bos_token_id]
    elif number != sink and number.isascii() and number.isdigit():
        ids = [int(number)]
    else:
        ids = encode_text(model, sink, "The sink").bare
    if len(ids) == 1 and ids[0] is not None and ids[0] < size:
        return ids[0]
    if by_dictionary:
        raise ClewError(
            f"The dictionary was trained behind {quoted(sink)}, which is not one token of {model.name}; load "
            "the model that it was trained on, or correct the sink in its files."
        )
    special = ", ".join(model.token_text(token) for token in special_ids(model)[:8])
    raise ClewError(
        f"The sink {sink!r} is not one token of {model.name}; name a token, such as the special ones: "
        f"{special}."
    )
