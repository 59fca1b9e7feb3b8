"""An index of a small text equals what all of its activations together say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from clew.attribution.output_tokens import SHOWN as OUTPUTS
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import Dictionary
from clew.feature import Feature
from clew.index.creation.corpus import find_files, read_pieces
from clew.index.creation.indexing import index_texts
from clew.index.creation.windows import cut_batches
from clew.index.settings import IndexSettings
from clew.index.storage.blobs import unpack_histogram, unpack_sample
from clew.index.storage.histogram import N_BINS, bin_of
from clew.index.storage.index import Index, open_index
from clew.index.storage.record import BOTTOM, Example, FeatureRecord
from clew.model.recording import record
from tests.random_transcoders import random_transcoders
from tests.tiny import tiny_model

from .brute_force import Everything, Peak, everything, sum_in_steps

WINDOW = 24


def dictionary_of(kind: str) -> Dictionary:
    if kind == "gated neurons":
        return NeuronDictionary(tiny_model("LlamaForCausalLM"))
    if kind == "plain neurons":
        return NeuronDictionary(tiny_model("GPT2LMHeadModel"))
    return random_transcoders(tiny_model("Gemma2ForCausalLM"), kind)


@pytest.fixture(
    scope="module", params=["gated neurons", "plain neurons", "PLT JumpReLU", "CLT ReLU", "PLT TopK"]
)
def made(request: pytest.FixtureRequest, texts: Path, tmp_path_factory: pytest.TempPathFactory):
    """A dictionary, its index and everything that there was to count."""
    dictionary = dictionary_of(request.param)
    model = dictionary.model  # type: ignore[attr-defined]
    path = tmp_path_factory.mktemp("index") / "made.sqlite3"
    about = index_texts(model, dictionary, [texts], path, IndexSettings(window=WINDOW))
    pieces = read_pieces(find_files([texts]), lambda reason, path: None)
    batches = list(
        cut_batches(model, pieces, window=about.window, batch=about.batch, sink=about.sink, wanted=0)
    )
    with open_index(path) as index:
        yield dictionary, index, everything(model, dictionary, batches, first=1)


Made = tuple[Dictionary, Index, Everything]


def features(index: Index) -> list[tuple[int, int]]:
    """A dozen or so of all layers."""
    every = [
        (layer, feature) for layer, width in enumerate(index.metadata.widths) for feature in range(width)
    ]
    return every[:: max(1, len(every) // 12)]


def sides(index: Index) -> Iterator[tuple[int, int, FeatureRecord, int, int]]:
    """Layer, feature, record and number of each of them, once for every sign of its activations."""
    for layer, feature in features(index):
        record, number = index.feature(layer, feature), index.metadata.feature_id(Feature(layer, feature))
        assert record is not None
        assert number is not None
        for sign in (1, -1) if index.metadata.two_sided else (1,):
            yield layer, feature, record, number, sign


def column(index: Index, layer: int, feature: int, name: str):
    row = index._connection.execute(
        f"SELECT {name} FROM features WHERE layer = ? AND feature = ?", (layer, feature)
    ).fetchone()
    return row[0]


def test_counts_extremes_and_quantiles(made: Made):
    _, index, all_of_it = made
    for layer, feature in features(index):
        values, record = all_of_it.values(layer, feature), index.feature(layer, feature)
        assert record is not None
        assert record.positions == len(values)
        assert record.frequency == pytest.approx(np.count_nonzero(values) / len(values), abs=1e-12)
        assert (record.minimum, record.maximum) == (values.min(), values.max())
        assert record.mean == pytest.approx(sum_in_steps(values) / len(values), abs=1e-6)
        counts = unpack_histogram(column(index, layer, feature, "histogram"))
        assert np.array_equal(counts, np.bincount(bin_of(values), minlength=N_BINS))
        assert sum(record.histogram.counts) == len(values)
        for share, value in record.quantiles:
            exact = np.quantile(values, share, method="inverted_cdf")
            bins = bin_of(np.array([value, exact], dtype=np.float32)).tolist()
            assert abs(bins[0] - bins[1]) <= 1
        assert record.never_seen == (not values.any())


def assert_same(
    examples: tuple[Example, ...], peaks: list[Peak], layer: int, feature: int, all_of_it: Everything
):
    assert [(each.window, each.position) for each in examples] == [
        (peak.window, peak.position) for peak in peaks
    ]
    for example, peak in zip(examples, peaks, strict=True):
        assert example.peak == peak.activation
        first = example.position - example.peak_at
        ids = all_of_it.windows[peak.window][first : first + len(example.tokens)]
        assert example.tokens == tuple("<a>" if token == 0 else f"w{token}" for token in ids)
        along = all_of_it.activations[peak.window, layer][first - 1 :, feature][: len(example.tokens)]
        assert example.activations == pytest.approx(along.tolist(), abs=float(abs(along).max()) / 253)


def test_examples(made: Made):
    _, index, all_of_it = made
    for layer, feature, seen, number, sign in sides(index):
        kind = 0 if sign > 0 else BOTTOM
        top, levels = (
            all_of_it.top(layer, feature, sign),
            all_of_it.levels(layer, feature, number, sign),
        )
        assert_same(seen.group(kind), top, layer, feature, all_of_it)
        groups = [group for group in seen.groups if sign * (group.kind - kind) > 0]
        assert all(len(group.examples) == 1 for group in groups)
        shown = tuple(group.examples[0] for group in groups)
        assert_same(shown, levels, layer, feature, all_of_it)
        assert index.metadata.two_sided or not seen.group(BOTTOM)


def test_tokens(made: Made):
    _, index, all_of_it = made
    for layer, feature, seen, number, sign in sides(index):
        shown = seen.strongest_tokens if sign > 0 else seen.strongest_low
        assert [(token.text, token.value) for token in shown] == [
            (f"w{token}" if token else "<a>", value)
            for token, value in all_of_it.strongest_tokens(layer, feature, sign).items()
        ]
        name = "frequent_tokens" if sign > 0 else "frequent_low"
        drawn = unpack_sample(column(index, layer, feature, name))[0].tolist()
        assert drawn == all_of_it.drawn(layer, feature, number, sign)
        if drawn:
            shares = seen.frequent_tokens if sign > 0 else seen.frequent_low
            assert sum(token.value for token in shares) == pytest.approx(1)
        assert index.metadata.two_sided or not (seen.strongest_low or seen.frequent_low)


def test_output_tokens_are_those_of_the_decoder(made: Made):
    dictionary, index, _ = made
    model = dictionary.model  # type: ignore[attr-defined]
    norm = model.final_norm
    for layer, feature in features(index):
        spans = dictionary.decoder(layer, torch.tensor([feature]))[0]
        written = spans.sum(dim=0)
        if norm.centred:
            written = written - written.mean()
        logits = model.unembedding_weight @ (written * norm.gain)
        record = index.feature(layer, feature)
        assert record is not None
        high, low = logits.topk(OUTPUTS), logits.topk(OUTPUTS, largest=False)
        for shown, expected in ((record.top_outputs, high), (record.bottom_outputs, low)):
            assert [token.value for token in shown] == pytest.approx(expected.values.tolist(), abs=1e-5)
            assert [token.text for token in shown] == [model.token_text(i) for i in expected.indices.tolist()]


def test_activations_are_those_of_a_trace(made: Made):
    """What the pass reads with hooks, over many windows at once, a recording of one window gives too."""
    dictionary, _, all_of_it = made
    window = max(all_of_it.windows, key=lambda number: len(all_of_it.windows[number]))
    recording = record(dictionary.model, torch.from_numpy(all_of_it.windows[window]).long())  # type: ignore[attr-defined]
    encoding = dictionary.encode(recording)
    for layer, width in enumerate(dictionary.n_features):
        active = encoding.active(layer)
        dense = torch.zeros(recording.n_positions, width)
        dense[active.position, active.index] = active.activation
        torch.testing.assert_close(
            dense[1:], torch.from_numpy(all_of_it.activations[window, layer]), rtol=1e-4, atol=1e-5
        )
