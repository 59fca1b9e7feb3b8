"""Measure tracing on SmolLM2, each case in its own process; write docs/measurements/speed.md."""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from benchmarks.support.large_transcoders import random_transcoders
from benchmarks.support.long_prompt import long_prompt_ids
from benchmarks.support.markdown import table
from benchmarks.support.operation_counts import graph_bytes, needed_flops, sweep_layer_positions
from benchmarks.support.timing import timed
from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.protocols import Dictionary
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_dictionary import bind
from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel
from clew.model.recording import record
from tests.autograd_oracle import effects, frozen_run
from tests.real import real_model

REPEATS = {
    ("neurons", 8): 5,
    ("neurons", 16): 5,
    ("neurons", 64): 3,
    ("neurons", 256): 1,
    ("PLT", 16): 3,
    ("PLT", 64): 3,
    ("CLT", 16): 3,
    ("CLT", 64): 3,
}
"""Traces by dictionary and length of prompt in tokens."""
ROWS = 4096
FEATURES, ACTIVE = 4096, 42
"""The features of a layer of the random transcoders, and those active at a position."""
ORACLE_ROWS = 6
PHASES = ("prompt", "recording", "selection", "rows", "influence", "pruning", "output tokens")


def matmul_rate() -> float:
    """The best rate (FLOP/s) of this machine's matrix product over several sizes, each the median of five."""
    rates = []
    for rows, inner, columns in [(512,) * 3, (1024,) * 3, (2048,) * 3, (576, 576, 512), (576, 576, 4096)]:
        left, right = torch.randn(rows, inner), torch.randn(inner, columns)
        out = torch.empty(rows, columns)
        seconds = [
            timed(lambda left=left, right=right, out=out: torch.mm(left, right, out=out)) for _ in range(6)
        ]
        rates.append(2 * rows * inner * columns / median(seconds[1:]))
    return max(rates)


def run_case(kind: str, length: int) -> dict[str, object]:
    """Trace a prompt of `length` tokens (sink included) a few times and account for it."""
    model = real_model("smollm2")
    ids = long_prompt_ids(model, length)
    with dictionary_on_disk(kind, model, ids) as dictionary:
        return measured(model, dictionary, kind, model.tokenizer.decode(ids[1:]), REPEATS[kind, length])


@contextmanager
def dictionary_on_disk(kind: str, model: LanguageModel, ids: list[int]) -> Iterator[Dictionary]:
    """The neurons, or random transcoders that were written to a folder and are read from there."""
    if kind == "neurons":
        yield NeuronDictionary(model)
        return
    recording = record(model, torch.tensor(ids))
    made = random_transcoders(
        model, recording, n_features=FEATURES, n_active=ACTIVE, crosses_layers=kind == "CLT"
    )
    with TemporaryDirectory() as folder:
        save_transcoders(made, Path(folder) / "set", model.name)
        del made, recording
        yield bind(model, load_transcoders(Path(folder) / "set"), kind)


