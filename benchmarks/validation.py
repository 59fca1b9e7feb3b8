"""Measure predictions, circuits and patches on the real models; write docs/measurements/validation.md."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.support.markdown import table
from benchmarks.support.neuron_graphs import trace_neurons
from benchmarks.support.subject_patching import (
    DALLAS,
    FRANCE,
    HOT,
    JORDAN,
    Answers,
    SubjectPatch,
    patched_answers,
    random_neurons,
    source_graph,
    subject_neurons,
    subject_positions,
)
from clew.cli.reports.validation_plot import validation_svg
from clew.dictionary.neurons import NeuronDictionary
from clew.feature import FeatureAt
from clew.graph.graph import Graph, NodeKind, quote
from clew.intervention.circuits import measure_circuit
from clew.intervention.settings import CircuitSettings, ValidationSettings
from clew.intervention.validation import validate_graph
from clew.intervention.validation_result import Validation
from clew.model.language_model import LanguageModel
from tests.real import GEMMA_ANSWERS, SMOLLM2_ANSWERS, real_model

PROMPTS = {"smollm2": SMOLLM2_ANSWERS, "gemma3-270m": GEMMA_ANSWERS}
TESTED = 60
CIRCUITS = 3
"""Prompts of each model whose circuits are measured."""
NODES, LARGE = 4096, 16384
PATCHES = {"gemma3-270m": (DALLAS, JORDAN), "smollm2": (HOT, FRANCE)}
COUNTS = (20, 50, 100, 200, 400)
DRAWS = 5
FOLDER, PICTURE = Path("docs/measurements"), "validation.svg"


def main() -> None:
    tables, validations = [], {}
    for name, answers in PROMPTS.items():
        model = real_model(name)
        validations[name] = [validated(model, prompt) for prompt, _ in answers]
        tables.append(correlations(name, [prompt for prompt, _ in answers], validations[name]))
    circuits = "\n".join(circuit_table(name) for name in PROMPTS)
    patches = "\n".join(patch_table(name, patch) for name, some in PATCHES.items() for patch in some)
    gap = max(validation.gap for some in validations.values() for validation in some)
    (FOLDER / "validation.md").write_text(
        TEMPLATE.format(
            tables="\n".join(tables),
            circuits=circuits,
            patches=patches,
            tested=TESTED,
            nodes=f"{NODES:,}",
            picture=PICTURE,
            large=f"{LARGE:,}",
            draws=DRAWS,
            verdict=verdict(validations),
            gap=f"{gap:.0e}",
            machine=f"Python {platform.python_version()} on {platform.machine()}, float32",
        )
    )


def validated(model: LanguageModel, prompt: str) -> Validation:
    """The validation of one prompt's graph; that of the first prompt is drawn as well."""
    graph = trace_neurons(model, prompt, max_nodes=NODES)
    validation = validate_graph(model, NeuronDictionary(model), graph, ValidationSettings(count=TESTED))
    print(prompt, validation, flush=True)
    if prompt == SMOLLM2_ANSWERS[0][0]:
        (FOLDER / PICTURE).write_text(validation_svg(graph, validation), encoding="utf-8")
    return validation


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


def spearman(validation: Validation, group: int, pair: str) -> float | None:
    return getattr(validation.groups[group], pair).spearman


