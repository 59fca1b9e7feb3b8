"""Rotary positions of a GGUF file as transformers' `rope_parameters`, in every spelling of their scaling."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain, combinations
from typing import Any

import numpy as np

from clew.model.gguf.header import GgufError
from clew.model.gguf.metadata import Metadata

FREQUENCIES = "rope_freqs.weight"
LONG, SHORT = "rope_factors_long.weight", "rope_factors_short.weight"
ROPE_TENSORS = (FREQUENCIES, LONG, SHORT)
"""Tensors that divide the frequencies of a rotation, instead of or beside metadata."""

LLAMA_3 = {"original_max_position_embeddings": 8192, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
"""The settings of all Llama 3 models but the factor."""
CLOSE = 1e-5
"""The largest relative difference between a file's divisors and those of the settings found for them."""
OLD_CONTEXT = 4096
"""The context length of Llama 2, whose files leave out the base of the rotation."""


def rope_parameters(
    metadata: Metadata, tensors: Mapping[str, np.ndarray], width: int, context: int
) -> dict[str, Any]:
    """The `rope_parameters` of transformers, for heads of which `width` dimensions turn.

    `tensors` holds those of `ROPE_TENSORS` that the file has. Raises `GgufError`, by the key's name, for a
    scaling that transformers cannot compute in the same way.
    """
    theta = _base(metadata, context)
    scaling = _scaling(metadata, tensors, theta, width)
    return {"rope_theta": theta, "rope_type": "default", **scaling}


def _base(metadata: Metadata, context: int) -> float:
    """The base of the rotation; it is 10,000 in files of Llama 2's days that do not say it."""
    old = metadata.architecture == "llama" and context <= OLD_CONTEXT
    if old and metadata.text("tokenizer.ggml.model", "") == "llama":
        return metadata.positive("rope.freq_base", 10_000.0)
    return metadata.positive("rope.freq_base")


