"""The architecture of a model folder: its class and its row in the table, before any weights are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clew.errors import ClewError
from clew.model.anatomy import ANATOMIES, Anatomy, supported_architectures
from clew.plain_text import shortened

if TYPE_CHECKING:
    from torch import nn

PREDICTS_NEXT_TOKEN = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
"""Endings of the names of classes whose weights include an unembedding."""


def anatomy_of(config: Any, folder: Path) -> Anatomy:
    """The table's row for the class that transformers makes of a folder's configuration.

    Raises `ClewError` for a model that is not a decoder, one whose file names a class of another model
    type, and one without a row in the table; the last message lists the model's modules.
    """
    architecture = _class_name(config, f"The model in {folder}")
    _check_saved_class(config, architecture, folder)
    if architecture in ANATOMIES:
        return ANATOMIES[architecture]
    raise ClewError(
        f"clew does not support the architecture {architecture} (model type {config.model_type}). "
        f"{_module_names(config)}{supported_architectures()}"
    )


def network_class(config: Any) -> tuple[Any, Any]:
    """The class that `AutoModelForCausalLM` chooses, and its configuration: a text decoder's own part."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    mapping: Any = MODEL_FOR_CAUSAL_LM_MAPPING
    kind = mapping[type(config)]
    decoder = config.sub_configs.get("text_config")
    is_decoder = decoder is not None and kind.config_class == decoder
    return kind, config.get_text_config() if is_decoder else config


def _check_saved_class(config: Any, architecture: str, folder: Path) -> None:
    """Raise `ClewError` where `architectures` names a class of another model type than `model_type`."""
    from transformers.models.auto import modeling_auto as auto

    owners: dict[str, set[str]] = {}
    for mapping in (
        auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    ):
        for model_type, names in mapping.items():
            for name in [names] if isinstance(names, str) else names:
                owners.setdefault(name.lower(), set()).add(model_type)
    own = config.model_type.removesuffix("_text")
    for saved in config.architectures or []:
        types = owners.get(saved.lower(), {own})
        if own not in {each.removesuffix("_text") for each in types} and saved != architecture:
            raise ClewError(
                f"{folder / 'config.json'} says two things: its model_type is {config.model_type}, and its "
                f"architectures name {saved}, which is of {', '.join(sorted(types))}; correct the wrong one."
            )


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
    kind = shortened(saved[0] if saved else config.model_type, 60)
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
