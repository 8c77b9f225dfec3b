"""One run of the job: reads a manifest, adds a snapshot to each of the lake's tables, and writes the result.

    stage     raw objects are gathered into few large files
    transform one scan, one write to the staging area; then what was written is counted, from the files themselves
    publish   the files are copied to the names that derive from the run, and the write-ahead list is put
    commit    one Iceberg snapshot a table (run_commit.py); then result.json, and the staging area is removed

Killed before publish.json: nothing counts, and the run is computed again, under other names. Killed after it: the run
goes forward. The list names files that all lie where they belong, no snapshot names others, and none is ever removed or
written again. If two jobs process the same run, the first list counts and the other job fails (run_state.py).
"""

from __future__ import annotations

import json
import platform
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyspark
from botocore.exceptions import ClientError
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from data_catalog.lake_layout import arrival_date, arrival_of
from data_catalog.lake_tables import BY_KIND, LakeTable
from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FIRST_VERSION,
    POSITION,
    QUARANTINE_FIELDS,
    SCHEMA_VERSION,
    TOKEN_LINK_FIELDS,
    spark_ddl,
    typed_columns,
)
from data_governance.control_totals import ControlTotals
from data_governance.run_result import PARTITIONS, RunResult
from data_governance.tombstones import Tombstones, read_tombstones
from data_processing import erased_rows, known_ids, token_links, transformations
from data_processing.former_runs import FormerRuns
from data_processing.fraud_rule_file import shipped_rules
from data_processing.fraud_rules import READ, Rule
from data_processing.known_ids import DEFAULT_WINDOW_DAYS, Span
from data_processing.lake_catalog import LakeCatalog
from data_processing.manifest import Manifest, RawObject
from data_processing.run_alerts import RunAlerts
from data_processing.run_commit import commit_run
from data_processing.run_files import is_slice, partition_of, published_file, with_keys
from data_processing.run_state import RunState
from data_processing.staged_totals import StagedTotals, staged_totals
from data_processing.staging import Staging, open_staging, publish_files, stage_raw
from data_processing.transformations import (
    CURATED,
    DUPLICATE,
    ERASED,
    LEDGER,
    LINKING,
    PENDING,
    QUARANTINE,
    REDELIVERED,
    STAGED_PARTITIONS,
)
from data_processing.written_tables import Files, WrittenTables, sliced, staged_file
from infrastructure.errors import PlatformError

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

# A run of more event dates is shuffled too, however small: each Spark partition would write a file for each of them.
_DATES_WORTH_GATHERING = 50
# Up to so many rows a date, the driver cuts the dates' files instead, each from memory (slice_files.py).
_MOST_ROWS_TO_CUT = 5_000

_STAGED_SCHEMA = spark_ddl([*typed_columns(CURATED_FIELDS), *((name, "string") for name in STAGED_PARTITIONS)])
_QUARANTINE_POSITIONS = spark_ddl(
    [each for each in typed_columns(QUARANTINE_FIELDS) if each[0] in ("stage", *POSITION)]
)
# Columns whose values all differ, so that a dictionary would be useless.
_NO_DICTIONARY = ("transaction_id", "content_hash", "sequence_number")


@dataclass(frozen=True, slots=True)
class Buckets:
    """The lake's buckets by purpose."""

    raw: str
    curated: str
    quarantine: str

    def of(self, purpose: str) -> str:
        name: str = getattr(self, purpose)
        return name


def emit(stage: str, **fields: Any) -> None:
    """Print a stage's progress as one JSON line: {"stage": ..., fields}. In one write: other threads print too."""
    print(json.dumps({"stage": stage} | fields) + "\n", end="", flush=True)


