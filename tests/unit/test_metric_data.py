"""Metrics are taken out of a log as CloudWatch takes them: by namespace, name, exact dimensions, unit and time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from monitoring.metric_data import MetricData, MetricId

AT = datetime(2026, 3, 2, 9, 30, 45, tzinfo=UTC)


def line(dimensions: list[list[str]], metrics: list[dict[str, str]], **entry: Any) -> str:
    directive = {"Namespace": "Bank/dev", "Dimensions": dimensions, "Metrics": metrics}
    return json.dumps({"_aws": {"Timestamp": AT.timestamp() * 1000, "CloudWatchMetrics": [directive]}, **entry})


def held(data: MetricData, name: str, **dimensions: str) -> list[float]:
    return data.between(MetricId.of("Bank/dev", name, dimensions), AT - timedelta(minutes=1), AT)


def test_each_value_is_kept_under_each_set_of_dimensions_with_its_unit() -> None:
    data = MetricData()
    data.put_embedded(
        [
            line(
                [["service"], ["reason", "service"]],
                [{"Name": "Records", "Unit": "Count"}, {"Name": "Latency", "Unit": "Milliseconds"}],
                service="f",
                reason="bad",
                Records=[2.0, 3.0],
                Latency=40,
            )
        ]
    )
    assert held(data, "Records", service="f") == held(data, "Records", service="f", reason="bad") == [2, 3]
    assert held(data, "Records") == []
    assert data.units(MetricId.of("Bank/dev", "Latency", {"service": "f"})) == {"Milliseconds"}


def test_other_lines_of_the_log_are_passed_over() -> None:
    data = MetricData()
    data.put_embedded(["START RequestId: 1", '{"level": "INFO"}', "[1]", '{"_aws": {}}', "null"])
    assert data.metrics == []


def test_a_value_belongs_to_its_minute() -> None:
    data, id_ = MetricData(), MetricId.of("n", "m", {})
    data.put(id_, 1, "Count", AT)
    minute = AT.replace(second=0)
    assert data.between(id_, minute, minute + timedelta(minutes=1)) == [1]
    assert data.between(id_, minute - timedelta(minutes=1), minute) == []
