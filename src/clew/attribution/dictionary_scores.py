"""All that a dictionary is judged by: layers, outputs with every MLP replaced, and a graph's scores."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.quality import TEXT, Quality, measure_quality
from clew.dictionary.replaced_model import PROMPTS, ReplacedModel, measure_replaced_model
from clew.dictionary.transcoder_dictionary import TranscoderDictionary
from clew.graph.info import Scores


@dataclass(frozen=True)
class DictionaryScores:
    """The figures of one dictionary."""

    n_bytes: int
    """The size of its arrays."""
    quality: Quality
    replaced: ReplacedModel
    graphs: tuple[Scores, ...]
    """The scores of each graph, which may rise while a dictionary is destroyed."""

    @property
    def graph(self) -> Scores | None:
        """Medians over graphs; None without one."""
        if not self.graphs:
            return None
        return Scores(
            replacement=median(each.replacement for each in self.graphs),
            completeness=median(each.completeness for each in self.graphs),
        )


def score_dictionary(
    dictionary: TranscoderDictionary,
    *,
    text: str = TEXT,
    graphs: int = 1,
    max_nodes: int = 4096,
    sink: str | None = None,
) -> DictionaryScores:
    """Measure a dictionary on a text and on `clew.dictionary.replaced_model.PROMPTS`.

    Args:
        dictionary: The transcoders, bound to a model.
        text: The text for the quality by layer and for next tokens.
        graphs: The number of prompts that are traced, of those whose words the tokenizer knows.
        max_nodes: Features of a graph.
        sink: As for `measure_quality`.

    Raises:
        ClewError: As for `measure_quality` and `measure_replaced_model`.
    """
    replaced = measure_replaced_model(dictionary, text, PROMPTS, sink)
    settings = TraceSettings(max_nodes=max_nodes, sink=sink)
    traced = [
        trace(dictionary.model, dictionary, answer.prompt, settings).info.scores
        for answer in replaced.answers[:graphs]
    ]
    return DictionaryScores(
        n_bytes=sum(part.n_bytes for part in dictionary.transcoders.layers.values()),
        quality=measure_quality(dictionary, text, sink),
        replaced=replaced,
        graphs=tuple(each for each in traced if each is not None),
    )
