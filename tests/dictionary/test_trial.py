"""SmolLM2 with the trial's transcoders in four bits: answers that stay, and graphs as from floats."""

from __future__ import annotations

import pytest

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.reference import load_transcoders
from clew.dictionary.replaced_model import PROMPTS, measure_answers
from clew.dictionary.transcoder_dictionary import bind
from tests.dictionary.formats.test_quantised_arrays import TRIAL
from tests.real import real_model

pytestmark = [pytest.mark.real, pytest.mark.skipif(not TRIAL.is_dir(), reason=f"{TRIAL} is not here")]
SINK = "<|endoftext|>"


def test_every_answer_stays_with_every_mlp_replaced():
    answers = measure_answers(bind(real_model("smollm2"), load_transcoders(TRIAL), "trial"), PROMPTS, SINK)
    assert [answer.answer for answer in answers if not answer.kept] == []


def test_a_graph_is_the_same_from_packed_integers_and_from_floats(tmp_path):
    packed = load_transcoders(TRIAL)
    save_transcoders(packed, tmp_path / "floats", "smollm2")
    settings = TraceSettings(max_nodes=1024, sink=SINK)
    one, other = (
        trace(real_model("smollm2"), bind(real_model("smollm2"), each, "trial"), PROMPTS[0], settings)
        for each in (packed, load_transcoders(tmp_path / "floats"))
    )
    assert one.node_feature.tolist() == other.node_feature.tolist()
    assert abs(one.edge_weight - other.edge_weight).max() < 1e-6
    assert one.info.conservation is not None
    assert one.info.conservation < 1e-3