def without_none(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def correlations(name: str, prompts: Sequence[str], validations: Sequence[Validation]) -> str:
    """One model's table: each prompt, then the median and the range."""
    columns = [[spearman(each, group, pair) for each in validations] for _, group, pair in COLUMNS]
    columns.append([each.everything.prediction_and_effect.pearson for each in validations])
    rows = [
        [prompt, f"{each.gap:.0e}", *(number(column[row]) for column in columns)]
        for row, (prompt, each) in enumerate(zip(prompts, validations, strict=True))
    ]
    values = [without_none(column) for column in columns]
    rows.append(["**median**", "", *(f"**{median(series):.2f}**" for series in values)])
    rows.append(["range", "", *(f"{min(series):.2f} to {max(series):.2f}" for series in values)])
    header = ["prompt", "edges", *(title for title, *_ in COLUMNS), "Pearson"]
    return section(name, header, rows)


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def verdict(validations: dict[str, list[Validation]]) -> str:
    """The medians in a sentence for each model."""
    sentences = []
    for name, some in validations.items():
        everything, top, random, signed = (
            median(without_none(spearman(each, group, pair) for each in some))
            for group, pair in (
                (ALL, "influence_and_kl"),
                (TOP, "influence_and_kl"),
                (RANDOM, "influence_and_kl"),
                (ALL, "prediction_and_effect"),
            )
        )
        sentences.append(
            f"- **{name}**: influence against KL {everything:.2f} over all tested neurons, {top:.2f} among "
            f"the top {TESTED}, {random:.2f} among random ones; "
            f"signed prediction against effect {signed:.2f}."
        )
    return "\n".join(sentences)


def circuit_table(name: str) -> str:
    """The neurons that pruning keeps, as a circuit."""
    model, rows = real_model(name), []
    dictionary = NeuronDictionary(model)
    for prompt, _ in PROMPTS[name][:CIRCUITS]:
        graph = trace_neurons(model, prompt, max_nodes=NODES)
        kept = graph.prune()
        zero, mean = (
            measure_circuit(model, dictionary, kept, settings=CircuitSettings(outside=outside))
            for outside in ("zero", "mean")
        )
        random = [str(each) for each in neurons_outside(model, graph, zero.size)]
        control = measure_circuit(model, dictionary, kept, random)
        large = measure_circuit(model, dictionary, trace_neurons(model, prompt, max_nodes=LARGE))
        numbers = (zero.whole, zero.without, control.without, zero.alone, mean.alone)
        numbers += (zero.nothing, mean.nothing, large.alone)
        cells = [f"{value:.2g}" for value in numbers]
        rows.append([prompt, f"`{zero.answer}`", f"{zero.size:,}", *cells])
        print(rows[-1], flush=True)
    header = ["prompt", "answer", "kept", "whole", "without", "without random"]
    header += ["alone (zero)", "alone (mean)", "nothing (zero)", "nothing (mean)", f"{LARGE:,} alone (zero)"]
    return section(name, header, rows)


def neurons_outside(model: LanguageModel, graph: Graph, count: int) -> list[FeatureAt]:
    """Random neurons after the sink that are not features of the graph."""
    rng, width = np.random.default_rng(0), NeuronDictionary(model).n_features
    taken = {graph.feature_at(int(node)) for node in graph.of_kind(NodeKind.FEATURE)}
    drawn: set[FeatureAt] = set()
    while len(drawn) < count:
        layer, position = int(rng.integers(len(width))), int(rng.integers(1, len(graph.token_ids)))
        neuron = FeatureAt(layer, position, int(rng.integers(width[layer])))
        if neuron not in taken:
            drawn.add(neuron)
    return sorted(drawn)


def patch_table(name: str, patch: SubjectPatch) -> str:
    """One patch with more and more neurons, each beside random ones."""
    model, rows = real_model(name), []
    graph, positions = source_graph(model, patch), subject_positions(model, patch)
    for count in COUNTS:
        neurons = subject_neurons(graph, positions, count)
        before, after = patched_answers(model, patch, neurons)
        draws = [
            patched_answers(model, patch, random_neurons(model, neurons, seed))[1] for seed in range(DRAWS)
        ]
        if not rows:
            rows.append(["none", *cells(before), "", ""])
        control = median(each.answer for each in draws), max(each.source_answer for each in draws)
        rows.append([str(len(neurons)), *cells(after), *(f"{value:.3f}" for value in control)])
        print(patch.prompt, rows[-1], flush=True)
    answers = f"`{patch.answer}`", f"`{patch.source_answer}`"
    header = ["neurons", *answers, "likeliest", *(f"random: {answer}" for answer in answers)]
    return section(f'{name}: "{patch.prompt}" with values from "{patch.source}"', header, rows)


def cells(answers: Answers) -> list[str]:
    likeliest = quote(answers.likeliest)[1:-1]
    return [f"{answers.answer:.3f}", f"{answers.source_answer:.3f}", f"`{likeliest}`"]


def section(title: str, header: list[str], rows: list[list[str]]) -> str:
    return f"### {title}\n\n{table(header, rows)}\n"


TEMPLATE = """# Validation

Do predictions come true? Generated by `make docs` (`benchmarks/validation.py`); every number was measured
({machine}). Features are the models' own neurons, {nodes} of them in each graph.

## One neuron at a time

For each prompt, the {tested} most influential neurons of the whole graph, and {tested} others of the graph
at random, are set to zero one at a time (`clew validate`).

- *Edges*: with everything held but the edges, the worst gap between what happened and what an edge says,
  relative to the feature's largest edge. At most {gap}: the edges are what they claim to be.
- *Influence, KL*: Spearman correlation of a node's influence with the KL divergence (nats) of the next
  token's distribution, in the real model, with everything responding.
- *Influence, size*: the same with the size of the change of the targets' centred logits, averaged by
  weight.
- *Prediction, effect*: the change of the likeliest target's centred logit that the graph predicts over all
  paths, with its sign, against the measured change. *Sizes*: both without signs, over all targets. The last
  column is the Pearson correlation of prediction and effect. The same with trained transcoders:
  [the trained dictionary](trained_dictionary.md).

{verdict}

["Circuit Tracing", Ameisen et al.
2025](https://transformer-circuits.pub/2025/attribution-graphs/methods.html) reports a Spearman correlation
of 0.72 between influence and the effect of ablation, for features of cross-layer transcoders in a larger
model. That is not the same measurement. Here half of the tested neurons are the most influential ones,
which spreads the values and raises the correlation over all of them. Among the top neurons alone, where the
order is harder to tell, and among the random ones alone, it is lower, and these are the fairer numbers.
Signed predictions are weaker still: the graph holds attention and norms fixed and every neuron to a
straight line, and a real model does not.

{tables}
![Influence and KL, prediction and effect for "The capital of France is"]({picture})

## What pruning keeps, as a circuit

The neurons that pruning keeps (at the recommended thresholds) are removed, or kept while everything outside
is removed. Outside is *every* other neuron of every layer, at every position after the sink, in the graph
or not, set to zero or to its mean over a short text. For neurons, "everything outside at zero" takes out
all MLPs except for the kept neurons. *Without random* removes as many random neurons that are not in the
graph. *Nothing* removes the set and everything outside together; compare *alone* with it. Numbers are the
answer's probability.

{circuits}
The kept neurons are necessary: without them the answer is gone, and without as many random ones it is
not. They are not sufficient. On Gemma 3 270M they alone bring back some of the answer, and {large} neurons
bring back much of it. On SmolLM2 the kept neurons alone do better than nothing, from four times to some
billion times, but they reach a ten-thousandth at most, and {large} neurons do not reach more. Outside at
its mean rather than at zero is better on SmolLM2 and worse on Gemma. A graph of some thousand neurons names
what decides between answers. It leaves out hundreds of thousands of small contributions, and without all of
them at once the model is far from anything that it was trained on.

## Patching a subject

The supernode of a subject holds the most influential neurons of one prompt's graph at the positions of its
subject. On another prompt these neurons get the values that they have on the first one, and everything else
responds. *Random* are as many neurons of the same layers at the same positions, patched in the same way: of
{draws} draws, the median for the old answer and the highest for the new one.

{patches}
A hundred neurons at one position change three of these answers, and random ones do nothing. On Gemma 3
270M Texas becomes Florida. Less surely, basketball becomes golf and, on SmolLM2, cold becomes small: the
new answer is the likeliest, with a quarter to two fifths of the probability. On SmolLM2 the capital of
France stays Paris. The embedding of the subject itself is still there for attention to read, and no neuron
takes it back.
"""


if __name__ == "__main__":
    main()
