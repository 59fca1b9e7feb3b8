"""Measure predictions, circuits and swaps on the real models; write docs/measurements/validation.md."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.swap import (
    DALLAS,
    FRANCE,
    HOT,
    JORDAN,
    Outcome,
    Swap,
    others,
    source_graph,
    subject,
    supernode,
    swapped,
)
from clew.attribution.trace import TraceSettings, trace
from clew.cli.reports.validation_plot import validation_svg
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.graph import Graph, NodeKind, quote
from clew.intervention.circuits import measure_circuit
from clew.intervention.graph_compatibility import place_of
from clew.intervention.prediction import Place
from clew.intervention.validation import validate_graph
from clew.intervention.validation_result import Validation
from clew.model.language_model import LanguageModel
from tests.real import GEMMA_ANSWERS, SMOLLM2_ANSWERS, real_model

PROMPTS = {"smollm2": SMOLLM2_ANSWERS, "gemma3-270m": GEMMA_ANSWERS}
TESTED = 60
CIRCUITS = 3
"""Prompts of each model."""
LARGE = 16384
SWAPS = {"gemma3-270m": (DALLAS, JORDAN), "smollm2": (HOT, FRANCE)}
COUNTS = (20, 50, 100, 200, 400)
DRAWS = 5
PICTURE = "validation.svg"


def main() -> None:
    parts, medians = [], {}
    for name, answers in PROMPTS.items():
        model = real_model(name)
        found = [validated(model, prompt) for prompt, _ in answers]
        medians[name] = found
        parts.append(correlations(name, [prompt for prompt, _ in answers], found))
    circuits = "\n".join(circuit_table(name) for name in PROMPTS)
    swaps = "\n".join(swap_table(name, swap) for name, some in SWAPS.items() for swap in some)
    everything = [found for some in medians.values() for found in some]
    Path("docs/measurements/validation.md").write_text(
        TEMPLATE.format(
            tables="\n".join(parts),
            circuits=circuits,
            swaps=swaps,
            tested=TESTED,
            picture=PICTURE,
            large=f"{LARGE:,}",
            draws=DRAWS,
            verdict=verdict(medians),
            gap=f"{max(found.gap for found in everything):.0e}",
            machine=f"Python {platform.python_version()} on {platform.machine()}, float32",
        )
    )


def traced(model: LanguageModel, prompt: str, max_nodes: int = 4096) -> Graph:
    return trace(model, NeuronDictionary(model), prompt, TraceSettings(max_nodes=max_nodes))


def validated(model: LanguageModel, prompt: str) -> Validation:
    graph = traced(model, prompt)
    found = validate_graph(model, NeuronDictionary(model), graph, count=TESTED)
    print(prompt, found, flush=True)
    if prompt == SMOLLM2_ANSWERS[0][0]:
        Path("docs/measurements", PICTURE).write_text(validation_svg(graph, found), encoding="utf-8")
    return found


ALL, TOP, RANDOM = range(3)
"""Groups of a validation."""
COLUMNS = (
    ("influence, KL", ALL, "influence_and_kl"),
    ("of top", TOP, "influence_and_kl"),
    ("of random", RANDOM, "influence_and_kl"),
    ("influence, size", ALL, "influence_and_size"),
    ("of top", TOP, "influence_and_size"),
    ("sizes", ALL, "prediction_and_size"),
    ("of top", TOP, "prediction_and_size"),
    ("prediction, effect", ALL, "prediction_and_effect"),
    ("of top", TOP, "prediction_and_effect"),
)


def spearman(found: Validation, group: int, pair: str) -> float | None:
    return getattr(found.groups[group], pair).spearman


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def correlations(name: str, prompts: Sequence[str], found: Sequence[Validation]) -> str:
    """One model's table: each prompt, then the median and the range."""
    columns = [[spearman(each, group, pair) for each in found] for _, group, pair in COLUMNS]
    columns.append([each.everything.prediction_and_effect.pearson for each in found])
    rows = [
        [prompt, f"{each.gap:.0e}", *(number(column[place]) for column in columns)]
        for place, (prompt, each) in enumerate(zip(prompts, found, strict=True))
    ]
    values = [known(column) for column in columns]
    rows.append(["**median**", "", *(f"**{median(series):.2f}**" for series in values)])
    rows.append(["range", "", *(f"{min(series):.2f} to {max(series):.2f}" for series in values)])
    header = ["prompt", "edges", *(title for title, *_ in COLUMNS), "Pearson"]
    return markdown(f"### {name}", header, rows)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def verdict(found: dict[str, list[Validation]]) -> str:
    """What the medians come to, in a sentence for each model."""
    sentences = []
    for name, some in found.items():
        whole, best, weak, signed = (
            median(known(spearman(each, group, pair) for each in some))
            for group, pair in (
                (ALL, "influence_and_kl"),
                (TOP, "influence_and_kl"),
                (RANDOM, "influence_and_kl"),
                (ALL, "prediction_and_effect"),
            )
        )
        sentences.append(
            f"- **{name}**: influence against KL {whole:.2f} over all tested neurons, {best:.2f} among the "
            f"top {TESTED}, {weak:.2f} among random ones; signed prediction against effect {signed:.2f}."
        )
    return "\n".join(sentences)


