"""The platform's alarms, judged by a whole run: by the metrics that the function put, and by what the mapping did.

An alarm on a metric that AWS alone makes (of Kinesis, Glue, CloudTrail) is not judged.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from infrastructure.local.run_page.document import Alarm
from infrastructure.settings import Settings
from monitoring.alarms import alarms

NOT_JUDGED = "NOT_JUDGED"


@dataclass(frozen=True, slots=True)
class Signals:
    """metrics: sums of the function's own, by name; the greatest landing latency in milliseconds."""

    metrics: Counter[str] = field(default_factory=Counter)
    failed_invocations: int = 0
    given_up: int = 0
    longest_landing_ms: float = 0.0


def summed_metrics(log: Iterable[str]) -> Counter[str]:
    """Metrics in CloudWatch's embedded format, summed by name, without those of single reasons."""
    sums: Counter[str] = Counter()
    for line in log:
        try:
            entry = json.loads(line)
            directives = entry["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            continue
        for directive in directives:
            if directive["Dimensions"] == [["service"]]:
                for metric in directive["Metrics"]:
                    sums[metric["Name"]] += sum(entry[metric["Name"]])
    return sums


def judged(settings: Settings, signals: Signals) -> list[Alarm]:
    """Every alarm, those that are raised first, those that cannot be judged last."""
    received = signals.metrics["RecordsReceived"]
    percent = 100 * signals.metrics["RecordsQuarantined"] / received if received else 0.0
    measures: dict[str, tuple[float, str]] = {
        "iterator-age": (signals.longest_landing_ms, f"longest landing {signals.longest_landing_ms / 1000:,.1f} s"),
        "landing-errors": (signals.failed_invocations, f"{signals.failed_invocations:,} failed invocations"),
        "batches-given-back": (
            signals.metrics["BatchesGivenBack"],
            f"{signals.metrics['BatchesGivenBack']:,.0f} batches given back",
        ),
        "batches-given-up": (signals.given_up, f"{signals.given_up:,} records given up"),
        "quarantine-rate": (percent, f"{percent:.1f} % of records quarantined at the landing"),
    }
    found = []
    for spec in alarms(settings):
        if spec.name in measures:
            value, told = measures[spec.name]
            state = "ALARM" if value > spec.threshold else "OK"
            found.append(
                Alarm(spec.name, spec.description, state, f"{told}; alarm above {_limit(spec.name, spec.threshold)}")
            )
        else:
            found.append(Alarm(spec.name, spec.description, NOT_JUDGED, "its metric is AWS's own"))
    order = ("ALARM", "OK", NOT_JUDGED)
    return sorted(found, key=lambda alarm: order.index(alarm.state))


def _limit(name: str, threshold: float) -> str:
    if name == "iterator-age":
        return f"{threshold / 1000:,.0f} s"
    return f"{threshold:g} %" if name == "quarantine-rate" else f"{threshold:g}"
