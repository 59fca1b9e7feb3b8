"""Facts about a model that a check lists beside its numbers: tokenizer, sink, weights, machine, versions."""

from __future__ import annotations

import psutil
import torch
import transformers
from torch import Tensor, nn

from clew.attribution.settings import TraceSettings
from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.misfit import misfit
from clew.dictionary.neurons import NeuronDictionary, NeuronEncoding, parts_of
from clew.dictionary.protocols import Dictionary
from clew.dictionary.quality import measure_quality
from clew.dictionary.read_write_points import write_values
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.model.language_model import LanguageModel
from clew.model.prompt import usual_sink
from clew.model.recording import Recording
from clew.model.sink import special_ids
from clew.model_check.findings import Finding, at_most, not_measured
from clew.model_check.numbers import PROMPT, REPORT_IT, bounds_of
from clew.version import __version__

LONG = 64
"""Tokens of the prompt whose trace must fit into memory."""


def check_model_facts(model: LanguageModel) -> Finding:
    """The architecture and the size of a model."""
    size = sum(parameter.numel() for parameter in model.network.parameters())
    kind = type(model.network).__name__
    return Finding("model", f"{model.name}: {kind}, {size / 1e6:,.0f}M parameters, {model.n_layers} layers")


def check_tokenizer(model: LanguageModel) -> Finding:
    """The tokenizer's special tokens, and whether all its ids have a row in the model's vocabulary."""
    tokenizer, vocabulary = model.tokenizer, len(model.unembedding_weight)
    bare, full = (tokenizer.encode(PROMPT, add_special_tokens=added) for added in (False, True))
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    facts = [
        f"adds {tokenizer.bos_token!r} in front"
        if bos is not None and full[:1] == [bos] != bare[:1]
        else "adds no BOS",
        f"EOS {tokenizer.eos_token!r}{' at the end' if eos is not None and full[-1:] == [eos] else ''}",
        f"{len(special_ids(model))} special tokens",
        "has a chat template" if getattr(tokenizer, "chat_template", None) else "no chat template",
    ]
    largest = max([*full, *tokenizer.encode(TEXT)], default=0)
    remedy = ""
    if largest >= vocabulary:
        remedy = (
            f"It gives the id {largest}, but the model has {vocabulary:,} tokens; it is another model's "
            "tokenizer, so copy the right one into the folder."
        )
    return Finding("tokenizer", ", ".join(facts), not remedy, "ids in the vocabulary", remedy)


def check_sink(model: LanguageModel, dictionary: Dictionary) -> Finding:
    """The first token that clew puts in front of prompts, and how much it changes the next token."""
    sink = usual_sink(model, dictionary.sink)
    if sink is None:
        return Finding("sink", "none: the first position is an ordinary one")
    kl = "" if sink.mean_kl is None else f", mean KL {sink.mean_kl:.2g} nats"
    return Finding("sink", f"{sink.text!r}{kl}: {sink.reason}")


def check_finite(model: LanguageModel, recording: Recording) -> Finding:
    """All weights, and all values of a recording, against infinities and NaN."""
    bad = [name for name, weight in model.network.named_parameters() if not _finite(weight)]
    value = f"all weights, and all values of {recording.n_positions} tokens"
    if bad:
        remedy = f"{bad[0]} holds NaN or infinity; get its file again, or load it with --dtype float32."
        return Finding("finite", f"not {bad[0]}", False, "no NaN, no infinity", remedy)
    streams = {"the stream before the final norm": recording.residual_final, "the logits": recording.logits}
    streams |= {f"the MLP of layer {layer}": write for layer, write in enumerate(recording.mlp_write)}
    for name, values in streams.items():
        if not _finite(values):
            remedy = f"In this number format {name} overflow; use --dtype bfloat16 or --dtype float32."
            return Finding("finite", f"not {name}", False, "no NaN, no infinity", remedy)
    return Finding("finite", value, True, "no NaN, no infinity")


def _finite(values: Tensor) -> bool:
    """True if no number is NaN or infinite; quicker than asking for each."""
    return bool(torch.isfinite(values.float().sum())) or bool(torch.isfinite(values).all())


def check_dictionary(model: LanguageModel, dictionary: Dictionary, recording: Recording) -> Finding:
    """The quality of transcoders on a short text; neurons must give the MLPs' own outputs."""
    if isinstance(dictionary, NeuronDictionary):
        gap = neuron_gap(model, dictionary.encode(recording))
        value = f"the model's own neurons, which give its MLPs' outputs to {gap:.0e}"
        return at_most("dictionary", gap, bounds_of(model).row, value, REPORT_IT)
    if not isinstance(dictionary, TranscoderDictionary):
        return not_measured("dictionary", f"{dictionary.name} is of a kind that has no measure.")
    quality = measure_quality(dictionary)
    remedy = misfit(dictionary, quality) if not quality.fvu <= 1 else ""
    return at_most("dictionary", quality.fvu, 1.0, f"{dictionary.name}: {quality}", remedy)


def neuron_gap(model: LanguageModel, encoding: NeuronEncoding) -> float:
    """The gap between what all neurons write and the recorded MLPs' outputs, relative to the latter."""
    recording, gaps = encoding.recording, []
    for number, layer in enumerate(model.layers):
        down = parts_of(layer).down
        bias = None if down.bias is None else down.bias.float()
        written = nn.functional.linear(encoding.state(number).activation, down.weight.float(), bias)
        written = write_values(model, recording, encoding.write_point, number, written)
        own = recording.mlp_write[number]
        gaps.append(float((written - own).norm() / own.norm()))
    return max(gaps)


def check_machine(model: LanguageModel) -> Finding:
    """The device and the number format of the weights."""
    name = str(model.device)
    if model.device.type == "cuda":
        name += f" ({torch.cuda.get_device_name(model.device)})"
    return Finding("computed on", f"{name}, {str(model.unembedding_weight.dtype).removeprefix('torch.')}")


def check_memory(model: LanguageModel) -> Finding:
    """Free memory against what a trace with default options takes."""
    need, have = trace_bytes(model), free_bytes(model.device)
    value = f"{have / 1e9:.1f} GB free; a trace of {LONG} tokens takes about {need / 1e9:.1f} GB more"
    remedy = "" if need <= have else "Close other programs, or trace with a smaller --max-nodes."
    return Finding("memory", value, need <= have, f"at least {need / 1e9:.1f} GB", remedy, have)


def trace_bytes(model: LanguageModel) -> int:
    """Bytes that a trace of a prompt of `LONG` tokens takes at most, besides the model."""
    rows = TraceSettings.max_nodes
    columns = rows + LONG * (model.n_layers + 1)
    edges = rows * columns // 2  # sources are never above their targets
    recorded = 4 * LONG * model.n_layers * (2 * model.d_model + LONG * model.n_heads)
    return TraceSettings.memory + 24 * edges + recorded


def free_bytes(device: torch.device) -> int:
    """Free memory of a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def check_versions() -> Finding:
    """The versions that a report of a fault should name."""
    return Finding(
        "versions", f"clew {__version__}, torch {torch.__version__}, transformers {transformers.__version__}"
    )
