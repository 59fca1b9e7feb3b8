"""The tokenizer of a model folder is there, loads, works, and fits the model's vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AddedToken, AutoTokenizer

from clew.model.loading import load_language_model
from clew.model.prompt import encode_prompt
from tests.model.refusals import refusal_of
from tests.tiny import VOCABULARY, Shape, tiny_model, word_tokenizer
from tests.tokenizers import KINDS, TEMPLATES, finished


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tiny_model("LlamaForCausalLM")
    model.network.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def notes_of(folder: Path) -> list[str]:
    notes: list[str] = []
    load_language_model(folder, name="tiny", on_note=notes.append)
    return notes


def test_a_folder_without_a_tokenizer_is_refused(folder):
    assert notes_of(folder) == []
    (folder / "tokenizer.json").unlink()
    assert "holds no tokenizer (such as tokenizer.json); save the model's tokenizer there" in refusal_of(
        folder
    )


@pytest.mark.parametrize("content", [b"", b"{}", b"true", b"[]", b"\xff\xff", b'{"model": 3}', b"null"])
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_file_is_refused_in_a_sentence(folder, name, content):
    (folder / name).write_bytes(content)
    if name == "tokenizer_config.json" and content == b"{}":
        load_language_model(folder, name="tiny")
        return
    if name == "tokenizer_config.json" and content == b'{"model": 3}':
        load_language_model(folder, name="tiny")
        return
    assert f"The tokenizer in {folder} does not load: " in refusal_of(folder)


@pytest.mark.parametrize("damage", [[1, 2, 3], 7, {"a": 1}])
def test_a_special_token_that_is_no_text_is_refused(folder, damage):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"bos_token": damage}))
    assert "does not load: " in refusal_of(folder)


def test_a_tokenizer_of_another_model_is_refused(folder):
    word_tokenizer(VOCABULARY + 5).save_pretrained(folder)
    message = refusal_of(folder)
    assert f"has 5 tokens (such as 'w{VOCABULARY}', id {VOCABULARY}) beyond the {VOCABULARY}" in message
    assert "use the model's own tokenizer" in message


def test_added_tokens_without_rows_are_refused_and_special_ones_noted(folder):
    tokenizer = word_tokenizer()
    tokenizer.add_tokens([AddedToken("<call>", special=True)])
    tokenizer.save_pretrained(folder)
    assert notes_of(folder) == ["The tokenizer has 1 special tokens that the model lacks, such as '<call>'."]
    tokenizer.add_tokens(["newword"])
    tokenizer.save_pretrained(folder)
    assert "'newword'" in refusal_of(folder)


def test_a_picture_token_that_siblings_use_is_not_worth_a_note(folder):
    tokenizer = word_tokenizer()
    tokenizer.add_tokens([AddedToken("<image_soft_token>", special=True)])
    tokenizer.save_pretrained(folder)
    assert notes_of(folder) == []


def test_a_class_that_splits_otherwise_than_the_file_is_noted(tmp_path):
    model = tiny_model("Qwen2ForCausalLM")
    model.network.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    assert any("as Qwen2Tokenizer, which splits texts otherwise" in note for note in notes_of(tmp_path))


CLASSES = {
    "PreTrainedTokenizerFast": "byte level",
    "GPT2Tokenizer": "byte level",
    "Qwen2Tokenizer": "byte level",
    "GPTNeoXTokenizer": "byte level",
    "CohereTokenizer": "byte level",
    "LlamaTokenizer": "byte fallback",
    "CodeLlamaTokenizer": "byte fallback",
    "GemmaTokenizer": "no space in front",
}
"""Kinds of tokenizer by a class that reads them."""


@pytest.mark.parametrize("flags", [{}, {"add_bos_token": True, "add_eos_token": True}])
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("name", CLASSES)
def test_ids_are_those_of_the_class_and_another_template_than_the_files_is_noted(
    tmp_path, name, template, flags
):
    network = tiny_model("LlamaForCausalLM", Shape(n_layers=1, vocabulary=400)).network
    network.save_pretrained(tmp_path)
    finished(KINDS[CLASSES[name]](), template).save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tokenizer_class": name} | flags))
    notes: list[str] = []
    model = load_language_model(tmp_path, name="tiny", on_note=notes.append)
    own, text = AutoTokenizer.from_pretrained(tmp_path), "The capital of France is"
    stored = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    same = own(text)["input_ids"] == stored.encode(text).ids
    assert same != any("which puts other special tokens around a text" in note for note in notes)
    others = [f" {text}", f"<s>{text}"]
    same = all(
        own.encode(each, add_special_tokens=False) == stored.encode(each, add_special_tokens=False).ids
        for each in others
    )
    assert same != any("splits a text behind a space or a special token" in note for note in notes)
    bare = own(text, add_special_tokens=False)["input_ids"]
    for typed in (text, f"<s>{text}", f"<turn>{text}"):
        ids = own(typed)["input_ids"]
        ids = ids[:-1] if ids[-1] != bare[-1] else ids
        prompt = encode_prompt(model, typed, "none").token_ids.tolist()
        assert prompt == (ids[1:] if ids[:2] == [0, 0] else ids)


@pytest.mark.parametrize("package", ["sentencepiece", "protobuf", "tiktoken"])
def test_a_missing_package_is_named(folder, monkeypatch, package):
    def lacks(*_: object, **__: object) -> None:
        raise ImportError(f"This tokenizer requires {package}, which is not installed")

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lacks)
    assert f"requires {package}, which is not installed; " in refusal_of(folder)


def test_a_panic_of_rust_is_a_sentence_and_an_interruption_is_not(folder, monkeypatch):
    class PanicException(BaseException):
        """As pyo3 raises it: no `Exception`."""

    def panic(*_: object, **__: object) -> None:
        raise PanicException("index out of bounds")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", panic)
    assert "does not load: PanicException: index out of bounds; " in refusal_of(folder)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load_language_model(folder, name="tiny")


def test_code_beside_a_tokenizer_is_neither_run_nor_asked_about(folder, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", lambda *question: "y")
    code = folder / "evil.py"
    code.write_text("open(__file__ + '.ran', 'w').close()\nfrom transformers import TokenizersBackend as T\n")
    path = folder / "tokenizer_config.json"
    settings = {"auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}, "tokenizer_class": "T"}
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    assert "does not load: " in refusal_of(folder)
    assert "run the custom code" not in capsys.readouterr().out
    assert not list(folder.glob("*.ran"))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_setting_of_a_token_that_nothing_knows_is_refused(folder, name):
    path = folder / name
    content = json.loads(path.read_text())
    token = {"id": 2, "content": "w2", "special": True, "lstr\x1bip": False}
    tokens = {"added_tokens_decoder": {"2": token}}
    if name == "tokenizer.json":
        tokens = {"added_tokens": [*content["added_tokens"], token]}
    path.write_text(json.dumps(content | tokens))
    assert r"gives a token the setting 'lstr\x1bip', which no tokenizer knows" in refusal_of(folder)
