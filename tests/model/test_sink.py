"""One sink for a model: measured once on fixed texts, kept with it, and said where it changes much."""

from __future__ import annotations

import json
import random
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tokenizers import AddedToken
from tokenizers.processors import TemplateProcessing

from clew.errors import ClewError
from clew.model import sink as sinks
from clew.model.cache import sinks_folder
from clew.model.language_model import LanguageModel
from clew.model.loading import load_language_model
from clew.model.prompt import encode_prompt, usual_front, usual_sink
from clew.model.sink import TEXTS, DisturbingSink, SinkWarning, measured_sink, special_ids
from clew.model.template import encode_text
from clew.sink import MOST_CHANGE, Sink
from tests.real import SMOLLM2_ANSWERS, real_model
from tests.tiny import CONFIG_BY_ARCHITECTURE, Shape, tiny_model
from tests.tokenizers import KINDS, finished

SHAPE = Shape(n_layers=1, vocabulary=400)
PROMPTS = ["The capital of France is", "Paris", "hot is cold", "a", "b c d e", "Rome is hot, is hot", "是"]


def model_with(kind: str = "byte level", architecture: str = "LlamaForCausalLM", seed: int = 0):
    return replace(tiny_model(architecture, SHAPE, seed), tokenizer=finished(KINDS[kind]()))


def divergence(model: LanguageModel, candidate: int, ids: list[int]) -> float:
    """KL divergence of the next token without a candidate in front from that with it, in float64."""
    plain, changed = (
        model.next_token_logits(torch.tensor([row]))[0].double().log_softmax(-1)
        for row in (ids, [candidate, *ids])
    )
    return float((plain.exp() * (plain - changed)).sum())


def mean_divergences(model: LanguageModel) -> dict[int, float]:
    rows = []
    for text in TEXTS:
        ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        behind = torch.tensor([[token, *ids] for token in special_ids(model)])
        plain, changed = (
            model.next_token_logits(each).double().log_softmax(-1) for each in (torch.tensor([ids]), behind)
        )
        rows.append((plain.exp() * (plain - changed)).sum(-1))
    return dict(zip(special_ids(model), torch.stack(rows).mean(0).tolist(), strict=True))


@pytest.mark.parametrize("architecture", sorted(CONFIG_BY_ARCHITECTURE))
def test_it_is_the_special_token_with_the_least_mean_divergence(architecture: str):
    model = model_with(architecture=architecture)
    expected = mean_divergences(model)
    found = measured_sink(model)
    assert found is not None
    least = min(expected.values())
    assert found.token_id == next(token for token, mean in expected.items() if mean < least + 1e-4)
    assert found.mean_kl == pytest.approx(expected[found.token_id], rel=1e-3, abs=1e-5)
    assert found.reason == "changes answers least of 4 special tokens"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_same_for_all_prompts_in_all_orders(kind: str):
    found = set()
    for seed in range(4):
        model, prompts = model_with(kind), random.Random(seed).sample(PROMPTS, len(PROMPTS))
        for prompt in prompts:
            encoded = encode_prompt(model, prompt)
            assert encoded.sink is not None
            assert encoded.token_ids[0] == encoded.sink.token_id
            assert encoded.sink.kl == pytest.approx(
                divergence(model, encoded.sink.token_id, encoded.token_ids[1:].tolist()), rel=1e-3, abs=1e-5
            )
            found.add((encoded.sink.text, encoded.sink.token_id, encoded.sink.mean_kl))
        assert usual_sink(model) == measured_sink(model)
    assert len(found) == 1


def test_it_is_measured_once(monkeypatch: pytest.MonkeyPatch):
    model, runs = model_with(), []
    measure = sinks._measure
    monkeypatch.setattr(sinks, "_measure", lambda model: runs.append(model) or measure(model))
    for prompt in PROMPTS:
        encode_prompt(model, prompt)
    assert len(runs) == 1


def test_alike_tokens_count_as_one_and_many_get_a_shortlist(monkeypatch: pytest.MonkeyPatch):
    model = model_with()
    extra = [AddedToken(f"<extra {number}>", special=True) for number in range(60)]
    model.tokenizer.add_tokens(extra, special_tokens=True)
    ids = special_ids(model)
    assert len(ids) == 64
    vectors = model.network.get_input_embeddings().weight
    with torch.no_grad():
        vectors[ids[10:30]] = vectors[ids[10]] + 1e-4 * torch.randn(20, vectors.shape[1])
    assert sinks._with_different_vectors(model, ids) == [*ids[:11], *ids[30:]]
    expected = mean_divergences(model)
    tried = []
    divergences = sinks._divergences
    monkeypatch.setattr(
        sinks,
        "_divergences",
        lambda model, ids, others: tried.append(len(others)) or divergences(model, ids, others),
    )
    found = measured_sink(model)
    assert tried == [45] * sinks.TEXTS_OF_ALL + [sinks.SHORTLIST] * len(TEXTS)
    assert found is not None
    assert sorted(expected.values()).index(expected[found.token_id]) < sinks.SHORTLIST


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEW_CACHE", str(tmp_path / "cache"))
    save(model_with(), tmp_path / "model")
    return tmp_path / "model"


