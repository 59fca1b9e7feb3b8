"""Rotary embeddings whose frequencies depend on the length of the text: LongRoPE and dynamic NTK scaling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from clew.errors import ClewError


def rope_settings(config: Any) -> Iterator[Mapping[str, Any]]:
    """The settings of a decoder's rotations: one for all layers, or one for each kind of layer."""
    settings = getattr(config, "rope_parameters", None) or {}
    nested = [each for each in settings.values() if isinstance(each, dict)]
    yield from nested or [settings]


def rotation_of(config: Any, length: int) -> tuple[int, ...]:
    """A value that is the same for two lengths of text whose tokens are rotated by the same frequencies.

    LongRoPE takes other factors beyond the original context; dynamic NTK scaling takes other ones at each
    length beyond it. Cached keys are those of the length at which they were computed.
    """
    key = []
    for settings in rope_settings(config):
        match settings.get("rope_type"):
            case "longrope":
                key.append(int(length > settings["original_max_position_embeddings"]))
            case "dynamic":
                key.append(max(length, config.max_position_embeddings))
    return tuple(key)


def longest_text(config: Any) -> int:
    """The tokens that a decoder reads at most.

    Dynamic NTK scaling takes `max_position_embeddings` for the original context, and extends it by a factor.
    """
    factors = [each["factor"] for each in rope_settings(config) if each.get("rope_type") == "dynamic"]
    return int(config.max_position_embeddings * max(1.0, min(factors, default=1.0)))


def forget_longer_texts(rotary: nn.Module) -> None:
    """Give a rotary embedding of transformers the frequencies that it had when it was loaded.

    A dynamic one keeps those of the longest text so far, and uses them for the next one too where that is as
    long as the original context.
    """
    for name in [name for name in vars(rotary) if name.endswith("max_seq_len_cached")]:
        setattr(rotary, name, rotary.original_max_seq_len)
    for name, original in list(rotary.named_buffers(recurse=False)):
        if name.endswith("original_inv_freq"):
            current = name.removesuffix("original_inv_freq") + "inv_freq"
            rotary.register_buffer(current, original.clone().to(original.device), persistent=False)


def dynamic_rotations(network: nn.Module) -> list[nn.Module]:
    """The rotary embeddings of a network that keep frequencies from one text to the next."""
    found = []
    for part in network.modules():
        kinds = getattr(part, "rope_type", None)
        if "dynamic" in (kinds.values() if isinstance(kinds, dict) else [kinds]):
            found.append(part)
    return found


def check_share(network: Any, folder: Path) -> None:
    """Raise `ClewError` where config.json lets a part of each head turn and the network turns another one."""
    config = network.config.get_text_config()
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    found = {
        len(buffer)
        for name, buffer in network.named_buffers()
        if name.endswith("inv_freq") and not re.search(r"vision|audio", name)
    }
    for settings in rope_settings(config):
        share = settings.get("partial_rotary_factor") or getattr(config, "partial_rotary_factor", None) or 1.0
        turning = (int(width * share) + 1) // 2
        if found and settings.get("rope_type") != "proportional" and turning not in found:
            raise ClewError(
                f"{folder / 'config.json'} sets partial_rotary_factor to {share:g}, which "
                f"{type(network).__name__} does not read, so the numbers would not be those of the model "
                "that was trained; correct model_type, or remove the key."
            )
