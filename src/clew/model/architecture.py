"""Which architecture a folder holds, told from its `config.json` alone, before any weights are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError
from clew.model.anatomy import ANATOMIES, Anatomy, known_architectures

if TYPE_CHECKING:
    from torch import nn

PREDICTS_NEXT_TOKEN = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""How the classes end whose weights include an unembedding."""


def anatomy_of_folder(folder: Path) -> Anatomy:
    """The table row of the class that transformers makes of a Hugging Face folder.

    Raises `ClewError` where transformers does not know the kind of model, where it is not a decoder,
    and where the table has no row; the last with the names of the model's modules.
    """
    from transformers import AutoConfig

    model_type = _model_type(folder)
    config: Any = AutoConfig.from_pretrained(folder)
    architecture = _instantiated(config, f"The model in {folder}")
    if architecture in ANATOMIES:
        return ANATOMIES[architecture]
    raise ClewError(
        f"clew does not know the architecture {architecture} (model type {model_type}). "
        f"{_modules(config)}{known_architectures()}"
    )


def _model_type(folder: Path) -> str:
    import transformers
    from transformers import CONFIG_MAPPING

    model_type = json.loads((folder / "config.json").read_text()).get("model_type", "")
    if model_type not in CONFIG_MAPPING:
        raise ClewError(
            f"The model in {folder} is of a type that transformers {transformers.__version__} does not know "
            f"({model_type or 'its config.json names none'}); a newer transformers may. clew runs no code "
            "that comes with a model."
        )
    return model_type


def _instantiated(config: Any, what: str) -> str:
    """The name of the class that `AutoModelForCausalLM` makes of a configuration."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    saved = config.architectures or []
    name = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type)
    if config.is_encoder_decoder:
        reason = "has an encoder"
    elif saved and not any(each.endswith(PREDICTS_NEXT_TOKEN) for each in saved):
        reason = "does not predict a next token"
    elif name is None:
        reason = "is not among those that transformers loads to predict the next token of a text"
    else:
        return name if isinstance(name, str) else name[0]
    kind = saved[0] if saved else config.model_type
    raise ClewError(f"{what} ({kind}) {reason}; clew traces models that only decode, such as Llama.")


def _modules(config: Any) -> str:
    """What the model and one of its layers consist of, built without memory for weights."""
    import torch
    from torch import nn
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(config)
    except Exception:  # whatever an unknown architecture needs, the refusal must still be said
        return ""
    lists = {name: part for name, part in network.named_modules() if isinstance(part, nn.ModuleList)}
    place, layers = max(lists.items(), key=lambda item: len(item[1]), default=("", None))
    described = f"Its modules are {_parts(network)}"
    return f"{described}; {place}.0 holds {_parts(layers[0])}. " if layers else f"{described}. "


def _parts(module: nn.Module) -> str:
    """Children by name, each with its own children: `self_attn (q_proj, k_proj), mlp (...)`."""
    described = []
    for name, child in module.named_children():
        inner = [part for part in dict(child.named_children()) if not part.isdigit()]
        described.append(f"{name} ({', '.join(inner)})" if inner else name)
    return ", ".join(described)