def measured(
    model: LanguageModel, dictionary: Dictionary, kind: str, prompt: str, repeats: int
) -> dict[str, object]:
    """Times of several traces, and what the last one needed."""
    settings = TraceSettings(max_nodes=ROWS)
    trace(model, dictionary, prompt, TraceSettings(max_nodes=ROWS // 16))
    resting = resident_bytes()
    rate = matmul_rate()
    timings = [trace(model, dictionary, prompt, settings).info.timing for _ in range(repeats - 1)]
    graph = trace(model, dictionary, prompt, settings)
    timings.append(graph.info.timing)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rate = max(rate, matmul_rate())
    seconds = {phase: median(timing[phase] for timing in timings) for phase in PHASES}
    n_rows = len(graph.of_kind(NodeKind.FEATURE)) + len(graph.of_kind(NodeKind.TARGET))
    backward, forward = sweep_layer_positions(graph)
    encoding = dictionary.encode(record(model, torch.from_numpy(graph.token_ids)))
    return {
        "kind": kind,
        "length": len(graph.token_ids),
        "active": encoding.n_active(1),
        "seconds": seconds,
        "rows per second": n_rows / seconds["rows"],
        "rate": rate,
        "share": needed_flops(graph, model, crosses_layers=kind == "CLT") / seconds["rows"] / rate,
        "direction": "backward" if backward <= forward else "forward",
        "saved": backward / min(backward, forward),
        "edges": graph.n_edges,
        "peak": peak,
        "resting": resting,
        "bound": 2 * (model_bytes(model) + graph_bytes(graph)),
        "conservation": graph.info.conservation,
        "autograd rows per second": autograd_rows_per_second(model, graph) if kind == "neurons" else None,
    }


def autograd_rows_per_second(model: LanguageModel, graph: Graph) -> float:
    """The speed of the tests' oracle: one backward pass through the frozen network for each row."""
    run = frozen_run(model, torch.from_numpy(graph.token_ids))
    nodes = graph.of_kind(NodeKind.FEATURE)
    chosen = nodes[:: max(1, len(nodes) // ORACLE_ROWS)][:ORACLE_ROWS]
    begin = time.perf_counter()
    for node in chosen:
        scalar = run.read[graph.node_layer[node]][graph.node_position[node], graph.node_feature[node]]
        effects(run, scalar)
    return len(chosen) / (time.perf_counter() - begin)


def model_bytes(model: LanguageModel) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in model.network.parameters())


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * resource.getpagesize()


def report(cases: list[dict]) -> str:
    """The measured cases as Markdown."""
    rate = max(case["rate"] for case in cases) / 1e9
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, float32"
    times = table(["dictionary", "tokens", "active", *PHASES, "whole"], map(_times, cases), n_texts=0)
    work = table(WORK_HEADER, map(_work, cases), n_texts=0)
    return TEMPLATE.format(
        rows=ROWS, features=FEATURES, active=ACTIVE, rate=rate, machine=machine, times=times, work=work
    )


WORK_HEADER = [
    "dictionary",
    "tokens",
    "rows/s",
    "share of matmul rate",
    "sweep",
    "work saved",
    "edges",
    "peak memory",
    "twice model + result",
    "at rest",
    "influence + pruning",
    "against autograd",
    "gap",
]


def _times(case: dict) -> list[str]:
    seconds = case["seconds"]
    cells = [f"{seconds[phase]:.2f}" for phase in PHASES]
    facts = [case["kind"], str(case["length"]), f"{case['active']:,}"]
    return [*facts, *cells, f"{sum(seconds.values()):.2f}"]


def _work(case: dict) -> list[str]:
    seconds = case["seconds"]
    on_graph = (seconds["influence"] + seconds["pruning"]) / sum(seconds.values())
    memory = [f"{case[name] / 2**20:,.0f} MiB" for name in ("peak", "bound", "resting")]
    oracle = case["autograd rows per second"]
    return [
        case["kind"],
        str(case["length"]),
        f"{case['rows per second']:,.0f}",
        f"{case['share']:.0%}",
        case["direction"],
        f"{case['saved']:.1f}x",
        f"{case['edges'] / 1e6:.1f}M",
        *memory,
        f"{on_graph:.1%}",
        f"{case['rows per second'] / oracle:,.0f}x" if oracle else "",
        f"{case['conservation']:.0e}",
    ]


TEMPLATE = """# Speed

Generated by `make bench` (`benchmarks/speed.py`), in one run on {machine}. The model is SmolLM2-135M, with
{rows:,} feature rows.

- *neurons*: its own. Medians of 5 traces (8 and 16 tokens) or 3 (64), or a single trace (256), after a
  small warm-up.
- *PLT* and *CLT*: random JumpReLU transcoders of {features:,} features a layer, {active} of them active on
  average, read from disk (0.6 and 4.7 GB). Medians of 3.

The best matrix-multiply rate seen was {rate:.0f} GFLOP/s.

## Seconds by phase

{times}

*active*: active features, of which {rows:,} become nodes. *prompt* reads it with its sink and without.
*rows* computes all rows and puts them together as a graph.

With such PLTs and as many rows circuit-tracer 0.4.1 takes 103 to 122 s at 16 tokens (peak memory 2.8 to 3.0
GiB) and 407 s at 64 (7.9 GiB), on two cores of the same kind. That was measured separately.

## The sweep, and what it needs

{work}

- *Share of matmul rate*: the floating-point operations that the rows need, divided by the time of *rows*
  and by the best matrix-multiply rate measured in the same process.
- *Sweep*: the direction that was chosen.
- *Work saved*: the layer-positions that a sweep from the targets alone would carry, divided by those
  carried.
- *Twice model + result*: twice the size of the model's weights and of the graph, to compare with the peak
  memory.
- *At rest*: resident memory with model and libraries loaded, before the trace. With transcoders it holds
  all encoders (270 MiB).
- *Against autograd*: rows per second, divided by those of the tests' oracle, which makes one backward pass
  through the frozen network for each row.
- *Gap*: the worst relative conservation gap.
"""


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(run_case(sys.argv[1], int(sys.argv[2]))))
        return
    cases = []
    for kind, length in REPEATS:
        command = [sys.executable, "-m", "benchmarks.speed", kind, str(length)]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        cases.append(json.loads(finished.stdout.splitlines()[-1]))
        print(report(cases[-1:]), flush=True)
    Path("docs/measurements/speed.md").write_text(report(cases))


if __name__ == "__main__":
    main()
