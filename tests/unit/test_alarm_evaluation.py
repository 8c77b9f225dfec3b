"""An alarm's state follows its data by AWS's rules. The tables are those of AWS's page on missing data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from monitoring.alarm_evaluation import Watch, datapoints, evaluation_range, state
from monitoring.alarm_spec import AlarmSpec, Metric
from monitoring.metric_data import MetricData, MetricId

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
METRIC = Metric("N", "m", {"service": "f"}, "Sum")
SPEC = AlarmSpec("a", "", {"value": METRIC}, threshold=0, periods=3, datapoints=3)
MISSING = ("ignore", "breaching", "notBreaching")


def points(text: str) -> list[float | None]:
    """X: breaching, 0: not, -: missing."""
    return [{"X": 1.0, "0": 0.0, "-": None}[letter] for letter in text.split()]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ("0 - X - X", ("OK", "OK", "OK")),
        ("- - - - 0", ("OK", "OK", "OK")),
        ("- - - - -", ("before", "ALARM", "OK")),
        ("0 X X - X", ("ALARM", "ALARM", "ALARM")),
        ("- - X - -", ("before", "ALARM", "OK")),
    ],
)
def test_three_of_three(series: str, expected: tuple[str, str, str]) -> None:
    check(SPEC, series, expected)


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ("0 - X - X", ("ALARM", "ALARM", "ALARM")),
        ("0 0 X 0 X", ("ALARM", "ALARM", "ALARM")),
        ("0 - X - -", ("OK", "ALARM", "OK")),
        ("- - - - 0", ("OK", "ALARM", "OK")),
        ("- - - X -", ("before", "ALARM", "OK")),
    ],
)
def test_two_of_three(series: str, expected: tuple[str, str, str]) -> None:
    check(replace(SPEC, datapoints=2), series, expected)


def check(spec: AlarmSpec, series: str, expected: tuple[str, str, str]) -> None:
    for missing, wanted in zip(MISSING, expected, strict=True):
        for before in ("OK", "ALARM"):
            found = state(replace(spec, missing=missing), points(series), before)  # type: ignore[arg-type]
            assert found == (before if wanted == "before" else wanted), (series, missing)


def test_the_examples_of_aws_have_five_periods_for_three() -> None:
    assert evaluation_range(SPEC) == 5


def put(data: MetricData, minutes_ago: int, value: float, **dimensions: str) -> None:
    id_ = MetricId.of("N", "m", dimensions or {"service": "f"})
    data.put(id_, value, "Count", NOON - timedelta(minutes=minutes_ago))


def test_a_period_ends_before_now_and_slides_with_it() -> None:
    data = MetricData()
    for ago, value in ((0, 16), (1, 1), (5, 2), (6, 4), (10, 8)):
        put(data, ago, value)
    spec = replace(SPEC, metrics={"value": replace(METRIC, period=300)}, periods=1, datapoints=1)
    assert datapoints(spec, data, NOON) == [None, 8 + 4, 2 + 1]
    assert datapoints(spec, data, NOON + timedelta(minutes=1)) == [8, 4 + 2, 1 + 16]


def test_a_metric_with_one_dimension_more_is_another_metric() -> None:
    data = MetricData()
    put(data, 1, 9, service="f", reason="x")
    assert datapoints(SPEC, data, NOON)[-1] is None


@pytest.mark.parametrize(("statistic", "expected"), [("Sum", 9), ("Maximum", 6), ("Minimum", 1), ("Average", 3)])
def test_the_values_of_a_period_become_one(statistic: str, expected: float) -> None:
    data = MetricData()
    for value in (1, 2, 6):
        put(data, 1, value)
    spec = replace(SPEC, metrics={"value": replace(METRIC, statistic=statistic)})  # type: ignore[arg-type]
    assert datapoints(spec, data, NOON)[-1] == expected


def test_a_metric_that_falls_below_its_threshold() -> None:
    spec = replace(SPEC, comparison="LessThanThreshold", threshold=1, periods=1, datapoints=1, missing="breaching")
    assert [state(spec, points(series), "OK") for series in ("- - 0", "- - X", "- - -")] == ["ALARM", "OK", "ALARM"]


def test_a_watch_keeps_what_an_alarm_ignores_and_remembers_what_was_raised() -> None:
    data = MetricData()
    spec = replace(SPEC, periods=1, datapoints=1, missing="ignore")
    watch = Watch([spec], data)
    seen = []
    for ago, value in ((20, None), (19, 1.0), (18, None), (10, None), (9, 0.0), (1, None)):
        if value is not None:
            put(data, ago, value)
        seen.append(watch.look(NOON - timedelta(minutes=ago - 1))["a"])
    assert seen == ["INSUFFICIENT_DATA", "ALARM", "ALARM", "ALARM", "OK", "OK"]
    assert watch.raised == {"a"}
