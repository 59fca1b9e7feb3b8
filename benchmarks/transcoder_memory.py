"""Measure the peak memory of a trace with transcoders on disk, beyond the model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from benchmarks.support.large_transcoders import random_transcoders
from benchmarks.support.long_prompt import long_prompt_ids
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.facade import load
from clew.model.language_model import LanguageModel
from clew.model.recording import record

N_POSITIONS = 16


def write_large_clt(model: LanguageModel, folder: Path, n_features: int = 3550) -> int:
    """A random CLT whose decoders take 4 GB on disk; returns its size in bytes."""
    recording = record(model, torch.tensor(long_prompt_ids(model, N_POSITIONS)))
    made = random_transcoders(model, recording, n_features=n_features, n_active=42, crosses_layers=True)
    save_transcoders(made, folder, model.name)
    return sum(path.stat().st_size for path in folder.iterdir())


def peak_bytes() -> int:
    """The peak of this program alone; `ru_maxrss` still counts what its parent held when it was started."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def main() -> None:
    model = load("smollm2", dictionary=sys.argv[1], check=False, low_memory=True)
    network = model.language_model.network
    graph = model.trace(long_prompt_ids(model.language_model, N_POSITIONS))
    weights = sum(parameter.nbytes for parameter in network.parameters())
    print(json.dumps({"peak": peak_bytes(), "model": weights, "conservation": graph.info.conservation}))


if __name__ == "__main__":
    main()
