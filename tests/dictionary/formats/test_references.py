"""References to transcoders: folders, the hub and its cache; each wrong reference has its own message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import huggingface_hub
import pytest
from huggingface_hub import errors

from clew.dictionary.file_listing import HubPath, parse_hub_path
from clew.dictionary.read_write_points import ReadPoint
from clew.dictionary.reference import load_transcoders, short_name
from tests.dictionary.formats import published
from tests.dictionary.formats.published import assert_same, random_layers, refusal


@dataclass
class Hub:
    """Repositories as local folders; `fetched` lists the requests."""

    repositories: Mapping[str, Path]
    fetched: list[str] = field(default_factory=list)

    def model_info(self, repo: str, **_: object) -> SimpleNamespace:
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in self.files(repo)])

    def files(self, repo: str) -> list[str]:
        folder = self.repositories[repo]
        return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]

    def snapshot_download(self, repo: str, *, allow_patterns: list[str], **_: object) -> str:
        for file in self.files(repo):
            if any(fnmatchcase(file, pattern) for pattern in allow_patterns):
                self.fetched.append(file)
        return str(self.repositories[repo])

    def hf_hub_download(self, repo: str, name: str, *, revision: str | None = None) -> str:
        self.fetched.append(f"{repo}/{name}@{revision}")
        return str(self.repositories[repo] / name)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    return install(monkeypatch, Hub({"org/repo": tmp_path / "repo", "org/other": tmp_path / "other"}))


def install(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> Hub:
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.hf_hub_download)
    return hub


@pytest.mark.parametrize(
    ("reference", "parsed"),
    [
        ("org/repo", HubPath("org/repo")),
        ("org/repo@v2", HubPath("org/repo", "", "v2")),
        ("org/repo/a/b@v2", HubPath("org/repo", "a/b", "v2")),
        ("org/repo@v2/a/b", HubPath("org/repo", "a/b", "v2")),
        ("org/repo/layer_*/width_16k/", HubPath("org/repo", "layer_*/width_16k")),
        ("hf://org/repo", HubPath("org/repo")),
        ("hf://org/repo/a/p.npz?revision=main", HubPath("org/repo", "a/p.npz", "main")),
        ("hf://org/repo/a/p.npz", HubPath("org/repo", "a/p.npz")),
        ("repo", None),
        ("hf://repo", None),
        ("../x", None),
    ],
)
def test_hub_paths(reference: str, parsed: HubPath | None) -> None:
    assert parse_hub_path(reference) == parsed


def test_a_repository(hub: Hub) -> None:
    layers = random_layers()
    published.write_circuit_tracer(hub.repositories["org/repo"], layers)
    (hub.repositories["org/repo"] / "features").mkdir()
    (hub.repositories["org/repo"] / "features" / "layer_0.bin").write_text("large")
    notes: list[str] = []
    assert_same(load_transcoders("org/repo@v2", on_note=notes.append), layers)
    assert notes == ["Looking for org/repo@v2 on the Hugging Face hub ..."]
    assert hub.fetched[0] == "config.yaml"
    assert set(hub.fetched) == {"config.yaml", *(f"layer_{number}.safetensors" for number in range(3))}


def test_a_subfolder_is_fetched_alone(hub: Hub) -> None:
    layers = random_layers()
    published.write_gemma_scope_2(hub.repositories["org/repo"] / "transcoder_all", layers)
    published.write_gemma_scope_2(hub.repositories["org/repo"] / "resid_post_all", layers)
    assert_same(load_transcoders("org/repo/transcoder_all"), layers, threshold=True)
    assert {file.split("/")[0] for file in hub.fetched} == {"transcoder_all"}
    assert "holds 2 sets" in refusal(load_transcoders, "org/repo")


def test_a_pattern_chooses(hub: Hub) -> None:
    layers = random_layers()
    place = hub.repositories["org/repo"] / "transcoder_all"
    for variant in ("_width_16k_l0_small", "_width_16k_l0_big"):
        published.write_gemma_scope_2(place, layers, variant=variant)
    pattern = "org/repo/transcoder_all/layer_*_width_16k_l0_small"
    assert_same(load_transcoders(pattern), layers, threshold=True)
    assert not any("l0_big" in file for file in hub.fetched)


def test_only_the_chosen_sparsity_is_fetched(hub: Hub) -> None:
    layers = random_layers()
    published.write_gemma_scope(hub.repositories["org/repo"], layers)
    published.write_npz(
        hub.repositories["org/repo"] / "layer_0/width_16k/average_l0_400/params.npz", layers[0]
    )
    assert_same(load_transcoders("org/repo"), layers, threshold=True)
    assert len(hub.fetched) == 3


def test_one_file_with_the_settings_beside_it(hub: Hub) -> None:
    place = hub.repositories["org/repo"] / "sub"
    published.write_circuit_tracer(place, random_layers(), feature_input_hook="hook_resid_mid")
    loaded = load_transcoders("hf://org/repo/sub/layer_1.safetensors?revision=main")
    assert list(loaded.layers) == [1]
    assert loaded.read_point is ReadPoint.RESIDUAL


def test_links_are_fetched_one_by_one(hub: Hub) -> None:
    layers = random_layers()
    published.write_gemma_scope(hub.repositories["org/other"], layers)
    links = [
        f"hf://org/other/layer_{number}/width_16k/average_l0_{70 + number}/params.npz?revision=abc"
        for number in range(3)
    ]
    published.write_config(
        hub.repositories["org/repo"], transcoders=links, feature_input_hook="ln2.hook_normalized"
    )
    loaded = load_transcoders("org/repo")
    assert_same(loaded, layers, threshold=True)
    assert (loaded.format, loaded.trained_on) == ("Gemma Scope", "org/model")
    assert hub.fetched[1:] == [
        link.removeprefix("hf://").replace("?revision=", "@").replace("hf://", "") for link in links
    ]


def test_links_to_a_clt_of_gemma_scope_2(hub: Hub) -> None:
    layers = random_layers(crossing=True)
    published.write_gemma_scope_2_clt(hub.repositories["org/other"] / "clt", layers)
    links = [f"hf://org/other/clt/params_layer_{number}.safetensors" for number in range(3)]
    published.write_config(
        hub.repositories["org/repo"], transcoders=links, model_kind="cross_layer_transcoder"
    )
    assert_same(load_transcoders("org/repo"), layers, threshold=True)


def test_links_may_lead_to_files_of_two_formats(hub: Hub) -> None:
    layers = random_layers(2)
    published.write_npz(hub.repositories["org/other"] / "layer_0/params.npz", layers[0])
    arrays = published.circuit_tracer_layer(layers[1], threshold=True)
    published.save(hub.repositories["org/repo"] / "layer_1.safetensors", arrays)
    links = ["hf://org/other/layer_0/params.npz", "layer_1.safetensors"]
    published.write_config(hub.repositories["org/repo"], transcoders=links)
    loaded = load_transcoders("org/repo")
    assert_same(loaded, layers, threshold=True)
    assert loaded.format == "Gemma Scope and circuit-tracer PLT"


def test_a_folder_that_the_repository_lacks(hub: Hub) -> None:
    published.write_circuit_tracer(hub.repositories["org/repo"] / "here", random_layers())
    assert "has no files at there; choose from here" in refusal(load_transcoders, "org/repo/there")
    message = refusal(load_transcoders, "org/repo")
    assert "holds transcoders in subfolders; name one of here" in message


def test_a_repository_that_is_a_model_is_not_fetched(hub: Hub) -> None:
    folder = hub.repositories["org/repo"]
    folder.mkdir()
    (folder / "model.safetensors").write_text("large")
    assert "is a model, not transcoders" in refusal(load_transcoders, "org/repo")
    assert hub.fetched == []


def http_error(kind: type[errors.HfHubHTTPError]) -> Exception:
    return kind("refused", response=cast(Any, SimpleNamespace(headers={}, request=None)))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (http_error(errors.GatedRepoError), "org/name is gated; accept its terms on https://hugg"),
        (http_error(errors.RepositoryNotFoundError), "neither a local folder nor a repository"),
        (http_error(errors.RevisionNotFoundError), "org/name has no revision 'v2'"),
        (errors.HFValidationError("bad"), "write one as org/name"),
        (errors.OfflineModeIsEnabled("offline"), "the hub cannot be reached"),
        (ConnectionError("no route"), "connect once, or name a local folder of weights"),
    ],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception, advice: str
) -> None:
    def refuse(*_: object, **__: object) -> list[str]:
        raise error

    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(model_info=refuse))
    assert advice in refusal(load_transcoders, "org/name/sub@v2")


def test_a_link_that_leads_nowhere(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    published.write_config(hub.repositories["org/repo"], transcoders=["hf://org/other/gone.npz"])

    def refuse(*_: object, **__: object) -> str:
        raise http_error(errors.RemoteEntryNotFoundError)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    assert "org/other/gone.npz does not exist" in refusal(load_transcoders, "org/repo")


def test_offline_the_cache_is_enough() -> None:
    commit = "0" * 40
    place = Path(huggingface_hub.constants.HF_HUB_CACHE) / "models--org--name"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    layers = random_layers()
    published.write_circuit_tracer(place / "snapshots" / commit / "sub", layers)
    assert_same(load_transcoders("org/name/sub"), layers)
    assert "has no files at other" in refusal(load_transcoders, "org/name/other")
    assert "the hub cannot be reached" in refusal(load_transcoders, "org/unknown")


@pytest.mark.parametrize("named", ["", "  ", "nowhere", "./nowhere", "hf://nowhere", "~/nowhere/x"])
def test_what_is_nowhere(named: str) -> None:
    assert "pass a folder of weights" in refusal(load_transcoders, named)


def test_a_path_is_never_looked_up_on_the_hub() -> None:
    assert "neither a folder nor a file; pass" in refusal(load_transcoders, Path("org/repo"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("graph.clew", "is a graph, not transcoders; name a folder of weights"),
        ("graph.json", "is a JSON file, not transcoders"),
        ("model.gguf", "is a model, not transcoders"),
        ("ae.pt", "holds pickled weights (ae.pt), and loading a pickle runs code"),
        ("notes.txt", "is neither a .safetensors nor an .npz file"),
    ],
)
def test_other_files(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text("")
    assert message in refusal(load_transcoders, tmp_path / name)


def test_a_model_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "model-00001-of-00002.safetensors").write_text("")
    assert "is a model, not transcoders; pass it as the model" in refusal(load_transcoders, tmp_path)


def test_a_folder_of_pickles_and_an_empty_one(tmp_path: Path) -> None:
    assert "(its files: none)" in refusal(load_transcoders, tmp_path)
    (tmp_path / "ae.pt").write_text("")
    assert "holds pickled weights (ae.pt)" in refusal(load_transcoders, tmp_path)


def test_a_folder_without_weights_lists_its_files(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("")
    message = refusal(load_transcoders, tmp_path)
    assert "(its files: README.md); name weights in one of the formats circuit-tracer CLT (" in message


def test_local_links_lead_to_the_hub(hub: Hub, tmp_path: Path) -> None:
    layers = random_layers(1)
    published.write_npz(hub.repositories["org/other"] / "layer_0/params.npz", layers[0])
    published.write_config(tmp_path / "local", transcoders=["hf://org/other/layer_0/params.npz"])
    assert_same(load_transcoders(tmp_path / "local"), layers, threshold=True)


def test_a_short_name_for_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "clt-smollm2"
    folder.mkdir()
    (folder / "layer_3.npz").touch()
    monkeypatch.chdir(folder)
    names = {
        folder: "clt-smollm2",
        f"{folder}/": "clt-smollm2",
        ".": "clt-smollm2",
        "layer_3.npz": "clt-smollm2/layer_3.npz",
        "org/name@0123abc": "org/name",
        "hf://org/name/width_16k?revision=main": "org/name/width_16k",
        "org/name/layer_*/width_16k": "org/name/layer_*/width_16k",
    }
    assert {reference: short_name(reference) for reference in names} == names
