"""All that a dictionary is judged by: layers, outputs with every MLP replaced, and graphs' scores."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from jaxtyping import Int
from torch import Tensor

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.dictionary.next_token import Answer, Extremes
from clew.dictionary.quality import LayerQuality, Quality, quality_on, text_windows
from clew.dictionary.replaced_model import PROMPTS, ReplacedModel, measure_agreement, measure_answers
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.errors import ClewError
from clew.graph.info import Scores
from clew.inspection.facts import dictionary_facts
from clew.model.language_model import LanguageModel
from clew.model.recording import record
from clew.model.sink import DisturbingSink
from clew.progress import OnNote, ignore_note

EXAMPLES = 6
"""Positions that are kept where the replaced model is nearest, and where it is furthest."""


@dataclass(frozen=True)
class TracedPrompt:
    """The scores of a prompt's whole graph."""

    prompt: str
    scores: Scores
    """They may rise while a dictionary is destroyed."""
    neurons: Scores | None = None
    """Those of the graph of the model's own neurons; None where it was not traced."""


@dataclass(frozen=True)
class Inspection:
    """The figures of one dictionary."""

    name: str
    model: str
    facts: dict[str, str]
    """Its kind, format, places, activation and size, in words."""
    n_bytes: int
    """The size of its arrays."""
    n_layers: int
    """The model's; some may have no features."""
    n_features: dict[int, int]
    """By layer that has some."""
    mlps: str
    """The MLPs that it replaces, in words: `every MLP`, or those of some layers."""
    quality: Quality
    replaced: ReplacedModel
    nearest: tuple[Answer, ...]
    """Positions of the text where the replaced model is nearest, their last tokens as prompts."""
    furthest: tuple[Answer, ...]
    traced: tuple[TracedPrompt, ...]
    seconds: float
    """The time of tracing."""

    def __str__(self) -> str:
        return f"{self.quality}; with {self.mlps} replaced: {self.replaced}"

    @property
    def verdict(self) -> str:
        """A sentence about a dictionary whose graphs say little of the model; "" for the others."""
        kept, answers = self.replaced.n_kept, len(self.replaced.answers)
        if not self.quality.fvu < 1:
            return "It explains less of the MLPs than their mean does; do not read graphs of it."
        if 2 * kept < answers:
            return (
                f"With {self.mlps} replaced the model keeps {kept} of {answers} answers; graphs of this "
                "dictionary say little of what the model does."
            )
        return ""

    @property
    def graph(self) -> Scores | None:
        """Medians over graphs; None without one."""
        return medians([each.scores for each in self.traced])

    @property
    def neurons(self) -> Scores | None:
        """Medians over the graphs of neurons; None without one."""
        return medians([each.neurons for each in self.traced if each.neurons is not None])

    @property
    def layers(self) -> list[LayerQuality]:
        """Layers from the best explained to the worst."""
        return sorted(self.quality.layers, key=lambda layer: layer.fvu)


def medians(scores: Sequence[Scores]) -> Scores | None:
    """The medians of scores; None without one."""
    if not scores:
        return None
    return Scores(
        replacement=median(each.replacement for each in scores),
        completeness=median(each.completeness for each in scores),
    )


def inspect_dictionary(
    dictionary: TranscoderDictionary,
    windows: Sequence[Int[Tensor, " position"]] | None = None,
    *,
    graphs: int = 1,
    neurons: bool = False,
    max_nodes: int = 4096,
    sink: str | None = None,
    on_stage: OnNote = ignore_note,
) -> Inspection:
    """Measure a dictionary on texts and on `clew.dictionary.replaced_model.PROMPTS`.

    Args:
        dictionary: The transcoders, bound to a model.
        windows: Token ids of texts, each with a sink in front; by default the built-in text.
        graphs: The number of prompts that are traced, of those whose words the tokenizer knows.
        neurons: Trace them with the model's neurons too.
        max_nodes: Features of a graph.
        sink: The token in front of prompts and of the built-in text, as for `measure_quality`.
        on_stage: Called with what begins.

    Raises:
        ClewError: As for `measure_quality` and `measure_answers`.
    """
    model, own = dictionary.model, dictionary.transcoders
    windows = text_windows(dictionary, sink=sink) if windows is None else windows
    on_stage("Measuring layers")
    quality = quality_on(dictionary, (record(model, window) for window in windows))
    on_stage(f"Replacing {dictionary.replaced_mlps}")
    extremes = Extremes(model, EXAMPLES)
    agreement = measure_agreement(dictionary, windows, extremes)
    replaced = ReplacedModel(agreement, measure_answers(dictionary, PROMPTS, sink))
    begin, traced = time.perf_counter(), []
    beside = _neurons(model) if neurons else None
    for number, answer in enumerate(replaced.answers[:graphs], start=1):
        on_stage(f"Tracing prompt {number} of {min(graphs, len(replaced.answers))}")
        traced.append(
            _traced(dictionary, beside, answer.prompt, TraceSettings(max_nodes=max_nodes, sink=sink))
        )
    return Inspection(
        name=dictionary.name,
        model=model.name,
        facts=dictionary_facts(dictionary),
        n_bytes=sum(part.n_bytes for part in own.layers.values()),
        n_layers=model.n_layers,
        n_features={layer: part.n_features for layer, part in sorted(own.layers.items())},
        mlps=dictionary.replaced_mlps,
        quality=quality,
        replaced=replaced,
        nearest=extremes.nearest,
        furthest=extremes.furthest,
        traced=tuple(each for each in traced if each is not None),
        seconds=time.perf_counter() - begin,
    )


def _neurons(model: LanguageModel) -> NeuronDictionary | None:
    """The model's neurons; None where they cannot be features, such as in a mixture of experts."""
    try:
        return NeuronDictionary(model)
    except ClewError:
        return None


def _traced(
    dictionary: TranscoderDictionary, neurons: NeuronDictionary | None, prompt: str, settings: TraceSettings
) -> TracedPrompt | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DisturbingSink)  # it is of the graph, which nobody reads
        scores = trace(dictionary.model, dictionary, prompt, settings).info.scores
        beside = neurons and trace(dictionary.model, neurons, prompt, settings).info.scores
    return scores and TracedPrompt(prompt, scores, beside)
