"""The measured sink of a model in clew's cache, by all that the measurement depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path

from clew.errors import ClewError
from clew.files import write_file
from clew.model.cache import sinks_folder
from clew.model.language_model import LanguageModel


def kept_sink(model: LanguageModel, measurement: object) -> tuple[int, float] | None:
    """The token id and the mean KL divergence that were kept for this model; None where there are none.

    `measurement` names in JSON all that the measurement depends on besides the network.
    """
    if not model.weights_key:
        return None
    try:
        kept = json.loads(_file(model, measurement).read_text(encoding="utf-8"))
        token_id, mean_kl = int(kept["token_id"]), float(kept["mean_kl"])
    except (OSError, ValueError, TypeError, KeyError):  # absent or damaged: it is measured again
        return None
    return (token_id, mean_kl) if 0 <= token_id < len(model.unembedding_weight) else None


def keep_sink(model: LanguageModel, measurement: object, token_id: int, mean_kl: float) -> None:
    """Keep a sink for the next process; a cache that cannot be written only costs time."""
    if not model.weights_key:
        return
    path = _file(model, measurement)
    content = json.dumps({"token_id": token_id, "mean_kl": mean_kl, "model": model.name})
    with contextlib.suppress(OSError, ClewError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content.encode())


def _file(model: LanguageModel, measurement: object) -> Path:
    """The file for a network's weights, configuration and precision, and for a measurement."""
    network = model.network
    facts = [model.weights_key, str(network.dtype), network.config.to_json_string(), measurement]
    return sinks_folder() / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.json"
