"""Feature files to an index and back: nothing is lost but the last digits of activations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clew.errors import ClewError
from clew.feature import Feature
from clew.index.exchange.exporting import details_of, export_index
from clew.index.exchange.feature_file import FeatureFile, FileExample, Quantile, details_to_json
from clew.index.exchange.folder import read_details, widths_of, write_details
from clew.index.exchange.importing import import_details
from clew.index.storage.index import open_index
from clew.index.storage.record import BOTTOM, TOP

from .example_feature_file import details, several


@pytest.fixture(params=["json", "packed"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An index of made-up features, through either form."""
    write_details(several(), tmp_path / "files", request.param)
    assert import_details(tmp_path / "files", tmp_path / "index.sqlite3", model="tiny") == 5
    return tmp_path / "index.sqlite3"


def rounded(details: FeatureFile) -> FeatureFile:
    """Activations as an index keeps them: to 1/127 of the strongest."""
    quantiles = []
    for quantile in details.quantiles:
        examples = []
        for example in quantile.examples:
            step = abs(example.strongest) / 127
            steps = tuple(round(a / step) for a in example.activations)
            examples.append(replace(example, activations=steps, repeated=False))
        if examples:
            quantiles.append(Quantile(quantile.name, tuple(examples)))
    return replace(details, quantiles=tuple(quantiles))


def test_what_was_imported_is_there(index: Path):
    with open_index(index) as opened:
        about = opened.metadata
        assert (about.model, about.dictionary) == ("tiny", "org/transcoders")
        assert about.widths == (4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2)
        assert about.two_sided
        assert about.complete
        record = opened.feature(11, 1)
        assert about.partial
        assert opened.feature(0, 1) is None, "the files do not tell whether it was ever active"
        hits = opened.search("capital")
    assert record is not None
    assert (record.minimum, record.maximum, record.frequency) == (-2.5, 4.5, 0.003)
    assert [(token.text, token.value) for token in record.top_outputs] == [(" Paris", 0), ("é", 0), ("", 0)]
    strongest, other = record.group(TOP)
    assert strongest.tokens == details().quantiles[0].examples[0].tokens
    assert (strongest.tokens[strongest.peak_at], strongest.peak) == (" capital", 4.5)
    assert (other.tokens, other.peak) == ((" a",), 3.0)
    assert record.group(BOTTOM)[0].peak == -2.5
    assert record.histogram.counts == (1, 0, 7)
    assert record.histogram.edges == pytest.approx((-2.5, -1 / 6, 13 / 6, 4.5))
    assert [(token.text, token.value) for token in record.strongest_tokens] == [
        (" capital", 4.5),
        (" a", 3.0),
    ]
    assert [(token.text, token.value) for token in record.strongest_low] == [(" b", -2.5)]
    assert [str(hit.feature) for hit in hits] == ["L0/0", "L0/3", "L1/7", "L11/0", "L11/1"]


@pytest.mark.parametrize("form", ["json", "packed"])
def test_an_index_survives_files(index: Path, form: str, tmp_path: Path):
    with open_index(index, writable=True) as opened:
        opened.set_label(0, 3, "capital cities", "model", author="stand-in", confidence=0.75)
        opened.set_label(1, 7, "seats of government", author="a person")
        before = list(details_of(opened))
        assert export_index(opened, tmp_path / "out", form) == 5
    assert list(read_details(tmp_path / "out")) == before
    import_details(tmp_path / "out", tmp_path / "again.sqlite3")
    with open_index(tmp_path / "again.sqlite3") as again:
        for one, other in zip(details_of(again), before, strict=True):
            assert one.more == other.more
            assert rounded(one) == rounded(other)
        label = again.label(0, 3)
        assert again.search("government")[0].feature == Feature(1, 7)
    assert label is not None
    assert (label.text, label.source, label.author, label.confidence) == (
        *("capital cities", "model", "stand-in"),
        0.75,
    )


def test_part_of_an_index_is_a_small_one(index: Path, tmp_path: Path):
    """What was never active is told where it was asked for; what the files lack is not known."""
    with open_index(index, writable=True) as opened:
        opened._connection.execute(
            "INSERT INTO features (id, layer, feature, frequency) VALUES (2, 0, 2, 0.0)"
        )
        opened.set_label(11, 1, "capital cities", author="a person")
        wanted = [Feature(*pair) for pair in ((11, 1), (0, 2), (1, 7), (0, 1), (40, 1))]
        assert export_index(opened, tmp_path / "out", "json", features=wanted, examples=1) == 3
    import_details(tmp_path / "out", tmp_path / "small.sqlite3")
    with open_index(tmp_path / "small.sqlite3") as small:
        assert small.metadata.model == "tiny"
        record, never, others = small.feature(11, 1), small.feature(0, 2), small.feature(0, 0)
    assert record is not None
    assert record.label is not None
    assert record.label.text == "capital cities"
    assert [len(group.examples) for group in record.groups] == [1, 1]
    assert never is not None
    assert never.never_seen
    assert others is None


