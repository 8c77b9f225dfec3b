"""Reads what control totals are counted from: raw and quarantine rows, Parquet files, the documents of runs."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
import pyarrow.compute
import pyarrow.parquet
from botocore.exceptions import ClientError

from data_catalog.lake_layout import Batch, Coverage
from data_catalog.transaction_contract import FINAL_STATUSES
from data_governance.control_totals import ControlKey, ControlTotals, CuratedTotals
from data_governance.run_result import PublishedFile
from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import files_on
from infrastructure.errors import PlatformError
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table


Position = tuple[str, str, str, int]
T = TypeVar("T")

_ROWS_AT_ONCE = 10_000


class BatchObject(NamedTuple):
    """A batch, and the key of an object of it."""

    batch: Batch
    key: str


class Row(msgspec.Struct):
    """What a raw or quarantine row counts for, and its position in the stream."""

    stream_incarnation: str
    shard_id: str
    sequence_number: str
    sub_sequence_number: int
    amount: str
    currency: str | None = None
    credit_debit_indicator: str | None = None
    fingerprint: str = ""
    reason: str = ""
    stage: str = ""

    @property
    def key(self) -> ControlKey:
        return ControlKey(self.currency, self.credit_debit_indicator)

    @property
    def position(self) -> Position:
        return (self.stream_incarnation, self.shard_id, self.sequence_number, self.sub_sequence_number)


_row_decoder = msgspec.json.Decoder(Row)


class LakeReader:
    """Reads the lake through an S3 client. Buckets are named by their purpose, Iceberg tables by their name."""

    def __init__(self, s3: S3Client, settings: Settings, tables: Callable[[str], Table]) -> None:
        """tables: a table as it is now, by name."""
        self.s3 = s3
        self.settings = settings
        self.tables = tables

    def keys(self, purpose: str, prefix: str) -> Iterator[str]:
        return (key for page in self.pages(purpose, prefix) for key in page.keys)

    def pages(self, purpose: str, prefix: str) -> Iterator[s3_objects.Page]:
        return s3_objects.pages(self.s3, self.settings.bucket(purpose), prefix)

    def folders(self, purpose: str, prefix: str, start_after: str = "") -> list[str]:
        return s3_objects.folders(self.s3, self.settings.bucket(purpose), prefix, start_after)

    def body(self, purpose: str, key: str) -> bytes:
        return s3_objects.body(self.s3, self.settings.bucket(purpose), key)

    def bodies(self, purpose: str, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return s3_objects.bodies(self.s3, self.settings.bucket(purpose), keys)

    def rows(self, purpose: str, keys: Iterable[str]) -> Iterator[Row]:
        """The rows of raw or quarantine objects. Only a few objects are held at a time, so memory stays flat."""
        for key, body in self.bodies(purpose, keys):
            try:
                yield from map(_row_decoder.decode, gzip.decompress(body).splitlines())
            except (msgspec.MsgspecError, OSError, EOFError) as error:
                raise PlatformError(
                    f"s3://{self.settings.bucket(purpose)}/{key}",
                    f"is not what the pipeline writes ({type(error).__name__})",
                    "Restore the object's earlier version; versioning keeps it",
                ) from None

    def files(self, table: str, days: Iterable[date] | None = None) -> Iterator[str]:
        """The locations of an Iceberg table's files: all, or those that lie on these days."""
        return (file.file_path for file in files_on(self.tables(table), days))

    def curated_files(self, days: Iterable[date] | None = None) -> Iterator[str]:
        """The locations of what is curated: final states and pending items."""
        days = None if days is None else list(days)
        return chain(self.files("transactions", days), self.files("pending_transactions", days))

    def locations(self, purpose: str, files: Iterable[PublishedFile]) -> Iterator[str]:
        """Where files of a run lie."""
        return (f"s3://{self.settings.bucket(purpose)}/{file.key}" for file in files)

    def refused_by_the_job(self, files: Iterable[str], run_id: str | None = None) -> Iterator[Row]:
        """What files of the quarantine table hold of stage etl (of one run). The landing's rows are counted where they
        landed."""
        names = [name for name in Row.__struct_fields__ if name != "amount"]
        for table in self.parquet(files, [*names, "amount"], run_id):
            for row in table.filter(pyarrow.compute.field("stage") == "etl").to_pylist():
                yield Row(**(row | {"amount": str(row["amount"])}))

    def parquet(self, files: Iterable[str], columns: list[str], run_id: str | None = None) -> Iterator[pyarrow.Table]:
        """Columns of Parquet files, file by file; only the rows of a run, if one is named."""
        wanted = columns if run_id is None else [*columns, "run_id"]
        for body in s3_objects.large_bodies(self.s3, files):
            rows = pyarrow.parquet.ParquetFile(io.BytesIO(body)).read(columns=wanted, use_threads=False)
            if run_id is not None:
                rows = rows.filter(pyarrow.compute.field("run_id") == run_id)
            yield rows.select(columns)

    def curated(self, files: Iterable[str], run_id: str | None = None) -> CuratedTotals:
        """What Parquet files hold (of one run), by location.

        By status and not by table: in contract 1.0 pending items lay among the transactions.
        """
        totals = CuratedTotals()
        keys = ["currency", "credit_debit_indicator", "status"]
        for table in _gathered(self.parquet(files, [*keys, "amount"], run_id)):
            grouped = table.group_by(keys).aggregate([("amount", "sum"), ("amount", "count")])
            for row in grouped.to_pylist():
                key_ = ControlKey(row["currency"], row["credit_debit_indicator"])
                of = totals.ledger if row["status"] in FINAL_STATUSES else totals.pending
                of.add(key_, row["amount_sum"], row["amount_count"])
        return totals


def _gathered(tables: Iterable[pyarrow.Table]) -> Iterator[pyarrow.Table]:
    """The rows in tables of at least _ROWS_AT_ONCE: files may be small and many."""
    parts: list[pyarrow.Table] = []
    rows = 0
    for table in tables:
        parts.append(table)
        rows += table.num_rows
        if rows >= _ROWS_AT_ONCE:
            yield pyarrow.concat_tables(parts, promote_options="default")
            parts, rows = [], 0
    if parts:
        yield pyarrow.concat_tables(parts, promote_options="default")


def as_published(
    own: Callable[[], Iterable[str]],
    now: Callable[[], Iterable[str]],
    count: Callable[[Iterable[str], str | None], T],
    run_id: str,
) -> T:
    """Count a run's own files; if they were written anew since, its rows in the files that the table has now."""
    try:
        return count(own(), None)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return count(now(), run_id)


def counted(rows: Iterable[Row]) -> ControlTotals:
    """The totals of rows."""
    totals = ControlTotals()
    for row in rows:
        totals.add(row.key, Decimal(row.amount))
    return totals


def overlapping(batches: Iterable[BatchObject]) -> list[list[BatchObject]]:
    """Groups of two or more batches of one shard whose ranges overlap, sorted by their first records."""
    ordered = sorted(batches)
    coverage = Coverage(each.batch for each in ordered)
    groups: dict[Any, list[BatchObject]] = {}
    for each in ordered:
        batch = each.batch
        groups.setdefault((batch.incarnation, batch.shard_id, coverage.met_by(batch)), []).append(each)
    return [group for group in groups.values() if len(group) > 1]
