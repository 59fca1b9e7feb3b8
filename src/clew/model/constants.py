"""Numbers that files of weights hold although they follow from config.json, checked to be those."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from clew.errors import ClewError
from clew.model.library_calls import library_call
from clew.model.rotation import rope_settings
from clew.model.weight_files import StoredTensor, damaged, listed

FREQUENCIES = r"(^|\.)rotary_emb\.inv_freq$"
MASKS = r"(^|\.)(attn|attention)\.(masked_)?bias$"
POSITIONS = r"(^|\.)position_ids$"
CONSTANTS = (FREQUENCIES, MASKS, POSITIONS)

RELATIVE, ABSOLUTE = 0.01, 1e-6
"""The most by which frequencies differ that were rounded to half precision."""


def check_constants(folder: Path, network: Any, tensors: Mapping[str, StoredTensor]) -> None:
    """Raise `ClewError` for rotations, masks and positions in the files that are not the network's own.

    Older versions of transformers saved them and computed with what was saved; a model whose numbers differ
    from those that follow from its config.json was another one.
    """
    own = set(network.state_dict())
    names = [name for name in tensors if name not in own and re.search("|".join(CONSTANTS), name)]
    frequencies = list(_frequencies(network))
    wrong = []
    for file in sorted({tensors[name].file for name in names}):
        path, held = folder / file, [name for name in names if tensors[name].file == file]
        with library_call(partial(damaged, path)), safe_open(path, framework="pt") as opened:
            found = {name: opened.get_tensor(name) for name in held}
        wrong += [name for name, values in found.items() if not _follows(name, values, frequencies)]
    if wrong:
        raise ClewError(
            f"The files in {folder} hold numbers other than those that follow from config.json: "
            f"{listed(wrong)}; correct config.json, such as its rope_theta, or fetch both again."
        )


def _frequencies(network: Any) -> Iterator[Tensor]:
    """The frequencies of a network's rotations, and those before any scaling, on which it was saved."""
    for name, buffer in network.named_buffers():
        if name.endswith("inv_freq"):
            yield buffer.float()
            for settings in rope_settings(network.config.get_text_config()):
                if (theta := settings.get("rope_theta")) is not None:
                    yield theta ** -(torch.arange(len(buffer)) / len(buffer))


def _follows(name: str, values: Tensor, frequencies: list[Tensor]) -> bool:
    if re.search(FREQUENCIES, name):
        same = (each for each in frequencies if each.shape == values.shape)
        return any(torch.allclose(values.float(), each, rtol=RELATIVE, atol=ABSOLUTE) for each in same)
    if name.endswith("masked_bias"):
        return bool((values.float() <= -1e4).all())
    if re.search(MASKS, name):
        mask = values.squeeze().bool()
        return mask.dim() != 2 or torch.equal(mask, torch.ones_like(mask).tril())
    return torch.equal(values.flatten().long(), torch.arange(values.numel()))
