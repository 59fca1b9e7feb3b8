"""The tokens that vectors write towards, however many are looked at together."""

from __future__ import annotations

import pytest
import torch

from clew.attribution.output_tokens import SHOWN, extreme_tokens
from tests.tiny import tiny_model

MODEL = tiny_model("LlamaForCausalLM")
DECODER = torch.randn(7, MODEL.unembedding_weight.shape[1], generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("features", [0.5, 1, 3, 100])
def test_the_same_in_blocks_of_any_size(features: float, monkeypatch: pytest.MonkeyPatch):
    written = (DECODER * MODEL.final_norm.gain) @ MODEL.unembedding_weight.T
    order = written.argsort(dim=1, descending=True)
    expected = torch.cat([order[:, :SHOWN], order.flip(1)[:, :SHOWN]], dim=1)
    most = int(features * 4 * len(MODEL.unembedding_weight))
    monkeypatch.setattr("clew.attribution.output_tokens.MOST_AT_ONCE", most)
    steps = []
    tokens, logits = extreme_tokens(MODEL, DECODER, lambda done, total: steps.append((done, total)))
    assert torch.equal(tokens, expected)
    torch.testing.assert_close(logits, written.gather(1, expected))
    assert len(steps) == -(-len(DECODER) // min(max(1, int(features)), len(DECODER)))
    assert steps[-1] == (7, 7)
