"""Numbers of a model against other ways to get them: transformers, autograd, direct changes, no cache."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import GapWarning, trace
from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.protocols import Dictionary
from clew.dictionary.quality import WINDOW
from clew.graph.conservation import LARGEST_GAP, conservation_gap
from clew.graph.graph import Graph, NodeKind
from clew.graph.influence import row_sums
from clew.intervention.generation import generate_tokens
from clew.intervention.intervention import Intervention
from clew.intervention.run_intervention import prepare
from clew.intervention.settings import GenerateCall, ValidationSettings
from clew.intervention.validation import validate_graph
from clew.model.language_model import LanguageModel
from clew.model.prompt import usual_front
from clew.model.recording import Recording, record
from clew.model.template import encode_text
from clew.model.tokenizer_calls import split_text
from clew.model_check.autograd_rows import chosen_rows, worst_row_difference
from clew.model_check.findings import Finding, at_most, not_measured

PROMPT = "The capital of France is"
"""The prompt of every check."""
REPORT_IT = "This clew or this version of transformers is at fault; report it with this page."


@dataclass(frozen=True)
class Bounds:
    """The largest differences that rounding explains, in one number format."""

    kl: float
    """Nats, between two ways to compute the same logits."""
    gap: float
    """Between a row's sum and its total: relative to that total in float32, else to the largest one."""
    row: float
    """Relative to the row's largest edge."""


BOUNDS = {
    torch.float32: Bounds(kl=1e-6, gap=LARGEST_GAP, row=LARGEST_GAP),
    torch.float16: Bounds(kl=5e-3, gap=1e-2, row=3e-2),
    torch.bfloat16: Bounds(kl=5e-2, gap=6e-2, row=0.2),
}
"""In half precision some five times what tiny models of every architecture show."""


def bounds_of(model: LanguageModel) -> Bounds:
    return BOUNDS[model.unembedding_weight.dtype]


def probe_ids(model: LanguageModel, trained_behind: str | None = None) -> list[int]:
    """Token ids of the check's prompt; of tokens drawn at random where the tokenizer lacks its words."""
    front, ids = usual_front(model, trained_behind), encode_text(model, PROMPT).bare
    return [*front, *(ids if len(set(ids)) > 3 else random_ids(model, 8))]


def random_ids(model: LanguageModel, count: int) -> list[int]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(len(model.unembedding_weight), (count,), generator=generator).tolist()


def kl_divergence(of: Float[Tensor, " vocabulary"], to: Float[Tensor, " vocabulary"]) -> float:
    """KL divergence (nats) of two distributions that are given as logits, in float64."""
    p, q = of.double().log_softmax(-1), to.double().log_softmax(-1)
    return float((p.exp() * (p - q)).sum())


@contextlib.contextmanager
def plain_attention(model: LanguageModel) -> Iterator[str]:
    """The attention that transformers itself would choose, for a block; gives its name."""
    with model.exclusive:
        before = model.text_config._attn_implementation
        name = "sdpa"
        try:
            model.network.set_attn_implementation(name)
        except ValueError:  # Gemma 2 and GPT-OSS have no other attention than the one that clew records
            name = before
        try:
            yield name
        finally:
            model.network.set_attn_implementation(before)


