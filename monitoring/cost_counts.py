"""How much of everything a month of traffic makes: batches, objects, requests, runs, seconds, bytes. Pure.

These are averages, by formulas that each docstring states. tests/unit/test_cost_counts.py holds batches, objects and
runs to a simulation of the stream and the scheduler, event by event.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data_catalog.lake_tables import LAKE_TABLES
from infrastructure.settings import Settings

HOURS_A_MONTH = 730
SECONDS_AN_HOUR = 3600
GB = 1e9
KIB = 1024

# A shard takes so much (https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html). A new stream on
# demand has four, and room for twice the busiest rate of the last 30 days.
SHARD_RECORDS, SHARD_BYTES, ON_DEMAND_SHARDS, ON_DEMAND_ROOM = 1000, 1024**2, 4, 2
# Lambda hands over at most 6 MB, in which a record is in base64, beside some 440 bytes about it
# (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
PAYLOAD_BYTES, RECORD_ENVELOPE = 6 * 1024**2, 440
# From so many MB on, a function has a whole core (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
WHOLE_CORE_MB = 1769

# As data_ingestion/transaction_producer.py packs; a test holds this to what it makes.
PACKED_KEYS, PACKED_BYTES, PACKED_FRAME = 512, 24 * KIB, 8

# Measured on two cores (docs/lambda.md, docs/etl.md), or stated for an account, where they were not.
LAMBDA_SECONDS_A_RECORD = 9.3e-6
LAMBDA_SECONDS_A_BATCH = 0.040  # two round trips to S3, stated
JOB_SECONDS_A_RUN = 45  # Spark's start, the plan, the commits, the wait for the load's start; stated
JOB_CPU_SECONDS_A_ROW = 70e-6
JOB_CPU_SECONDS_A_KNOWN_ID = 1.7e-6  # for each id within the deduplication window
JOB_SECONDS_AN_OBJECT = 0.02 / 16  # 20 ms a GET, 16 at a time; stated
CORES_A_DPU = 4  # https://docs.aws.amazon.com/glue/latest/dg/worker-types.html
# Of the function that raises fraud alerts, measured on generated transactions: units that it writes to its table for
# one, and reads of it. How long that takes is stated for an account.
FRAUD_WRITES_A_RECORD, FRAUD_READS_A_RECORD = 0.95, 0.53
FRAUD_SECONDS_A_RECORD = 60e-6 + 0.95 * 0.005 / 16  # on the whole core that it has; sixteen updates of 5 ms at a time
FRAUD_BYTES_A_RECORD, FRAUD_DAYS = 230, 4  # 172 of the transaction, and its share of the item; a day and three more
QUEUE_REQUESTS_AN_OBJECT = 3  # sent, received, deleted
LANDED_SHARE = 0.25  # gzip of a landed record beside the record on the stream
CURATED_SHARE = 0.25  # Parquet, with the index of ids
WAREHOUSE_SHARE = 0.5
WAREHOUSE_SECONDS_A_LOAD, WAREHOUSE_ROWS_A_SECOND = 20, 50_000  # of the smallest workgroup, stated
SMALLEST_BILLED_LOAD = 60  # seconds that Redshift Serverless bills at least
FAULTY_SHARE = 0.001
PLANNED_DAYS = 2  # the days of raw objects that most plans list
LISTED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Workload:
    """Traffic: transactions a second in each hour of some stretch of time that repeats, the bytes of one, the
    transactions a second of the busiest minute, and whether the producer packs several into one record."""

    hours: Sequence[float]
    record_bytes: int
    peak: float
    packed: bool = False

    @property
    def average(self) -> float:
        """Records a second."""
        return sum(self.hours) / len(self.hours)

    @property
    def records(self) -> float:
        """Records a month."""
        return self.average * HOURS_A_MONTH * SECONDS_AN_HOUR


def shards(settings: Settings, workload: Workload) -> int:
    """On demand, AWS keeps room for twice the peak, by records and bytes; otherwise what the setting says."""
    if settings.stream_mode == "PROVISIONED":
        return settings.shard_count
    room = ON_DEMAND_ROOM * workload.peak
    by_load = max(0 if workload.packed else room / SHARD_RECORDS, room * workload.record_bytes / SHARD_BYTES)
    return max(ON_DEMAND_SHARDS, math.ceil(by_load))


def largest_batch(settings: Settings, record_bytes: int) -> int:
    """Records: BATCH_SIZE, or what fits into a payload."""
    return max(1, min(settings.batch_size, PAYLOAD_BYTES // (math.ceil(record_bytes * 4 / 3) + RECORD_ENVELOPE)))


def batch_records(settings: Settings, rate: float, lanes: int, record_bytes: int) -> float:
    """Records of an average batch at so many records a second: a batch is handed over BATCH_WINDOW_SECONDS after its
    first record, or when it is full. lanes: shards times PARALLELIZATION_FACTOR."""
    window = max(settings.batch_window_seconds, 1)  # without a window, Lambda polls once a second
    return min(float(largest_batch(settings, record_bytes)), 1 + rate / lanes * window)


def batch_seconds(settings: Settings, records: float) -> float:
    """How long the function works on a batch, at its share of a core."""
    share = min(1.0, settings.lambda_memory_mb / WHOLE_CORE_MB)
    return LAMBDA_SECONDS_A_BATCH + records * LAMBDA_SECONDS_A_RECORD / share


@dataclass(frozen=True, slots=True)
class Counts:
    """A month: see counts()."""

    records: float
    shards: int
    lanes: int
    batches: float
    lambda_seconds: float
    raw_objects: float
    quarantine_objects: float
    raw_gb: float
    curated_gb: float
    runs: float
    run_seconds: float
    job_seconds: float
    commits: float
    puts: float
    gets: float
    lists: float
    load_seconds: float
    kinesis_in_gb: float
    kinesis_out_gb: float
    fraud_seconds: float
    fraud_writes: float
    fraud_reads: float
    fraud_gb: float


def counts(settings: Settings, workload: Workload) -> Counts:
    """What the traffic makes in a month, each hour by its own rate."""
    of_stream = shards(settings, workload)
    lanes = of_stream * settings.parallelization_factor
    month = HOURS_A_MONTH / len(workload.hours)
    batches = lambda_seconds = faulty_batches = 0.0
    for rate in workload.hours:
        size = batch_records(settings, rate, lanes, workload.record_bytes)
        made = month * SECONDS_AN_HOUR * rate / size
        batches += made
        lambda_seconds += made * batch_seconds(settings, size)
        faulty_batches += made * (1 - (1 - FAULTY_SHARE) ** size)
    runs = runs_a_month(settings)
    objects = batches + faulty_batches
    seconds = run_seconds(settings, workload.records / runs, objects / runs, workload.average) if runs else 0.0
    commits = runs * len(LAKE_TABLES)
    records = workload.records
    watched = records if settings.stream_alerts else 0.0
    return Counts(
        records=records,
        shards=of_stream,
        lanes=lanes,
        batches=batches,
        lambda_seconds=lambda_seconds,
        raw_objects=batches,
        quarantine_objects=faulty_batches,
        raw_gb=records * workload.record_bytes * LANDED_SHARE / GB,
        curated_gb=records * workload.record_bytes * CURATED_SHARE / GB,
        runs=runs,
        run_seconds=seconds,
        job_seconds=runs * seconds,
        commits=commits,
        # A commit puts data, manifest, manifest list and metadata; a run its manifest, list of files and result.
        puts=objects + commits * 4 + runs * 3,
        # The job reads each landed object once, and each table's metadata; the load reads what was committed. The
        # fraud function reads each landed object too.
        gets=objects + commits * 6 + (batches if settings.stream_alerts else 0.0),
        lists=runs * math.ceil(objects / HOURS_A_MONTH * 24 * PLANNED_DAYS / LISTED_AT_ONCE),
        load_seconds=runs * load_seconds(records / runs) if runs and settings.redshift_enabled else 0.0,
        kinesis_in_gb=records * billed_bytes(workload) / GB,
        kinesis_out_gb=records * workload.record_bytes / GB,
        fraud_seconds=watched * FRAUD_SECONDS_A_RECORD,
        fraud_writes=watched * FRAUD_WRITES_A_RECORD,
        fraud_reads=watched * FRAUD_READS_A_RECORD,
        fraud_gb=watched * FRAUD_BYTES_A_RECORD * FRAUD_DAYS * 24 / HOURS_A_MONTH / GB,
    )


def billed_bytes(workload: Workload) -> float:
    """Bytes of one transaction as Kinesis bills what is written: each record as whole KiB.

    Packed ones share records: those of a second and one of PACKED_KEYS, up to PACKED_BYTES.
    """
    if not workload.packed:
        return math.ceil(workload.record_bytes / KIB) * KIB
    framed = workload.record_bytes + PACKED_FRAME
    most = max(1.0, PACKED_BYTES // framed)
    together = min(most, max(1.0, workload.average / PACKED_KEYS))
    return math.ceil(together * framed / KIB) * KIB / together


def runs_a_month(settings: Settings) -> float:
    """Starts by the trigger; 0 where the job is started by hand."""
    return HOURS_A_MONTH * 60 / settings.glue_every_minutes if settings.glue_every_minutes else 0.0


def run_seconds(settings: Settings, rows: float, objects: float, average: float) -> float:
    """Seconds of one run of the job over so many rows in so many landed objects: the driver's work, then all rows, and
    all ids within the window, over the cores of the workers (one worker is the driver)."""
    cores = (settings.glue_workers - 1) * worker_dpus(settings.glue_worker_type) * CORES_A_DPU
    known = average * 86_400 * (settings.deduplication_window_days or 365 * settings.data_retention_years)
    cpu = rows * JOB_CPU_SECONDS_A_ROW + known * JOB_CPU_SECONDS_A_KNOWN_ID
    return JOB_SECONDS_A_RUN + objects * JOB_SECONDS_AN_OBJECT + cpu / cores


def worker_dpus(worker_type: str) -> int:
    """Data processing units of a worker, e.g. 2 of G.2X; those of R workers have twice the memory and another price."""
    return int(worker_type.partition(".")[2].removesuffix("X"))


def load_seconds(rows: float) -> float:
    """Seconds of one load that the warehouse bills."""
    return max(SMALLEST_BILLED_LOAD, WAREHOUSE_SECONDS_A_LOAD + rows / WAREHOUSE_ROWS_A_SECOND)
