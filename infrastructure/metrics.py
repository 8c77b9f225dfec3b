"""Metrics of the platform's own that are put by PutMetricData: one place puts each, and an alarm watches it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPEATED_IDS_METRIC = "RepeatedTransactionIds"  # once a day, by the Glue job
CONFLICTS_METRIC = "ConflictingRecords"  # of each run of the Glue job
FRAUD_ALERTS_METRIC = "FraudAlerts"  # of each run
CURATION_SECONDS_METRIC = "CurationSeconds"  # from a run's manifest to its commit
LOAD_SECONDS_METRIC = "LoadSeconds"  # from the manifest of a run to its load
JOB_SECONDS_METRIC = "JobSeconds"  # a start of the Glue job, from begin to end
TOTALS_OFF_METRIC = "TotalsOff"  # by reconcile --metric: findings
DRIFT_METRIC = "ChangesToApply"  # by plan --metric


def put_count(cloudwatch: Any, namespace: str, name: str, count: int) -> None:
    """Put one value of a metric without dimensions."""
    put_values(cloudwatch, namespace, {name: count}, "Count")


def put_values(cloudwatch: Any, namespace: str, values: Mapping[str, float], unit: str) -> None:
    """Put one value each of metrics without dimensions."""
    data = [{"MetricName": name, "Value": value, "Unit": unit} for name, value in values.items()]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
