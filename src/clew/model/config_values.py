"""Values of a `config.json` that no model has, and keys whose absence would give a default in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.plain_text import shortened

PLAUSIBLE = {
    "rope_theta": (1.0, 1e12),
    "rope_local_base_freq": (1.0, 1e12),
    "rotary_emb_base": (1.0, 1e12),
    "rms_norm_eps": (0.0, 0.1),
    "layer_norm_eps": (0.0, 0.1),
    "layer_norm_epsilon": (0.0, 0.1),
    "norm_epsilon": (0.0, 0.1),
    "query_pre_attn_scalar": (1.0, 1e6),
    "final_logit_softcapping": (1.0, 1e6),
    "attn_logit_softcapping": (1.0, 1e6),
    "factor": (0.0, 1e6),
    "attention_factor": (0.0, 1e6),
    "low_freq_factor": (0.0, 1e6),
    "high_freq_factor": (0.0, 1e6),
    "beta_fast": (0.0, 1e6),
    "beta_slow": (0.0, 1e6),
    "partial_rotary_factor": (0.01, 1.0),
    "rotary_pct": (0.01, 1.0),
    "original_max_position_embeddings": (0, 1e9),
    "max_position_embeddings": (0, 1e12),
    "n_positions": (0, 1e12),
    "sliding_window": (0, 1e12),
    "attention_chunk_size": (0, 1e12),
    "num_experts_per_tok": (0, 1e6),
    "num_attention_heads": (0, 1e6),
    "num_key_value_heads": (0, 1e6),
    "head_dim": (0, 1e5),
    "hidden_size": (0, 1e6),
    "n_embd": (0, 1e6),
    "intermediate_size": (0, 1e7),
    "n_inner": (0, 1e7),
    "vocab_size": (0, 1e8),
}
"""Numbers between which (the first left out, the second included) a key's value lies, if it has one.