def test_a_feature_that_was_active_was_seen_even_if_no_file_says_how_often(tmp_path: Path):
    found = imported(FeatureFile(Feature(0, 0), maximum=2.5), tmp_path)
    assert 0 < found.frequency < 1e-6


def test_published_details_lose_nothing_that_an_index_can_hold(index: Path):
    with open_index(index) as opened:
        found = next(details_of(opened))
    expected = rounded(details(0, 0))
    assert rounded(found).quantiles == expected.quantiles
    for name in ("top_outputs", "bottom_outputs", "minimum", "maximum", "histogram", "frequency"):
        assert getattr(found, name) == getattr(expected, name)


def test_a_plain_file_has_what_others_read(index: Path, tmp_path: Path):
    with open_index(index) as opened:
        export_index(opened, tmp_path / "out", "json")
    data = json.loads((tmp_path / "out" / "features" / "79.json").read_text())
    assert (data["index"], data["layer"], data["transcoder_id"]) == (1, 11, "org/transcoders")
    assert data["model"] == "tiny"
    assert set(details_to_json(details())) - {"label"} <= set(data)


def imported(one: FeatureFile, tmp_path: Path) -> FeatureFile:
    """A single feature through an index."""
    write_details([one], tmp_path / "files", "json")
    import_details(tmp_path / "files", tmp_path / "one.sqlite3")
    with open_index(tmp_path / "one.sqlite3") as opened:
        (found,) = details_of(opened)
    return found


def test_groups_that_nobody_knows_keep_their_order_and_names(tmp_path: Path):
    example = FileExample((" a",), (1.0,))
    names = ["anything", "random", "random"]
    found = imported(
        FeatureFile(Feature(0, 0), quantiles=tuple(Quantile(name, (example,)) for name in names)), tmp_path
    )
    assert [quantile.name for quantile in found.quantiles] == names
    assert found.frequency > 0, "it has examples, so it was seen"


@pytest.mark.parametrize(
    "more",
    [
        {"label": 5, "label_source": "person"},
        {"label": "a", "label_source": "nobody"},
        {"label": "\ud800", "label_source": "person"},
        {"label": "a" * 1000, "label_source": "person"},
        {"label": "a", "label_source": "model", "label_confidence": 7.5},
        {"label": "a", "label_source": "model", "label_author": ["x"]},
        {"histogram_edges": [5, 4, 3, 2], "quantile_shares": ["a"], "positions": -3},
        {"histogram_edges": "abcd", "positions": 10**400, "activation_mean": 10**400},
        {"frequent_tokens": [[" a", 2.5]], "strongest_tokens": [[" a"]]},
        {"frequent_tokens": [["\ud800", 0.5]], "strongest_tokens": {"a": 1}},
        {"model": 7},
        {"model": "\ud800"},
        {"model": "a" * 1000},
    ],
)
def test_fields_of_clew_that_are_not_sound_are_left_out(more: dict, tmp_path: Path):
    found = imported(replace(details(0, 0), more=more), tmp_path)
    assert found.more["label"] is None
    assert "model" not in found.more
    assert found.histogram == (1.0, 0.0, 7.0)
    assert found.more["histogram_edges"] == pytest.approx([-2.5, -1 / 6, 13 / 6, 4.5])
    assert [token for token, _ in found.more["strongest_tokens"]] == [" capital", " a"]
    assert [token for token, _ in found.more["strongest_low"]] == [" b"]


def test_damage_leaves_no_index(tmp_path: Path):
    write_details(several(), tmp_path / "files", "packed")
    path = tmp_path / "files" / "features" / "layer_11.bin"
    path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)
    with pytest.raises(ClewError, match=r"layer_11\.bin: feature 1 is damaged"):
        import_details(tmp_path / "files", tmp_path / "index.sqlite3")
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_places_where_no_index_can_be(tmp_path: Path):
    write_details(several(), tmp_path / "files", "json")
    with pytest.raises(ClewError, match="exists already"):
        import_details(tmp_path / "files", tmp_path / "files")
    with pytest.raises(ClewError, match="there is no folder"):
        import_details(tmp_path / "files", tmp_path / "none" / "index.sqlite3")


def test_a_feature_number_beyond_belief(tmp_path: Path):
    (tmp_path / "20000000300000000.json").write_text("{}")
    with pytest.raises(ClewError, match="more than 100,000,000 features in a layer"):
        widths_of(tmp_path)


def test_what_clew_wrote_comes_back_with_its_numbers(tmp_path):
    more = {"top_logit_values": [5.5, 4.0, 3.25], "bottom_logit_values": ["none"]}
    told = replace(details(), more=more)
    write_details([told], tmp_path / "files", "json")
    import_details(tmp_path / "files", tmp_path / "again.sqlite3")
    with open_index(tmp_path / "again.sqlite3") as opened:
        record = opened.feature(told.feature)
    assert record is not None
    assert [token.value for token in record.top_outputs] == [5.5, 4.0, 3.25]
    assert {token.value for token in record.bottom_outputs} <= {0.0}
