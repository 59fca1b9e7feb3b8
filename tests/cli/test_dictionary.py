"""`clew dictionary` and `clew trace --dictionary` on tiny models: what they print, save and refuse."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import clew
from clew.cli.terminal import size
from clew.dictionary.built_in_texts import TEXT
from clew.dictionary.formats.circuit_tracer_writer import save_transcoders
from clew.dictionary.quality import text_windows
from clew.dictionary.read_write_points import ReadPoint
from clew.dictionary.reference import load_transcoders
from clew.dictionary.transcoder_set import TranscoderSet
from clew.model.language_model import LanguageModel
from tests.dictionary.formats.published import random_layers, write_circuit_tracer
from tests.fitted_transcoders import as_if, fitted_transcoders
from tests.random_transcoders import KINDS, random_transcoders
from tests.tiny import tiny_model

from .conftest import Run
from .test_errors import refused

KIND_IN_WORDS = {
    "PLT ReLU": ("per-layer transcoders", "ReLU"),
    "PLT JumpReLU": ("per-layer transcoders", "JumpReLU"),
    "PLT TopK": ("per-layer transcoders", "TopK 3"),
    "PLT BatchTopK": ("per-layer transcoders", "JumpReLU"),
    "PLT with skip": ("per-layer transcoders with skip connections", "ReLU"),
    "CLT ReLU": ("cross-layer transcoder", "ReLU"),
    "CLT JumpReLU with skip": ("cross-layer transcoder with skip connections", "JumpReLU"),
}
BUILT_IN = re.compile(
    r"FVU 0\.\d+ \(median of 3 layers\), L0 \d+\.\d, \d+\.\d% of features never active in 256"
)
REPLACED = re.compile(
    r"Replaced: KL \S+, same likeliest token at \d+% of 256 positions, cross-entropy \d\.\d\d \(model "
    r"\d\.\d\d\)"
)


@pytest.fixture(scope="session")
def model() -> LanguageModel:
    """A random Llama whose stream is as large as that of real models, so that its norms matter."""
    model = tiny_model("LlamaForCausalLM")
    with torch.no_grad():
        model.network.get_input_embeddings().weight.mul_(10)
    return model


@pytest.fixture(scope="session")
def model_folder(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def good(model: LanguageModel) -> TranscoderSet:
    """Transcoders that explain the tiny model; they read after the norm's scale."""
    windows = text_windows(random_transcoders(model, "PLT ReLU"), TEXT)
    return fitted_transcoders(model, windows).transcoders


