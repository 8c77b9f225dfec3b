"""What the platform costs a month, by line: quantities of cost_counts.py times the prices of prices.json. Pure.

Left out: what people ask (Athena, the warehouse's queries), support, and data that leaves the region.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from infrastructure.settings import KEY_PURPOSES, Settings
from monitoring.alarms import alarms, composite_alarms
from monitoring.cost_counts import (
    GB,
    HOURS_A_MONTH,
    QUEUE_REQUESTS_AN_OBJECT,
    SECONDS_AN_HOUR,
    WHOLE_CORE_MB,
    Counts,
    Workload,
    counts,
    worker_dpus,
)

PRICES = Path(__file__).with_name("prices.json")

_MONTHS_A_YEAR, _DAYS_A_MONTH = 12, 365 / 12
# S3 moves no smaller object into a colder class (data_storage/s3_bucket_setup.py).
_SMALLEST_MOVED = 128 * 1024
_CLASSES = {"STANDARD_IA": "s3_standard_ia", "GLACIER_IR": "s3_glacier_ir"}
# Bytes of log for each invocation of the function (its metrics and Lambda's own lines), each run of the job, and each
# event of the trail, which goes to a log group too. Stated, not measured.
_LOG_BYTES_AN_INVOCATION, _LOG_BYTES_A_RUN, _LOG_BYTES_AN_EVENT = 2_000, 300_000, 1_500
# Metrics that the function and the job put, reasons of quarantine among them; Glue's own for each run of a job.
_METRICS = 52
# X-Ray takes one request a second, and 5% of all others, of each function.
_TRACED_A_SECOND, _TRACED_SHARE = 1, 0.05
# Each shard's records are encrypted under a data key of five minutes, on both sides.
_KMS_REQUESTS_A_SHARD_HOUR = 24
_INTERFACE_ENDPOINTS = 2  # of the function's network: Secrets Manager and X-Ray

Moves = Sequence[tuple[int, str]]  # after how many days objects move to which storage class


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill: the service, what of it, how many of which unit, and dollars a month."""

    service: str
    what: str
    quantity: float
    unit: str
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """A month with storage as it is in its first, and what storage has come to at the end of later years."""

    counts: Counts
    lines: tuple[Line, ...]
    storage: Mapping[int, Decimal]

    @property
    def total(self) -> Decimal:
        """Dollars in the first month."""
        return sum((line.cost for line in self.lines), Decimal())

    def services(self) -> dict[str, Decimal]:
        """Dollars by service."""
        found: dict[str, Decimal] = {}
        for line in self.lines:
            found[line.service] = found.get(line.service, Decimal()) + line.cost
        return found


@cache
def price_table() -> dict[str, Any]:
    """The price table: region, currency, date; prices by name, each with unit and source."""
    table: dict[str, Any] = json.loads(PRICES.read_text())
    return table


def estimate(
    settings: Settings, workload: Workload, moves: Mapping[str, Moves], years: Sequence[int] = (1, 3)
) -> Estimate:
    """The bill. moves: of the buckets raw and curated; years: at whose end to tell the cost of what is stored."""
    made = counts(settings, workload)
    lines = tuple(line for line in _lines(settings, workload, made, moves) if line.cost)
    return Estimate(made, lines, {year: _stored(made, moves, year * _MONTHS_A_YEAR, settings) for year in years})


def _line(service: str, what: str, quantity: float, price: str) -> Line:
    row = price_table()["prices"][price]
    per_unit, unit = Decimal(row["price"]), row["unit"]
    return Line(
        service, what, quantity, unit, (per_unit * Decimal(str(quantity))).quantize(Decimal("0.01"), ROUND_HALF_UP)
    )


def _lines(settings: Settings, workload: Workload, made: Counts, moves: Mapping[str, Moves]) -> Iterator[Line]:
    yield from _stream(settings, workload, made)
    yield from _function(settings, made)
    if settings.stream_alerts:
        yield from _fraud_stream(settings, made)
    yield from _lake(made, moves)
    yield from _job_and_warehouse(settings, made)
    yield from _governance(settings, made)