transformers does not check the settings of the rotation, and computes with a negative epsilon.
"""

OF_ROPE_TYPE = {
    "factor": ("linear", "dynamic", "yarn", "longrope", "llama3", "proportional"),
    "attention_factor": ("yarn", "longrope"),
    "beta_fast": ("yarn",),
    "beta_slow": ("yarn",),
    "mscale": ("yarn",),
    "mscale_all_dim": ("yarn",),
    "low_freq_factor": ("llama3",),
    "high_freq_factor": ("llama3",),
    "short_factor": ("longrope",),
    "long_factor": ("longrope",),
}
"""Settings of a rotation that change its frequencies, by the types that read them; others pass over them."""
OLD_LONGROPE = "su"

WRITTEN_SINCE = 5
"""The major version of transformers from which each of `CHANGES_NUMBERS` stands in every file it writes."""
CHANGES_NUMBERS = frozenset(
    {
        "activation_function",
        "attention_chunk_size",
        "attn_logit_softcapping",
        "final_logit_softcapping",
        "head_dim",
        "hidden_act",
        "hidden_activation",
        "layer_norm_eps",
        "layer_norm_epsilon",
        "layer_types",
        "max_position_embeddings",
        "n_head",
        "n_positions",
        "no_rope_layers",
        "norm_epsilon",
        "norm_topk_prob",
        "num_attention_heads",
        "num_experts_per_tok",
        "num_key_value_heads",
        "query_pre_attn_scalar",
        "rms_norm_eps",
        "rope_parameters",
        "scale_attn_by_inverse_layer_idx",
        "scale_attn_weights",
        "sliding_window",
        "tie_word_embeddings",
        "use_parallel_residual",
        "use_qk_norm",
    }
)
"""Fields that change a model's numbers without changing a tensor's shape (not always, at least)."""

OFTEN_LEFT_OUT = frozenset(
    {
        "attention_chunk_size",
        "layer_types",
        "max_position_embeddings",
        "n_positions",
        "no_rope_layers",
        "norm_topk_prob",
        "num_key_value_heads",
        "rope_parameters",
        "scale_attn_by_inverse_layer_idx",
        "scale_attn_weights",
        "tie_word_embeddings",
        "use_qk_norm",
    }
)
"""Those of `CHANGES_NUMBERS` that older files leave out because the default is right; they are not noted."""


def check_values(part: Mapping[str, Any], path: Path) -> None:
    """Raise `ClewError` for a number that no model has."""
    for rotation in rotations(part):
        _check_rope_type(rotation, path)
        if not isinstance(rotation.get("truncate", False), bool):
            raise ClewError(
                f"{path} gives truncate as {rotation['truncate']!r}, not true or false; correct it."
            )
    for keys in (part, *rotations(part)):
        for key, value in keys.items():
            if key not in PLAUSIBLE or value is None:
                continue
            low, high = PLAUSIBLE[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high:
                raise ClewError(
                    f"{path} gives {key} as {shortened(repr(value), 40)}, but a number above {low:g} and up "
                    f"to {high:g} was expected; correct it, or fetch the file again."
                )


def _check_rope_type(rotation: Mapping[str, Any], path: Path) -> None:
    """Raise `ClewError` for a rotation of an unknown type or of two, and for settings of another type."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    types = [rotation[name] for name in ("rope_type", "type") if rotation.get(name) is not None]
    kind, known = types[0] if types else "default", ["default", *ROPE_INIT_FUNCTIONS]
    if len(types) == 2 and types[0] != types[1]:
        raise ClewError(
            f"{path} says two things: rope_type is {shortened(repr(types[0]), 40)}, and type is "
            f"{shortened(repr(types[1]), 40)}; remove the wrong one."
        )
    if kind not in known:
        advice = "its new name is 'longrope'" if kind == OLD_LONGROPE else "correct it"
        raise ClewError(
            f"{path} gives {'rope_type' if 'rope_type' in rotation else 'type'} as "
            f"{shortened(repr(kind), 40)}, and transformers computes {', '.join(known)}; {advice}."
        )
    for name, readers in OF_ROPE_TYPE.items():
        if kind not in readers and rotation.get(name) not in (None, 1):
            raise ClewError(
                f"{path} sets {name} of a rotation, which its type {kind} does not read; correct the type, "
                "or remove the key."
            )


def missing_settings(part: Mapping[str, Any], owner: type, version: object, path: Path) -> list[str]:
    """Settings that the class has, the file lacks, and no weight's shape tells.

    Raises `ClewError` where the version of transformers that wrote the file always writes them.
    """
    aliases: dict[str, str] = getattr(owner, "attribute_map", {})
    given = set(part) | {aliases.get(name, name) for name in part}
    own = {field.name: field.default for field in fields(owner)}
    major = str(version).partition(".")[0]
    if major.isdecimal() and int(major) >= WRITTEN_SINCE:
        lacking = sorted((own.keys() & CHANGES_NUMBERS) - set(part))
        if "rope_parameters" in own and not part.get("rope_parameters"):
            lacking.append("rope_parameters")
        for rotation in rotations(part):
            lacking += [name for name in ("rope_theta", "rope_type") if name not in rotation]
        if lacking:
            raise ClewError(
                f"{path} lacks {lacking[0]}, which transformers {version} writes for this model, so it would "
                "silently get a default; fetch the file again."
            )
    defaults = (own.keys() & CHANGES_NUMBERS) - OFTEN_LEFT_OUT - given
    guessed = sorted(name for name in defaults if own[name] is not None)
    if "rope_parameters" in own and not given & {"rope_theta", "rotary_emb_base"}:
        rotation = list(rotations(part))
        if not rotation or not all("rope_theta" in each for each in rotation):
            guessed.append("rope_theta")
    return guessed


def rotations(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The settings of rotary embeddings: one object, or one for each kind of layer."""
    for name in ("rope_parameters", "rope_scaling"):
        settings = part.get(name)
        if isinstance(settings, dict):
            yield from [each for each in settings.values() if isinstance(each, dict)] or [settings]