def check_logits(model: LanguageModel, recording: Recording) -> Finding:
    """Logits of a recording, and of a longer text, against transformers alone with its own attention."""
    ids = split_text(model.tokenizer, TEXT, special=True)[: min(WINDOW, model.context_length)]
    text = torch.tensor(ids if len(set(ids)) > 2 else random_ids(model, model.context_length // 2))
    own = [recording.logits, record(model, text).logits]
    with plain_attention(model) as attention:
        plain = [model.next_token_logits(ids[None])[0] for ids in (recording.token_ids, text)]
    worst = max(map(kl_divergence, plain, own))
    value = f"KL {worst:.0e} to transformers with {attention} attention, on {len(text)} tokens"
    return at_most("logits", worst, bounds_of(model).kl, value, REPORT_IT)


def graph_of(model: LanguageModel, dictionary: Dictionary, ids: list[int]) -> Graph:
    """A small graph of the check's prompt, whole."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GapWarning)  # the check says it
        return trace(model, dictionary, ids, TraceSettings(max_nodes=256, max_targets=1))


def check_conservation(model: LanguageModel, graph: Graph) -> Finding:
    """The sum of every row of a graph against what the row explains."""
    count = f"{len(graph.of_kind(NodeKind.FEATURE)) + 1} rows add up to"
    if model.unembedding_weight.dtype == torch.float32:
        gap, value, remedy = conservation_gap(graph), "{}", "do not rely on graphs of this model"
    else:  # a total that nearly cancels knows no relative bound there
        gap, value, remedy = gap_to_largest(graph), "{} of the largest", "use --dtype float32"
    value = f"{count} {value.format(f'{gap:.0e}')}"
    return at_most("conservation", gap, bounds_of(model).gap, value, f"Edges are missing or wrong: {remedy}.")


def gap_to_largest(graph: Graph) -> float:
    """The largest gap between a row's sum and its total, relative to the largest total of the graph."""
    assert graph.node_total is not None
    assert graph.node_constant is not None
    rows = np.flatnonzero(np.isfinite(graph.node_total))
    sums = row_sums(graph.edge_weight, graph.edge_offset)[rows] + graph.node_constant[rows]
    total = graph.node_total[rows].astype(np.float64)
    return float(np.abs(sums - total).max() / np.abs(total).max())


def check_rows(model: LanguageModel, dictionary: Dictionary, recording: Recording, graph: Graph) -> Finding:
    """Rows of a graph against autograd through the real network, with the same parts frozen."""
    worst = worst_row_difference(model, dictionary, recording, graph)
    names = ", ".join(
        "the output" if graph.node_kind[row] == NodeKind.TARGET else graph.node_name(row)
        for row in chosen_rows(graph)
    )
    value = f"differ by {worst:.0e} ({names})"
    return at_most("rows by autograd", worst, bounds_of(model).row, value, REPORT_IT)


def check_interventions(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> Finding:
    """Effects of features that are set to zero, all else held, against their edges."""
    if not len(graph.of_kind(NodeKind.FEATURE)):
        return not_measured("interventions", "No feature is active on the prompt.")
    result = validate_graph(model, dictionary, graph, ValidationSettings(count=4, random_count=4))
    value = f"{len(result.nodes)} features do what their edges say, to {result.gap:.0e}"
    return at_most("interventions", result.gap, bounds_of(model).row, value, REPORT_IT)


def check_generation(model: LanguageModel, dictionary: Dictionary, graph: Graph) -> Finding:
    """Generated tokens with kept keys and values against those without, unchanged and with a change."""
    ids, count = graph.token_ids.tolist(), 6
    features = graph.of_kind(NodeKind.FEATURE)
    changes = []
    if len(features):
        strongest = graph.feature_at(int(features[graph.node_influence[features].argmax()]))
        changes = [Intervention(strongest.feature, "all", "scale", 2.0)]
    texts = []
    for cache in (True, False):
        call = GenerateCall(interventions=changes, max_tokens=count, cache=cache)
        run = prepare(model, dictionary, ids, call, generated=count)
        texts.append([each.token_ids for each in generate_tokens(run, call)])
    same = texts[0] == texts[1]
    where = "unchanged and with a change" if changes else "unchanged"
    value = f"{count} tokens {'are the same' if same else 'differ'} with and without cache, {where}"
    remedy = "" if same else f"Generate with cache=False. {REPORT_IT}"
    return Finding("generation", value, same, "the same", remedy)


def record_probe(model: LanguageModel, trained_behind: str | None = None) -> Recording:
    """The recording of the check's prompt."""
    ids: Int[Tensor, " position"] = torch.tensor(probe_ids(model, trained_behind))
    return record(model, ids)
