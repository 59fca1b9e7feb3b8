"""Batches of texts come in a shuffled order that a saved place continues exactly."""

from __future__ import annotations

import pytest
import torch

from clew.errors import ClewError
from clew.training.text.batches import TextBatches

TEXTS = torch.arange(30).view(10, 3).to(torch.int32)


def test_each_order_holds_every_text_once():
    batches = TextBatches(TEXTS, batch=5, seed=0)
    epochs = [torch.cat([batches.next(), batches.next()]) for _ in range(3)]
    for epoch in epochs:
        assert torch.equal(epoch[epoch[:, 0].argsort()], TEXTS.long())
    assert not torch.equal(epochs[0], epochs[1])


def test_a_batch_goes_on_with_the_next_order():
    batches = TextBatches(TEXTS, batch=4, seed=0)
    first = torch.cat([batches.next() for _ in range(5)])
    assert first.shape == (20, 3)
    assert sorted(first[:10, 0].tolist()) == sorted(first[10:, 0].tolist()) == TEXTS[:, 0].tolist()


def test_a_batch_may_be_larger_than_the_texts():
    assert TextBatches(TEXTS, batch=64, seed=0).next().shape == (64, 3)


def test_seeds_give_orders():
    first, same, other = (TextBatches(TEXTS, batch=10, seed=seed).next() for seed in (3, 3, 4))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("steps", [0, 1, 3, 7])
def test_a_saved_place_continues_with_the_same_batches(steps):
    batches = TextBatches(TEXTS, batch=4, seed=1, held_out=2)
    for _ in range(steps):
        batches.next()
    state = batches.state()
    expected = [batches.next() for _ in range(5)]
    resumed = TextBatches(TEXTS, batch=4, seed=1, held_out=2)
    resumed.restore(state)
    assert all(torch.equal(resumed.next(), batch) for batch in expected)


def test_held_out_texts_are_in_no_batch():
    batches = TextBatches(TEXTS, batch=4, seed=0, held_out=3)
    assert torch.equal(batches.held_out, TEXTS[:3].long())
    seen = torch.cat([batches.next() for _ in range(20)])
    assert set(seen[:, 0].tolist()) == set(TEXTS[3:, 0].tolist())


def test_a_place_in_other_texts_is_refused():
    state = TextBatches(TEXTS, batch=4, seed=0).state()
    with pytest.raises(ClewError, match="was at 10 texts with seed 0, and this one has 9 with seed 0"):
        TextBatches(TEXTS[1:], batch=4, seed=0).restore(state)


def test_no_text_is_refused():
    with pytest.raises(ClewError, match="holds 3 sequences and 3 of them are kept apart"):
        TextBatches(TEXTS[:3], batch=4, seed=0, held_out=3)
