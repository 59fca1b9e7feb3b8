"""A GGUF file written as a Hugging Face folder: configuration, weights and tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from clew.model.gguf.architectures import architecture_of, check_not_split
from clew.model.gguf.header import GgufError, read_header
from clew.model.gguf.metadata import Metadata
from clew.model.gguf.settings import configuration
from clew.model.gguf.tensors import placements, rope_tensors, write_weights
from clew.model.gguf.tokenizer import tokenizer_of
from clew.model.library_calls import library_call
from clew.progress import OnNote

__all__ = ["GgufError", "write_folder"]


def write_folder(path: Path, folder: Path, on_note: OnNote) -> None:
    """Write the model of a GGUF file to a folder, in float32. Raises `GgufError` for a file that is refused.

    Everything is checked before the first weight is written.
    """
    header = read_header(path)
    metadata = Metadata(header.metadata)
    check_not_split(metadata, header)
    row = architecture_of(metadata)
    config = configuration(metadata, header, row, rope_tensors(header))
    tokenizer = tokenizer_of(metadata, on_note)
    metadata.refuse_unread()
    network = _without_weights(config)
    found = placements(header, row, network)
    config.architectures, config.dtype = [type(network).__name__], torch.float32
    config.save_pretrained(folder)
    GenerationConfig.from_model_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_weights(folder / "model.safetensors", header, found)


def _without_weights(config: Any) -> Any:
    """The network of a configuration, whose parameters have shapes and no values."""
    with (
        library_call(lambda reason: f"its settings do not fit together: {reason}", GgufError),
        torch.device("meta"),
    ):
        return AutoModelForCausalLM.from_config(config)
