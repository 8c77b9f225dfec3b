"""Metrics as CloudWatch keeps them, by namespace, name and exact set of dimensions. Pure."""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class MetricId:
    """What CloudWatch knows a metric by. A question with one dimension too few finds nothing."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> MetricId:
        return cls(namespace, name, frozenset(dimensions.items()))


class Value(NamedTuple):
    """at: UTC, in whole minutes, as metrics of standard resolution are kept."""

    at: datetime
    value: float
    unit: str


def _at(value: Value) -> datetime:
    return value.at


class MetricData:
    """Values by metric, in the order of their times."""

    def __init__(self) -> None:
        self._held: dict[MetricId, list[Value]] = defaultdict(list)

    def put(self, metric: MetricId, value: float, unit: str, at: datetime) -> None:
        insort(self._held[metric], Value(at.replace(second=0, microsecond=0), value, unit), key=_at)

    def between(self, metric: MetricId, start: datetime, end: datetime) -> list[float]:
        """The values from start to before end."""
        held = self._held.get(metric, [])
        return [each.value for each in held[bisect_left(held, start, key=_at) : bisect_left(held, end, key=_at)]]

    def units(self, metric: MetricId) -> set[str]:
        """The units that it was put with; empty if it never was."""
        return {each.unit for each in self._held.get(metric, ())}

    @property
    def metrics(self) -> list[MetricId]:
        return list(self._held)

    def put_embedded(self, lines: Iterable[str]) -> None:
        """Take the metrics out of lines of a log, as CloudWatch Logs does; other lines are passed over.

        Source: the Embedded Metric Format specification,
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
        """
        for line in lines:
            try:
                entry = json.loads(line)
                directives = entry["_aws"]["CloudWatchMetrics"]
                at = datetime.fromtimestamp(entry["_aws"]["Timestamp"] / 1000, UTC)
            except (ValueError, KeyError, TypeError):
                continue
            for metric, value, unit in _embedded(entry, directives):
                self.put(metric, value, unit, at)


def _embedded(entry: dict[str, Any], directives: Iterable[dict[str, Any]]) -> Iterator[tuple[MetricId, float, str]]:
    """Each value of a line, once for each set of dimensions."""
    for directive in directives:
        for names in directive["Dimensions"]:
            dimensions = {name: str(entry[name]) for name in names}
            for metric in directive["Metrics"]:
                id_ = MetricId.of(directive["Namespace"], metric["Name"], dimensions)
                values = entry[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    yield id_, float(value), metric.get("Unit", "None")
