"""Interventions without a meaning are refused with a sentence; those with several are taken as written."""

from __future__ import annotations

import numpy as np
import pytest

from clew.errors import ClewError
from clew.feature import Feature
from clew.intervention.intervention import From, Intervention
from clew.intervention.layer_interventions import changed_features, resolve_interventions
from tests.intervention.keyword_calls import intervene, prepare
from tests.random_transcoders import random_transcoders
from tests.tiny import random_ids, tiny_model

F = Feature(1, 4)
NO_POSITION = "is not a position; give a whole number, a slice, several numbers, From(p) or 'all'."
BACKWARDS = "@4:2 holds no position: its end is not after its start; the prompt has positions 0 to 5."


def refused(*interventions: Intervention) -> str:
    with pytest.raises(ClewError) as caught:
        resolve_interventions(interventions, [7, 7, 0], 6)
    return str(caught.value)


@pytest.mark.parametrize(
    ("intervention", "sentence"),
    [
        (Intervention(Feature(3, 0)), "There is no layer 3 (L3/0); the model has layers 0 to 2."),
        (Intervention(Feature(-1, 0)), "There is no layer -1 (L-1/0); the model has layers 0 to 2."),
        (Intervention(Feature(1, 7)), "Layer 1 has no feature 7; it has features 0 to 6."),
        (Intervention(Feature(1, -1)), "Layer 1 has no feature -1; it has features 0 to 6."),
        (Intervention(Feature(2, 0)), "Layer 2 has no feature 0; it has no features."),
        (
            Intervention(Feature(1.0, 4)),  # type: ignore[arg-type]
            "Feature(layer=1.0, index=4) is not a feature; give Feature(layer, index), both whole numbers.",
        ),
        (
            Intervention([(1, 4)]),  # type: ignore[list-item]
            "(1, 4) is not a feature; give Feature(layer, index), both whole numbers.",
        ),
        (
            Intervention(None, 5),  # type: ignore[arg-type]
            "None is not a feature; give Feature(layer, index), a name such as L12/4031, or several of "
            "these.",
        ),
        (
            Intervention("l24/1005@5"),
            "'l24/1005@5' is not a feature such as L12/4031; for a supernode or a label, give its graph "
            "(--graph FILE, or graph= in Python). Did you mean L24/1005@5?",
        ),
        (Intervention([]), "An intervention has no feature; give at least one."),
        (
            Intervention("Texas"),
            "'Texas' is not a feature such as L12/4031; for a supernode or a label, give its graph "
            "(--graph FILE, or graph= in Python).",
        ),
        (Intervention(F, 6), "There is no position 6; the prompt has positions 0 to 5."),
        (Intervention(F, -7), "There is no position -7; the prompt has positions 0 to 5."),
        (Intervention(F, [0, 9]), "There is no position 9; the prompt has positions 0 to 5."),
        (Intervention(F, From(7)), "There is no position 7; the prompt has positions 0 to 5."),
        (Intervention(F, slice(2, 9)), "There is no position 9; the prompt has positions 0 to 5."),
        (Intervention(F, slice(4, 2)), BACKWARDS),
        (
            Intervention(F, slice(1, 4, 0)),
            "The step of positions is a whole number other than 0, not 0.",
        ),
        (Intervention(F, []), "An intervention has no position; give at least one, or 'all'."),
        (Intervention(F, 1.5), f"1.5 {NO_POSITION}"),  # type: ignore[arg-type]
        (Intervention(F, True), f"True {NO_POSITION}"),
        (Intervention(F, [1, False]), f"False {NO_POSITION}"),
        (Intervention(F, "5"), f"'5' {NO_POSITION}"),
        (Intervention(F, From(1.0)), f"1.0 {NO_POSITION}"),  # type: ignore[arg-type]
        (
            Intervention(F, 1, "halve"),
            "A feature cannot be changed by 'halve'; choose one of ablate, scale, set, add, patch.",
        ),
        (
            Intervention(F, 1, "ablate", 2.0),
            "'ablate' takes no value, but 2.0 was given; use 'set' to set one.",
        ),
        (
            Intervention(F, 1, "set"),
            "A feature cannot be changed by 'set' without a value; give a finite number.",
        ),
        (
            Intervention(F, 1, "add", float("nan")),
            "A feature cannot be changed by 'add' with nan; give a finite number.",
        ),
        (
            Intervention(F, 1, "scale", float("inf")),
            "A feature cannot be changed by 'scale' with inf; give a finite number.",
        ),
        (
            Intervention(F, 1, "set", "3"),  # type: ignore[arg-type]
            "A feature cannot be changed by 'set' with 3; give a finite number.",
        ),
    ],
)
def test_one_intervention(intervention: Intervention, sentence: str):
    assert refused(intervention) == sentence


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        (3, 3, 3),
        (-3, 3, 3),
        (slice(1, 4), [5, 2], 2),
        ("all", 0, 0),
        (From(2), slice(0, 3), 2),
        (From(6), "all", 6),
        (None, From(4), 4),
    ],
)
def test_two_changes_at_one_place(one, other, place: int):
    changes = Intervention(F, one), Intervention([Feature(0, 1), F], other, "set", 1.0)
    assert refused(*changes) == f"Two interventions change L1/4 at position {place}; leave one out."


