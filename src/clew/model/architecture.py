"""The architecture of a model folder, read from its `config.json` before any weights are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError
from clew.model.anatomy import ANATOMIES, Anatomy, supported_architectures

if TYPE_CHECKING:
    from torch import nn

PREDICTS_NEXT_TOKEN = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""Endings of the names of classes whose weights include an unembedding."""


def anatomy_of_folder(folder: Path) -> Anatomy:
    """The table's row for the class that transformers makes of a Hugging Face folder.

    Raises `ClewError` for a model that transformers does not know, one that is not a decoder, and one
    without a row in the table; the last message lists the model's modules.
    """
    from transformers import AutoConfig

    model_type = _model_type(folder)
    config: Any = AutoConfig.from_pretrained(folder)
    architecture = _class_name(config, f"The model in {folder}")
    if architecture in ANATOMIES:
        return ANATOMIES[architecture]
    raise ClewError(
        f"clew does not support the architecture {architecture} (model type {model_type}). "
        f"{_module_names(config)}{supported_architectures()}"
    )


def _model_type(folder: Path) -> str:
    import transformers
    from transformers import CONFIG_MAPPING

    model_type = json.loads((folder / "config.json").read_text()).get("model_type", "")
    if model_type not in CONFIG_MAPPING:
        raise ClewError(
            f"transformers {transformers.__version__} does not know the model in {folder} (model type: "
            f"{model_type or 'none in its config.json'}); try a newer version. clew runs no code that comes "
            "with a model."
        )
    return model_type


def _class_name(config: Any, model: str) -> str:
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
    raise ClewError(f"{model} ({kind}) {reason}; name a model that only decodes, such as Llama.")


def _module_names(config: Any) -> str:
    """A sentence with the modules of a model and of one layer; building them takes no memory for weights."""
    import torch
    from torch import nn
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(config)
    except Exception:  # an unknown architecture may fail in any way; the refusal must still appear
        return ""
    lists = {name: part for name, part in network.named_modules() if isinstance(part, nn.ModuleList)}
    path, layers = max(lists.items(), key=lambda item: len(item[1]), default=("", None))
    sentence = f"Its modules are {_children(network)}"
    return f"{sentence}; {path}.0 holds {_children(layers[0])}. " if layers else f"{sentence}. "


def _children(module: nn.Module) -> str:
    """Child modules by name, each with its own children: `self_attn (q_proj, k_proj), mlp (...)`."""
    described = []
    for name, child in module.named_children():
        inner = [part for part in dict(child.named_children()) if not part.isdigit()]
        described.append(f"{name} ({', '.join(inner)})" if inner else name)
    return ", ".join(described)
