"""Measure a trained dictionary beside neurons; write docs/measurements/trained_dictionary.md."""

from __future__ import annotations

import argparse
import platform
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import clew
from benchmarks.support.markdown import filled, table
from benchmarks.support.neuron_graphs import most_influential, random_nodes
from benchmarks.support.prompts import FORTY
from clew.dictionary.next_token import Answer
from clew.dictionary.replaced_model import compare_next_token
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.facade import Model
from clew.graph.graph import Graph
from clew.intervention.validation_result import Validation
from clew.model.prompt import DisturbingSink, encode_prompt
from tests.real import SMOLLM2_ANSWERS

NODES, LARGE = 4096, 8192
"""Most features of a graph; the trained dictionary is also measured with more."""
ABLATED, DRAWS, TESTED = 30, 5, 60
SINK = "<filename>"
PAGE = Path("docs/measurements/trained_dictionary.md")


@dataclass(frozen=True)
class Measured:
    """One prompt's figures with one dictionary."""

    graph: Graph
    ablated: float
    random: float
    validation: Validation

    @property
    def answer(self) -> float:
        return max(target.weight for target in self.graph.info.targets)

    @property
    def fall(self) -> float:
        return self.answer / max(self.ablated, 1e-30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=len(SMOLLM2_ANSWERS), help="measure only so many")
    prompts = [prompt for prompt, _ in SMOLLM2_ANSWERS][: parser.parse_args().prompts]
    warnings.simplefilter(
        "ignore", DisturbingSink
    )  # the same first token for all prompts is what is measured
    trained = clew.load("smollm2", dictionary="smollm2-plt")
    neurons = clew.load("smollm2", dictionary="neurons")
    ours = {prompt: measured(trained, prompt) for prompt in prompts}
    theirs = {prompt: measured(neurons, prompt) for prompt in prompts}
    large = [trained.trace(prompt, max_nodes=LARGE).info.scores for prompt in prompts]
    answers = list(answers_of(trained, prompts))
    others = list(answers_of(trained, FORTY))
    PAGE.write_text(
        filled(
            TEMPLATE.format(
                quality=trained.quality,
                answers=answer_table(answers),
                kept=sum(each.kept for each in answers),
                n_prompts=len(prompts),
                others=answer_table(others),
                others_kept=sum(each.kept for each in others),
                n_others=len(others),
                others_kl=median(each.kl for each in others),
                faithfulness=faithfulness_table(ours, theirs),
                falls=f"{median(m.fall for m in ours.values()):,.0f} times with the trained dictionary, "
                f"{median(m.fall for m in theirs.values()):,.0f} times with neurons",
                large=f"{LARGE:,}",
                large_scores=f"{median(s.replacement for s in large if s):.2f} and "
                f"{median(s.completeness for s in large if s):.2f}",
                validation=validation_table(ours, theirs),
                machine=f"Python {platform.python_version()} on {platform.machine()}, float32",
                nodes=f"{NODES:,}",
                ablated=ABLATED,
                draws=DRAWS,
                tested=TESTED,
            )
        )
    )


def measured(model: Model, prompt: str) -> Measured:
    """The graph of a prompt, the answer without its strongest features, and its validation."""
    graph = model.trace(prompt, max_nodes=NODES)
    found = Measured(
        graph,
        answer_without(model, graph, most_influential(graph, ABLATED)),
        median(answer_without(model, graph, random_nodes(graph, ABLATED, seed)) for seed in range(DRAWS)),
        model.validate(graph, count=TESTED),
    )
    print(prompt, found.ablated, found.random, found.validation, flush=True)
    return found


def answer_without(model: Model, graph: Graph, nodes: Iterable[int]) -> float:
    """Probability of the likeliest target with features set to zero in the real model."""
    features = [str(graph.feature_at(int(node))) for node in nodes]
    result = model.intervene(graph.info.prompt, [clew.Intervention(each) for each in features])
    best = max(graph.info.targets, key=lambda target: target.weight)
    return float(result.logits_after[-1].softmax(-1)[best.token_id])


def answers_of(model: Model, prompts: Sequence[str]) -> Iterator[Answer]:
    dictionary = model.dictionary
    assert isinstance(dictionary, TranscoderDictionary)
    for prompt in prompts:
        encoded = encode_prompt(model.language_model, prompt, None, dictionary.sink)
        yield compare_next_token(dictionary, encoded.token_ids.tolist())


