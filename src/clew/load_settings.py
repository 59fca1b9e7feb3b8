"""Settings of `clew.load`; nothing here needs torch."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from annotated_types import Ge

from clew.progress import OnNote

if TYPE_CHECKING:
    from clew.dictionary.transcoder_set import TranscoderSet
else:
    TranscoderSet = TypeVar("TranscoderSet")  # its name alone: options are read without torch


@dataclass(frozen=True)
class LoadSettings:
    """A model, its dictionary of features, and how they are computed."""

    reference: str | Path = "smollm2"
    """Short name (see clew models), folder, .gguf file or hub id (`org/name[@revision]`)."""
    _: KW_ONLY
    dictionary: str | Path | TranscoderSet | None = "auto"
    """The features: neurons (the model's own), or transcoders: short name, folder, file or hub reference;
    auto takes the transcoders that are installed for the model, else its neurons."""
    read_point: Literal["residual", "normalized", "mlp-input"] | None = None
    """Point at which transcoders read the stream (by default as their files say)."""
    write_point: Literal["mlp-output", "stream"] | None = None
    """Point at which transcoders write to the stream (by default as their files say)."""
    k: Annotated[int, Ge(1)] | None = None
    """Features of a layer active together, for TopK transcoders whose files do not say."""
    low_memory: bool = False
    """Read encoders from disk whenever they are needed."""
    check: bool = True
    """Refuse a model that does not add up, and transcoders that explain nothing of its MLPs (FVU above 1)."""
    device: str = "auto"
    """Device to compute on: auto (CUDA where there is one), cpu, cuda, cuda:1, mps."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the model's weights."""


@dataclass(frozen=True)
class LoadCall(LoadSettings):
    """Parameters of `clew.load`."""

    _: KW_ONLY
    on_note: OnNote | None = None
    """Called with a sentence about what takes long (a conversion, a download) or was measured."""