def save(model: LanguageModel, folder: Path) -> None:
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


def test_a_model_from_files_is_measured_once_until_its_files_change(folder: Path, monkeypatch):
    def measured(dtype: str = "float32") -> int:
        runs = []
        measure = sinks._measure
        with monkeypatch.context() as patch:
            patch.setattr(sinks, "_measure", lambda model: runs.append(model) or measure(model))
            now = measured_sink(load_language_model(folder, name="m", dtype=dtype))
        model = load_language_model(folder, name="m", dtype=dtype)
        expected = measure(model)
        assert now is not None
        assert (now.token_id, now.mean_kl) == expected
        return len(runs)

    assert [measured(), measured()] == [1, 0]
    assert [measured("bfloat16"), measured()] == [1, 0]
    save(model_with(seed=1), folder)
    assert [measured(), measured()] == [1, 0]
    finished(KINDS["words"]()).save_pretrained(folder)
    assert [measured(), measured()] == [1, 0]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"token_id": 1e9, "mean_kl": 0}', '{"token_id": null}']
)
def test_a_damaged_cache_is_measured_anew(folder: Path, content: str):
    first = measured_sink(load_language_model(folder, name="m"))
    (kept,) = sinks_folder().iterdir()
    kept.write_text(content)
    assert measured_sink(load_language_model(folder, name="m")) == first
    assert json.loads(kept.read_text())["token_id"] == (first and first.token_id)


def test_a_cache_that_cannot_be_written_only_costs_time(folder: Path, tmp_path: Path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "sinks").write_text("a file in the folder's place")
    assert measured_sink(load_language_model(folder, name="m")) is not None


def test_a_sink_may_be_named_by_text_by_id_and_as_the_bos():
    model = model_with()
    bare = model.tokenizer("The capital")["input_ids"]
    for name, token in (("<turn>", 3), ("id:3", 3), ("bos", 0), ("<s>", 0), ("id:17", 17)):
        encoded = encode_prompt(model, "The capital", name)
        assert encoded.token_ids.tolist() == [token, *bare]
        assert encoded.sink is not None
        assert (encoded.sink.reason, encoded.sink.mean_kl) == ("named", None)
        again = encode_prompt(model, "The capital", encoded.sink_option)
        assert again.token_ids.tolist() == [token, *bare]
    assert encode_prompt(model, "The capital", "none").sink_option == "none"
    for wrong in ("id:400", "id:", "The capital", ""):
        with pytest.raises(ClewError, match="is not one token of tiny; name a token"):
            encode_prompt(model, "The capital", wrong)
    model.tokenizer.bos_token = None
    with pytest.raises(ClewError, match="The sink 'bos' is not one token"):
        encode_prompt(model, "The capital", "bos")


@pytest.mark.parametrize("seed", range(4))
def test_a_sink_that_changes_the_answer_much_warns(seed: int):
    """Both sides of the bound occur among these, by `MOST_CHANGE` alone."""
    model = model_with(seed=seed)
    for prompt in PROMPTS:
        for sink in (None, "<turn>", "</s>", "none"):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = encode_prompt(model, prompt, sink).sink
            texts = [str(each.message) for each in caught if each.category is DisturbingSink]
            if found is None or found.kl is None or found.kl <= MOST_CHANGE:
                assert texts == []
            else:
                assert texts == [found.warning]
                assert found.warning.startswith(
                    f'The sink "{found.text}" changes the answer on this prompt (KL {found.kl:.3g} nats'
                )
                assert "pass --sink" in found.warning


def test_the_sentence_about_a_sink_names_the_bound():
    assert Sink("<x>", 3, MOST_CHANGE).warning == ""
    assert Sink("<x>", 3).warning == ""
    assert Sink("<x>", 3, 0.314).warning == (
        'The sink "<x>" changes the answer on this prompt (KL 0.314 nats, above 0.25); pass --sink TOKEN for '
        "another or --sink none for no sink (sink= in Python)."
    )


