"""Ranks and correlations against numbers worked out by hand and by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clew.intervention.validation_result import pearson, ranks, spearman

SERIES = st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30)


def test_equal_values_share_their_ranks():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4, 1, 4, 2, 4]


def test_known_values():
    x = np.array([86, 97, 99, 100, 101, 103, 106, 110, 112, 113])
    y = np.array([2, 20, 28, 27, 50, 29, 7, 17, 6, 12])
    assert spearman(x, y) == pytest.approx(-29 / 165)
    assert pearson(np.array([1, 2, 3, 4]), np.array([1, 3, 2, 5])) == pytest.approx(0.8315218)
    assert spearman(np.arange(5), np.exp(np.arange(5))) == pytest.approx(1)
    assert pearson(1e-200 * np.arange(5), -1e150 * np.arange(5)) == pytest.approx(-1)


@given(SERIES)
def test_spearman_is_the_correlation_of_ranks_by_counting(pairs):
    x, y = np.array(pairs, dtype=float).T
    by_counting = np.array(
        [[(v < value).sum() + ((v == value).sum() + 1) / 2 for value in v] for v in (x, y)]
    )
    found = spearman(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(by_counting)[0, 1])


def test_too_few_or_constant_series_have_no_correlation():
    assert pearson(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert pearson(np.ones(5), np.arange(5)) is None
    assert spearman(np.arange(5), np.zeros(5)) is None
