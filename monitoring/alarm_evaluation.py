"""What state CloudWatch would give an alarm, from the metrics that were put. Pure.

Only the forms that monitoring/alarms.py uses. Sources:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import fmean
from typing import Literal

from monitoring.alarm_spec import AlarmSpec, CompositeSpec, Metric
from monitoring.metric_data import MetricData, MetricId
from monitoring.metric_math import Number, calculate

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "Average": fmean,
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
}


def datapoints(spec: AlarmSpec, data: MetricData, now: datetime) -> list[Number]:
    """A value for each period of the evaluation range, the oldest first; None where data is missing.

    The window slides: its last period ends at now, in whole minutes.
    """
    (period,) = {metric.period for metric in spec.metrics.values()}
    end, length = now.replace(second=0, microsecond=0), timedelta(seconds=period)
    found: list[Number] = []
    for back in range(evaluation_range(spec), 0, -1):
        start = end - back * length
        values = {id_: _statistic(metric, data, start, start + length) for id_, metric in spec.metrics.items()}
        found.append(calculate(spec.expression, values) if spec.expression else next(iter(values.values())))
    return found


def evaluation_range(spec: AlarmSpec) -> int:
    """How many periods CloudWatch looks at, which is more than it evaluates.

    AWS gives no formula; its examples have five for three. The third beyond, two at least, gives the same.
    """
    return spec.periods + max(spec.periods // 3, 2)


def state(spec: AlarmSpec, points: Sequence[Number], before: State) -> State:
    """The alarm's state by AWS's rules: real values first, the newest first, and missing ones only as far as needed."""
    real = [point for point in points if point is not None][-spec.periods :]
    breaching = sum(_COMPARISONS[spec.comparison](point, spec.threshold) for point in real)
    missing = spec.periods - len(real)
    if spec.missing == "breaching":
        breaching += missing
    if spec.missing == "ignore" and missing and breaching < spec.datapoints and breaching == len(real):
        return before  # nothing real says that all is well
    return "ALARM" if breaching >= spec.datapoints else "OK"


def _statistic(metric: Metric, data: MetricData, start: datetime, end: datetime) -> Number:
    values = data.between(MetricId.of(metric.namespace, metric.name, metric.dimensions), start, end)
    return _STATISTICS[metric.statistic](values) if values else None


@dataclass(slots=True)
class Watch:
    """The alarms over time: call look() once a minute. raised: those that were in ALARM at any time."""

    specs: Sequence[AlarmSpec]
    data: MetricData
    composites: Sequence[CompositeSpec] = ()
    states: dict[str, State] = field(default_factory=dict)
    raised: set[str] = field(default_factory=set)

    def look(self, now: datetime) -> dict[str, State]:
        """The states at this minute."""
        for spec in self.specs:
            before = self.states.get(spec.name, "INSUFFICIENT_DATA")
            self.states[spec.name] = state(spec, datapoints(spec, self.data, now), before)
        for composite in self.composites:
            is_raised = any(self.states.get(child) == "ALARM" for child in composite.any_of)
            self.states[composite.name] = "ALARM" if is_raised else "OK"
        self.raised |= {name for name, found in self.states.items() if found == "ALARM"}
        return dict(self.states)
