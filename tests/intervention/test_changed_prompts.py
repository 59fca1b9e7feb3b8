"""A prompt that the tokenizer changes is spoken of by all that read one."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
from tokenizers import normalizers

from clew import Feature, Intervention
from clew.dictionary.neurons import NeuronDictionary
from clew.facade import Model
from clew.intervention.intervention import Source
from clew.model.normalization import ChangedPrompt
from tests.tiny import Shape, tiny_model
from tests.tokenizers import KINDS, finished

FEATURE = Feature(0, 3)
ABLATED = Intervention(FEATURE)


@pytest.fixture(scope="module")
def model() -> Model:
    """A model whose tokenizer folds case."""
    tokenizer = KINDS["byte level"]()
    tokenizer.normalizer = normalizers.Lowercase()  # type: ignore[assignment]
    network = tiny_model("LlamaForCausalLM", Shape(n_layers=1, vocabulary=400))
    network = replace(network, tokenizer=finished(tokenizer, "bos"))
    return Model(network, NeuronDictionary(network))


def patched(prompt, position=None):
    return Intervention(FEATURE, 1, "patch", Source(prompt, position))


DOORS = {
    "trace": lambda model, prompt: model.trace(prompt, max_nodes=5),
    "intervene": lambda model, prompt: model.intervene(prompt, ABLATED),
    "generate": lambda model, prompt: model.generate(prompt, ABLATED, 1),
    "circuit": lambda model, prompt: model.circuit(prompt, features=[FEATURE.at(1)]),
}
OTHER_PROMPT = {
    "intervene with a patch": lambda model, prompt: model.intervene("the cold", patched(prompt, 1)),
    "generate with a patch": lambda model, prompt: model.generate("the cold", patched(prompt, 1), 1),
    "patch": lambda model, prompt: model.patch(FEATURE, prompt, positions=1),
}


def warned(model, door, prompt) -> list[str]:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        door(model, prompt)
    return [str(each.message) for each in heard if issubclass(each.category, ChangedPrompt)]


@pytest.mark.parametrize("door", DOORS)
def test_the_prompt_is_spoken_of_at_each_door(model, door):
    sentence = 'The tokenizer of tiny changes the prompt: "C" becomes "c".'
    assert warned(model, DOORS[door], "the Cold") == [sentence]
    assert warned(model, DOORS[door], "the cold") == []


@pytest.mark.parametrize("door", OTHER_PROMPT)
def test_the_prompt_that_a_patch_is_read_from_is_spoken_of(model, door):
    sentence = 'The tokenizer of tiny changes the other prompt: "C" becomes "c".'
    assert set(warned(model, OTHER_PROMPT[door], "the Cold")) == {sentence}
    assert warned(model, OTHER_PROMPT[door], "the cold") == []


def test_token_ids_are_not_spoken_of(model):
    ids = model.language_model.tokenizer("the Cold")["input_ids"]
    assert warned(model, DOORS["intervene"], ids) == []
