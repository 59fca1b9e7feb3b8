"""Measure tracing on SmolLM2 and write docs/benchmarks.md; each case runs in a process of its own."""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

import torch

from benchmarks.work import graph_bytes, needed_flops, sweep_layer_positions
from clew.attribution.trace import TraceSettings, trace
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.graph import Graph, NodeKind
from clew.model.language_model import LanguageModel
from tests.oracle import effects, frozen_run
from tests.real import real_model

REPEATS = {8: 5, 16: 5, 64: 3, 256: 1}
"""Traces by length of prompt in tokens."""
ROWS = 4096
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


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def run_case(length: int) -> dict[str, object]:
    """Trace a prompt of `length` tokens (sink included) a few times and account for it."""
    model = real_model("smollm2")
    text = (Path(__file__).parent / "prose.txt").read_text()
    ids = [model.tokenizer.convert_tokens_to_ids("<|endoftext|>"), *model.tokenizer.encode(text)][:length]
    prompt = model.tokenizer.decode(ids[1:])
    settings = TraceSettings(max_nodes=ROWS)
    dictionary = NeuronDictionary(model)
    trace(model, dictionary, prompt, TraceSettings(max_nodes=ROWS // 16))
    resting = resident_bytes()
    rate = matmul_rate()
    timings = [trace(model, dictionary, prompt, settings).info.timing for _ in range(REPEATS[length] - 1)]
    graph = trace(model, dictionary, prompt, settings)
    timings.append(graph.info.timing)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rate = max(rate, matmul_rate())
    seconds = {phase: median(timing[phase] for timing in timings) for phase in PHASES}
    n_rows = len(graph.of_kind(NodeKind.FEATURE)) + len(graph.of_kind(NodeKind.TARGET))
    backward, forward = sweep_layer_positions(graph)
    return {
        "length": len(graph.token_ids),
        "seconds": seconds,
        "rows per second": n_rows / seconds["rows"],
        "rate": rate,
        "share": needed_flops(graph, model) / seconds["rows"] / rate,
        "direction": "backward" if backward <= forward else "forward",
        "saved": backward / min(backward, forward),
        "edges": graph.n_edges,
        "peak": peak,
        "resting": resting,
        "bound": 2 * (model_bytes(model) + graph_bytes(graph)),
        "conservation": graph.info.conservation,
        "autograd rows per second": autograd_rows_per_second(model, graph),
    }


def autograd_rows_per_second(model: LanguageModel, graph: Graph) -> float:
    """How fast the tests' oracle makes the same rows: one backward pass through the frozen network each."""
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
    times = _table(["tokens", *PHASES, "whole"], map(_times, cases))
    work = _table(WORK_HEADER, map(_work, cases))
    return TEMPLATE.format(rows=ROWS, rate=rate, machine=machine, times=times, work=work)


WORK_HEADER = [
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
    return [str(case["length"]), *cells, f"{sum(seconds.values()):.2f}"]


def _work(case: dict) -> list[str]:
    seconds = case["seconds"]
    on_graph = (seconds["influence"] + seconds["pruning"]) / sum(seconds.values())
    memory = [f"{case[name] / 2**20:,.0f} MiB" for name in ("peak", "bound", "resting")]
    return [
        str(case["length"]),
        f"{case['rows per second']:,.0f}",
        f"{case['share']:.0%}",
        case["direction"],
        f"{case['saved']:.1f}x",
        f"{case['edges'] / 1e6:.1f}M",
        *memory,
        f"{on_graph:.1%}",
        f"{case['rows per second'] / case['autograd rows per second']:,.0f}x",
        f"{case['conservation']:.0e}",
    ]


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["--:"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TEMPLATE = """# How fast

Generated by `make bench` (`benchmarks/speed.py`); every figure was measured in one run on
{machine}. SmolLM2-135M with its own neurons, {rows:,} feature rows, medians of 5 traces (8 and 16
tokens), 3 (64) or a single one (256) after a small warm-up.
The best matrix-multiply rate seen was {rate:.0f} GFLOP/s.

## Seconds by phase

{times}

*prompt* tries every special token as sink; *rows* is the sweep with its assembly into a graph.

## The sweep, and what it needs

{work}

*Share of matmul rate*: floating-point operations that the causal cones need, over the time of *rows*, over
the best matrix-multiply rate measured in the same process. *Sweep*: the direction that was chosen.
*Work saved*: layer-positions that a sweep from the targets alone would carry, over those carried.
*At rest*: resident memory with model and libraries loaded, before the trace. *Against autograd*: rows per
second over those of the tests' oracle, which makes one backward pass through the frozen network a row.
*Gap*: the worst relative conservation gap.
"""


def main() -> None:
    if len(sys.argv) == 2:
        print(json.dumps(run_case(int(sys.argv[1]))))
        return
    cases = []
    for length in REPEATS:
        command = [sys.executable, "-m", "benchmarks.speed", str(length)]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        cases.append(json.loads(finished.stdout.splitlines()[-1]))
        print(report(cases[-1:]), flush=True)
    Path("docs/benchmarks.md").write_text(report(cases))


if __name__ == "__main__":
    main()
