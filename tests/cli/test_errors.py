"""Every slip is one line on stderr, before anything is loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from .conftest import Outcome, Run


def refused(outcome: Outcome) -> str:
    """The one line, checked for its shape."""
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.err.endswith("\n")
    assert outcome.err.startswith("clew: ")
    return outcome.err.removeprefix("clew: ").rstrip("\n")


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch):
    """Whoever gets as far as looking for a model has gone too far."""

    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("a model was about to be loaded")

    monkeypatch.setattr("clew.facade.resolve", fail)


TOKENS = "--tokens: expected token ids such as 2,17,45; {} is not one; see clew trace --help"
WHOLE = "{}: expected a whole number from {}, not {}; see clew trace --help"
SHARE = "{}: expected a number above 0 and at most 1, not {}; see clew trace --help"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "trace needs a prompt; see clew trace --help"),
        ([""], "trace needs a prompt; see clew trace --help"),
        (["--targets", "a", "b"], "trace needs a prompt before --targets; see clew trace --help"),
        (["a", "--tokens", "1,2"], "trace takes a prompt or --tokens, not both; see clew trace --help"),
        (["--tokens", "1,x"], TOKENS.format("'x'")),
        (["--tokens", "1,,2"], TOKENS.format("''")),
        (["--tokens", "1.5"], TOKENS.format("'1.5'")),
        (["--tokens", "2,-3"], TOKENS.format("'-3'")),
        (["--tokens=-2,3"], TOKENS.format("'-2'")),
        (["--tokens", ""], TOKENS.format("''")),
        (["--tokens"], "--tokens: expected one argument; see clew trace --help"),
        (["a", "--max-nodes", "0"], WHOLE.format("--max-nodes", 1, "'0'")),
        (["a", "--max-nodes", "-5"], WHOLE.format("--max-nodes", 1, "'-5'")),
        (["a", "--max-nodes", "many"], WHOLE.format("--max-nodes", 1, "'many'")),
        (["a", "--max-targets", "0"], WHOLE.format("--max-targets", "1 to 1,000", "'0'")),
        (["a", "--memory", "8"], WHOLE.format("--memory", 16, "'8'")),
        (["a", "--node-threshold", "0"], SHARE.format("--node-threshold", "'0'")),
        (["a", "--edge-threshold", "1.01"], SHARE.format("--edge-threshold", "'1.01'")),
        (["a", "--edge-threshold", "nan"], SHARE.format("--edge-threshold", "'nan'")),
        (["a", "--target-probability", "-1"], SHARE.format("--target-probability", "'-1'")),
        (
            ["a", "--dtype", "int8"],
            "--dtype: expected float32, bfloat16 or float16, not 'int8'; see clew trace --help",
        ),
        (["a", "--keep", "some"], "--keep: expected pruned or all, not 'some'; see clew trace --help"),
        (
            ["a", "--targets", "id:-4"],
            "--targets: expected a token id such as id:7042, not 'id:-4'; see clew trace --help",
        ),
        (["a", "--colour"], "trace does not know '--colour'; see clew trace --help"),
        (["a", "b"], "trace does not know 'b' (a text with spaces needs quotes); see clew trace --help"),
        (
            ["a", "--out", "x.json"],
            "--out: expected a name that ends in .clew, not 'x.json' (--json writes JSON); "
            "see clew trace --help",
        ),
        (
            ["a", "--json", "x.clew"],
            "--json: expected a name that ends in .json, not 'x.clew' (--out writes .clew files); "
            "see clew trace --help",
        ),
        (["a", "--out", "x"], "--out: expected a name that ends in .clew, not 'x'; see clew trace --help"),
        (
            ["a", "--dictionary", "sae"],
            "sae is neither a folder nor a file; pass a folder of weights, a .safetensors or .npz file, "
            "a short name (see clew dictionary list), or a hub path such as org/repo/subfolder.",
        ),
        (
            ["a", "--read-point", "attention"],
            "--read-point: expected residual, normalized or mlp-input, not 'attention'; "
            "see clew trace --help",
        ),
        (
            ["a", "--k", "3"],
            "k is an option of transcoders, not of the model's own neurons; name transcoders as the "
            "dictionary (--dictionary REF, or dictionary=REF in Python), or leave it out.",
        ),
        (
            ["a", "--selection", "luck"],
            "--selection: expected attribution or influence, not 'luck'; see clew trace --help",
        ),
    ],
)
def test_a_slip_in_trace(run: Run, arguments: list[str], line: str):
    assert refused(run("trace", *arguments)) == line


def test_an_unknown_device(run: Run):
    assert refused(run("trace", "a", "--device", "abacus")).startswith(
        "This machine has no device 'abacus'; choose one of"
    )


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_a_place_that_cannot_be_written(
    run: Run, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
):
    suffix = {"--out": ".clew", "--json": ".json"}[option]
    missing = tmp_path / "missing" / f"a{suffix}"
    assert refused(run("trace", "a", option, missing)) == (
        f"{missing} cannot be written: there is no folder {missing.parent}; make it first."
    )
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    assert refused(run("trace", "a", option, folder)) == f"{folder} is a folder; name a file in it."

    def deny(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", deny)
    path = tmp_path / f"a{suffix}"
    assert refused(run("trace", "a", option, path)) == (
        f"{path} cannot be written: Permission denied; choose another place."
    )
    assert sorted(tmp_path.iterdir()) == [folder]


def test_an_unknown_command_or_option(run: Run):
    assert refused(run("tarce")) == (
        "There is no command 'tarce'. Did you mean trace? The commands are trace, intervene, dictionary, "
        "index, train, label, show, compare, annotate, export, validate, check, serve, gallery, models; "
        "see clew --help"
    )
    assert refused(run("xyzzy")).startswith("There is no command 'xyzzy'; the commands are trace, ")
    assert refused(run("--colour")) == "does not know '--colour'; see clew --help"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trce", "a"], "trace"),
        (["index", "mrege"], "merge"),
        (["dictionary", "inspct"], "inspect"),
        (["trace", "a", "--modell", "x"], "--model"),
        (["trace", "a", "--modell=x"], "--model"),
        (["trace", "a", "--max-node", "3"], "--max-nodes"),
        (["intervene", "a", "--abalte", "L1/1"], "--ablate"),
        (["index", "make", "--data", "x", "--tokns", "5"], "--tokens"),
        (["check", "--dictionry", "x"], "--dictionary"),
        (["--verson"], "--version"),
    ],
)
def test_a_typing_error_is_answered_with_the_nearest_name(run: Run, arguments: list[str], meant: str):
    assert f". Did you mean {meant}? " in refused(run(*arguments))


def test_slips_in_show(run: Run, tmp_path: Path):
    missing, text = tmp_path / "none.clew", tmp_path / "notes.clew"
    text.write_text("hello, this is not a graph at all")
    assert refused(run("show")) == "show needs FILE; see clew show --help"
    assert refused(run("show", missing)) == f"There is no file {missing}; check its name and folder."
    assert refused(run("show", text)).startswith(f"{text} is neither a .clew file nor a Neuronpedia graph")
    assert refused(run("show", text, "--top", "-1")) == (
        "--top: expected a whole number from 0, not '-1'; see clew show --help"
    )


def test_a_model_that_does_not_exist(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    assert refused(run("trace", "a", "--model", "nosuch")).startswith("'nosuch' is not a model; ")


def test_a_target_that_is_not_one_token(trace: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    assert refused(trace("w3", "--targets", "w4 w5")).startswith('The target "w4 w5" is not one token')


def test_the_unexpected_is_one_line_too(run: Run):
    outcome = run("trace", "a")
    assert outcome.code == 1
    assert outcome.err == (
        "clew: unexpected AssertionError: a model was about to be loaded; "
        "run again with --debug to see where\n"
    )


@pytest.mark.parametrize("arguments", [["--debug", "trace", "a"], ["trace", "a", "--debug"]])
def test_debug_shows_where(run: Run, arguments: list[str]):
    outcome = run(*arguments)
    assert outcome.err.startswith("Traceback")
    assert 'raise AssertionError("a model was about to be loaded")' in outcome.err
    assert outcome.err.splitlines()[-1].startswith("clew: unexpected AssertionError")


def test_debug_does_not_change_the_exit_code_of_a_slip(run: Run):
    outcome = run("show", "/no/such/file", "--debug")
    assert outcome.code == 2
    assert outcome.err.startswith("Traceback")


def test_a_panic_of_a_library_is_a_sentence(run: Run, monkeypatch: pytest.MonkeyPatch):
    panic = type("PanicException", (BaseException,), {})  # as `tokenizers` raises it: no `Exception`

    def fail(*arguments: object, **options: object) -> None:
        raise panic("no token\x1b[2J")

    monkeypatch.setattr("clew.facade.resolve", fail)
    assert refused(run("trace", "a")) == (
        "A library panicked (no token\\x1b[2J); fetch the files of the model again."
    )


def test_a_tokenizer_that_stops_at_a_prompt_is_a_sentence(
    run: Run, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.undo()
    changed = tmp_path / "model"
    shutil.copytree(model_folder, changed)
    path = changed / "tokenizer.json"
    content = json.loads(path.read_text())
    known = dict.fromkeys(["The", "capital", "of", "France", "is", "Paris.", "1,", "2"], 2)
    content["model"] |= {"unk_token": "none", "vocab": content["model"]["vocab"] | known}
    path.write_text(json.dumps(content))
    line = refused(run("trace", "unknown", "--model", changed, "--no-check"))
    assert "The model's tokenizer cannot split a text: " in line
