"""The metrics that the Glue job puts: conflicts, fraud alerts, how fresh lake and warehouse are, how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from data_governance.run_result import RunResult
from data_processing.transformations import CONFLICT
from infrastructure.metrics import (
    CONFLICTS_METRIC,
    CURATION_SECONDS_METRIC,
    FRAUD_ALERTS_METRIC,
    JOB_SECONDS_METRIC,
    LOAD_SECONDS_METRIC,
    put_values,
)


class JobMetrics:
    """Puts nothing without a namespace."""

    def __init__(self, cloudwatch: Any, namespace: str) -> None:
        self._cloudwatch = cloudwatch
        self._namespace = namespace

    def curated(self, results: Sequence[RunResult], now: datetime) -> None:
        """Runs were committed; none if nothing was pending."""
        if results:
            counts = {
                CONFLICTS_METRIC: sum(result.quarantined_by_reason.get(CONFLICT, 0) for result in results),
                FRAUD_ALERTS_METRIC: sum(file.records for result in results for file in result.fraud_alerts),
            }
            self._put(counts, "Count")
            self._put({CURATION_SECONDS_METRIC: _age(results, now)}, "Seconds")

    def loaded(self, results: Sequence[RunResult], now: datetime) -> None:
        """These runs, if any, are in the warehouse."""
        if results:
            self._put({LOAD_SECONDS_METRIC: _age(results, now)}, "Seconds")

    def ended(self, seconds: float) -> None:
        """The job has ended after so many seconds."""
        self._put({JOB_SECONDS_METRIC: seconds}, "Seconds")

    def _put(self, values: Mapping[str, float], unit: str) -> None:
        if self._namespace:
            put_values(self._cloudwatch, self._namespace, values, unit)


def _age(results: Sequence[RunResult], now: datetime) -> float:
    """Seconds since the oldest of these runs was planned."""
    return max((now - result.created_at).total_seconds() for result in results)
