"""Where the platform stops at more traffic: each limit, how much of it is used, and what moves it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from infrastructure.settings import Settings
from monitoring.cost_counts import (
    FRAUD_SECONDS_A_RECORD,
    FRAUD_WRITES_A_RECORD,
    HOURS_A_MONTH,
    SECONDS_AN_HOUR,
    SHARD_BYTES,
    SHARD_RECORDS,
    Counts,
    Workload,
    batch_records,
    batch_seconds,
    counts,
    largest_batch,
    run_seconds,
)

# https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
_LARGE_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
_ON_DEMAND_BYTES = {True: 10 * 1024**3, False: 200 * 1024**2}
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html, per account and region
_CONCURRENCY = 1000
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html, per prefix
_PUTS_A_SECOND = 3500
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html, on demand, per table
_WRITES_A_SECOND = 40_000


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit in its unit, how much of it is used, and what moves it."""

    name: str
    used: float
    most: float
    unit: str
    remedy: str

    @property
    def share(self) -> float:
        """1 where it is reached."""
        return self.used / self.most if self.most else math.inf


def limits(settings: Settings, workload: Workload) -> list[Limit]:
    """All limits, the nearest first."""
    return sorted(_limits(settings, workload), key=lambda limit: -limit.share)


def first_reached(settings: Settings, workload: Workload) -> tuple[Limit, float]:
    """The limit that growing traffic of this shape meets first, and at how many records a second on average."""
    low, high = 0.0, 1.0
    while limits(settings, _times(workload, high))[0].share < 1:
        low, high = high, high * 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if limits(settings, _times(workload, middle))[0].share < 1 else (low, middle)
    return limits(settings, _times(workload, high))[0], workload.average * high


def _times(workload: Workload, factor: float) -> Workload:
    return replace(workload, hours=[rate * factor for rate in workload.hours], peak=workload.peak * factor)


def _workers(settings: Settings, workload: Workload, made: Counts, seconds: float) -> str:
    """GLUE_WORKERS with which a run ends in time."""
    rows, objects = made.records / made.runs, (made.raw_objects + made.quarantine_objects) / made.runs
    for workers in (2**power for power in range(1, 8)):
        if run_seconds(replace(settings, glue_workers=workers), rows, objects, workload.average) < seconds:
            return f"GLUE_WORKERS={workers} keeps up"
    return "larger GLUE_WORKER_TYPE, or several streams"


def _limits(settings: Settings, workload: Workload) -> Iterator[Limit]:
    made = counts(settings, workload)
    peak, size = workload.peak, workload.record_bytes
    lanes = made.lanes
    if settings.stream_mode == "PROVISIONED":
        by_bytes = SHARD_BYTES / size
        room = settings.shard_count * (by_bytes if workload.packed else min(SHARD_RECORDS, by_bytes))
        yield Limit("Kinesis: the shards", peak, room, "records/s", "SHARD_COUNT, or STREAM_MODE=ON_DEMAND")
    else:
        most = _ON_DEMAND_BYTES[settings.region in _LARGE_REGIONS]
        yield Limit("Kinesis: one stream on demand", peak * size / 1024**2, most / 1024**2, "MiB/s",
                    "ask AWS for more")  # fmt: skip
    full = largest_batch(settings, size)
    yield Limit("Lambda: a lane's batches, one by one", peak / lanes, full / batch_seconds(settings, full),
                "records/s", "LAMBDA_MEMORY_MB, then PARALLELIZATION_FACTOR")  # fmt: skip
    yield Limit("Lambda: executions at once", lanes, _CONCURRENCY, "executions",
                "quota L-B99A9384 of the account")  # fmt: skip
    batches = peak / batch_records(settings, peak, lanes, size)
    yield Limit("S3: puts below one prefix", batches, _PUTS_A_SECOND, "puts/s", "BATCH_WINDOW_SECONDS, BATCH_SIZE")
    if settings.stream_alerts:
        busy = peak * FRAUD_SECONDS_A_RECORD
        yield Limit("detect_fraud: objects looked at at once", busy, settings.fraud_maximum_concurrency,
                    "executions", "FRAUD_MAXIMUM_CONCURRENCY")  # fmt: skip
        yield Limit("DynamoDB: writes of one table", peak * FRAUD_WRITES_A_RECORD, _WRITES_A_SECOND, "units/s",
                    "quota L-34F6A552 of the account, or STREAM_ALERTS=false")  # fmt: skip
    if made.runs:
        interval = settings.glue_every_minutes * 60
        yield Limit(
            "Glue: a run within its interval",
            made.run_seconds,
            interval,
            "s",
            _workers(settings, workload, made, interval),
        )
        yield Limit("Glue: the timeout of a run", made.run_seconds, settings.glue_timeout_minutes * 60, "s",
                    "GLUE_TIMEOUT_MINUTES, GLUE_WORKERS")  # fmt: skip
    if settings.creates_warehouse and settings.redshift_daily_rpu_hours:
        daily = made.load_seconds / SECONDS_AN_HOUR * settings.redshift_base_capacity / (HOURS_A_MONTH / 24)
        yield Limit("Redshift: a day's loads", daily, settings.redshift_daily_rpu_hours,
                    "RPU-hours", "REDSHIFT_DAILY_RPU_HOURS, GLUE_EVERY_MINUTES")  # fmt: skip