def test_the_sink_that_a_dictionary_names_counts():
    model = model_with()
    bare = model.tokenizer("The capital")["input_ids"]
    for named, front in (("<turn>", [3]), ("bos", [0]), ("id:9", [9]), ("none", [])):
        with warnings.catch_warnings():
            warnings.simplefilter("error", SinkWarning)
            warnings.simplefilter("ignore", DisturbingSink)
            encoded = encode_prompt(model, "The capital", trained_behind=named)
        assert encoded.token_ids.tolist() == [*front, *bare]
        assert (encoded.sink and encoded.sink.reason) == ((front and "named by the dictionary") or None)
        assert (encoded.sink and encoded.sink.token_id) == (front[0] if front else None)
        usual = usual_sink(model, named)
        assert (usual and usual.token_id) == (front[0] if front else None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("named", [None, "none", "id:3", "</s>", "bos"])
def test_whatever_stands_in_front_of_a_prompt_stands_in_front_of_other_texts(kind: str, named: str | None):
    model = model_with(kind)
    for prompt in PROMPTS:
        bare = encode_text(model, prompt).bare
        expected = [*usual_front(model, named), *bare]
        assert encode_prompt(model, prompt, trained_behind=named).token_ids.tolist() == expected


def test_the_tokenizers_own_first_tokens_stand_in_front_of_other_texts():
    model = model_with()
    ids = model.tokenizer("The capital")["input_ids"]
    model.tokenizer._tokenizer.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    for named, front in ((None, [0]), ("none", []), ("<turn>", [3])):
        assert usual_front(model, named) == front
        assert encode_prompt(model, "The capital", trained_behind=named).token_ids.tolist() == [*front, *ids]
        assert usual_front(model, named, "none") == (front if named == "none" else [0])


def test_a_dictionary_trained_behind_nothing_has_no_bos_on_any_prompt(monkeypatch: pytest.MonkeyPatch):
    """Also where a patch or an index reads another text, and it is said where the answer changes much."""
    model = model_with()
    ids = model.tokenizer("The capital")["input_ids"]
    model.tokenizer._tokenizer.post_processor = TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    first = encode_prompt(model, "The capital", trained_behind="none")
    other = encode_prompt(model, "The capital", first.sink_option, "none")
    usual = usual_sink(model, "none")
    assert (first.token_ids.tolist(), other.token_ids.tolist(), usual) == (ids, ids, None)
    assert (first.sink, first.first_position) == (None, 0)
    typed = encode_prompt(model, "<s>The capital", trained_behind="none")
    assert typed.token_ids.tolist() == [0, *ids]
    monkeypatch.setattr("clew.model.prompt.MOST_CHANGE", 0.0)
    with pytest.warns(
        DisturbingSink, match=r'behind no first token, so "<s>" is left out, .*pass --sink bos'
    ):
        encode_prompt(model, "The capital", trained_behind="none")


def test_a_dictionary_of_a_token_that_the_model_lacks_is_refused():
    model = model_with()
    for named in ("<filename>", "id:400"):
        with pytest.raises(ClewError, match=f'trained behind "{named}", which is not one token of tiny'):
            usual_front(model, named)


@pytest.mark.parametrize(
    ("prompt", "sink", "named", "sentence"),
    [
        ("The capital", "<s>", "<turn>", 'trained behind "<turn>", but this prompt has "<s>"'),
        ("The capital", "none", "<turn>", 'trained behind "<turn>", but this prompt has no sink'),
        ("The capital", "<s>", "none", 'trained behind no sink, but this prompt has "<s>"'),
        ([0, 9, 8], None, "<turn>", 'trained behind "<turn>", but this prompt has "<s>"'),
    ],
)
def test_another_sink_than_the_dictionarys_is_said(prompt, sink, named, sentence):
    with pytest.warns(SinkWarning, match=sentence):
        encode_prompt(model_with(), prompt, sink, named)


@pytest.mark.real
def test_smollm2_has_one_sink_and_gemma_its_own_bos():
    model = real_model("smollm2")
    found = {encode_prompt(model, prompt).sink.token_id for prompt, _ in SMOLLM2_ANSWERS}  # type: ignore[union-attr]
    expected = mean_divergences(model)
    assert found == {min(expected, key=expected.__getitem__)}
    assert encode_prompt(model, "The capital of France is").tokens[0] == "<filename>"
    gemma = encode_prompt(real_model("gemma3-270m"), "Dallas is a city in the state of")
    assert gemma.tokens[:2] == ("<bos>", "Dallas")
    assert gemma.sink is not None
    assert (gemma.sink.kl, gemma.sink.mean_kl, gemma.sink.warning) == (None, None, "")
