"""The platform's alarms, as CloudWatch would have given them by the metrics of a run."""

from __future__ import annotations

from datetime import datetime, timedelta

from infrastructure.local.run_page.document import Alarm
from infrastructure.settings import Settings
from monitoring.alarm_evaluation import Watch, datapoints
from monitoring.alarm_spec import AlarmSpec
from monitoring.alarms import alarms, composite_alarms
from monitoring.metric_data import MetricData, MetricId

_MINUTE = timedelta(minutes=1)
_ORDER = ("ALARM", "INSUFFICIENT_DATA", "OK")


def judged(settings: Settings, data: MetricData, started_at: datetime, ended_at: datetime) -> list[Alarm]:
    """Every alarm, those first that were raised at any minute of the run, then those without data."""
    specs = alarms(settings)
    # Where silence is the fault, the time before the run would count as one: such alarms are judged at its end.
    watch = Watch([spec for spec in specs if spec.missing != "breaching"], data)
    now = started_at
    while now < ended_at:
        now += _MINUTE
        watch.look(now)
    end = now + _MINUTE
    composites = composite_alarms(settings)
    final = Watch(specs, data, composites, watch.states, watch.raised)
    states = final.look(end)
    found = [
        Alarm(
            spec.name,
            spec.description,
            "ALARM" if spec.name in final.raised else states[spec.name],
            f"{_highest(spec, data, end)}; {_limit(spec, data)}",
        )
        for spec in specs
    ]
    for composite in composites:
        is_raised = not final.raised.isdisjoint(composite.any_of)
        told = f"raised while any of these is: {', '.join(composite.any_of)}"
        found.append(Alarm(composite.name, composite.description, "ALARM" if is_raised else "OK", told))
    return sorted(found, key=lambda alarm: _ORDER.index(alarm.state))


def _highest(spec: AlarmSpec, data: MetricData, end: datetime) -> str:
    """The highest value; the newest where the alarm is on too low a one, since the time before the run has none."""
    values = [point for point in datapoints(spec, data, end) if point is not None]
    if not values:
        return "no value"
    if spec.comparison == "LessThanThreshold":
        return f"newest {_shown(spec, data, values[-1])}"
    return f"highest {_shown(spec, data, max(values))}"


def _limit(spec: AlarmSpec, data: MetricData) -> str:
    side = "below" if spec.comparison == "LessThanThreshold" else "above"
    minutes = next(iter(spec.metrics.values())).period // 60
    spans = f"{spec.datapoints} of {spec.periods} times {minutes:,} min" if spec.periods > 1 else f"{minutes:,} min"
    return f"alarm {side} {_shown(spec, data, spec.threshold)} in {spans}"


def _shown(spec: AlarmSpec, data: MetricData, value: float) -> str:
    """The value, milliseconds as seconds."""
    metrics = [MetricId.of(each.namespace, each.name, each.dimensions) for each in spec.metrics.values()]
    if len(metrics) == 1 and data.units(metrics[0]) == {"Milliseconds"}:
        return f"{value / 1000:,.1f} s"
    return f"{value:,.1f}".removesuffix(".0")
