"""The arrays of a weight file: each is used, known to change nothing, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterable

from clew.dictionary.formats.array_file import ArrayFile
from clew.dictionary.formats.config_keys import shown
from clew.errors import ClewError

HARMLESS = {
    r"(log_)?(feature_)?sparsity|act_freq_scores|feature_density": "how often features fired in training",
    r"(n_forward_passes|num_(tokens|batches|steps))_since_(fired|active)|(.*\.)?num_batches_tracked|"
    r"(n_)?dead(_features|_latents|_mask)?|steps?_since_active": "counters of training",
    r"(optim(izer)?|exp_avg(_sq)?|momentum_buffer)([._].*)?|.*\.exp_avg(_sq)?": "the optimizer's state",
}
"""Arrays that no activation depends on, by a pattern of their names, with the reason."""
MEANINGS = {
    r"b_dec_out": "a second output bias, of a format that takes b_dec off the input",
    r"b_pre|pre_bias|b_in|input_bias": "a bias that is taken off the input",
    r"(finetuning_)?scaling_factor|activation_scale|.*_scale": "a scale of activations",
    r"(.*\.)?log_threshold(_\d+)?": "logarithms of thresholds, as a checkpoint of training holds them",
    r"(.*\.)?(topk_)?threshold(_\d+)?": "thresholds, though its settings name another activation",
    r"W_skips?([._]\d+)?|affine_skip_connection": "a skip connection, though its settings name none",
    r"W_gate|b_gate|r_mag|b_mag|gate.*": "a part of a gated architecture",
    r"in_norm|out_norm|(.*[._])?(running_)?(mean|std|var|norm)": "statistics that normalise the inputs",
    r"k": "the number of features that a TopK keeps, though its settings name another activation",
}
"""The meanings of arrays that change features, by a pattern of their names, for a message."""


def is_harmless(name: str) -> bool:
    """True for an array that no activation depends on."""
    return _first(HARMLESS, name) is not None


def refuse_unread(file: ArrayFile, used: Iterable[str]) -> None:
    """Raise `ClewError` for an array that the format's reader has not read, unless it is harmless."""
    unread = sorted(set(file.entries) - set(used))
    name = next((name for name in unread if not is_harmless(name)), None)
    if name is None:
        return
    meaning = _first(MEANINGS, name)
    raise ClewError(
        f"{file.path} holds {shown(name)}{f' ({meaning})' if meaning else ''}, which clew does not use here, "
        "so the features would not be those of the file; name weights without it, or correct their settings."
    )


def _first(table: dict[str, str], name: str) -> str | None:
    return next((meaning for pattern, meaning in table.items() if re.fullmatch(pattern, name)), None)
