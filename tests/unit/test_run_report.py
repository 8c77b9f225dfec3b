"""The figures of a run's report."""

import pytest

from infrastructure.local.run_report import percentiles


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (range(1, 101), (50, 95, 99)),
        (range(1000, 0, -1), (500, 950, 990)),
        ([7.04], (7, 7, 7)),
        ([2, 1], (1, 2, 2)),
    ],
)
def test_percentiles_are_by_nearest_rank(values, expected):
    assert list(percentiles(values).values()) == list(expected)


def test_no_values_have_no_percentiles():
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None}
