"""One run of the job: reads a manifest, writes curated files, alerts and quarantine, and the result that commits them.

    stage     raw objects are gathered into few large files
    transform one scan, one write to the staging area; then what was written is counted, from the files themselves
    publish   the write-ahead list is put, and the files are copied to the names that derive from the run id
    result    the run's commit; the staging area is removed

Killed before publish.json: nothing counts, and the run is computed again. Killed after it: the files that it lists are
copied again, under the same names. If the staged files are lost by then, the run is computed again, after everything
that the old list had published is removed. Each attempt has its own scratch, which stays until the result exists: if
two jobs process the same run, the first write-ahead list counts and the other job fails (run_state.py).
"""

from __future__ import annotations

import json
import platform
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyspark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_catalog.lake_layout import (
    CURATED_FRAUD_ALERT_EVIDENCE_PREFIX,
    CURATED_FRAUD_ALERTS_PREFIX,
    CURATED_PENDING_TRANSACTIONS_PREFIX,
    CURATED_TRANSACTIONS_PREFIX,
    ETL_QUARANTINE_PREFIX,
    published_key,
)
from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FIRST_VERSION,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    SCHEMA_VERSION,
    Field,
    spark_ddl,
    typed_columns,
)
from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.run_result import PARTITIONS, PublishedFile, RunResult
from data_processing import fraud_rules, transformations
from data_processing.manifest import Manifest, RawObject
from data_processing.run_state import RunState
from data_processing.staging import Staging, delete_objects, open_staging, publish_files, stage_raw
from data_processing.transformations import (
    CURATED,
    DISPOSITIONS,
    DUPLICATE,
    LEDGER,
    PENDING,
    QUARANTINE,
    REDELIVERED,
    STAGED_PARTITIONS,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Parquet files of this size are read at full speed. Curated rows take about as much space in Parquet as landed rows do
# in gzip.
TARGET_FILE_BYTES = 128 * 1024**2
# Fewer files are not worth idle cores, smaller ones are not worth more cores.
_SMALLEST_SHARE = 32 * 1024**2
# A run worth this many files is shuffled once more, by date. Otherwise each of its parts would write a small file for
# every date, which costs more.
_FILES_WORTH_GATHERING = 8
# How many times its size in a curated file a row takes in a shuffle (LZ4), at least.
_SHUFFLED_SIZE = 4

_QUARANTINE_FILE_ROWS = 500_000

_STAGED_SCHEMA = spark_ddl([*typed_columns(CURATED_FIELDS), *((name, "string") for name in STAGED_PARTITIONS)])
_LOOKED_AT_SCHEMA = spark_ddl([each for each in typed_columns(CURATED_FIELDS) if each[0] in fraud_rules.COLUMNS])
# Columns whose values all differ, so that a dictionary would be useless.
_NO_DICTIONARY = ("transaction_id", "content_hash", "sequence_number")


@dataclass(frozen=True, slots=True)
class Buckets:
    """The lake's buckets by purpose."""

    raw: str
    curated: str
    quarantine: str

    def of(self, kind: str) -> str:
        """Where files of a kind (a key of _PREFIXES) are published."""
        return self.quarantine if kind == "quarantine" else self.curated


# What is published: kind -> (prefix, suffix).
_PREFIXES = {
    "curated": (CURATED_TRANSACTIONS_PREFIX, "parquet"),
    "pending_transactions": (CURATED_PENDING_TRANSACTIONS_PREFIX, "parquet"),
    "fraud_alerts": (CURATED_FRAUD_ALERTS_PREFIX, "parquet"),
    "fraud_alert_evidence": (CURATED_FRAUD_ALERT_EVIDENCE_PREFIX, "parquet"),
    "quarantine": (ETL_QUARANTINE_PREFIX, "ndjson.gz"),
}

# The dispositions of staged rows that are curated -> kind of file.
_CURATED_KINDS = {LEDGER: "curated", PENDING: "pending_transactions"}

Progress = Callable[..., None]


def emit(stage: str, **fields: Any) -> None:
    """Print a stage's progress as one JSON line: {"stage": ..., fields}."""
    print(json.dumps({"stage": stage} | fields), flush=True)


@dataclass(slots=True)
class _Counted:
    """What the staged table holds: totals by disposition, quarantine by reason, curated records by kind and file."""

    totals: dict[str, ControlTotals] = field(default_factory=lambda: {name: ControlTotals() for name in DISPOSITIONS})
    reasons: dict[str, int] = field(default_factory=dict)
    curated_files: dict[tuple[str, str], int] = field(default_factory=dict)


class EtlRun:
    """Carries out a manifest, on a Spark session."""

    def __init__(
        self, spark: SparkSession, s3: S3Client, buckets: Buckets, manifest: Manifest, staging_directory: str | None
    ) -> None:
        self._spark = spark
        self._s3 = s3
        self._buckets = buckets
        self._manifest = manifest
        self._state = RunState(s3, buckets.curated)
        self._staging: Staging = open_staging(s3, buckets.curated, manifest.run_id, staging_directory)
        self._started = time.monotonic()

    def finish(self) -> RunResult:
        """Do what is left of the run; returns its result."""
        run_id = self._manifest.run_id
        publication = self._state.publication(run_id)
        if publication is None or not self._is_still_staged(publication):
            if publication is not None:
                finished = self._state.result(run_id)
                if finished is not None:  # another job finished the run and removed its scratch
                    return finished
                delete_objects(self._s3, [(row["bucket"], row["key"]) for row in publication["files"]])
            publication = self._computed()
            self._state.write_publication(run_id, publication)
        result = self._published(publication)
        self._state.write_result(result)
        self._staging.remove()
        self._emit(
            "result",
            control_totals={hop: totals.rows() for hop, totals in result.control_totals.items()},
            reasons=result.quarantined_by_reason,
        )
        return result

    def _is_still_staged(self, publication: dict[str, Any]) -> bool:
        staged = {file.path: file.size for file in self._staging.files(publication["attempt"])}
        return all(staged.get(row["staged"]) == row["size"] for row in publication["files"])

    def _computed(self) -> dict[str, Any]:
        """Compute the run into the staging area; returns its write-ahead list."""
        attempt = uuid.uuid4().hex[:8]
        curated = [uri for kind in _CURATED_KINDS.values() if (uri := self._former(kind, attempt))]
        rows = self._transformed(attempt, curated)
        counted = self._counted(rows, attempt)
        files = [self._published_row(kind, path, records) for (kind, path), records in counted.curated_files.items()]
        files += self._fraud_alerts(rows, curated, attempt, counted) + self._quarantine(rows, attempt, counted)
        totals = counted.totals
        curated_totals = totals[LEDGER] + totals[PENDING]
        landed = curated_totals + totals[DUPLICATE] + totals[QUARANTINE]
        return {
            "attempt": attempt,
            "contract_version": SCHEMA_VERSION,
            "files": _with_keys(files, self._manifest.run_id, self._sizes(attempt)),
            "control_totals": {
                "landed": landed.rows(),
                "redelivered": totals[REDELIVERED].rows(),
                "duplicate": totals[DUPLICATE].rows(),
                "quarantined": totals[QUARANTINE].rows(),
                "curated": curated_totals.rows(),
                "ledger": totals[LEDGER].rows(),
                "pending": totals[PENDING].rows(),
            },
            "quarantined_by_reason": dict(sorted(counted.reasons.items())),
        }

    def _sizes(self, attempt: str) -> dict[str, int]:
        return {file.path: file.size for file in self._staging.files(attempt)}

    def _former(self, kind: str, attempt: str) -> str | None:
        """The uri of what former runs published of a kind; None if they published nothing."""
        return self._staging.table(self._buckets.of(kind), _PREFIXES[kind][0], f"{attempt}/former/{kind}")

    def _transformed(self, attempt: str, curated: list[str]) -> DataFrame:
        """Scan, decide, write; returns the staged table."""
        manifest = self._manifest
        cores = self._spark.sparkContext.defaultParallelism
        shares = max(1, min(cores, -(-manifest.size // _SMALLEST_SHARE)), -(-manifest.size // TARGET_FILE_BYTES))
        self._spark.conf.set("spark.sql.shuffle.partitions", str(max(shares, 2 if cores > 1 else 1)))
        gathered = manifest.size >= _FILES_WORTH_GATHERING * TARGET_FILE_BYTES
        if gathered:
            self._spark.conf.set("spark.sql.adaptive.enabled", "true")
            advisory = str(_SHUFFLED_SIZE * TARGET_FILE_BYTES)
            self._spark.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", advisory)
        lines = self._lines(manifest.objects, f"{attempt}/raw", cores)
        earlier = None
        if manifest.earlier:
            earlier = transformations.positions(self._lines(manifest.earlier, f"{attempt}/earlier", cores))
        self._emit("transform", records=None)
        typed = transformations.typed(transformations.parsed(lines))
        decided = transformations.decided(typed, self._known(curated), earlier)
        writer = transformations.staged(decided, manifest.run_id, gathered).write.partitionBy(*STAGED_PARTITIONS)
        for name in _NO_DICTIONARY:
            writer = writer.option(f"parquet.enable.dictionary#{name}", "false")
        uri = self._staging.uri(f"{attempt}/rows")
        writer.parquet(uri)
        return self._spark.read.schema(_STAGED_SCHEMA).parquet(uri)

    def _lines(self, objects: Iterable[RawObject], path: str, cores: int) -> DataFrame:
        objects = list(objects)
        self._emit("stage", objects=0, of=len(objects))
        uris = stage_raw(
            self._s3, self._buckets.raw, objects, self._staging, path, cores,
            lambda staged: self._emit("stage", objects=staged, of=len(objects)),
        )  # fmt: skip
        return self._spark.read.text(uris, lineSep="\n")

    def _known(self, curated: list[str]) -> DataFrame | None:
        """transaction_id, content_hash and status of what is curated already."""
        if not curated:
            return None
        reader = self._spark.read.schema("transaction_id string, content_hash string, status string")
        return reader.option("recursiveFileLookup", "true").parquet(*curated)

    def _counted(self, rows: DataFrame, attempt: str) -> _Counted:
        counted = _Counted()
        for row in transformations.staged_counts(rows).collect():
            key = ControlKey(row["currency"], row["credit_debit_indicator"])
            counted.totals[row["disposition"]].add(key, row["amount"], row["records"])
            if row["disposition"] == QUARANTINE:
                counted.reasons[row["slice"]] = counted.reasons.get(row["slice"], 0) + row["records"]
            if row["disposition"] in CURATED:
                file = _CURATED_KINDS[row["disposition"]], _staged_path(row["file"], attempt)
                counted.curated_files[file] = counted.curated_files.get(file, 0) + row["records"]
        records = {name: totals.records for name, totals in counted.totals.items()}
        curated = sum(records[name] for name in CURATED)
        self._emit("transform", records=sum(records.values()), curated=curated, **records)
        return counted

    def _fraud_alerts(
        self, rows: DataFrame, curated: list[str], attempt: str, counted: _Counted
    ) -> list[dict[str, Any]]:
        """Alerts and their evidence, except those that former runs have published."""
        if not counted.curated_files:
            return []
        event_dates = {date.fromisoformat(_partition(path)) for _, path in counted.curated_files}
        looked_at = sorted(fraud_rules.dates_looked_at(event_dates))
        transactions = rows.where(F.col("disposition").isin(*CURATED)).select(*fraud_rules.COLUMNS)
        for uri in curated:
            # filtered by date, so that other partitions are not read
            former = self._spark.read.schema(_LOOKED_AT_SCHEMA).parquet(uri)
            former = former.where(F.col("event_date").isin(looked_at)).select(*fraud_rules.COLUMNS)
            transactions = transactions.unionByName(former)
        evidence = fraud_rules.evidence(transactions, self._manifest.run_id).persist()
        try:
            found = self._beyond_former(
                "fraud_alert_evidence",
                evidence,
                FRAUD_ALERT_EVIDENCE_FIELDS,
                ("alert_id", "transaction_id", "content_hash"),
                attempt,
                looked_at,
            )
            alerts = fraud_rules.alerts(evidence)
            return found + self._beyond_former(
                "fraud_alerts", alerts, FRAUD_ALERT_FIELDS, ("alert_id",), attempt, looked_at
            )
        finally:
            evidence.unpersist()

    def _beyond_former(
        self, kind: str, rows: DataFrame, fields: Sequence[Field], key: Sequence[str], attempt: str, dates: list[date]
    ) -> list[dict[str, Any]]:
        """Write the rows whose key no former run published, by date; returns their files."""
        uri = self._former(kind, attempt)
        if uri is not None:
            columns = [*key, "event_date"]
            schema = spark_ddl([column for column in typed_columns(fields) if column[0] in columns])
            former = self._spark.read.schema(schema).parquet(uri).where(F.col("event_date").isin(dates))
            rows = rows.join(former.select(*key).distinct(), list(key), "left_anti")
        named = rows.select(*(field.name for field in fields), F.col("event_date").cast("string").alias("slice"))
        written = self._staging.uri(f"{attempt}/{kind}")
        ordered = named.repartition("slice").sortWithinPartitions("slice", *key)
        ordered.write.partitionBy("slice").parquet(written)
        if not self._staging.files(f"{attempt}/{kind}"):
            return []
        schema = spark_ddl([*typed_columns(fields), ("slice", "string")])
        return self._rows_by_file(kind, self._spark.read.schema(schema).parquet(written), attempt)

    def _quarantine(self, rows: DataFrame, attempt: str, counted: _Counted) -> list[dict[str, Any]]:
        if not counted.reasons:
            return []
        uri = self._staging.uri(f"{attempt}/quarantine")
        arrival_date = self._manifest.created_at.date().isoformat()
        quarantined = rows.where(F.col("disposition") == QUARANTINE)
        files = -(-sum(counted.reasons.values()) // _QUARANTINE_FILE_ROWS)
        lines = transformations.quarantine_rows(quarantined.coalesce(files), arrival_date)
        lines.write.partitionBy("arrival_date").text(uri, compression="gzip", lineSep="\n")
        return self._rows_by_file("quarantine", self._spark.read.text(uri, lineSep="\n"), attempt)

    def _rows_by_file(self, kind: str, table: DataFrame, attempt: str) -> list[dict[str, Any]]:
        counts = table.groupBy(F.input_file_name().alias("file")).count().collect()
        rows = [self._published_row(kind, _staged_path(row["file"], attempt), row["count"]) for row in counts]
        self._emit("write", table=kind, records=sum(row["records"] for row in rows), files=len(rows))
        return rows

    def _published_row(self, kind: str, path: str, records: int) -> dict[str, Any]:
        """One line of the write-ahead list, still without key and size."""
        return {
            "kind": kind,
            "bucket": self._buckets.of(kind),
            "staged": path,
            "partition": _partition(path),
            "records": records,
        }

    def _published(self, publication: dict[str, Any]) -> RunResult:
        """Copy every file of the list to its place; returns the run's result."""
        files = publication["files"]
        self._emit("publish", files=0, of=len(files))
        publish_files(self._staging, [(row["staged"], row["bucket"], row["key"]) for row in files])
        self._emit("publish", files=len(files), of=len(files))
        return RunResult(
            run_id=self._manifest.run_id,
            created_at=self._manifest.created_at,
            **{kind: tuple(_file(row) for row in files if row["kind"] == kind) for kind in PARTITIONS},
            quarantined_by_reason=publication["quarantined_by_reason"],
            control_totals={hop: ControlTotals.from_rows(rows) for hop, rows in publication["control_totals"].items()},
            raw_objects=len(self._manifest.objects),
            contract_version=publication.get("contract_version", FIRST_VERSION),
            versions={"spark": pyspark.__version__, "python": platform.python_version()},
        )

    def _emit(self, stage: str, **fields: Any) -> None:
        emit(stage, run_id=self._manifest.run_id, seconds=round(time.monotonic() - self._started, 1), **fields)


def _staged_path(uri: str, attempt: str) -> str:
    """The path inside the staging area of a file that Spark names by its (escaped) URI."""
    return f"{attempt}/" + unquote(uri).split(f"/{attempt}/", 1)[1]


def _partition(path: str) -> str:
    """The value of the innermost partition in the path of a file."""
    return path.rsplit("/", 2)[1].split("=", 1)[1]


def _with_keys(files: list[dict[str, Any]], run_id: str, sizes: dict[str, int]) -> list[dict[str, Any]]:
    """The rows with their final keys: {run_id}-NNNNN, numbered by kind in the order of the staged paths."""
    named: list[dict[str, Any]] = []
    for kind, (prefix, suffix) in _PREFIXES.items():
        ordered = sorted((row for row in files if row["kind"] == kind), key=lambda row: row["staged"])
        for number, row in enumerate(ordered):
            key = published_key(prefix, PARTITIONS[kind], row["partition"], run_id, number, suffix)
            named.append(row | {"key": key, "size": sizes[row["staged"]]})
    return named


def _file(row: dict[str, Any]) -> PublishedFile:
    return PublishedFile(row["key"], row["size"], row["records"], date.fromisoformat(row["partition"]))
