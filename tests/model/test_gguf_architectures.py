"""GGUF files of each architecture convert to the same model, and trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.model.gguf.architectures import ARCHITECTURES
from clew.model.gguf.conversion import write_safetensors
from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from tests.attribution.test_rows import assert_adds_up, assert_rows_equal_autograd
from tests.model.gguf_files import CONTEXT, KINDS, as_gguf, kl_of_folder, random_network, rope_tensors
from tests.tiny import random_ids

LENGTHS = (8, 64, 512)


def converted(network, path: Path) -> LanguageModel:
    """The model that clew makes of a network's GGUF."""
    file = as_gguf(network)
    file.tensors |= rope_tensors(network.config)
    source, folder = file.write(path / "tiny.gguf"), path / "converted"
    folder.mkdir()
    write_safetensors(source, folder)
    return load_language_model(folder, name="tiny")


def kls(network, path: Path) -> list[float]:
    loaded = converted(network, path)
    return [kl_of_folder(network, path, length, lambda _: loaded) for length in LENGTHS]


def test_every_architecture_is_tested():
    assert set(KINDS.values()) == set(ARCHITECTURES)


@pytest.mark.parametrize("architecture", KINDS)
def test_a_converted_model_predicts_as_the_original(architecture, tmp_path):
    network = random_network(architecture)
    assert network.config.max_position_embeddings == CONTEXT
    assert kls(network, tmp_path) == pytest.approx([0, 0, 0], abs=1e-6)


ROPE = {
    "linear": {"factor": 4.0},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 256},
    "llama3": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "longrope": {
        "short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.5],
        "long_factor": [1.0, 1.5, 2.0, 3.0, 5.0, 9.0, 17.0, 33.0],
        "original_max_position_embeddings": 256,
    },
}
KNOWN = [
    (name, kind) for name in KINDS for kind in ROPE if name not in ("GPT2LMHeadModel", "Phi3ForCausalLM")
]
KNOWN += [("Phi3ForCausalLM", "longrope")]


@pytest.mark.parametrize(("architecture", "kind"), KNOWN)
def test_every_scaling_of_positions_is_read(architecture, kind, tmp_path):
    rope, settings = {"rope_type": kind, "rope_theta": 5000.0, **ROPE[kind]}, {}
    if architecture == "Phi3ForCausalLM":
        settings["original_max_position_embeddings"] = rope["original_max_position_embeddings"]
    if architecture == "GptOssForCausalLM" and kind == "yarn":
        rope["truncate"] = False  # as the models have it; a file does not say it
    network = random_network(architecture, rope, **settings)
    assert kls(network, tmp_path) == pytest.approx([0, 0, 0], abs=1e-6)
    plain = random_network(architecture, {"rope_type": "default", "rope_theta": 5000.0})
    assert kl_of_folder(network, tmp_path, 512, lambda _: _Raw(plain)) > 1e-4


class _Raw:
    """A network with the one method that `kl_of_folder` calls."""

    def __init__(self, network):
        self.network = network

    def next_token_logits(self, ids):
        return self.network(input_ids=ids, use_cache=False).logits[:, -1]


@pytest.mark.parametrize("architecture", ["Qwen2ForCausalLM", "Starcoder2ForCausalLM"])
def test_a_converted_model_traces(architecture, tmp_path):
    loaded, ids = converted(random_network(architecture), tmp_path), random_ids(7)
    graph = trace(loaded, NeuronDictionary(loaded), ids.tolist(), TraceSettings(max_nodes=50))
    assert_rows_equal_autograd(loaded, graph)
    assert_adds_up(graph)