def circuit_table(name: str) -> str:
    """What pruning keeps, as a circuit."""
    model, rows = real_model(name), []
    for prompt, _ in PROMPTS[name][:CIRCUITS]:
        whole, large = traced(model, prompt), traced(model, prompt, LARGE)
        kept = whole.prune()
        zero, mean = (
            measure_circuit(model, NeuronDictionary(model), kept, outside=outside)
            for outside in ("zero", "mean")
        )
        control = measure_circuit(
            model, NeuronDictionary(model), kept, random_places(model, whole, zero.size)
        )
        more = measure_circuit(model, NeuronDictionary(model), large)
        rows.append(
            [
                prompt,
                f"`{zero.answer}`",
                f"{zero.size:,}",
                *(
                    f"{value:.2g}"
                    for value in (
                        zero.whole,
                        zero.without,
                        control.without,
                        zero.alone,
                        mean.alone,
                        zero.nothing,
                        mean.nothing,
                        more.alone,
                    )
                ),
            ]
        )
        print(rows[-1], flush=True)
    header = ["prompt", "answer", "kept", "whole", "without", "without random"]
    header += ["alone (zero)", "alone (mean)", "nothing (zero)", "nothing (mean)", f"{LARGE:,} alone (zero)"]
    return markdown(f"### {name}", header, rows)


def random_places(model: LanguageModel, graph: Graph, count: int) -> list[Place]:
    """So many random neurons after the sink that are no features of the graph."""
    rng, width = np.random.default_rng(0), NeuronDictionary(model).n_features
    taken = {place_of(graph, node) for node in graph.of_kind(NodeKind.FEATURE)}
    found: set[Place] = set()
    while len(found) < count:
        layer, position = int(rng.integers(len(width))), int(rng.integers(1, len(graph.token_ids)))
        place = (layer, position, int(rng.integers(width[layer])))
        if place not in taken:
            found.add(place)
    return sorted(found)


def swap_table(name: str, swap: Swap) -> str:
    """One swap with more and more neurons, each beside random ones."""
    model, rows = real_model(name), []
    graph, positions = source_graph(model, swap), subject(model, swap)
    for count in COUNTS:
        places = supernode(graph, positions, count)
        before, after = swapped(model, swap, places)
        draws = [swapped(model, swap, others(model, places, seed))[1] for seed in range(DRAWS)]
        if not rows:
            rows.append(["none", *cells(before), "", ""])
        control = (median(each.answer for each in draws), max(each.wanted for each in draws))
        rows.append([str(len(places)), *cells(after), *(f"{value:.3f}" for value in control)])
        print(swap.prompt, rows[-1], flush=True)
    header = ["neurons", f"`{swap.answer}`", f"`{swap.wanted}`", "likeliest"]
    header += [f"random: `{swap.answer}`", f"random: `{swap.wanted}`"]
    return markdown(f'### {name}: "{swap.prompt}" with values from "{swap.source}"', header, rows)


