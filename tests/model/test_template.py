"""Prompts are the tokenizer's own ids: its BOS in front, never twice, and none of its tokens at the end."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from clew.errors import ClewError
from clew.model.prompt import encode_prompt
from clew.model.template import encode_text, template_prefix
from tests.tiny import CONFIG_BY_ARCHITECTURE, Shape, tiny_model
from tests.tokenizers import KINDS, TEMPLATES, finished

BOS, EOS, TURN = 0, 1, 3
TEXTS = {
    "plain": "The capital of France is",
    "BOS in the text": "<s>The capital of France is",
    "another special token first": "<turn>The capital of France is",
    "EOS typed at the end": "The capital of France is</s>",
    "special tokens inside": "The capital<turn> of</s> France<s> is",
}
SHAPE = Shape(n_layers=1, vocabulary=400)


def with_tokenizer(model, kind, template):
    return replace(model, tokenizer=finished(KINDS[kind](), template))


def expected_ids(tokenizer, text, template):
    """The tokenizer's own ids without the EOS that it adds, and without a BOS that the text has already."""
    own = tokenizer(text)["input_ids"]
    own = own[:-1] if "eos" in template else own
    return own[1:] if own[:2] == [BOS, BOS] else own


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_every_prompt_is_the_tokenizers_own_ids(architecture):
    network = tiny_model(architecture, SHAPE)
    for kind in KINDS:
        for template in TEMPLATES:
            model = with_tokenizer(network, kind, template)
            for text in TEXTS.values():
                own = expected_ids(model.tokenizer, text, template)
                assert encode_prompt(model, text, "none").token_ids.tolist() == own
                prompt = encode_prompt(model, text)
                assert prompt.sink is not None
                ids = prompt.token_ids.tolist()
                assert ids[0] == prompt.sink.token_id
                assert ids == own if own[0] in (BOS, TURN) else ids[1:] == own


PARTS = (" ", "<s>", "</s>", "<turn>", "The", "\n", "<unk>", "é", " is")


@pytest.mark.filterwarnings("ignore::clew.model.normalization.ChangedPrompt")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_specials_and_spaces_in_any_order_are_the_tokenizers_own_ids(kind, template):
    model = with_tokenizer(tiny_model("LlamaForCausalLM", SHAPE), kind, template)
    for text in ("".join(parts) for parts in product(PARTS, repeat=2)):
        own = model.tokenizer(text)["input_ids"]
        own = own[:-1] if "eos" in template else own
        if "bos" in template and own[1:2] == [BOS]:  # typed, too
            own = own[1:]
        if model.tokenizer(text, add_special_tokens=False)["input_ids"]:
            assert encode_prompt(model, text, "none").token_ids.tolist() == own, text
        else:
            with pytest.raises(ClewError, match="has no tokens"):
                encode_prompt(model, text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("text", TEXTS.values(), ids=list(TEXTS))
def test_a_named_sink_stands_once_in_place_of_the_templates(kind, template, text):
    model = with_tokenizer(tiny_model("LlamaForCausalLM", SHAPE), kind, template)
    bare = model.tokenizer(text, add_special_tokens=False)["input_ids"]
    for name, sink in (("<turn>", TURN), ("<s>", BOS)):
        ids = encode_prompt(model, text, name).token_ids.tolist()
        assert ids == (bare if bare[0] == sink else [sink, *bare])


@pytest.mark.parametrize("kind", KINDS)
def test_the_prefix_of_a_template_does_not_depend_on_a_text(kind):
    model = tiny_model("LlamaForCausalLM", SHAPE)
    for template in TEMPLATES:
        prefix = template_prefix(with_tokenizer(model, kind, template))
        assert prefix == ([BOS] if "bos" in template else [])


def test_a_template_of_several_tokens_keeps_them_all():
    model = tiny_model("LlamaForCausalLM", SHAPE)
    tokenizer = finished(KINDS["words"](), "<s> <turn> $A </s> <turn>")
    model = replace(model, tokenizer=tokenizer)
    for text in ("The capital", "<s>The capital", "<s><turn>The capital"):
        assert encode_prompt(model, text).token_ids.tolist() == [BOS, TURN, 4, 5]


def test_the_length_is_that_of_what_the_model_reads():
    model = tiny_model("LlamaForCausalLM")
    for template, text in (("nothing", "<s>"), ("nothing", "<turn>"), ("bos", ""), ("bos", "<s>")):
        model = with_tokenizer(model, "words", template + " and eos" * (template == "bos"))
        full = text + " The" * (64 - (template == "bos" or text != ""))
        assert len(encode_prompt(model, full).token_ids) == 64
        assert len(encode_prompt(model, full, "none").token_ids) == 64
        with pytest.raises(ClewError, match="65 tokens long, but tiny reads at most 64"):
            encode_prompt(model, full + " The")
    model = with_tokenizer(model, "words", "nothing")
    assert len(encode_prompt(model, "The " * 64, "none").token_ids) == 64
    assert len(encode_prompt(model, "The " * 63).token_ids) == 64
    for sink in (None, "<turn>"):
        with pytest.raises(ClewError, match="65 tokens long"):
            encode_prompt(model, "The " * 64, sink)


def test_tokens_without_an_embedding_are_refused():
    model = with_tokenizer(tiny_model("LlamaForCausalLM"), "byte level", "nothing")
    with pytest.raises(
        ClewError, match=r"has the token 2.. of the tokenizer, but tiny has only the tokens 0 to"
    ):
        encode_prompt(model, "The capital")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"caf\xe9 is".decode("utf-8", "surrogateescape"), "byte 0xE9 at character 4"),
        ("\ud83d is", r"surrogate U\+D83D at character 1"),
    ],
)
def test_a_text_that_is_not_utf_8_is_refused(text, found):
    model = tiny_model("LlamaForCausalLM")
    for encode in (encode_prompt, encode_text):
        with pytest.raises(ClewError, match=f"The prompt is not UTF-8 text .{found}"):
            encode(model, text)
