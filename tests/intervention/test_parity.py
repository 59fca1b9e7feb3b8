"""Interventions that the published implementation computed on nine small cases are reproduced."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

import clew
from clew.intervention.run_intervention import RUN
from clew.intervention.settings import Regime
from tests.attribution.test_parity_rows import CASES, PARITY
from tests.intervention.keyword_calls import prepare


@pytest.mark.parametrize("regime", ["direct", "frozen-attention"])
@pytest.mark.parametrize("name", CASES)
def test_logits_and_pre_activations_are_those_that_were_published(name: str, regime: Regime):
    if not PARITY.exists():
        pytest.skip("the published results are not beside this checkout (folder shared/parity)")
    arrays = load_file(PARITY / name / "interventions.safetensors")
    ids = load_file(PARITY / name / "expected.safetensors")["input_tokens"].tolist()
    model = clew.load(
        PARITY / "models" / name.partition("-")[0], dictionary=PARITY / name / "transcoders", check=False
    )
    changes = [
        clew.Intervention(clew.Feature(each["layer"], each["feature"]), each["pos"], "set", each["value"])
        for each in json.loads((PARITY / name / "interventions.json").read_text())["interventions"]
    ]
    result = model.intervene(ids, changes, regime)
    suffix = regime.replace("-", "_")
    assert_close(result.logits_before, arrays["logits_base"])
    assert_close(result.logits_after, arrays[f"logits_{suffix}"])
    found = RUN[regime](prepare(model.language_model, model.dictionary, ids, changes)).pre_activation
    pre_activation = torch.stack(list(found))
    # The published ones are zero at the first position.
    assert_close(pre_activation[:, 0, 1:], arrays["preacts_base"][:, 1:])
    assert_close(pre_activation[:, 1, 1:], arrays[f"preacts_{suffix}"][:, 1:])


def assert_close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