@pytest.fixture(scope="session")
def good_folder(good: TranscoderSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dictionaries") / "fitted-plt"
    save_transcoders(good, folder, "org/tiny")
    return folder


def rows(out: str) -> list[str]:
    """The lines of the table."""
    return out.split("never active\n")[1].split("\n\n")[0].splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_says_what_a_dictionary_is(
    run: Run, model: LanguageModel, model_folder: Path, tmp_path: Path, kind: str
):
    save_transcoders(random_transcoders(model, kind).transcoders, tmp_path / "random", "org/tiny")
    outcome = run("dictionary", "inspect", tmp_path / "random", "--model", model_folder)
    assert (outcome.code, outcome.err) == (0, "")
    in_words, activation = KIND_IN_WORDS[kind]
    lines = outcome.out.splitlines()
    assert lines[0] == str(tmp_path / "random")
    assert f"  kind        {in_words}" in lines
    assert "  reads       mlp-input: after the norm's gain" in lines
    assert f"  activation  {activation}" in lines
    assert ("  reach       a feature's own layer and up to 2 above" in lines) == kind.startswith("CLT")
    assert "  model       tiny, 3 layers" in lines
    assert len(rows(outcome.out)) == 3
    assert max(map(len, lines[1:])) <= 80
    assert not re.search(r" $", outcome.out, re.MULTILINE)


def test_a_good_dictionary_ends_in_two_lines_of_sums(run: Run, model_folder: Path, good_folder: Path):
    out = run("dictionary", "inspect", good_folder, "--model", model_folder).out
    assert "circuit-tracer PLT, made for org/tiny" in out
    assert "Warning" not in out
    for number, line in enumerate(rows(out)):
        assert re.fullmatch(rf" +{number} +150 +\d+ kB  0\.\d{{3}}  +\d+\.\d +\d+\.\d%", line)
    sums = " ".join(out.split("\nFVU")[-1].split())
    assert BUILT_IN.match(f"FVU {sums}")
    assert REPLACED.fullmatch(sums[sums.index("Replaced: ") :])


def test_layers_that_explain_nothing_are_marked_in_words(
    run: Run, model: LanguageModel, model_folder: Path, good: TranscoderSet, tmp_path: Path
):
    dictionary = replace(random_transcoders(model, "PLT ReLU"), transcoders=good)
    save_transcoders(as_if(dictionary, factor=20, only=(1,)), tmp_path / "weak", "")
    out = run("dictionary", "inspect", tmp_path / "weak", "--model", model_folder).out
    assert [line.endswith("%  worse than the mean") for line in rows(out)] == [False, True, False]
    assert "worse than the mean in layer 1\nReplaced: " in out
    assert "Warning" not in out


def test_layers_without_a_transcoder_are_named(
    run: Run, model_folder: Path, good: TranscoderSet, tmp_path: Path
):
    save_transcoders(replace(good, layers={1: good.layers[1]}), tmp_path / "one", "")
    out = run("dictionary", "inspect", tmp_path / "one", "--model", model_folder).out
    assert "  model       tiny, 3 layers; none for layers 0, 2\n" in out
    first, second, third = rows(out)
    assert [first.split(), third.split()] == [["0", "none"], ["2", "none"]]
    assert second.split()[0] == "1"


def test_a_misfit_is_a_warning_with_a_suggestion(run: Run, model_folder: Path, good_folder: Path):
    wrong = "dictionary", "inspect", good_folder, "--model", model_folder, "--read-point", "residual"
    out = run(*wrong).out
    text = " ".join(out.split())
    assert "Warning: fitted-plt does not fit tiny: most likely it reads after the norm's scale" in text
    assert "load it with --read-point normalized (" in text
    assert max(map(len, out.splitlines()[1:])) <= 80


def test_the_sink_that_config_yaml_names_stands_in_every_graph(
    run: Run, model: LanguageModel, model_folder: Path, tmp_path: Path
):
    random = random_transcoders(model, "PLT ReLU")
    behind = replace(random, transcoders=replace(random.transcoders, sink="w40"))
    fitted = fitted_transcoders(model, text_windows(behind, TEXT)).transcoders
    folder = tmp_path / "behind"
    save_transcoders(fitted, folder, "org/tiny")
    config = folder / "config.yaml"
    config.write_text(config.read_text() + "clew_sink: w40\n")
    options = ["--model", model_folder, "--dictionary", folder]
    traced = run("trace", "w33 w34 w35", *options, "--out", tmp_path / "a.clew")
    assert (traced.code, "Warning" in traced.err) == (0, False)
    assert re.search(r'^  0 "w40"  the sink .*named by the dictionary', traced.out, re.MULTILINE | re.DOTALL)
    changed = run("intervene", "w33 w34 w35", "--ablate", "L1/3@2", "--graph", tmp_path / "a.clew", *options)
    assert (changed.code, "Warning" in changed.err) == (0, False)
    assert run("validate", tmp_path / "a.clew", "--top", 2, "--random", 2, "--circuit", "mean").code == 0
    checked = run("check", model_folder, "--dictionary", folder).out
    assert "'w40': named by the dictionary" in checked
    other = run("trace", "w33 w34 w35", *options, "--sink", "<a>")
    assert 'Warning: The dictionary was trained behind "w40", but this prompt has "<a>"' in other.err


def test_inspect_measures_on_a_text_of_ones_own(
    run: Run, model_folder: Path, good_folder: Path, tmp_path: Path
):
    text = tmp_path / "text.txt"
    text.write_text(" ".join(f"w{number}" for number in range(30, 60)), encoding="utf-8")
    out = run("dictionary", "inspect", good_folder, "--model", model_folder, "--text", text).out
    assert "never active in 30 tokens" in " ".join(out.split())


def test_inspect_takes_a_mixture_of_experts(run: Run, tmp_path: Path):
    mixture = tiny_model("MixtralForCausalLM")
    mixture.network.save_pretrained(tmp_path / "moe")
    mixture.tokenizer.save_pretrained(tmp_path / "moe")
    save_transcoders(random_transcoders(mixture, "PLT ReLU").transcoders, tmp_path / "plt", "")
    assert run("dictionary", "inspect", tmp_path / "plt", "--model", tmp_path / "moe").code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("transformers.AutoModelForCausalLM.from_pretrained", None)
        message = refused(run("trace", "w3", "--model", tmp_path / "moe"))
    assert message == (
        "moe is a mixture of experts: a router chooses its neurons, so clew cannot trace through them; name "
        "transcoders that were trained for it with --dictionary REF (dictionary= in Python)."
    )


@pytest.mark.parametrize("kind", KINDS)
def test_save_writes_what_can_be_read_again(run: Run, model: LanguageModel, tmp_path: Path, kind: str):
    first, second = tmp_path / "first", tmp_path / "new" / "second"
    save_transcoders(random_transcoders(model, kind).transcoders, first, "org/tiny")
    outcome = run("dictionary", "save", first, second)
    n_bytes = size(sum(path.stat().st_size for path in second.iterdir()))
    assert outcome.out == f"Saved  {second} ({KIND_IN_WORDS[kind][0]}, 3 layers, {n_bytes})\n"
    for path in first.glob("*.safetensors"):
        assert path.read_bytes() == (second / path.name).read_bytes()
    assert load_transcoders(second).trained_on == "org/tiny"


def test_save_with_fewer_bits_says_what_they_cost(
    run: Run, model_folder: Path, good_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("clew.inspection.inspection.PROMPTS", ("w30 w41 w35", "w52 w33"))
    four = "dictionary", "save", good_folder, tmp_path / "four", "--bits", "4", "--group", "5"
    outcome = run(*four, "--model", model_folder, "--sink", "none")
    assert outcome.code == 0, outcome.err
    saved, _, header, *costs = outcome.out.splitlines()
    assert saved.startswith(f"Saved  {tmp_path / 'four'} (per-layer transcoders, 3 layers, ")
    assert header.split() == ["before", "after"]
    cells = [re.split(r" {2,}", line.strip()) for line in costs]
    before, after = ({name: row[place] for name, *row in cells} for place in (0, 1))
    assert list(before) == [
        "size", "FVU", "L0", "KL, MLPs replaced", "cross-entropy", "answers kept", "KL of answers",
        "replacement", "completeness",
    ]  # fmt: skip
    assert float(before["FVU"]) < float(after["FVU"])
    compact = load_transcoders(tmp_path / "four").layers[0]
    assert compact.n_bytes < load_transcoders(good_folder).layers[0].n_bytes / 3


def test_save_with_fewer_bits_needs_a_model_that_fits_or_none(
    run: Run, model_folder: Path, good_folder: Path, tmp_path: Path
):
    outcome = run("dictionary", "save", good_folder, tmp_path / "eight", "--bits", "8", "--no-measure")
    assert len(outcome.out.splitlines()) == 1
    assert len(load_transcoders(tmp_path / "eight").layers) == 3
    other = write_circuit_tracer(tmp_path / "other", random_layers())
    message = refused(
        run("dictionary", "save", other, tmp_path / "b", "--bits", "8", "--model", model_folder)
    )
    assert message.endswith("name the model that it was trained on.")
    assert not (tmp_path / "b").exists()


def test_bits_that_no_number_has(run: Run, good_folder: Path, tmp_path: Path):
    assert refused(run("dictionary", "save", good_folder, tmp_path / "a", "--bits", "9")) == (
        f"--bits: expected a whole number from 2 to 8, not '9'; {HELP.format('save ')}"
    )


def test_save_keeps_what_was_put_right(run: Run, good_folder: Path, tmp_path: Path):
    run("dictionary", "save", good_folder, tmp_path / "moved", "--read-point", "mlp-input")
    assert load_transcoders(tmp_path / "moved").read_point is ReadPoint.MLP_INPUT
    run("dictionary", "save", good_folder, tmp_path / "behind", "--sink", "w7")
    assert load_transcoders(tmp_path / "behind").sink == "w7"


def test_k_for_a_topk_that_does_not_say_it(run: Run, tmp_path: Path):
    silent = write_circuit_tracer(tmp_path / "silent", random_layers(), activation="topk")
    assert "pass the number of active features with --k (k= in Python)" in refused(
        run("dictionary", "save", silent, tmp_path / "a")
    )
    assert run("dictionary", "save", silent, tmp_path / "b", "--k", "4").code == 0
    assert load_transcoders(tmp_path / "b").layers[0].activation.name == "TopK 4"
    relu = write_circuit_tracer(tmp_path / "relu", random_layers(), activation="relu")
    assert refused(run("dictionary", "save", relu, tmp_path / "c", "--k", "4")) == (
        f"{relu} itself sets the number of active features (layer 0 has the activation ReLU); leave out --k "
        "(k= in Python)."
    )
    with pytest.raises(clew.ClewError, match=r"a whole number from 1, not 0\.$"):
        load_transcoders(silent, k=0)


HELP = "see clew dictionary {}--help"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["inpsect"],
            "dictionary has no action 'inpsect'. Did you mean inspect? The actions are list, inspect, save; "
            f"{HELP.format('')}",
        ),
        (["--colour"], f"dictionary does not know '--colour'; {HELP.format('')}"),
        (["inspect"], f"dictionary inspect needs REF; {HELP.format('inspect ')}"),
        (["save"], f"dictionary save needs REF, FOLDER; {HELP.format('save ')}"),
        (["save", "a"], f"dictionary save needs FOLDER; {HELP.format('save ')}"),
        (
            ["inspect", "a", "b"],
            "dictionary inspect does not know 'b' (a text with spaces needs quotes); "
            f"{HELP.format('inspect ')}",
        ),
        (
            ["save", "a", "b", "--text", "c"],
            f"dictionary save does not know '--text'; {HELP.format('save ')}",
        ),
        (
            ["inspect", "a", "--k", "0"],
            f"--k: expected a whole number from 1, not '0'; {HELP.format('inspect ')}",
        ),
        (
            ["inspect", "nosuch"],
            "nosuch is neither a folder nor a file; pass a folder of weights, a .safetensors or .npz "
            "file, a short name (see clew dictionary list), or a hub path such as org/repo/subfolder.",
        ),
    ],
)
def test_a_slip(run: Run, arguments: list[str], line: str):
    assert refused(run("dictionary", *arguments)) == line