def answer_table(answers: Sequence[Answer]) -> str:
    rows = [
        [
            each.prompt.removeprefix(SINK),
            f"`{each.answer}`",
            "the same" if each.kept else f"`{each.replaced_answer}`",
            f"{each.probability:.2f}",
            f"{each.replaced_probability:.2f}",
            f"{each.kl:.2f}",
        ]
        for each in answers
    ]
    return table(["prompt", "answer", "replaced", "p", "replaced p", "KL"], rows, n_texts=3)


def faithfulness_table(ours: Mapping[str, Measured], theirs: Mapping[str, Measured]) -> str:
    rows = []
    for prompt, each in ours.items():
        pair = each, theirs[prompt]
        rows.append([prompt, f"{each.answer:.2f}", *(f"{one.ablated:.2g}" for one in pair)])
        rows[-1] += [f"{one.random:.2f}" for one in pair]
        scores = [one.graph.info.scores for one in pair]
        rows[-1] += [f"{score.replacement:.2f}" for score in scores if score]
        rows[-1] += [f"{score.completeness:.2f}" for score in scores if score]
        rows[-1].append(f"{max(one.graph.info.conservation or 0 for one in pair):.0e}")
    columns = [[float(row[place]) for row in rows] for place in range(6, 10)]
    rows.append(["**median**", "", "", "", "", "", *(f"**{median(one):.2f}**" for one in columns), ""])
    names = ("ablated", "random", "R", "C")
    header = ["prompt", "p", *(f"{name}, {whose}" for name in names for whose in ("trained", "neurons"))]
    return table([*header, "gap"], rows)


PAIRS = (
    ("influence, KL", "influence_and_kl"),
    ("influence, size", "influence_and_size"),
    ("sizes", "prediction_and_size"),
    ("prediction, effect", "prediction_and_effect"),
)


def validation_table(ours: Mapping[str, Measured], theirs: Mapping[str, Measured]) -> str:
    rows, columns = [], []
    for prompt, each in ours.items():
        values = [
            getattr(one.validation.everything, pair).spearman
            for _, pair in PAIRS
            for one in (each, theirs[prompt])
        ]
        columns.append([0.0 if value is None else value for value in values])
        rows.append([prompt, f"{each.validation.gap:.0e}", *(f"{value:.2f}" for value in columns[-1])])
    medians = [median(column) for column in zip(*columns, strict=True)]
    rows.append(["**median**", "", *(f"**{value:.2f}**" for value in medians)])
    header = [
        "prompt",
        "edges",
        *(f"{name}, {whose}" for name, _ in PAIRS for whose in ("trained", "neurons")),
    ]
    return table(header, rows)


TEMPLATE = """# The trained dictionary

How good is the dictionary that comes for the small model, beside the model's own neurons? Generated by
`make docs` (`benchmarks/trained_dictionary.py`); every number was measured ({machine}). Both are traced
behind the model's sink. On the text that every loading measures: {quality}.

## Answers with every MLP replaced

The dictionary stands for every MLP at once, and nothing is put right. It keeps {kept} of the {n_prompts}
answers of the documentation.

{answers}

Of {n_others} other prompts, chosen before any was measured, it keeps {others_kept} (median KL
{others_kl:.2f} nats). Many of them are near ties. Less than six of ten is not good: such a graph explains
what the dictionary knows, and each trace says whether its answer survives.

{others}

## Faithfulness

As in [faithfulness](faithfulness.md): *ablated* is the answer's probability when the {ablated} most
influential features of the graph ({nodes} features) are set to zero at once in the real model; *random* the
median of {draws} draws of as many others. R is replacement, C completeness. The answer falls, in the
median, {falls}. A trained feature that is set to zero takes away what it writes, and the error node that
stands beside it stays; neurons take away all. With {large} features the trained dictionary's R and C are
{large_scores} in the median.

{faithfulness}

## Validation

As in [validation](validation.md): Spearman correlations over the {tested} most influential features of each
graph and {tested} others. *Edges* is the worst gap between an edge and what happened, relative to the
feature's largest edge.

{validation}
"""


if __name__ == "__main__":
    main()
