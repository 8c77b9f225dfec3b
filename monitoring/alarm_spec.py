"""What an alarm is, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MINUTE, FIVE_MINUTES, HOUR, DAY = 60, 300, 3600, 86_400


@dataclass(frozen=True, slots=True)
class Metric:
    """One CloudWatch metric with its statistic over a period of seconds."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: Literal["Sum", "Maximum", "Minimum", "Average"]
    period: int = MINUTE


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """One alarm: raised if `datapoints` of the last `periods` values are beyond the threshold.

    metrics: one metric, or several by the ids that `expression` (CloudWatch metric math) uses. missing: how a period
    without data counts; ignore leaves the alarm as it is.
    """

    name: str
    description: str
    metrics: Mapping[str, Metric]
    threshold: float
    comparison: Literal["GreaterThanThreshold", "LessThanThreshold"] = "GreaterThanThreshold"
    periods: int = 1
    datapoints: int = 1
    expression: str = ""
    missing: Literal["notBreaching", "breaching", "ignore"] = "notBreaching"


@dataclass(frozen=True, slots=True)
class CompositeSpec:
    """An alarm that is raised while any of other alarms is; any_of: their names."""

    name: str
    description: str
    any_of: tuple[str, ...]