def _scaling(
    metadata: Metadata, tensors: Mapping[str, np.ndarray], theta: float, width: int
) -> dict[str, Any]:
    kind = metadata.text("rope.scaling.type", "")
    factor = _factor(metadata, kind)
    for name, divisors in tensors.items():
        if divisors.shape != (width // 2,) or not (np.isfinite(divisors) & (divisors > 0)).all():
            raise GgufError(f"the tensor {name} does not hold {width // 2} positive numbers")
    if kind not in ("", "none", "linear", "yarn", "longrope"):
        raise metadata.refusal("rope.scaling.type", "none, linear, yarn or longrope")
    if kind == "longrope" or LONG in tensors or SHORT in tensors:
        return _longrope(metadata, tensors, kind, factor)
    if FREQUENCIES in tensors:
        if kind in ("linear", "yarn") or factor != 1:
            raise GgufError(f"it has both {FREQUENCIES} and {metadata.full('rope.scaling.type')}")
        _plain_attention(metadata)
        return llama3_settings(tensors[FREQUENCIES].astype(np.float64), theta)
    if kind == "yarn":
        return _yarn(metadata, factor)
    _plain_attention(metadata)
    return {} if factor == 1 else {"rope_type": "linear", "factor": factor}


def _factor(metadata: Metadata, kind: str) -> float:
    """The factor of a linear scaling or of YaRN, under its new or its old name; 1 if there is none."""
    new, old = (metadata.number(key, None) for key in ("rope.scaling.factor", "rope.scale_linear"))
    if new is not None and old is not None and new != old:
        raise metadata.refusal("rope.scale_linear", f"the {metadata.full('rope.scaling.factor')}, {new}")
    factor = old if new is None else new
    if kind in ("linear", "yarn"):
        return metadata.positive("rope.scaling.factor" if old is None else "rope.scale_linear")
    if factor in (None, 0, 1):  # llama.cpp takes 0 for no scaling
        return 1.0
    if kind == "" and new is None:
        return metadata.positive("rope.scale_linear")
    problem = "no" if kind == "" else f"{kind!r} for its"
    raise GgufError(
        f"{metadata.full('rope.scaling.factor')} is {factor}, but it has {problem} "
        f"{metadata.full('rope.scaling.type')}"
    )


def _plain_attention(metadata: Metadata) -> None:
    """Refuse a factor on attention, which transformers has for YaRN and LongRoPE alone."""
    _original_context(metadata, None)
    for key in ("rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"):
        if metadata.number(key, 1.0) != 1:
            raise metadata.refusal(key, "1, and its scaling is neither YaRN nor LongRoPE")
    for key in ("yarn_beta_fast", "yarn_beta_slow", "yarn_ext_factor", "yarn_log_multiplier"):
        metadata.number(f"rope.scaling.{key}", None)  # only YaRN reads them


def _original_context(metadata: Metadata, default: Any) -> Any:
    return metadata.whole("rope.scaling.original_context_length", default)


def _yarn(metadata: Metadata, factor: float) -> dict[str, Any]:
    """YaRN as llama.cpp computes it: https://arxiv.org/abs/2309.00071"""
    neutral = {"rope.scaling.yarn_ext_factor": (-1.0, 1.0), "rope.scaling.yarn_attn_factor": (1.0,)}
    for key, values in neutral.items():
        if metadata.number(key, 1.0) not in values:
            raise metadata.refusal(key, "1, and transformers cannot compute another")
    multiplier = metadata.number("rope.scaling.yarn_log_multiplier", 0.0)

    def magnitude(by: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * by * math.log(factor) + 1

    attention = magnitude(1.0) / (magnitude(multiplier) if multiplier else 1.0)
    return {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": metadata.whole("rope.scaling.original_context_length"),
        "attention_factor": attention * metadata.positive("rope.scaling.attn_factor", 1.0),
        "beta_fast": metadata.positive("rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": metadata.positive("rope.scaling.yarn_beta_slow", 1.0),
    }


def _longrope(
    metadata: Metadata, tensors: Mapping[str, np.ndarray], kind: str, factor: float
) -> dict[str, Any]:
    """LongRoPE, whose divisors are tensors: https://arxiv.org/abs/2402.13753"""
    if kind in ("linear", "yarn", "none") or factor != 1 or FREQUENCIES in tensors:
        raise GgufError(f"its tensors {LONG} and {SHORT} do not fit its {metadata.full('rope.scaling')}")
    for name in (LONG, SHORT):
        if name not in tensors:
            raise GgufError(f"the tensor {name} of its LongRoPE is missing")
    return {
        "rope_type": "longrope",
        "long_factor": tensors[LONG].tolist(),
        "short_factor": tensors[SHORT].tolist(),
        "original_max_position_embeddings": metadata.whole("rope.scaling.original_context_length"),
        "attention_factor": metadata.positive("rope.scaling.attn_factor"),
    }


def llama3_settings(divisors: np.ndarray, theta: float) -> dict[str, Any]:
    """The settings of Llama 3's scaling that give these divisors of the frequencies.

    llama.cpp writes the divisors and not the settings. A frequency is kept where it turns more than `high`
    times within the original context, divided by the factor where it turns less than `low` times, and
    between them its inverse divisor is linear in the number of turns. Where several settings give the same
    divisors, those of Llama 3 are taken if they are among them. Raises `GgufError` if none does.
    """
    if np.ptp(divisors) <= CLOSE * divisors.max():
        factor = float(divisors[0])
        return {} if abs(factor - 1) <= CLOSE else {"rope_type": "linear", "factor": factor}
    turns = LLAMA_3["original_max_position_embeddings"] / _wavelengths(theta, len(divisors))
    for settings in chain(_as_llama3(divisors, turns), _by_line(divisors, turns)):
        if np.allclose(llama3_divisors(settings, turns), divisors, rtol=CLOSE, atol=0):
            return {"rope_type": "llama3", **settings}
    raise GgufError(f"the tensor {FREQUENCIES} is none that Llama 3's scaling gives")


def _wavelengths(theta: float, count: int) -> np.ndarray:
    return 2 * math.pi * theta ** (np.arange(count) / count)


def llama3_divisors(settings: Mapping[str, float], turns: np.ndarray) -> np.ndarray:
    """The divisors of frequencies that turn so often within the original context."""
    low, high = settings["low_freq_factor"], settings["high_freq_factor"]
    kept = np.clip((turns - low) / (high - low), 0, 1)
    return 1 / ((1 - kept) / settings["factor"] + kept)


def _as_llama3(divisors: np.ndarray, turns: np.ndarray) -> Iterator[dict[str, Any]]:
    """Llama 3's own settings, with the factor that the slowest frequency needs."""
    low, high = LLAMA_3["low_freq_factor"], LLAMA_3["high_freq_factor"]
    kept = float(np.clip((turns[-1] - low) / (high - low), 0, 1))
    rest = 1 / divisors[-1] - kept
    if kept < 1 and rest > 0:
        yield {"factor": float((1 - kept) / rest), **LLAMA_3}


def _by_line(divisors: np.ndarray, turns: np.ndarray) -> Iterator[dict[str, Any]]:
    """Settings from lines of inverse divisors over turns, the slowest frequency divided in full or not."""
    inverse = 1 / divisors
    for factor in (divisors.max(), 2 * divisors.max()):
        kept = np.flatnonzero(inverse >= 1 - CLOSE)[-1:]
        divided = np.flatnonzero(inverse <= (1 + CLOSE) / factor)[:1]
        between = np.setdiff1d(np.arange(len(inverse)), [*kept, *divided])
        between = between[(inverse[between] < 1 - CLOSE) & (inverse[between] > (1 + CLOSE) / factor)]
        for first, second in combinations([*between[:1], *between[1:][-1:], *kept, *divided], 2):
            slope = (inverse[first] - inverse[second]) / (turns[first] - turns[second])
            low = float(turns[first] + (1 / factor - inverse[first]) / slope)
            high = float(turns[first] + (1 - inverse[first]) / slope)
            if 0 < low < high:
                limits = {"low_freq_factor": low, "high_freq_factor": high}
                yield {**LLAMA_3, "factor": float(factor), **limits}
