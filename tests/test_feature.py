"""Names of features are read and written the same way everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.errors import ClewError
from clew.feature import Feature, FeatureAt


@given(st.integers(0, 999), st.integers(0, 10**9), st.integers(-50, 500))
def test_what_is_written_is_read(layer, index, position):
    feature = Feature(layer, index)
    assert Feature.match(str(feature)) == Feature.parse(str(feature)) == feature
    assert FeatureAt.match(str(feature.at(position))) == FeatureAt(layer, position, index)
    assert feature.at(position).feature == feature


def test_features_of_attention_have_negative_indices():
    assert Feature.parse("A12/31") == Feature(12, -64)
    assert str(Feature(12, -64)) == "A12/31"


@pytest.mark.parametrize("text", ["", "12/4031", "l12/4031", "L12/4031 ", "L12/-1", "L12/4031@5", "L٣/1"])
def test_other_texts_are_no_features(text):
    assert Feature.match(text) is None
    with pytest.raises(ClewError, match=r"is not a feature; write one as L12/4031\."):
        Feature.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("12/4031", "L12/4031"), ("l3/7@2", "L3/7@2"), (" L3/7", "L3/7")]
)
def test_a_slip_is_answered_with_what_was_meant(text, meant):
    with pytest.raises(ClewError, match=rf"Did you mean {meant}\?$"):
        Feature.parse(text)
