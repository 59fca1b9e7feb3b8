"""Dictionaries with a short name: found where their wheel is installed, chosen for their own model."""

from __future__ import annotations

from importlib.machinery import ModuleSpec

import pytest

import clew
from clew.dictionary import short_names
from clew.dictionary.reference import load_transcoders, short_name
from clew.dictionary.short_names import NAMED_DICTIONARIES, chosen_dictionary
from clew.errors import ClewError


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A function that makes each wheel appear to be installed in a folder, or none at all."""

    def install(yes: bool = True) -> None:
        spec = ModuleSpec("a_wheel", None, is_package=True)
        spec.submodule_search_locations = [str(tmp_path)]
        (tmp_path / "weights").mkdir(exist_ok=True)
        monkeypatch.setattr(short_names, "find_spec", lambda name: spec if yes else None)

    return install


@pytest.mark.parametrize(
    ("model", "dictionary", "there", "chosen"),
    [
        ("smollm2", "auto", True, "smollm2-plt"),
        ("smollm2", None, True, "smollm2-plt"),
        ("smollm2", "auto", False, "neurons"),
        ("smollm2", "neurons", True, "neurons"),
        ("smollm2", "mine", True, "mine"),
        ("gemma3-270m", "auto", True, "neurons"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "auto", True, "neurons"),
    ],
)
def test_the_installed_dictionary_is_chosen_for_its_own_model(installed, model, dictionary, there, chosen):
    installed(there)
    assert chosen_dictionary(model, dictionary) == chosen


def test_a_dictionary_that_is_not_installed_is_refused_with_its_command(installed):
    installed(False)
    command = NAMED_DICTIONARIES["smollm2-plt"].command
    with pytest.raises(ClewError, match=f"smollm2-plt is not installed; run `{command}`"):
        load_transcoders("smollm2-plt")


def test_a_name_with_a_slip_is_answered_with_the_right_one():
    with pytest.raises(ClewError, match="the dictionary with that name is smollm2-plt"):
        load_transcoders("smollm2_plt")


def test_options_of_transcoders_need_transcoders_that_are_named(installed):
    installed()
    with pytest.raises(ClewError, match="read_point is an option of transcoders"):
        clew.load("smollm2", read_point="residual")


@pytest.mark.real
def test_the_small_model_is_traced_with_its_own_dictionary_behind_the_models_sink():
    model = clew.load("smollm2")
    assert model.dictionary.name == short_name("smollm2-plt") == model.settings["dictionary"]
    graph = model.trace("The capital of France is", max_nodes=1000)
    assert graph.info.sink is not None
    assert graph.info.sink.text == "<filename>"
    assert graph.info.conservation is not None
    assert graph.info.conservation < 1e-4
