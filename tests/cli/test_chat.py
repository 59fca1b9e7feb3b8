"""`--chat` and `--system`: messages through the model's own template, and what is wrong with them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import clew
from clew.model.messages import chat_of

from .conftest import Run
from .test_errors import refused

TEMPLATE = (
    "{% for each in messages %}<a> {{ each['role'] }} {{ each['content'] }} <b> {% endfor %}"
    "{% if add_generation_prompt %}<a> assistant{% endif %}"
)


@pytest.fixture(scope="module")
def chat_model(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a chat template."""
    folder = tmp_path_factory.mktemp("chat") / "tiny"
    shutil.copytree(model_folder, folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture
def ask(run: Run, chat_model: Path) -> Run:
    """`ask("trace", "--chat", "w3 w4")` with the tiny model that has a template."""
    return lambda command, *arguments: run(command, "--model", chat_model, *arguments)


def test_the_report_and_the_files_tell_roles_apart(ask: Run, tmp_path: Path):
    path, whole = tmp_path / "graph.json", tmp_path / "graph.clew"
    outcome = ask("trace", "--json", path, "--out", whole, "--system", "w9", "--chat", "w3 w4")
    assert outcome.code == 0
    assert outcome.out.startswith('"w3 w4" →')
    assert re.search(
        r'^  0 "<a>"  the sink: the chat template\'s own first token$', outcome.out, re.MULTILINE
    )
    assert re.search(r'^  template  1 "w2"$\n^  system    2 "w9"$', outcome.out, re.MULTILINE)
    assert re.search(r'^  user      6 "w3"  7 "w4"$', outcome.out, re.MULTILINE)
    facts = json.loads(path.read_text())["metadata"]["clew"]
    assert facts["roles"][5:8] == ["template", "user", "user"]
    assert facts["messages"] == [["system", "w9"], ["user", "w3 w4"]]
    assert clew.open(whole).info.roles == clew.open(path).info.roles


def test_texts_take_turns_and_the_assistants_last_one_goes_on(ask: Run, chat_model: Path, tmp_path: Path):
    path = tmp_path / "graph.clew"
    assert ask("trace", "--out", path, "--chat", "w3", "w4 w5").code == 0
    graph, model = clew.open(path), clew.load(str(chat_model))
    assert graph.info.messages == (("user", "w3"), ("assistant", "w4 w5"))
    assert graph.info.tokens[-2:] == ("w4", "w5")
    assert graph.token_ids.tolist() == model.trace(chat_of(["w3", "w4 w5"]), max_nodes=5).token_ids.tolist()


def test_the_text_of_a_patch_is_asked_in_the_same_chat(ask: Run, chat_model: Path, tmp_path: Path):
    path = tmp_path / "graph.clew"
    ask("trace", "--keep", "all", "--out", path, "--chat", "w3", "w4", "w5")
    outcome = ask("intervene", "--patch", "L0/3@8=w6", "--graph", path, "--chat", "w3", "w4", "w5")
    assert outcome.code == 0
    assert "L0/3@8 to its value on the chat that ends 'w6'" in outcome.out
    model = clew.load(str(chat_model))
    expected = model.patch("L0/3", positions=8, source=chat_of(["w3", "w4", "w6"]), graph=clew.open(path))
    assert f"{expected[-1].value:.2f}" in outcome.out


def test_mistakes_are_told_in_a_sentence(ask: Run, run: Run, model_folder: Path):
    told = {
        ("--chat", "w3", "--tokens", "3,4"): "trace takes a prompt, --tokens or --chat, not two of them",
        ("w3", "--system", "w4"): "--system needs --chat TEXT",
        ("--chat", ""): "A message of the user is empty",
        ("--chat",): "--chat",
    }
    for arguments, sentence in told.items():
        assert sentence in refused(ask("trace", *arguments))
    none = run("trace", "--model", model_folder, "--chat", "w3")
    assert "tiny has no chat template" in refused(none)