@pytest.mark.parametrize(("one", "other"), [(3, 4), (slice(0, 3), From(3)), (From(6), slice(0, 6)), (0, -1)])
def test_two_changes_of_one_feature_at_different_places_are_fine(one, other):
    edits = resolve_interventions([Intervention(F, one), Intervention(F, other, "set", 1.0)], [7, 7], 6)
    assert changed_features(edits[1], 6, 7).sum() == edits[1].where(0, 6).sum()


@pytest.mark.parametrize(
    ("positions", "prompt", "generated"),
    [
        (2, [2], False),
        (-1, [5], False),
        (np.int64(2), [2], False),
        ([0, -2], [0, 4], False),
        (slice(2, None), [2, 3, 4, 5], False),
        (slice(-2, 6), [4, 5], False),
        (slice(None, None, 2), [0, 2, 4], False),
        ("all", [0, 1, 2, 3, 4, 5], True),
        (None, [0, 1, 2, 3, 4, 5], True),
        (From(4), [4, 5], True),
        (From(-1), [5], True),
        (From(6), [], True),
    ],
)
def test_positions_of_the_prompt_and_of_generated_tokens(positions, prompt, generated: bool):
    edits = resolve_interventions([Intervention(F, positions)], [7, 7], 6)[1]
    assert edits.where(0, 6)[0].nonzero().squeeze(1).tolist() == prompt
    assert edits.where(6, 3)[0].tolist() == [generated] * 3
    assert edits.where(4, 4)[0].tolist() == [4 in prompt, 5 in prompt, generated, generated]


@pytest.mark.parametrize(
    ("positions", "chosen"),
    [
        (6, [6]),
        ([5, 8], [5, 8]),
        (slice(4, 8), [4, 5, 6, 7]),
        (slice(None), [0, 1, 2, 3, 4, 5]),
        (From(7), [7, 8, 9, 10, 11]),
        (-1, [5]),
    ],
)
def test_positions_of_tokens_that_are_generated(positions, chosen: list[int]):
    edits = resolve_interventions([Intervention(F, positions)], [7, 7], 6, generated=4)[1]
    assert edits.where(0, 12)[0].nonzero().squeeze(1).tolist() == chosen
    with pytest.raises(
        ClewError, match=r"^There is no position 10; the prompt has positions 0 to 5, and 4 to"
    ):
        resolve_interventions([Intervention(F, 10)], [7, 7], 6, generated=4)


def test_what_no_run_can_be_made_of():
    model = tiny_model("LlamaForCausalLM")
    dictionary, ids = random_transcoders(model, "PLT ReLU"), random_ids(6).tolist()
    with pytest.raises(ClewError, match=r"^regime must be direct, frozen-attention or free, not 'linear'"):
        intervene(model, dictionary, ids, [], regime="linear")
    for strength in (float("nan"), float("inf"), "2"):
        with pytest.raises(ClewError, match=rf"^A strength is a finite number, not {strength}\.$"):
            prepare(model, dictionary, ids, [], strengths=[strength])  # type: ignore[list-item]
    for strengths in (1, "12"):
        with pytest.raises(
            ClewError, match=rf"^Strengths are several numbers such as \[-1, 0, 1\], not {strengths!r}"
        ):
            prepare(model, dictionary, ids, [], strengths=strengths)  # type: ignore[arg-type]
    for prompt in (None, 3.5, [1, "a"], [1.0]):
        with pytest.raises(ClewError, match=r" is not a prompt; pass a text, a list of token ids, or"):
            prepare(model, dictionary, prompt, [])  # type: ignore[arg-type]
    with pytest.raises(
        ClewError, match=r"^A graph is what model\.trace or clew\.open gives, not 'a\.clew'\.$"
    ):
        prepare(model, dictionary, ids, [], graph="a.clew")  # type: ignore[arg-type]
    for given in ([Feature(0, 1)], ["L0/1"]):
        with pytest.raises(ClewError, match=r"^L0/1 is not an intervention; give Intervention\(features, p"):
            prepare(model, dictionary, ids, given)  # type: ignore[arg-type]
    with pytest.raises(ClewError, match=r"^\(0, 1\) is not a feature; give Feature\(layer, index\)"):
        prepare(model, dictionary, ids, [Intervention([(0, 1)])])  # type: ignore[list-item]
    with pytest.raises(ClewError, match=r"^There is no strength; give at least one\.$"):
        prepare(model, dictionary, ids, [], strengths=[])
