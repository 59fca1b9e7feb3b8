"""Selection of features by repeated partial influence, as published and as circuit-tracer does it.

"Circuit Tracing: Revealing Computational Graphs in Language Models", Ameisen et al. 2025,
https://transformer-circuits.pub/2025/attribution-graphs/methods.html

Rows are computed for the outputs, then for the features that influence the outputs most through the
rows known so far, a round at a time, until enough are chosen. It follows only absolute edges between
nodes, where the attribution of `selection.py` follows signed paths through all features at once.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from clew.attribution.backward_sweep import sweep_backward
from clew.attribution.linear_map import LinearMap
from clew.attribution.selection import check_ranks, joined
from clew.attribution.sources import Sources, gather_sources
from clew.attribution.targets import OutputTargets, Targets, feature_reads
from clew.dictionary.protocols import ActiveFeatures, Encoding
from clew.progress import OnStep, ignore_step

ROUND = 2048
"""Features chosen between two updates of the influence: four batches of 512, as published."""


@torch.no_grad()
def select_by_influence(
    linear: LinearMap,
    encoding: Encoding,
    outputs: OutputTargets,
    *,
    max_nodes: int,
    first_position: int,
    memory: int,
    on_progress: OnStep = ignore_step,
) -> ActiveFeatures:
    """The `max_nodes` features that influence the outputs most, over paths through those chosen before.

    Memory and time follow the number of active features, all of which are sources of every row.
    """
    everything = joined([encoding.active(layer) for layer in range(linear.model.n_layers)])
    features = everything.at(everything.position >= first_position)
    chosen = torch.zeros(len(features), dtype=torch.bool, device=features.layer.device)
    if len(features) <= max_nodes:
        return features
    sources = gather_sources(linear, encoding, features, first_position)
    done = 0
    while done < max_nodes:
        on_progress(done, max_nodes)
        influence = partial_influence(linear, encoding, outputs, features, chosen, sources, memory)
        check_ranks(influence, linear)
        influence = influence[: len(features)].masked_fill(chosen, -1)
        more = min(ROUND, max_nodes - done)
        chosen[influence.topk(more).indices] = True
        done += more
    return features.at(chosen)


def partial_influence(
    linear: LinearMap,
    encoding: Encoding,
    outputs: OutputTargets,
    features: ActiveFeatures,
    chosen: Bool[Tensor, " feature"],
    sources: Sources,
    memory: int,
) -> Float[Tensor, " column"]:
    """Influence of every source on the outputs through the rows of the outputs and the `chosen` features.

    Rows come from the top layer down, so each row's own influence is known before its row is: nothing
    but the sum is kept.
    """
    n_layers, last = linear.model.n_layers, linear.recording.n_positions - 1
    device = features.layer.device
    influence = torch.zeros(sources.n_columns, device=device)

    def add(targets: Targets, weight: Float[Tensor, " target"]) -> None:
        for block in sweep_backward(targets, sources, linear.attention, memory):
            magnitude = block.weight.abs()
            share = weight[block.target] / magnitude.sum(dim=1).clamp(min=1e-8)
            influence.index_add_(0, block.column, share @ magnitude)

    n_outputs = len(outputs.targets)
    top = Targets(
        direction=outputs.direction,
        layer=torch.full((n_outputs,), n_layers, device=device),
        position=torch.full((n_outputs,), last, device=device),
        before_attention=linear.model.parallel_blocks,
    )
    add(top, torch.tensor([target.weight for target in outputs.targets], device=device))
    for layer in reversed(range(1, n_layers)):
        here = torch.nonzero(chosen & (features.layer == layer)).squeeze(1)
        if len(here):
            readers = features.at(here)
            direction, _, _ = feature_reads(linear, encoding, readers)
            reads = replace(top, direction=direction, layer=readers.layer, position=readers.position)
            add(reads, influence[here])
    return influence