def test_what_is_no_dictionary(run: Run, model_folder: Path, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("hello")
    assert refused(run("dictionary", "inspect", tmp_path)).startswith(
        f"{tmp_path} holds no transcoders (its files: notes.txt); name weights in one of the formats"
    )
    assert refused(run("dictionary", "inspect", model_folder)).startswith(f"{model_folder} is a model, not")


def test_a_dictionary_of_another_width(run: Run, model_folder: Path, tmp_path: Path):
    other = write_circuit_tracer(tmp_path / "other", random_layers())
    line = (
        "other was trained on another model (org/model): its features read a stream of width 6, but tiny has "
        "3 layers of width 24; name the model that it was trained on."
    )
    assert refused(run("dictionary", "inspect", other, "--model", model_folder)) == line
    assert refused(run("trace", "w3", "--dictionary", other, "--model", model_folder)) == line


def test_a_text_that_cannot_be_read_is_told_before_anything_is_loaded(run: Run, tmp_path: Path):
    missing, binary = tmp_path / "none.txt", tmp_path / "photo.jpg"
    binary.write_bytes(b"\xff\xd8\xff\xe0")
    assert refused(run("dictionary", "inspect", "nosuch", "--text", missing)) == (
        f"{missing} cannot be read (No such file or directory); check its name and folder."
    )
    assert refused(run("dictionary", "inspect", "nosuch", "--text", binary)) == (
        f"{binary} is not text in UTF-8; name a plain text file."
    )


def test_an_empty_text_is_not_replaced_by_the_built_in_one(
    run: Run, model_folder: Path, good_folder: Path, tmp_path: Path
):
    (tmp_path / "empty.txt").touch()
    outcome = run(
        "dictionary", "inspect", good_folder, "--model", model_folder, "--text", tmp_path / "empty.txt"
    )
    assert refused(outcome).endswith("empty.txt is empty; name a text of a few sentences.")


def test_a_folder_that_holds_something_is_told_before_anything_is_read(run: Run, tmp_path: Path):
    (tmp_path / "notes.txt").touch()
    assert refused(run("dictionary", "save", "nosuch", tmp_path)) == (
        f"{tmp_path} already holds something; name a folder that is new or empty."
    )


def test_trace_names_the_dictionary_and_says_how_good_it_is(
    trace: Run, run: Run, good_folder: Path, tmp_path: Path
):
    outcome = trace("w33 w34 w35", "--dictionary", good_folder, "--low-memory", "--out", tmp_path / "a.clew")
    assert outcome.code == 0
    assert BUILT_IN.match(outcome.err.removeprefix("fitted-plt: "))
    assert outcome.err.count("\n") == 1
    assert outcome.out.splitlines()[1].startswith("tiny · fitted-plt · traced ")
    info = clew.open(tmp_path / "a.clew").info
    assert info.dictionary == "fitted-plt"
    assert info.settings["dictionary"] == str(good_folder)
    assert info.settings["read_point"] == "normalized"
    assert "Dictionary: FVU 0." in outcome.out
    replaced = info.settings["replaced"]
    assert f"{replaced['kl']:.3g} nats." in outcome.out
    assert ("the answer stays" in outcome.out) == replaced["kept"]


def test_a_graph_can_be_traced_again_from_its_settings(model_folder: Path, good_folder: Path):
    first = clew.load(model_folder, dictionary=good_folder)
    graph = first.trace("w33 w34 w35", max_nodes=20, selection="influence")
    settings = dict(graph.info.settings)
    assert settings.pop("quality") == (first.quality and first.quality.facts)
    assert settings.pop("replaced")["kl"] > 0
    assert settings.pop("weights") == first.language_model.weights_key
    assert settings.pop("dictionary_weights") == first.dictionary.weights_key
    loading = ("dictionary", "dtype", "read_point", "write_point", "check", "low_memory")
    again = clew.load(settings.pop("model"), **{name: settings.pop(name) for name in loading})
    assert again.trace(graph.info.prompt, **settings).node_feature.tolist() == graph.node_feature.tolist()


def test_trace_refuses_a_dictionary_that_explains_nothing(trace: Run, good_folder: Path):
    wrong = "w33 w34", "--dictionary", good_folder, "--read-point", "residual"
    assert "load it with --read-point normalized (" in refused(trace(*wrong))
    outcome = trace(*wrong, "--no-check")
    assert outcome.code == 0
    assert outcome.err.startswith("fitted-plt: FVU ")
    assert "worse than the mean in layers 0-2" in outcome.err


def test_representations(model_folder: Path, good_folder: Path):
    model = clew.load(model_folder, dictionary=good_folder)
    dictionary = "fitted-plt: per-layer transcoders, 3 layers of 150 features"
    assert repr(model.dictionary) == f"TranscoderDictionary({dictionary})"
    assert re.fullmatch(rf"Model\(tiny, \d+M parameters, 3 layers, {dictionary}, FVU 0\.\d+\)", repr(model))
    assert repr(clew.load(model_folder)).endswith("M parameters, 3 layers, neurons)")


def test_what_was_measured_stays_on_a_terminal():
    """What only takes long is a spinner that goes away."""
    pty = pytest.importorskip("pty")
    terminal, child_end = pty.openpty()
    script = (
        "from clew.cli.progress import Progress\n"
        "with Progress() as progress:\n"
        "    progress.note('Reading ...')\n"
        "    progress.note('fitted: FVU 0.2 [bold]')\n"
    )
    environment = {**os.environ, "TERM": "xterm-256color"}
    subprocess.run([sys.executable, "-c", script], stderr=child_end, env=environment, check=True)
    os.close(child_end)
    shown = os.read(terminal, 65536)
    os.close(terminal)
    assert b"fitted: FVU 0.2 [bold]\r\n" in shown


def test_a_graph_names_the_dictionary_of_the_changes_where_the_command_does_not(
    run: Run, model_folder: Path, good_folder: Path, tmp_path: Path
):
    file = tmp_path / "with_transcoders.clew"
    clew.load(model_folder, dictionary=good_folder).trace("w33 w34 w35", max_nodes=20).save(file)
    command = "intervene", "w33 w34 w35", "--model", model_folder, "--graph", file, "--ablate", "L1/3@2"
    assert good_folder.name in run(*command).out
    assert run(*command, "--dictionary", "neurons").code == 2
