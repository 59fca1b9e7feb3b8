"""Numbers that are not finite are refused by layer and precision, and no graph holds one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clew.attribution.output_tokens import extreme_tokens
from clew.attribution.settings import TraceSettings
from clew.attribution.trace import GapWarning, trace
from clew.dictionary.misfit import check_quality
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.dictionary.transcoder_set import Decoder
from clew.dictionary.weights import HeldWeights
from clew.errors import ClewError
from clew.facade import Model
from clew.graph.consistency import check_finite
from clew.index.creation.windows import read_activations
from clew.intervention.intervention import Intervention, Source
from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from clew.model.prompt import encode_prompt
from clew.model.recording import record
from clew.model.reference import resolve
from tests.attribution.test_rows import dictionary_for
from tests.random_transcoders import random_transcoders
from tests.tiny import CONFIG_BY_ARCHITECTURE, random_ids, tiny_model

IDS = random_ids(6)
architectures = pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
LARGE = r"too large for float32, or damaged"


def overflowing(architecture: str, layer: int = 1) -> LanguageModel:
    """A model in float16 whose attention writes more than 65,504 in one layer."""
    model = tiny_model(architecture, dtype=torch.float16)
    model.layers[layer].output.weight.fill_(6e4)
    model.layers[layer].value.weight.fill_(6e4)
    return model


def refusal(architecture: str = "", layer: int = 1) -> str:
    return (
        rf"^tiny's stream is not finite after layer {layer} in float16; load it with --dtype bfloat16 or "
        r"float32 \(dtype= in Python\)\.$"
    )


@architectures
@pytest.mark.parametrize("layer", [0, 2])
def test_a_stream_that_overflows_is_refused_by_layer_and_precision(architecture, layer):
    model = overflowing(architecture, layer)
    with pytest.raises(ClewError, match=refusal(architecture, layer)):
        record(model, IDS)
    with pytest.raises(ClewError, match=refusal(architecture, layer)):
        model.next_token_logits(torch.stack([IDS, IDS]))
    wide = replace(model, network=model.network.float())
    assert record(wide, IDS).logits.isfinite().all()


DOORS: dict[str, Callable[[Model], object]] = {
    "trace": lambda model: model.trace(IDS.tolist()),
    "text": lambda model: encode_prompt(model.language_model, "w3 w4"),
    "intervene": lambda model: model.intervene(IDS.tolist(), Intervention("L0/1", 2)),
    "patch": lambda model: model.patch("L0/1", IDS.tolist()),
    "patched": lambda model: model.intervene([2, 3], Intervention("L0/1", 1, "patch", Source([3, 4]))),
    "circuit": lambda model: model.circuit(IDS.tolist(), features="L0/1@2"),
    "generate": lambda model: model.generate(IDS.tolist(), max_tokens=2),
    "generate by chance": lambda model: model.generate(IDS.tolist(), max_tokens=2, temperature=1.0),
    "index": lambda model: read_activations(
        model.language_model, model.dictionary, IDS[None], lambda layer, values: None
    ),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ["neurons", "PLT ReLU"])
def test_no_door_lets_it_through(door: str, kind: str):
    model = overflowing("LlamaForCausalLM")
    dictionary = dictionary_for(model, "LlamaForCausalLM")
    if kind != "neurons":
        dictionary = random_transcoders(model, kind)
    with pytest.raises(ClewError, match=refusal()):
        DOORS[door](Model(model, dictionary))


def test_no_graph_or_quality_of_another_precision_opens_a_door():
    broken = overflowing("LlamaForCausalLM")
    sound = Model(*(lambda m: (m, dictionary_for(m, "LlamaForCausalLM")))(tiny_model("LlamaForCausalLM")))
    graph = sound.trace(IDS.tolist(), max_nodes=20)
    model = Model(broken, dictionary_for(broken, "LlamaForCausalLM"))
    with pytest.raises(ClewError, match=refusal()):
        model.validate(graph)
    with pytest.raises(ClewError, match=refusal()):
        model.circuit(graph)
    with pytest.raises(ClewError, match=refusal()):
        check_quality(random_transcoders(broken, "PLT ReLU"))


def test_a_generated_token_that_overflows_is_refused_as_a_prompt_is():
    model = tiny_model("LlamaForCausalLM", dtype=torch.float16)
    model.layers[0].output.module.bias.fill_(100)  # type: ignore[union-attr]
    first = int(model.next_token_logits(IDS[None]).argmax())
    assert first not in IDS
    model.network.get_input_embeddings().weight[first] = 65_500
    run = Model(model, dictionary_for(model, "LlamaForCausalLM"))
    assert record(model, IDS)
    for cache in (True, False):
        with pytest.raises(ClewError, match=refusal(layer=0)):
            run.generate(IDS.tolist(), max_tokens=4, cache=cache)


def test_bfloat16_and_float32_have_their_own_advice():
    for dtype, advice in [
        (torch.bfloat16, r"load it with --dtype float32 \(dtype= in Python\)"),
        (torch.float32, "its weights are too large, or damaged: fetch or save its files again"),
    ]:
        model = tiny_model("LlamaForCausalLM", dtype=dtype)
        model.layers[1].output.weight.fill_(3e38)
        name = str(dtype).removeprefix("torch.")
        with pytest.raises(
            ClewError, match=rf"^tiny's stream is not finite after layer 1 in {name}; {advice}\.$"
        ):
            record(model, IDS)


@pytest.mark.parametrize(("dtype", "value"), [("float32", np.nan), ("float32", np.inf), ("float16", np.nan)])
def test_weights_that_are_no_numbers_are_named(dtype: str, value: float):
    model = tiny_model("Qwen3ForCausalLM", dtype=getattr(torch, dtype))
    model.network.model.layers[2].mlp.up_proj.weight[3, 1] = value
    complaint = (
        r"^tiny's weights model\.layers\.2\.mlp\.up_proj\.weight hold numbers that are not finite; fetch"
    )
    with pytest.raises(ClewError, match=complaint):
        record(model, IDS)


def scaled(model: LanguageModel, path: str, factor: float) -> LanguageModel:
    model.network.get_submodule(path).weight.mul_(factor)
    return model


@pytest.mark.parametrize(
    ("architecture", "path", "fault"),
    [
        ("LlamaForCausalLM", "model.embed_tokens", "norm of finite numbers overflows in layer 0"),
        ("GPT2LMHeadModel", "transformer.wte", "norm of finite numbers overflows in layer 0"),
        ("LlamaForCausalLM", "model.layers.1.mlp.down_proj", "norm of finite numbers overflows in layer 2"),
        ("LlamaForCausalLM", "model.layers.2.mlp.down_proj", "final norm overflows"),
        ("Gemma2ForCausalLM", "model.layers.1.mlp.down_proj", "norm of finite numbers overflows in layer 1"),
        (
            "Qwen3ForCausalLM",
            "model.layers.1.self_attn.q_proj",
            "norm of finite numbers overflows in layer 1",
        ),
        (
            "Gemma3ForCausalLM",
            "model.layers.0.self_attn.k_proj",
            "norm of finite numbers overflows in layer 0",
        ),
        (
            "Olmo2ForCausalLM",
            "model.layers.2.self_attn.q_proj",
            "norm of finite numbers overflows in layer 2",
        ),
    ],
)
def test_a_norm_that_overflows_is_refused_although_it_writes_zeros(architecture, path, fault):
    model = scaled(tiny_model(architecture), path, 1e22)
    if architecture != "GPT2LMHeadModel":  # whose norms write NaN
        assert model.run(IDS[None]).logits.isfinite().all()
    with pytest.raises(ClewError, match=rf"^tiny's {fault} in float32; its weights are too large"):
        record(model, IDS)


@pytest.mark.filterwarnings("ignore::clew.attribution.trace.GapWarning")
@pytest.mark.parametrize(
    "architecture", ["LlamaForCausalLM", "GPT2LMHeadModel", "Gemma3ForCausalLM", "GptOssForCausalLM"]
)
def test_whatever_weights_are_too_large_a_graph_is_finite_or_refused(architecture: str):
    """Any weights of the model times any power of ten, in any precision."""
    draw = random.Random(architecture)
    refused = finite = 0
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        names = [name for name, _ in tiny_model(architecture).network.named_parameters()]
        for name in draw.sample(names, 8):
            model = tiny_model(architecture, dtype=dtype)
            model.network.get_parameter(name).mul_(
                10.0 ** draw.uniform(2, 5 if dtype == torch.float16 else 30)
            )
            try:
                settings = TraceSettings(max_nodes=20, targets=[3])
                graph = trace(model, dictionary_for(model, architecture), IDS.tolist(), settings)
            except ClewError as error:
                refused += "finite" in str(error) or "overflows" in str(error)
            else:
                check_finite(graph)
                assert graph.info.conservation is not None
                assert np.isfinite(graph.info.conservation)
                finite += 1
    assert refused + finite == 24
    assert refused
    assert finite


def transcoders_with(**changes: Any) -> TranscoderDictionary:
    """Random transcoders with some weights of layer 1 replaced."""
    made = random_transcoders(tiny_model("LlamaForCausalLM"), "PLT ReLU")
    layers = {**made.transcoders.layers}
    layers[1] = replace(layers[1], **changes)
    return replace(made, transcoders=replace(made.transcoders, layers=layers))


@pytest.mark.parametrize("selection", ["attribution", "influence"])
def test_transcoders_that_overflow_are_refused_by_feature_or_edge(selection: Any):
    chosen = TraceSettings(selection=selection, max_nodes=4)
    encoder = transcoders_with(encoder=HeldWeights(torch.full((7, 24), 3e38)))
    for attempt in (
        lambda: trace(encoder.model, encoder, IDS.tolist(), chosen),
        lambda: check_quality(encoder),
        lambda: Model(encoder.model, encoder).patch("L1/2", IDS.tolist()),
        lambda: Model(encoder.model, encoder).intervene(IDS.tolist()),
        lambda: read_activations(encoder.model, encoder, IDS[None], lambda layer, values: None),
    ):
        with pytest.raises(ClewError, match=rf"^The (pre-)?activation of L1/\d is -?inf: .* {LARGE}"):
            attempt()
    decoder = transcoders_with(decoder=Decoder(HeldWeights(torch.full((7, 1, 24), 3e38))))
    with pytest.raises(ClewError, match=r"(would not be|are not) finite.* too large for float32, or damaged"):
        trace(decoder.model, decoder, IDS.tolist(), chosen)
    with pytest.raises(ClewError, match=rf"^What random writes at layer 1 is not finite: .* {LARGE}"):
        check_quality(decoder)


def test_output_tokens_of_long_vectors_are_those_of_short_ones_in_float16():
    model = tiny_model("LlamaForCausalLM", dtype=torch.float16)
    decoder = torch.randn(5, model.d_model, generator=torch.Generator().manual_seed(0))
    tokens, logits = extreme_tokens(model, decoder)
    same, larger = extreme_tokens(model, decoder * 1e7)
    assert torch.equal(tokens, same)
    torch.testing.assert_close(larger, logits * 1e7)


def test_a_change_too_large_for_the_models_precision_says_which():
    model = tiny_model("LlamaForCausalLM", dtype=torch.float16)
    change = Intervention("L0/2", 3, "set", 1e6)
    with pytest.raises(
        ClewError, match=r"^L0/2@3 changes by 1e\+06, too large for float16: the model's output"
    ):
        Model(model, random_transcoders(model, "PLT ReLU")).intervene(IDS.tolist(), change)


def test_a_sound_half_precision_model_still_traces(tmp_path: Path):
    model = tiny_model("LlamaForCausalLM", dtype=torch.float16)
    with pytest.warns(GapWarning):
        graph = trace(model, dictionary_for(model, "LlamaForCausalLM"), IDS.tolist())
    graph.save(tmp_path / "a.clew")
    graph.save(tmp_path / "a.json")


@pytest.mark.real
def test_gemma_3_is_refused_in_float16_and_read_in_bfloat16():
    files = resolve("gemma3-270m")
    ids = torch.tensor([2, 9079, 563, 506, 5279, 529, 7001])
    narrow = load_language_model(files.folder, name=files.name, dtype="float16")
    with pytest.raises(
        ClewError, match=r"^gemma3-270m's stream is not finite after layer \d+ in float16; load it"
    ):
        record(narrow, ids)
    wide = load_language_model(files.folder, name=files.name, dtype="bfloat16")
    assert record(wide, ids).logits.isfinite().all()
