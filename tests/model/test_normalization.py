"""A tokenizer that changes a text is said to, with the characters that changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tokenizers import Regex, normalizers

from clew.attribution.settings import TraceSettings
from clew.attribution.trace import trace
from clew.dictionary.neurons import NeuronDictionary
from clew.graph.notes import Note, notes_of
from clew.graph.reader import open_graph
from clew.model.normalization import changes_by_tokenizer
from tests.tiny import Shape, tiny_model
from tests.tokenizers import KINDS, TEMPLATES, WORDS, finished

NETWORK = tiny_model("LlamaForCausalLM", Shape(n_layers=1, vocabulary=400))
FEW = TraceSettings(max_nodes=20)
NORMALIZERS = {
    "NFC": (normalizers.NFC(), "The cafe\u0301", '"e\u0301" (U+0065 U+0301) becomes "é" (U+00E9)'),
    "NFKC": (normalizers.NFKC(), "The ﬁsh", '"ﬁ" (U+FB01) becomes "fi"'),
    "lower case": (normalizers.Lowercase(), "The Capital", '"T" becomes "t", "C" becomes "c"'),
    "stripped": (normalizers.Strip(), "The capital  ", '"  " is left out'),
    "accents": (normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]), "é", 'becomes "e"'),
    "collapsed": (normalizers.Replace(Regex(" +"), " "), "The   capital", '"  " is left out'),
    "replaced": (normalizers.Replace("“", '"'), "“The", '"“" (U+201C) becomes """'),
}


def with_tokenizer(kind, normalizer=None, template="nothing"):
    tokenizer = KINDS[kind]()
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return replace(NETWORK, tokenizer=finished(tokenizer, template))


def note_of(model, text):
    return changes_by_tokenizer(model, text, model.tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("name", NORMALIZERS)
def test_what_a_normalizer_changes_is_said(name):
    normalizer, text, expected = NORMALIZERS[name]
    note = note_of(with_tokenizer("byte level", normalizer), text)
    assert note.startswith("The tokenizer of tiny changes the prompt: ")
    assert expected in note


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_kept_is_not_spoken_of(kind, template):
    model = with_tokenizer(kind, template=template)
    texts = ["The capital of France is", "Paris", "<turn>The capital", "The<turn> hot</s> cold", "<s> Rome"]
    if kind not in ("words", "unigram"):
        texts += ["The  capital\n\tof", "é “France” 法国", " The capital "]
    for text in texts:
        assert note_of(model, text) == "", text


@pytest.mark.parametrize("kind", ["byte level", "byte fallback", "no space in front"])
@pytest.mark.parametrize("spaces", range(4))
def test_spaces_in_front_are_kept_or_said(kind, spaces):
    text = " " * spaces + "The capital"
    assert note_of(with_tokenizer(kind), text) == ""
    assert ("is left out" in note_of(with_tokenizer(kind, normalizers.Strip()), text)) == (spaces > 0)


@pytest.mark.parametrize(("kind", "lost"), [("words", "Oslo"), ("unigram", "☃")])
def test_unknown_words_and_characters_are_said(kind, lost):
    note = note_of(with_tokenizer(kind), f"The capital {lost} is")
    assert lost in note
    assert "<unk>" in note


def test_spaces_that_no_token_holds_are_said():
    note = note_of(with_tokenizer("words"), "The \n capital")
    assert "is left out" in note


def test_a_long_note_lists_the_first_changes():
    note = note_of(with_tokenizer("byte level", normalizers.Lowercase()), " ".join(map(str.upper, WORDS)))
    assert "more such changes" in note
    assert len(note) < 250


def test_a_graph_says_what_was_changed_also_from_its_files(tmp_path):
    model = with_tokenizer("byte level", normalizers.Lowercase())
    graph = trace(model, NeuronDictionary(model), "the CAPITAL", FEW)
    assert 'changes the prompt: "CAPITAL" becomes "capital"' in graph.info.prompt_changes
    assert notes_of(graph.info)[0] == Note(f"Warning: {graph.info.prompt_changes}", is_warning=True)
    for name in ("a.clew", "a.json"):
        assert open_graph(graph.save(tmp_path / name)).info.prompt_changes == graph.info.prompt_changes
    assert trace(model, NeuronDictionary(model), "the capital", FEW).info.prompt_changes == ""