class EtlRun:
    """Carries out a manifest, on a Spark session."""

    def __init__(
        self,
        spark: SparkSession,
        s3: S3Client,
        buckets: Buckets,
        catalog: LakeCatalog,
        manifest: Manifest,
        staging_directory: str | None,
        window_days: int = DEFAULT_WINDOW_DAYS,
        rules: Sequence[Rule] | None = None,
    ) -> None:
        """window_days: how far around its dates a batch is compared with what is curated; 0 for everything.

        rules: the fraud rules; those of the package by default.
        """
        self._spark = spark
        self._s3 = s3
        self._buckets = buckets
        self._catalog = catalog
        self._manifest = manifest
        self._window_days = window_days
        self._rules = shipped_rules() if rules is None else rules
        self._state = RunState(s3, buckets.curated)
        self._staging: Staging = open_staging(s3, buckets.curated, manifest.run_id, staging_directory)
        self._tombstones: Tombstones | None = None
        self._started = time.monotonic()

    def finish(self) -> RunResult:
        """Do what is left of the run; returns its result."""
        run_id = self._manifest.run_id
        publication = self._state.publication(run_id)
        if publication is None:
            publication = self._computed()
            self._state.write_publication(run_id, publication)
        else:
            self._require(publication["files"])
        files = len(publication["files"])
        self._emit("commit", files=0, of=files)
        self._catalog.add_arrival_dates(arrival_of(raw.key)[0] for raw in self._manifest.objects)
        snapshots = commit_run(run_id, publication, self._catalog.table, self._buckets.of, self._holds_rows)
        self._emit("commit", files=files, of=files)
        result = self._result(publication, snapshots)
        self._state.write_result(result)
        self._staging.remove()
        self._emit(
            "result",
            control_totals={hop: totals.rows() for hop, totals in result.control_totals.items()},
            reasons=result.quarantined_by_reason,
        )
        return result

    def _require(self, files: Iterable[Mapping[str, Any]]) -> None:
        """Raises PlatformError if a file that is to be committed is gone: a table must name none that is not there."""
        for row in files:
            bucket = self._buckets.of(BY_KIND[row["kind"]].bucket)
            try:
                self._s3.head_object(Bucket=bucket, Key=row["key"])
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
                    raise
                raise PlatformError(
                    f"s3://{bucket}/{row['key']}",
                    f"is to be committed by run {self._manifest.run_id}, and gone",
                    "Restore its last version; the bucket is versioned",
                ) from None

    def _computed(self) -> dict[str, Any]:
        """Compute the run and put its files in their places; returns its write-ahead list."""
        attempt = uuid.uuid4().hex[:8]
        self._tombstones = read_tombstones(self._s3, self._buckets.curated)
        former = FormerRuns(self._spark, self._staging, self._catalog, attempt)
        rows, cut = self._transformed(attempt, former)
        try:
            return self._described(rows, cut, former, attempt)
        finally:
            rows.unpersist()

    def _described(self, rows: DataFrame, cut: bool, former: FormerRuns, attempt: str) -> dict[str, Any]:
        """Write what derives from the staged table, put all files in their places; the write-ahead list."""
        counted = self._counted(rows, attempt)
        written = WrittenTables(self._spark, self._staging, attempt, self._emit, cut)
        files = [staged_file(kind, path, file) for (kind, path), file in counted.curated_files.items()]
        links, new_links = self._links(rows, former, written, counted)
        files += new_links + self._ids(rows, written, counted)
        files += self._fraud_alerts(rows, links, former, written, counted)
        files += self._quarantine(rows, former, written, attempt, counted)
        named = with_keys(files, self._manifest.run_id, attempt)
        sizes = self._publish(named, attempt)
        totals = counted.totals
        curated_totals = totals[LEDGER] + totals[PENDING]
        landed = curated_totals + totals[DUPLICATE] + totals[QUARANTINE] + totals[ERASED]
        return {
            "attempt": attempt,
            "contract_version": SCHEMA_VERSION,
            "base_snapshots": former.snapshots,
            "files": [
                {name: value for name, value in row.items() if name != "staged"} | {"size": sizes[row["staged"]]}
                for row in named
            ],
            "control_totals": {
                "landed": landed.rows(),
                "redelivered": totals[REDELIVERED].rows(),
                "duplicate": totals[DUPLICATE].rows(),
                "quarantined": totals[QUARANTINE].rows(),
                "erased": totals[ERASED].rows(),
                "curated": curated_totals.rows(),
                "ledger": totals[LEDGER].rows(),
                "pending": totals[PENDING].rows(),
            },
            "quarantined_by_reason": dict(sorted(counted.reasons.items())),
        }

    def _publish(self, files: Sequence[Mapping[str, Any]], attempt: str) -> dict[str, int]:
        """Put staged files to their places; their sizes by staged path. No reader sees them before the commit."""
        self._emit("publish", files=0, of=len(files))
        places = {row["staged"]: (self._buckets.of(BY_KIND[row["kind"]].bucket), row["key"]) for row in files}
        sizes = {file.path: file.size for file in self._staging.files(attempt)}
        publish_files(self._staging, [(path, *place) for path, place in places.items() if not is_slice(path)])
        if slices := {path: place for path, place in places.items() if is_slice(path)}:
            from data_processing.slice_files import publish_slices  # only a job that writes needs pyarrow

            sizes |= publish_slices(self._s3, self._staging, slices)
        self._emit("publish", files=len(files), of=len(files))
        return sizes

    def _holds_rows(self, table: LakeTable, locations: Sequence[str]) -> bool:
        """Whether these files hold rows of the run."""
        uris = self._staging.read(locations, f"asked/{table.name}")
        rows = self._spark.read.schema("run_id string").parquet(*uris)
        return not rows.where(F.col("run_id") == self._manifest.run_id).isEmpty()

    def _transformed(self, attempt: str, former: FormerRuns) -> tuple[DataFrame, bool]:
        """Scan, decide, write; returns the staged table, and whether its files are cut by the driver."""
        manifest = self._manifest
        cores = self._spark.sparkContext.defaultParallelism
        shares = max(1, min(cores, -(-manifest.size // _SMALLEST_SHARE)), -(-manifest.size // TARGET_FILE_BYTES))
        self._spark.conf.set("spark.sql.shuffle.partitions", str(max(shares, 2 if cores > 1 else 1)))
        lines = self._lines(manifest.objects, f"{attempt}/raw", "raw")
        earlier = None
        if manifest.earlier:
            earlier = transformations.positions(self._lines(manifest.earlier, f"{attempt}/earlier", "raw"))
        self._emit("transform", records=None)
        ids = known_ids.batch_ids(lines)
        if former.snapshots["transaction_ids"]["snapshot_id"] is not None:
            ids.persist()  # asked for dates first, and again by the search
        spans, known = self._known(ids, former, attempt)
        is_large = manifest.size >= _FILES_WORTH_GATHERING * TARGET_FILE_BYTES
        if is_large:
            self._spark.conf.set("spark.sql.adaptive.enabled", "true")
            advisory = str(_SHUFFLED_SIZE * TARGET_FILE_BYTES)
            self._spark.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", advisory)
        gathered = is_large or len(spans) > _DATES_WORTH_GATHERING
        cut = gathered and not is_large and max(span.ids for span in spans) <= _MOST_ROWS_TO_CUT
        typed = transformations.typed(transformations.parsed(lines))
        if self._tombstones is not None:
            typed = erased_rows.without_erased(typed, self._tombstones)
        decided = transformations.decided(typed, known, earlier)
        staged = transformations.staged(decided, manifest.run_id, gathered, is_large)
        writer = staged.write if cut else staged.write.partitionBy(*STAGED_PARTITIONS)
        for name in _NO_DICTIONARY:
            writer = writer.option(f"parquet.enable.dictionary#{name}", "false")
        table = f"{attempt}/rows"
        writer.parquet(self._staging.uri(table))
        ids.unpersist()
        written = self._spark.read.schema(_STAGED_SCHEMA).parquet(self._staging.uri(table))
        if cut:
            return written.withColumn("file", sliced(table, STAGED_PARTITIONS)), True
        written = written.withColumn("file", F.input_file_name())
        # Many small files are opened once, not by each of the steps that follow.
        return (written.coalesce(cores).persist() if gathered and not is_large else written), False

    def _lines(self, objects: Iterable[RawObject], path: str, bucket: str) -> DataFrame:
        objects = list(objects)
        self._emit("stage", objects=0, of=len(objects))
        cores = self._spark.sparkContext.defaultParallelism
        uris = stage_raw(
            self._s3, self._buckets.of(bucket), objects, self._staging, path, cores,
            lambda staged: self._emit("stage", objects=staged, of=len(objects)),
        )  # fmt: skip
        if not uris:
            return self._spark.createDataFrame([], "value string")
        return self._spark.read.text(uris, lineSep="\n")

    def _known(self, ids: DataFrame, former: FormerRuns, attempt: str) -> tuple[list[Span], DataFrame | None]:
        """What the batch brings on each date, and which of its ids are curated already."""
        spans = known_ids.spans(ids)
        files = known_ids.files_to_search(former.table("transaction_ids"), spans, self._window_days)
        if not files:
            return spans, None
        uris = self._staging.read([file.file_path for file in files], f"{attempt}/former/transaction_ids")
        return spans, known_ids.known(self._spark, uris, ids, spans)

    def _counted(self, rows: DataFrame, attempt: str) -> StagedTotals:
        counted = staged_totals(transformations.staged_counts(rows).collect(), attempt)
        records = counted.records
        self._emit("transform", records=sum(records.values()), curated=counted.curated_records, **records)
        return counted

    def _ids(self, rows: DataFrame, written: WrittenTables, counted: StagedTotals) -> Files:
        """The index of what the run curates."""
        if not counted.curated_files:
            return []
        return written.write(
            "transaction_ids", transformations.ids(rows), ["event_date", "transaction_id"],
            bounded=("transaction_id", "event_date"),
        )  # fmt: skip

    def _links(
        self, rows: DataFrame, former: FormerRuns, written: WrittenTables, counted: StagedTotals
    ) -> tuple[DataFrame | None, Files]:
        """All links of cards' tokens, None if there are none; and the files of the new ones."""
        held = former.rows("token_links", None, token_links.HELD)
        if not counted.linked:
            return held, []
        linking = rows.where(F.col("disposition").isin(*LINKING))
        new = token_links.new_links(linking, held, self._manifest.run_id)
        month = F.date_format("event_date", "yyyy-MM").alias("slice")
        named = new.select(*transformations.with_ids(TOKEN_LINK_FIELDS), month)
        files = written.write("token_links", named, ["card_token"])
        return token_links.both(held, written.read("token_links", token_links.HELD)), files

    def _fraud_alerts(
        self,
        rows: DataFrame,
        links: DataFrame | None,
        former: FormerRuns,
        written: WrittenTables,
        counted: StagedTotals,
    ) -> Files:
        """Alerts, their evidence and sightings, except what former runs have published. links: of cards' tokens."""
        if not counted.curated_files:
            return []
        event_dates = {date.fromisoformat(partition_of(path)) for _, path in counted.curated_files}
        is_small = counted.curated_records <= known_ids.BROADCAST_IDS
        alerts = RunAlerts(self._rules, self._manifest.run_id, former, written, event_dates, is_small)
        return alerts.files(rows.where(F.col("disposition").isin(*CURATED)).select(*READ), links)

    def _quarantine(
        self, rows: DataFrame, former: FormerRuns, written: WrittenTables, attempt: str, counted: StagedTotals
    ) -> Files:
        """What the run refuses, and what the landing refused, each record once."""
        refused: list[DataFrame] = []
        if counted.reasons:
            run_date = self._manifest.created_at.date().isoformat()
            refused.append(transformations.quarantine_rows(rows.where(F.col("disposition") == QUARANTINE), run_date))
        if self._manifest.quarantined:
            refused.append(self._refused_by_the_landing(former, attempt))
        if not refused:
            return []
        named = reduce(DataFrame.unionByName, refused).withColumn("slice", F.to_date("arrival_time").cast("string"))
        return written.write("quarantine", named, POSITION)

    def _refused_by_the_landing(self, former: FormerRuns, attempt: str) -> DataFrame:
        """A batch that was landed twice, with other boundaries, has its records in two objects."""
        lines = self._lines(self._manifest.quarantined, f"{attempt}/landing", "quarantine")
        found = transformations.landing_quarantine_rows(lines).dropDuplicates(list(POSITION))
        if self._tombstones is not None:
            found = erased_rows.refused_without_erased(found, self._tombstones)
        days = {day for raw in self._manifest.quarantined if (day := arrival_date(raw.key))}
        near = [day + timedelta(days=off) for day in days for off in (-1, 0, 1)]
        if (held := former.rows("quarantine", near, _QUARANTINE_POSITIONS)) is not None:
            held = held.where(F.col("stage") == "landing").select(*POSITION)
            found = found.join(held, list(POSITION), "left_anti")
        return found.select(*transformations.with_ids(QUARANTINE_FIELDS))

    def _result(self, publication: dict[str, Any], snapshots: Mapping[str, int]) -> RunResult:
        files = publication["files"]
        return RunResult(
            run_id=self._manifest.run_id,
            created_at=self._manifest.created_at,
            **{kind: tuple(published_file(row) for row in files if row["kind"] == kind) for kind in PARTITIONS},
            quarantined_by_reason=publication["quarantined_by_reason"],
            control_totals={hop: ControlTotals.from_rows(rows) for hop, rows in publication["control_totals"].items()},
            raw_objects=len(self._manifest.objects),
            snapshots=snapshots,
            quarantine_bucket=self._buckets.quarantine,
            contract_version=publication.get("contract_version", FIRST_VERSION),
            versions={"spark": pyspark.__version__, "python": platform.python_version()},
        )

    def _emit(self, stage: str, **fields: Any) -> None:
        emit(stage, run_id=self._manifest.run_id, seconds=round(time.monotonic() - self._started, 1), **fields)
