"""The keys of a `config.json` that the model's class does not read, and what clew makes of them.

transformers keeps an unknown key without a word, so that a misspelt one silently gives the default.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.model.config_values import check_values, missing_settings, rotations
from clew.plain_text import shortened
from clew.progress import OnNote

LIKE = 0.85
"""The similarity (of `difflib`) from which an unknown key counts as a misspelt one."""

OLD_NAMES = frozenset(
    {
        "hidden_activation",
        "partial_rotary_factor",
        "rope_local_base_freq",
        "rope_scaling",
        "rope_theta",
        "rotary_emb_base",
        "rotary_pct",
        "sliding_window_pattern",
        "torch_dtype",
    }
)
"""Keys of older versions that transformers still reads, though its classes have no field for them."""

REFUSED = {
    "transformers_weights": "it names other weights than clew checks",
    "fusion_config": "it replaces modules of the network",
    "per_layer_config": "it gives layers different sizes",
    "use_bidirectional_attention": "it lets tokens read those behind them",
}
"""Keys that transformers reads and clew does not support, with the reason."""

OF_OTHER_ARCHITECTURES = frozenset(
    {
        "alibi",
        "attention_multiplier",
        "attn_logit_softcapping",
        "clip_qkv",
        "embedding_multiplier",
        "final_logit_softcapping",
        "lm_head_multiplier",
        "logit_scale",
        "logits_scaling",
        "qk_layernorm",
        "query_pre_attn_scalar",
        "residual_multiplier",
        "scale_depth",
        "scale_emb",
        "use_alibi",
        "use_qk_norm",
    }
)
"""Keys by which some architectures change their numbers; in the file of one that does not, a sign that the
model is of another."""

HARMLESS = {
    "auto_map": "code that comes with the model, which clew does not run",
    "pretraining_tp": "how training was spread over devices; the same sum",
    "tokenizer_class": "the tokenizer's files say it too",
    "model_max_length": "the tokenizer's limit",
    "is_llama_config": "an origin",
    "rope_interleaved": "an order of rotated pairs that the weights already have",
    "transformers.js_config": "for another library",
    "unsloth_version": "an origin",
    "unsloth_fixed": "an origin",
    "n_ctx": "GPT-2's second name of its context length",
    "task_specific_params": "settings of generation",
    "gradient_checkpointing": "training",
    "max_window_layers": "where sliding windows are off",
    "classifier_dropout": "training",
    "embd_pdrop": "training",
    "resid_pdrop": "training",
    "attn_pdrop": "training",
    "hidden_act": "Gemma's older name of hidden_activation",
    "initial_context_length": "stands among the rotation's own settings as well",
    "experts_per_token": "a second name of num_experts_per_tok",
    "use_mamba_kernels": "speed",
    "use_flash_attention": "speed",
    "use_parallel_embedding": "speed",
    "mm_tokens_per_image": "pictures",
    "vision_config": "pictures",
    "head_dim": "where a class derives it from other sizes, its weights' shapes are checked",
    "num_labels": "classification",
    "model_type": "the key by which the class was chosen",
    "name_or_path": "an origin",
}
"""Keys that change no number of a next token, with the reason."""

SPECIAL_TOKENS = ("_token_id", "_token_index", "_token")
"""Endings of keys that name special tokens, which the tokenizer's files say too."""

DISREGARDED = ("dropout", "initializer", "_token_id", "_pdrop", "aux_loss", "use_cache", "output_")
"""Parts of the names of fields that matter only in training or generation; a key that resembles one is no
misspelling that matters."""


