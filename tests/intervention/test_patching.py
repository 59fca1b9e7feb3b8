"""Values of another prompt: at the same positions, or at one that is named."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from clew.errors import ClewError
from clew.facade import Model
from clew.feature import Feature
from clew.graph.graph import NodeKind
from clew.graph.info import Annotations
from clew.intervention.intervention import From, Intervention, Positions, Source
from tests.intervention.keyword_calls import intervene
from tests.random_transcoders import random_transcoders
from tests.tiny import random_ids, tiny_model

HERE, THERE, LONGER = (random_ids(count, seed).tolist() for count, seed in ((6, 1), (6, 2), (8, 3)))
FEATURES = [Feature(layer, index) for layer in (0, 2) for index in range(7)]


@pytest.fixture(scope="module")
def model() -> Model:
    language_model = tiny_model("LlamaForCausalLM")
    return Model(language_model, random_transcoders(language_model, "CLT ReLU"))


def values(model: Model, prompt: list[int], positions: Positions) -> torch.Tensor:
    features = model.intervene(prompt, Intervention(FEATURES, positions)).features
    return features.before[features.was_changed]


def patched(model: Model, positions: Positions, source: object) -> torch.Tensor:
    features = model.intervene(HERE, Intervention(FEATURES, positions, "patch", source)).features  # type: ignore[arg-type]
    return features.after[features.was_changed]


@pytest.mark.parametrize("positions", [3, -1, [1, 4], slice(2, 5), From(2), "all"])
def test_the_same_positions_of_a_prompt_of_equal_length(model: Model, positions: Positions):
    expected = values(model, THERE, positions)
    np.testing.assert_allclose(patched(model, positions, THERE), expected, atol=1e-5)


@pytest.mark.parametrize("position", [3, -1])
def test_one_position_needs_no_equal_length(model: Model, position: int):
    expected = values(model, LONGER, position)
    np.testing.assert_allclose(patched(model, position, LONGER), expected, atol=1e-5)


def test_a_position_of_its_own(model: Model):
    expected = values(model, LONGER, 7)
    np.testing.assert_allclose(patched(model, 3, Source(LONGER, 7)), expected, atol=1e-5)
    np.testing.assert_allclose(patched(model, 3, Source(LONGER, -1)), expected, atol=1e-5)
    everywhere = patched(model, "all", Source(LONGER, 7))
    assert len(everywhere) == 6 * len(expected)


def test_members_of_a_supernode_come_each_from_its_own_position(model: Model):
    graph = model.trace(HERE)
    nodes = graph.of_kind(NodeKind.FEATURE)
    nodes = [int(nodes[0]), int(nodes[-1])]
    assert graph.node_position[nodes[0]] != graph.node_position[nodes[1]]
    named = replace(graph, annotations=Annotations(supernodes=(("a", tuple(map(graph.node_id, nodes))),)))
    result = model.intervene(HERE, Intervention("a", None, "patch", THERE), graph=named)
    there = [Intervention(graph.feature_name(node), int(graph.node_position[node])) for node in nodes]
    plain = model.intervene(THERE, there).features
    found = result.features
    np.testing.assert_allclose(found.after[found.was_changed], plain.before[plain.was_changed], atol=1e-5)
    numbers = model.patch("a", THERE, graph=named)
    assert [change.how for change in numbers] == ["set", "set"]
    again = model.intervene(HERE, numbers)
    torch.testing.assert_close(again.logits_after, result.logits_after)
    with pytest.raises(
        ClewError, match=r"^The other prompt has 8 tokens and this one 6, so their positions do "
    ):
        model.intervene(HERE, Intervention("a", None, "patch", LONGER), graph=named)


def test_what_cannot_be_patched_is_refused(model: Model):
    def refused(positions: Positions, source: object, sentence: str, feature: str = "L1/3") -> None:
        with pytest.raises(ClewError, match=f"^{re.escape(sentence)}$"):
            intervene(
                model.language_model,
                model.dictionary,
                HERE,
                [Intervention(feature, positions, "patch", source)],  # type: ignore[arg-type]
            )

    for position in (6, -7):
        sentence = f"The other prompt has positions 0 to 5, so there is no {position}."
        refused(3, Source(THERE, position), sentence)
    refused(3, Source(THERE, 1.5), "A position of the other prompt is one whole number, not 1.5.")  # type: ignore[arg-type]
    refused(3, None, "A patch needs another prompt (a text, ids, messages or a Source), not None.")
    refused(3, 2.0, "A patch needs another prompt (a text, ids, messages or a Source), not 2.0.")
    missing = "Layer 1 has no feature 9; it has features 0 to 6."
    refused(3, THERE, missing, "L1/9")
    refused(
        "all",
        LONGER,
        "The other prompt has 8 tokens and this one 6, so their positions do not match; name one position of "
        "the other (--patch NODE=@4:PROMPT, or Source(prompt, 4) in Python).",
    )