def _stream(settings: Settings, workload: Workload, made: Counts) -> Iterator[Line]:
    kept_hours = max(0, settings.stream_retention_hours - 24)
    if settings.stream_mode == "PROVISIONED":
        hours = float(made.shards * HOURS_A_MONTH)
        yield _line("Kinesis", "shards", hours, "kinesis_shard_hour")
        units = made.records * -(-workload.record_bytes // 25_600) / 1e6
        yield _line("Kinesis", "puts", units, "kinesis_put_unit_million")
        yield _line("Kinesis", "retention beyond a day", hours if kept_hours else 0, "kinesis_kept_shard_hour")
        return
    yield _line("Kinesis", "stream", HOURS_A_MONTH, "kinesis_stream_hour")
    yield _line("Kinesis", "written, each record whole KiB", made.kinesis_in_gb, "kinesis_in_gb")
    yield _line("Kinesis", "read", made.kinesis_out_gb, "kinesis_out_gb")
    kept = made.kinesis_in_gb * kept_hours / HOURS_A_MONTH
    yield _line("Kinesis", "retention beyond a day", kept, "kinesis_kept_gb_month")


def _function(settings: Settings, made: Counts) -> Iterator[Line]:
    yield _line("Lambda", "requests", made.batches / 1e6, "lambda_request_million")
    memory = settings.lambda_memory_mb / 1024 * made.lambda_seconds
    yield _line("Lambda", "duration", memory, f"lambda_{settings.lambda_architecture}_gb_second")
    of_all = min(made.batches, _TRACED_A_SECOND * HOURS_A_MONTH * SECONDS_AN_HOUR)
    traced = of_all + (made.batches - of_all) * _TRACED_SHARE
    yield _line("Lambda", "X-Ray traces", traced / 1e6, "xray_trace_million")
    if settings.lambda_subnet_ids:
        hours = float(_INTERFACE_ENDPOINTS * len(settings.lambda_subnet_ids) * HOURS_A_MONTH)
        yield _line("Lambda", "interface endpoints of its network", hours, "endpoint_hour")


def _fraud_stream(settings: Settings, made: Counts) -> Iterator[Line]:
    yield _line("DynamoDB", "what fraud rules remember, written", made.fraud_writes / 1e6, "dynamodb_write_million")
    yield _line("DynamoDB", "and read", made.fraud_reads / 1e6, "dynamodb_read_million")
    yield _line("DynamoDB", "and kept", made.fraud_gb, "dynamodb_gb_month")
    yield _line("Lambda", "requests of detect_fraud", made.raw_objects / 1e6, "lambda_request_million")
    memory = WHOLE_CORE_MB / 1024 * made.fraud_seconds
    yield _line("Lambda", "duration of detect_fraud", memory, f"lambda_{settings.lambda_architecture}_gb_second")
    yield _line("SQS", "objects told of", made.raw_objects * QUEUE_REQUESTS_AN_OBJECT / 1e6, "sqs_request_million")


def _lake(made: Counts, moves: Mapping[str, Moves]) -> Iterator[Line]:
    yield _line("S3", "PUT, LIST", (made.puts + made.lists) / 1e3, "s3_put_thousand")
    yield _line("S3", "GET", made.gets / 1e3, "s3_get_thousand")
    if _moves(made):
        for _, name in moves["raw"]:
            yield _line("S3", f"moves to {name}", made.raw_objects / 1e3, f"s3_move_to_{name.lower()}_thousand")
    yield _line("S3", "a month of raw and curated", made.raw_gb + made.curated_gb, "s3_standard_gb_month")


def _job_and_warehouse(settings: Settings, made: Counts) -> Iterator[Line]:
    hours = made.job_seconds / SECONDS_AN_HOUR * settings.glue_workers * worker_dpus(settings.glue_worker_type)
    if settings.glue_worker_type.startswith("R."):
        price = "glue_memory_dpu_hour"
    else:
        price = "glue_dpu_hour" if settings.environment == "prod" else "glue_flex_dpu_hour"
    yield _line("Glue", f"{made.runs:,.0f} runs of {made.run_seconds:,.0f} s", hours, price)
    if settings.redshift_enabled:
        rpu = made.load_seconds / SECONDS_AN_HOUR * settings.redshift_base_capacity
        yield _line("Redshift Serverless", f"{made.runs:,.0f} loads", rpu, "redshift_rpu_hour")


def _governance(settings: Settings, made: Counts) -> Iterator[Line]:
    events = made.puts + made.gets + made.lists
    yield _line("CloudTrail", "data events", events / 1e5, "cloudtrail_data_event_100_thousand")
    invoked = made.batches + (made.raw_objects if settings.stream_alerts else 0)
    logged = invoked * _LOG_BYTES_AN_INVOCATION + made.runs * _LOG_BYTES_A_RUN
    yield _line("CloudWatch", "logs of functions and job", logged / GB, "cloudwatch_logs_gb")
    yield _line("CloudWatch", "log group of the trail", events * _LOG_BYTES_AN_EVENT / GB, "cloudwatch_logs_gb")
    yield _line("CloudWatch", "metrics", _METRICS, "cloudwatch_metric_month")
    watched = sum(len(alarm.metrics) for alarm in alarms(settings))
    yield _line("CloudWatch", "metrics in alarms", watched, "cloudwatch_alarm_metric_month")
    composites = len(composite_alarms(settings))
    yield _line("CloudWatch", "composite alarms", composites, "cloudwatch_composite_alarm_month")
    yield _line("CloudWatch", "dashboard", 1, "cloudwatch_dashboard_month")
    yield _line("KMS", "keys", len(KEY_PURPOSES), "kms_key_month")
    requests = made.shards * _KMS_REQUESTS_A_SHARD_HOUR * HOURS_A_MONTH
    yield _line("KMS", "requests of the stream", requests / 1e4, "kms_request_10_thousand")
    yield _line("Secrets Manager", "tokenisation key", 1, "secret_month")
    yield _line("Secrets Manager", "secret of the webhook", float(settings.delivers_alerts), "secret_month")


def _moves(made: Counts) -> bool:
    return made.raw_gb * GB / made.raw_objects >= _SMALLEST_MOVED if made.raw_objects else False


def _stored(made: Counts, moves: Mapping[str, Moves], months: int, settings: Settings) -> Decimal:
    """Dollars a month for what is stored after so many months; raw is kept DATA_RETENTION_YEARS."""
    kept = min(months, settings.data_retention_years * _MONTHS_A_YEAR)
    raw = _by_class(made.raw_gb, kept, moves["raw"] if _moves(made) else ())
    curated = _by_class(made.curated_gb, kept, moves["curated"])  # compacted, so that its files are large
    lines = [_line("S3", name, gb, f"{name}_gb_month") for part in (raw, curated) for name, gb in part.items()]
    if settings.redshift_enabled:
        lines.append(_line("Redshift", "", 2 * made.curated_gb * kept, "redshift_gb_month"))
    return sum((line.cost for line in lines), Decimal())


def _by_class(gb_a_month: float, months: float, moves: Moves) -> dict[str, float]:
    """GB by storage class of so many months of data."""
    bounds = [0.0, *(days / _DAYS_A_MONTH for days, _ in moves), float("inf")]
    names = ["s3_standard", *(_CLASSES[name] for _, name in moves)]
    return {
        name: gb_a_month * max(0.0, min(months, end) - start)
        for name, (start, end) in zip(names, pairwise(bounds), strict=True)
    }


@dataclass(frozen=True, slots=True)
class Change:
    """What another value of a setting would do: dollars a month more (or less), and what it costs otherwise."""

    setting: str
    value: object
    difference: Decimal
    otherwise: str

    @property
    def told(self) -> str:
        """As it is typed."""
        return f"{self.setting}{' ' if self.setting == 'produce' else '='}{self.value}"


def changes(settings: Settings, workload: Workload, moves: Mapping[str, Moves]) -> list[Change]:
    """Other values of the settings that matter, the largest saving first."""
    now = estimate(settings, workload, moves).total
    found = [
        Change(name, value, estimate(replace(settings, **given), workload, moves).total - now, otherwise)
        for name, value, given, otherwise in _alternatives(settings, workload)
    ]
    if not workload.packed:
        packed = estimate(settings, replace(workload, packed=True), moves).total - now
        found.append(Change("produce", "--pack", packed, "what is put waits up to a second to be packed"))
    return sorted(found, key=lambda change: change.difference)


def _alternatives(settings: Settings, workload: Workload) -> Iterator[tuple[str, object, dict[str, Any], str]]:
    window, minutes = settings.batch_window_seconds, settings.glue_every_minutes
    for seconds in (1, 5, 10, 30):
        if seconds != window:
            yield (
                "BATCH_WINDOW_SECONDS",
                seconds,
                {"batch_window_seconds": seconds},
                f"raw lags {seconds} s at most, not {window} s",
            )
    for every in (15, 30, 60):
        if minutes and every != minutes:
            yield (
                "GLUE_EVERY_MINUTES",
                every,
                {"glue_every_minutes": every},
                f"curated lags {every} min at most, not {minutes} min",
            )
    if settings.stream_alerts:
        yield "STREAM_ALERTS", "false", {"stream_alerts": False}, "alerts with the job's next run, not within seconds"
    if settings.glue_workers > 2:
        yield "GLUE_WORKERS", 2, {"glue_workers": 2}, "runs take longer"
    if settings.stream_mode == "ON_DEMAND":
        needed = max(
            1, -(-int(workload.peak * 1.25) // 1000), -(-int(workload.peak * 1.25 * workload.record_bytes) // 1024**2)
        )
        given: dict[str, Any] = {"stream_mode": "PROVISIONED", "shard_count": needed}
        yield (
            "STREAM_MODE",
            f"PROVISIONED with SHARD_COUNT={needed}",
            given,
            "you follow the load with the number of shards",
        )
