"""A model folder's `config.json`: each of its keys is read, known to be harmless, or refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clew.errors import ClewError
from clew.files import cannot_read
from clew.model.config_keys import check_keys
from clew.model.library_calls import library_call
from clew.model.transformers_logging import quiet_transformers
from clew.plain_text import shortened
from clew.progress import OnNote, ignore_note

LAYER_COUNTS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "depth")
MOST_BYTES = 64 * 2**20
"""Bytes of a JSON file; the index of the largest models has some ten million."""
EXPERTS = (None, "eager", "batched_mm", "grouped_mm")
"""Ways to run experts that are transformers' own; others fetch compiled code."""
MOST_LAYERS = 2000
"""More layers than any model has; building a network of more takes minutes."""


def read_config(folder: Path, on_note: OnNote = ignore_note) -> Any:
    """The configuration object of transformers for a model folder.

    Raises `ClewError` for a file that is not a JSON object, a model type that transformers does not know, a
    quantised model, and keys that would silently change nothing although they look as if they should.
    """
    path = folder / "config.json"
    raw = read_json_object(path)
    _check_model_type(raw, folder)
    _check_architectures(raw, path)
    _check_plain_weights(raw, folder)
    _check_layer_counts(raw, path)
    _check_experts(raw, path)
    from transformers import CONFIG_MAPPING, AutoConfig

    check_keys(raw, CONFIG_MAPPING[raw["model_type"]], path, on_note)
    with quiet_transformers(), library_call(lambda reason: f"{path} cannot be used: {reason}; correct it."):
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)


def read_json_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; raises `ClewError` where there is none, or a number in it is not finite."""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise ClewError(f"{path} has {size:,} bytes; settings in JSON may have {MOST_BYTES:,}.")
        content = json.loads(
            path.read_bytes().decode(), parse_constant=_refuse_constant, object_pairs_hook=_without_repeats
        )
    except OSError as error:
        raise cannot_read(path, error) from error
    except (ValueError, RecursionError) as error:
        raise ClewError(
            f"{path} cannot be read as JSON ({shortened(str(error))}); fetch it again."
        ) from error
    if not isinstance(content, dict):
        raise ClewError(
            f"{path} holds no JSON object but {shortened(json.dumps(content), 40)}; fetch it again."
        )
    return content


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"it holds the number {constant}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    by_name = dict(pairs)
    if len(by_name) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it holds the key {shortened(repeated, 40)!r} twice")
    return by_name


def _check_model_type(raw: Mapping[str, Any], folder: Path) -> None:
    import transformers
    from transformers import CONFIG_MAPPING

    model_type = raw.get("model_type", "")
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING:
        raise ClewError(
            f"transformers {transformers.__version__} does not know the model in {folder} (model type: "
            f"{shortened(str(model_type), 60) or 'none in its config.json'}); try a newer version. clew runs "
            "no code that comes with a model."
        )


def _check_architectures(raw: Mapping[str, Any], path: Path) -> None:
    names = raw.get("architectures")
    if names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return
    raise ClewError(
        f"{path} gives architectures as {shortened(json.dumps(names), 60)}, which is no list of class names; "
        "correct it, or fetch it again."
    )


def _check_plain_weights(raw: Mapping[str, Any], folder: Path) -> None:
    """Raise `ClewError` for a quantised model."""
    for part in (raw, *(value for value in raw.values() if isinstance(value, dict))):
        for key in ("quantization_config", "compression_config"):
            if part.get(key):
                facts = part[key]
                method = facts.get("quant_method") if isinstance(facts, dict) else None
                method = shortened(str(method or "a method without a name"), 40)
                raise ClewError(
                    f"The model in {folder} is quantised with {method} ({key} in its config.json), and clew "
                    "traces in float weights only; take the unquantised model, or a GGUF file of it."
                )


def _check_layer_counts(raw: Mapping[str, Any], path: Path) -> None:
    for part in (raw, *(value for value in raw.values() if isinstance(value, dict))):
        for key in LAYER_COUNTS:
            count = part.get(key)
            if isinstance(count, int | float) and not 0 <= count <= MOST_LAYERS:
                raise ClewError(f"{path} gives {key} as {count:g}, and no model has so many; correct it.")


def _check_experts(raw: Mapping[str, Any], path: Path) -> None:
    """Raise `ClewError` for a way to run experts that is not transformers' own code."""
    for part in (raw, *(value for value in raw.values() if isinstance(value, dict))):
        for key in ("experts_implementation", "_experts_implementation", "_experts_implementation_internal"):
            if (value := part.get(key)) not in EXPERTS:
                raise ClewError(
                    f"{path} says {key}: {shortened(str(value), 60)}, but a file cannot choose which code "
                    "runs experts; remove it."
                )