def check_keys(raw: Mapping[str, Any], kind: type, path: Path, on_note: OnNote) -> None:
    """Raise `ClewError` for keys that are misspelt, contradict each other, or are of another architecture.

    `kind` is the class of transformers that reads the file. Notes name the others that nothing reads, and
    settings that are missing, whose defaults count.
    """
    unread: list[str] = []
    missing: list[str] = []
    for part, owner in _parts(raw, kind):
        _check_refused(part, path)
        _check_contradictions(part, owner, path)
        unread += _unread(part, _known_keys(owner), owner.__name__, path)
        for rotation in rotations(part):
            unread += _unread(rotation, _rotation_keys(), owner.__name__, path)
        check_values(part, path)
        missing += missing_settings(part, owner, raw.get("transformers_version"), path)
    if unread:
        more = f" and {len(unread) - 4} more" if len(unread) > 4 else ""
        on_note(f"Keys of {path} that nothing reads: {', '.join(unread[:4])}{more}.")
    if missing:
        on_note(f"{path} lacks {', '.join(missing)}: the defaults of {kind.__name__} count.")


def _parts(raw: Mapping[str, Any], kind: type) -> Iterator[tuple[Mapping[str, Any], type]]:
    """The file's object and that of a multimodal model's decoder, each with its class."""
    yield raw, kind
    decoder = getattr(kind, "sub_configs", {}).get("text_config")
    if decoder is not None and isinstance(raw.get("text_config"), dict):
        yield raw["text_config"], decoder


def _unread(keys: Mapping[str, Any], known: frozenset[str], reader: str, path: Path) -> Iterator[str]:
    """Keys to name in a note; raises `ClewError` for a key that looks as if it should change numbers."""
    for key, value in keys.items():
        if key in known or key in HARMLESS or key.startswith("_") or key.endswith(SPECIAL_TOKENS):
            continue
        if key in OF_OTHER_ARCHITECTURES and value not in (None, False, 0, 1):
            raise ClewError(
                f"{path} sets {key}, which {reader} does not read, so the numbers would not be those of the "
                "model that was trained; correct model_type, or remove the key."
            )
        like = difflib.get_close_matches(key.lower(), known - set(keys), 1, LIKE)
        if like and not any(word in like[0] for word in DISREGARDED):
            raise ClewError(
                f"{path} has the key {shortened(key, 60)}, which {reader} does not read, and lacks "
                f"{like[0]}; correct its spelling, or remove it."
            )
        if value not in (None, False, [], "") and not isinstance(value, dict):
            yield shortened(key, 60)


@cache
def _known_keys(kind: type) -> frozenset[str]:
    from transformers import GenerationConfig

    own = {field.name for field in fields(kind)} if is_dataclass(kind) else set()
    attribute_map = getattr(kind, "attribute_map", {})
    aliases = {*attribute_map, *attribute_map.values()}
    parts = {name for name in dir(kind) if isinstance(getattr(kind, name, None), property)}
    parts |= set(getattr(kind, "sub_configs", {}))
    return frozenset(own | aliases | parts | OLD_NAMES | set(GenerationConfig().to_dict()))


@cache
def _rotation_keys() -> frozenset[str]:
    from transformers.modeling_rope_utils import RopeParameters

    return frozenset(RopeParameters.__annotations__) | {"type", "finetuned"}


def _check_refused(part: Mapping[str, Any], path: Path) -> None:
    for key, reason in REFUSED.items():
        if part.get(key):
            raise ClewError(f"{path} sets {key}, which clew does not support: {reason}; take it out.")


def _check_contradictions(part: Mapping[str, Any], owner: Any, path: Path) -> None:
    """Raise `ClewError` where a number stands under two names and they differ."""
    pairs = [(part, alias, part, name) for alias, name in getattr(owner, "attribute_map", {}).items()]
    rotation, scaling = part.get("rope_parameters"), part.get("rope_scaling")
    if rotation and scaling and rotation != scaling:
        raise ClewError(
            f"{path} says how positions turn in two places, rope_parameters and rope_scaling; remove the "
            "wrong one."
        )
    if isinstance(rotation, dict):
        pairs += [(part, name, rotation, name) for name in ("rope_theta", "partial_rotary_factor")]
    for left, one, right, other in pairs:
        if one in left and other in right and left[one] != right[other]:
            raise ClewError(
                f"{path} says two things: {one} is {shortened(str(left[one]), 40)}, and {other} is "
                f"{shortened(str(right[other]), 40)}; remove the wrong one."
            )
