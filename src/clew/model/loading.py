"""A model folder as a `LanguageModel`: what was loaded is compared with what the files hold."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import safe_open
from torch import nn
from transformers import GenerationConfig

from clew.errors import ClewError
from clew.file_stamps import stamps_of
from clew.model.anatomy import require_neurons
from clew.model.architecture import anatomy_of, network_class
from clew.model.cache import files_of
from clew.model.config_file import read_config
from clew.model.constants import check_constants
from clew.model.language_model import LanguageModel
from clew.model.library_calls import library_call
from clew.model.loading_checks import check_loaded, check_plan
from clew.model.rotation import check_share
from clew.model.tokenizer_files import load_tokenizer
from clew.model.transformers_logging import quiet_transformers
from clew.model.weight_files import StoredTensor, read_headers
from clew.model.weights_key import weights_key
from clew.progress import OnNote, ignore_note

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_language_model(
    folder: Path,
    *,
    name: str,
    sources: Sequence[Path] = (),
    device: str = "cpu",
    dtype: str = "float32",
    with_neurons: bool = False,
    on_note: OnNote = ignore_note,
) -> LanguageModel:
    """Load a Hugging Face folder (`config.json`, safetensors, tokenizer) ready for tracing.

    Raises `ClewError` for an unsupported architecture or dtype, for files that do not hold exactly the
    network's weights or change meanwhile, and, with `with_neurons`, for a mixture of experts (before its
    weights are read).
    """
    if dtype not in DTYPES:
        raise ClewError(f"{dtype!r} is not a dtype; choose one of {', '.join(DTYPES)}.")
    stamps = stamps_of([*files_of(folder), *sources])
    config = read_config(folder, on_note)
    anatomy = anatomy_of(config, folder)
    if with_neurons:
        require_neurons(anatomy, name)
    tensors = read_headers(folder, on_note)
    check_plan(folder, config, tensors)
    network = _load_network(folder, config, DTYPES[dtype], tensors)
    check_share(network, folder)
    check_constants(folder, network, tensors)
    check_loaded(folder, network, dtype)
    tokenizer = load_tokenizer(folder, network.get_input_embeddings().weight.shape[0], on_note)
    with library_call(lambda reason: f"{name} cannot be moved to {device}: {reason}; choose another device."):
        network = network.to(device)
    model = LanguageModel(
        name=name,
        network=network,
        tokenizer=tokenizer,
        anatomy=anatomy,
        weights_key=weights_key(folder, on_note),
        folder=folder.absolute(),
        stamps=stamps,
    )
    if model.changed_on_disk():
        raise ClewError(f"The files in {folder} changed while they were read; load them again.")
    return model


def _load_network(folder: Path, config: Any, dtype: torch.dtype, tensors: Mapping[str, StoredTensor]) -> Any:
    """The network with weights of its own: a map of a file would change, or end, with the file."""
    kind, config = network_class(config)
    with (
        quiet_transformers(),
        library_call(lambda reason: f"The model in {folder} does not load: {reason}; save it again."),
        contextlib.ExitStack() as opened,
    ):
        files = {
            name: opened.enter_context(safe_open(folder / name, framework="pt", backend="pread"))
            for name in {tensor.file for tensor in tensors.values()}
        }
        stored = {name: files[tensor.file].get_slice(name) for name, tensor in tensors.items()}
        options = {"config": config, "dtype": dtype, "attn_implementation": "eager"}
        network = kind.from_pretrained(None, **options, state_dict=stored)
        with contextlib.suppress(OSError):  # there is none, or none that can be read
            network.generation_config = GenerationConfig.from_pretrained(folder)
    network.requires_grad_(False)
    return cast(nn.Module, network).eval()


def choose_device(device: str) -> str:
    """A device's name; "auto" is CUDA if there is a CUDA device, else the CPU.

    Raises `ClewError` for a device that this machine does not have.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1, device=device).item()
        return device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        available = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
        if torch.backends.mps.is_available():
            available.append("mps")
        raise ClewError(
            f"This machine has no device {device!r}; choose one of {', '.join(available)}."
        ) from error
