"""Feature files read back as they were written; damaged and hostile ones are refused."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.feature import Feature
from clew.graph.neuronpedia.format import pair, unpair
from clew.index.exchange import packed
from clew.index.exchange.feature_file import (
    FeatureFile,
    FileExample,
    Quantile,
    decode,
    details_from_json,
    details_to_json,
    encode,
)
from clew.index.exchange.folder import read_details, write_details

from .example_feature_file import details, several

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
TOKENS = st.lists(st.tuples(TEXT, NUMBER), max_size=5)


@given(st.integers(0, 10**9))
def test_unpair_is_the_inverse_of_pair(number: int):
    assert pair(*unpair(number)) == number


@given(st.lists(TOKENS, max_size=3), st.lists(TEXT, max_size=3), st.floats(0, 1))
def test_any_details_survive_json(windows: list[list[tuple[str, float]]], outputs: list[str], share: float):
    examples = tuple(FileExample(tuple(t for t, _ in w), tuple(a for _, a in w)) for w in windows)
    quantiles = (Quantile("Top activations", examples),)
    made = FeatureFile(Feature(3, 4), quantiles=quantiles, top_outputs=tuple(outputs), frequency=share)
    assert decode(encode(made), Feature(3, 4)) == made


@pytest.mark.parametrize("form", ["json", "packed"])
def test_what_is_written_reads_back(form: str, tmp_path: Path):
    assert write_details(several(), tmp_path / "out", form) == 5
    assert list(read_details(tmp_path / "out")) == several()
    assert list(read_details(tmp_path / "out" / "features")) == several()


def test_the_packed_form_is_as_published(tmp_path: Path):
    write_details(several(), tmp_path / "out", "packed")
    features = tmp_path / "out" / "features"
    assert sorted(path.name for path in features.iterdir()) == [
        "index.json.gz",
        "layer_0.bin",
        "layer_1.bin",
        "layer_11.bin",
    ]
    entry = json.loads(gzip.decompress((features / "index.json.gz").read_bytes()))["0"]
    offsets = entry["offsets"]
    assert entry["filename"] == "layer_0.bin"
    assert offsets[1] == offsets[2] == offsets[3], "features 1 and 2 have nothing to show"
    record = (features / "layer_0.bin").read_bytes()[offsets[3] : offsets[4]]
    (length,) = struct.unpack("<I", record[:4])
    assert len(record) == 4 + length
    assert json.loads(gzip.decompress(record[4:])) == details_to_json(details(0, 3))


def test_the_files_of_features_have_cantors_numbers(tmp_path: Path):
    write_details(several(), tmp_path / "out", "json")
    names = {path.name for path in (tmp_path / "out" / "features").iterdir()}
    assert names == {"0.json", "9.json", "43.json", "66.json", "79.json"}
    assert list(read_details(tmp_path / "out" / "features" / "9.json")) == [details(0, 3)]


def test_the_same_details_give_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_details(several(), tmp_path / name, "packed")
    for path in (tmp_path / "a" / "features").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "features" / path.name).read_bytes()


def test_other_tools_spell_things_otherwise():
    found = details_from_json(
        {
            "index": pair(2, 5),
            "transcoder_id": 7,
            "top_logits": [[" Paris", 1.5]],
            "bottom_logits": None,
            "examples_quantiles": [{"quantile_name": "top", "examples": [{"train_token_ind": 9}]}],
            "anything": "else",
        },
        Feature(2, 5),
    )
    assert found.transcoder == "7"
    assert found.top_outputs == (" Paris",)
    assert found.quantiles == (Quantile("top", (FileExample((), ()),)),)
    assert found.more == {"anything": "else"}


def changed(**fields: Any) -> dict[str, Any]:
    return details_to_json(details()) | fields


def with_example(**fields: Any) -> dict[str, Any]:
    example = {"tokens": ["a"], "tokens_acts_list": [1.0]} | fields
    return changed(examples_quantiles=[{"quantile_name": "top", "examples": [example]}])


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "the details are not a JSON object."),
        (changed(index=6), "index is 6, but the name of the file says L2/5."),
        (changed(index="5"), "index is not a whole number."),
        (changed(layer=3), "layer is not that of L2/5."),
        (changed(act_max="4"), "act_max is not a number."),
        (changed(act_max=True), "act_max is not a number."),
        (changed(act_max=10**400), "act_max is not finite."),
        (changed(act_min=float("nan")), "act_min is not finite."),
        (changed(histogram=[1, float("inf")]), "histogram[1] is not finite."),
        (changed(histogram=[0] * 10_001), "histogram has more than 10,000 items."),
        (changed(histogram=5), "histogram is not a list."),
        (changed(activation_frequency=1.5), "activation_frequency is not between 0 and 1."),
        (changed(top_logits=[3]), "top_logits[0] is not a text."),
        (changed(top_logits=["\ud800"]), "top_logits[0] holds half a character (a lone surrogate)."),
        (changed(top_logits=["x" * 10_001]), "top_logits[0] has more than 10,000 characters."),
        (changed(transcoder_id=[1]), "transcoder_id is not a text."),
        (changed(examples_quantiles=["top"]), "examples_quantiles[0] is not a JSON object."),
        (changed(examples_quantiles=[{"examples": [1]}]), "examples_quantiles[0].examples[0] is not a JSON"),
        (with_example(tokens=["a", "b"]), "examples[0] has 2 tokens but 1 activations."),
        (with_example(tokens=[None]), "tokens[0] is not a text."),
        (with_example(tokens_acts_list=[None]), "tokens_acts_list[0] is not a number."),
        (with_example(train_token_ind=0.5), "train_token_ind is not a whole number."),
    ],
)
def test_details_that_cannot_be(data: Any, problem: str):
    with pytest.raises(ClewError) as told:
        details_from_json(data, Feature(2, 5))
    assert problem in str(told.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"act_max": NaN}', b'{"act_max": -Infinity}', b"[" * 100_000, b"\xff\xfe{}\x00"]
)
def test_a_file_that_is_no_json(content: bytes, tmp_path: Path):
    (tmp_path / "7.json").write_bytes(content)
    with pytest.raises(ClewError, match=r"7\.json is damaged: .* Download it again"):
        list(read_details(tmp_path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_details(several(), tmp_path / "out", "packed")
    return tmp_path / "out" / "features"


def rewrite_index(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(gzip.decompress((folder / "index.json.gz").read_bytes()))
    (folder / "index.json.gz").write_bytes(gzip.compress(json.dumps(change(data)).encode()))


def entry(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda data: data | {"0": data["0"] | fields}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda data: [data], "it must map each layer to a filename and offsets."),
        (lambda data: {"E": data["0"]}, "'E' is not the number of a layer."),
        (lambda data: {"999999": data["0"]}, "'999999' is not the number of a layer."),
        (lambda data: {"0": []}, "layer 0 needs a filename and offsets."),
        (entry(filename="../layer_0.bin"), "which is not a plain file name."),
        (entry(filename="..\\layer_0.bin"), "which is not a plain file name."),
        (entry(filename="/etc/passwd"), "which is not a plain file name."),
        (entry(filename=".."), "but there is no such file beside it."),
        (entry(filename="layer_5.bin"), "but there is no such file beside it."),
        (entry(offsets=[0, 1.5]), "layer 0 has offsets that are not whole numbers."),
        (entry(offsets=[0, True]), "layer 0 has offsets that are not whole numbers."),
        (entry(offsets=[-1, 4]), "layer 0 has offsets that do not rise."),
        (entry(offsets=[9, 4]), "layer 0 has offsets that do not rise."),
        (entry(offsets=[0, 10**30]), "layer 0 has an offset past the"),
    ],
)
def test_a_packed_index_that_cannot_be(change: Callable[[dict[str, Any]], Any], problem: str, folder: Path):
    rewrite_index(folder, change)
    with pytest.raises(ClewError, match="is damaged: ") as told:
        list(read_details(folder))
    assert problem in str(told.value)


def test_a_packed_file_that_was_cut_off(folder: Path):
    path = folder / "layer_0.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ClewError, match=r"has an offset past the .* it was cut off"):
        list(read_details(folder))
    (folder / "index.json.gz").write_bytes((folder / "index.json.gz").read_bytes()[:-9])
    with pytest.raises(ClewError, match=r"index\.json\.gz is damaged: it was cut off\. Download it again"):
        list(read_details(folder))


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (b"\x01\x00", "its record has 2 bytes."),
        (struct.pack("<I", 99) + b"x", "it should have 99 bytes, but 1 are there."),
        (struct.pack("<I", 4) + b"text", "it is not gzip"),
        (struct.pack("<I", 12) + gzip.compress(b"{}")[:12], "it was cut off."),
        (struct.pack("<I", 2**32 - 1) + gzip.compress(b"{}"), "it should have 4,294,967,295 bytes"),
    ],
)
def test_a_packed_record_that_cannot_be(record: bytes, problem: str, folder: Path):
    (folder / "layer_0.bin").write_bytes(record)
    rewrite_index(folder, entry(offsets=[0, len(record)]))
    with pytest.raises(ClewError, match=r"layer_0\.bin: feature 0 is damaged: ") as told:
        list(read_details(folder))
    assert problem in str(told.value)


def test_a_gzip_bomb_is_never_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packed, "LONGEST_RECORD", 100_000)
    bomb = gzip.compress(b"[" + b" " * 10**7)
    (folder / "layer_0.bin").write_bytes(struct.pack("<I", len(bomb)) + bomb)
    rewrite_index(folder, entry(offsets=[0, len(bomb) + 4]))
    with pytest.raises(ClewError, match="it would unpack to more than 100,000 bytes"):
        list(read_details(folder))
    monkeypatch.setattr(packed, "LONGEST_INDEX", 100)
    with pytest.raises(ClewError, match="it would unpack to more than 100 bytes"):
        list(read_details(folder))


def test_a_folder_of_links_as_the_hubs_cache_has_it(folder: Path, tmp_path: Path):
    (folder / "layer_0.bin").rename(tmp_path / "blob")
    (folder / "layer_0.bin").symlink_to(tmp_path / "blob")
    assert list(read_details(folder)) == several()


def test_a_place_without_details(tmp_path: Path):
    with pytest.raises(ClewError, match="There is no file or folder"):
        read_details(tmp_path / "none")
    (tmp_path / "notes.json").write_text("{}")
    with pytest.raises(ClewError, match="holds no details of features"):
        read_details(tmp_path)
    with pytest.raises(ClewError, match="does not say which feature it is"):
        list(read_details(tmp_path / "notes.json"))
    (tmp_path / "99999999999999999.json").write_text("{}")
    with pytest.raises(ClewError, match="its name is not Cantor's number"):
        list(read_details(tmp_path))


def test_a_file_too_long_for_one_feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("clew.index.exchange.folder.LONGEST_FILE", 10)
    (tmp_path / "7.json").write_text('{"histogram": []}')
    with pytest.raises(ClewError, match="has more than 10 bytes"):
        list(read_details(tmp_path))


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").touch()
    with pytest.raises(ClewError, match="already holds something"):
        write_details([], tmp_path / "full", "json")
    with pytest.raises(ClewError, match="There is no form 'csv'; choose json or packed"):
        write_details([], tmp_path / "out", "csv")


def test_nothing_is_left_of_what_could_not_be_written(tmp_path: Path):
    unfit = FeatureFile(Feature(0, 0), maximum=float("nan"))
    for form in ("json", "packed"):
        with pytest.raises(ClewError, match="L0/0 holds a number that JSON cannot write"):
            write_details([unfit], tmp_path / "out", form)
    for wrong, told in (([5, 5], "comes too late"), ([5, 4], "comes too late")):
        with pytest.raises(ClewError, match=told):
            write_details([details(0, feature) for feature in wrong], tmp_path / "out", "packed")
    with pytest.raises(ClewError, match="Layer 0 comes twice"):
        write_details([details(layer, layer) for layer in (0, 1, 0)], tmp_path / "out", "packed")
    assert list(tmp_path.iterdir()) == []