def cells(outcome: Outcome) -> list[str]:
    return [f"{outcome.answer:.3f}", f"{outcome.wanted:.3f}", f"`{quote(outcome.likeliest)[1:-1]}`"]


def markdown(title: str, header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join([title, "", *(f"| {' | '.join(line)} |" for line in lines), ""])


TEMPLATE = """# Do predictions come true?

Generated by `make docs` (`benchmarks/validation.py`); every figure was measured ({machine}). Features are
the models' own neurons, 4,096 of them in each graph.

## One neuron at a time

For each prompt, the {tested} most influential neurons of the whole graph and {tested} others of it at random
are set to zero, one at a time (`clew validate`).

- *Edges*: with everything but the edges held, the worst gap between what happened and what an edge says,
  relative to the feature's largest edge. At most {gap}: the edges are what they claim to be.
- *Influence, KL*: Spearman correlation of a node's influence with the KL divergence (nats) of the next
  token's distribution, in the real model, everything responding.
- *Influence, size*: the same with the size of the change of the targets' centred logits, averaged by weight.
- *Prediction, effect*: the change of the likeliest target's centred logit that the graph predicts over all
  paths, with its sign, against the measured one; *sizes*: both without signs, over all targets. The last
  column is the Pearson correlation of prediction and effect.

{verdict}

The published anchor is a Spearman correlation of 0.72 between influence and the effect of ablation, for the
features of cross-layer transcoders in a larger model. It is not the same measurement: here half of the
tested neurons are the most influential ones, which spreads the values and raises the correlation over all of
them. Among the top neurons alone, where the order is harder to tell, and over the random ones alone, it is
lower, and that is the fairer number. Signed predictions are weaker still: the graph holds attention and norms
fixed and every neuron to a straight line, and a real model does not.

{tables}
![Influence and KL, prediction and effect for "The capital of France is"]({picture})

## What pruning keeps, as a circuit

The neurons that pruning keeps (at the recommended thresholds) are removed, or kept while everything outside
is removed: *every* other neuron of every layer, at every position after the sink, in the graph or not, set
to zero or to its mean over a short text. For neurons "everything outside at zero" takes all MLPs out but for
the kept neurons. *Without random* removes as many random neurons that are not in the graph; *nothing* is the
set and all outside removed together, which *alone* is to be compared with. Numbers are the answer's
probability.

{circuits}
The kept neurons are necessary: without them the answer is gone, and without as many random ones it is not.
They are not sufficient. On Gemma 3 270M they bring back some of the answer alone, and {large} neurons much of
it. On SmolLM2 they do better alone than nothing does, four times to some billion times, and it still comes to
a ten-thousandth at most, with {large} neurons too. Outside at its mean rather than at zero is better on
SmolLM2 and worse on Gemma. A graph of some thousand neurons names what decides between answers; it leaves out
hundreds of thousands of small contributions, and without all of them at once the model is far from anything
that it was trained on.

## A swap

The supernode of a subject: the most influential neurons of one prompt's graph at the positions of its
subject, nowhere else. On another prompt they are set to the values that they have on the first one, and all
else responds. *Random* are as many neurons of the same layers at the same positions, patched the same way: of
{draws} draws the median for the old answer and the highest for the new one.

{swaps}
A hundred neurons at one position turn three of these answers around, and random ones do nothing. On Gemma 3
270M Texas becomes Florida; less surely basketball becomes golf and, on SmolLM2, cold becomes small (the new
answer is the likeliest, with a quarter to two fifths of the probability). On SmolLM2 the capital of France
stays Paris: the embedding of the subject itself is still there for attention to read, and no neuron takes it
back.
"""


if __name__ == "__main__":
    main()
