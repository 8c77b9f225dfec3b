"""Which fraud alerts both the job and the stream have raised, and which one of them alone. Cost follows the dates.

The job is the authority. Some rules are left to it, such as those that rest on what was seen before; what else the
stream has not raised it has missed. What the stream alone has raised is unconfirmed: its transactions are not curated
yet, or were refused, or are an erased account's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from data_catalog.lake_layout import run_key
from data_catalog.stream_alerts import ITEM, SUBJECT, StreamAlert, alerts_of
from data_governance.lake_reader import LakeReader
from data_governance.run_result import RunResult

if TYPE_CHECKING:
    from pyiceberg.table import Table

Raised = dict[str, str]  # alert id -> rule
AlertsOfDay = Callable[[date], Iterable[StreamAlert]]


@dataclass(frozen=True, slots=True)
class AlertComparison:
    """How many alerts were raised on these event dates, by rule. left_to_job: by rules that the stream leaves out;
    job_alone: by others, which it has missed."""

    dates: tuple[date, ...]
    both: Counter[str]
    job_alone: Counter[str]
    left_to_job: Counter[str]
    stream_alone: Counter[str]

    def __str__(self) -> str:
        days = f"{self.dates[0]}" if len(self.dates) == 1 else f"{self.dates[0]} to {self.dates[-1]}"
        left = f"{self.left_to_job.total():,} by rules that are left to the job, " if self.left_to_job else ""
        return (
            f"Fraud alerts of {days}: {self.both.total():,} by job and stream, {self.job_alone.total():,} by the job "
            f"alone, {left}{self.stream_alone.total():,} by the stream alone (unconfirmed)"
        )

    def as_json(self) -> dict[str, Any]:
        """Counts by rule, each with its total."""
        return {"dates": [day.isoformat() for day in self.dates]} | {
            name: {"alerts": counted.total(), "by_rule": dict(sorted(counted.items()))}
            for name, counted in (
                ("confirmed", self.both),
                ("job_alone", self.job_alone),
                ("left_to_job", self.left_to_job),
                ("unconfirmed", self.stream_alone),
            )
        }


def compared(
    dates: Collection[date], job: Raised, stream: Raised, left_to_job: Collection[str] = ()
) -> AlertComparison:
    """The alerts of some event dates, by who has raised them. left_to_job: the rules that the stream leaves out."""
    alone = [rule for id_, rule in job.items() if id_ not in stream]
    return AlertComparison(
        tuple(sorted(dates)),
        Counter(rule for id_, rule in job.items() if id_ in stream),
        Counter(rule for rule in alone if rule not in left_to_job),
        Counter(rule for rule in alone if rule in left_to_job),
        Counter(rule for id_, rule in stream.items() if id_ not in job),
    )


def compare_alerts(
    dates: Collection[date], tables: Callable[[str], Table], stream: AlertsOfDay, left_to_job: Collection[str]
) -> AlertComparison:
    """Read both of these event dates and compare them. stream: the stream's alerts of a date."""
    days = ", ".join(f"'{day.isoformat()}'" for day in dates)
    scan = tables("fraud_alerts").scan(row_filter=f"event_date IN ({days})", selected_fields=("alert_id", "rule"))
    job = {row["alert_id"]: row["rule"] for batch in scan.to_arrow_batch_reader() for row in batch.to_pylist()}
    return compared(dates, job, {alert.alert_id: alert.rule for day in dates for alert in stream(day)}, left_to_job)


def curated_dates(lake: LakeReader, run_ids: Collection[str]) -> list[date]:
    """The event dates of what ETL runs have curated."""
    bodies = (lake.body("curated", run_key(run_id, "result.json")) for run_id in run_ids)
    results = [RunResult.from_json(body, "result.json") for body in bodies]
    files = (file for result in results for file in (*result.curated, *result.pending_transactions))
    return sorted({file.partition_date for file in files})


def recent_dates(last: date, days: int) -> list[date]:
    """Event dates up to a last one."""
    return [last - timedelta(days=back) for back in reversed(range(days))]


def alerts_among(items: Iterable[dict[str, Any]]) -> AlertsOfDay:
    """The alerts of a date among items of the stream's table, in DynamoDB's form."""
    by_day: dict[str, list[StreamAlert]] = {}
    for item in items:
        if "alert" in item:
            by_day.setdefault(item[SUBJECT]["S"], []).append(_alert(item))
    return lambda day: by_day.get(alerts_of(day), [])


def alerts_in_table(dynamodb: Any, name: str) -> AlertsOfDay:
    """The alerts of a date in the stream's table."""

    def of_day(day: date) -> Iterator[StreamAlert]:
        pages = dynamodb.get_paginator("query").paginate(
            TableName=name,
            KeyConditionExpression="#day = :day",
            ProjectionExpression="#id, alert",
            ExpressionAttributeNames={"#day": SUBJECT, "#id": ITEM},
            ExpressionAttributeValues={":day": {"S": alerts_of(day)}},
        )
        for page in pages:
            yield from map(_alert, page["Items"])

    return of_day


def _alert(item: dict[str, Any]) -> StreamAlert:
    return StreamAlert.from_json(json.loads(item["alert"]["S"]))
