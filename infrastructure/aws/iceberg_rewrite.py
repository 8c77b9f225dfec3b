"""Takes rows out of an Apache Iceberg table by writing the files that hold them anew."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from infrastructure.aws.iceberg import NewFile, bounds_of, changed, data_file, files_on
from infrastructure.aws.s3_objects import split_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


def rows_of(s3: S3Client, location: str) -> pyarrow.Table:
    """A data file's rows, with the field ids of its columns."""
    bucket, key = split_location(location)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return pyarrow.parquet.read_table(io.BytesIO(body), partitioning=None)


def take_out(s3: S3Client, table: Table, days: Iterable[date], which: pyarrow.compute.Expression) -> None:
    """Commit one snapshot in which the files of these days have no such rows. Nothing, if none has."""
    of = sorted(set(days))
    changed(table.refresh, lambda now: _commit_without(s3, now, of, which))


def _commit_without(s3: S3Client, table: Table, days: list[date], which: pyarrow.compute.Expression) -> None:
    replaced = list(_replaced(s3, table, days, which))
    if not replaced:
        return
    with table.transaction() as change, change.update_snapshot().overwrite() as snapshot:
        for old, new in replaced:
            snapshot.delete_data_file(old)
            if new is not None:
                snapshot.append_data_file(new)


def _replaced(
    s3: S3Client, table: Table, days: Iterable[date], which: pyarrow.compute.Expression
) -> Iterator[tuple[DataFile, DataFile | None]]:
    for day in days:
        for file in files_on(table, [day]):
            rows = rows_of(s3, file.file_path)
            left = rows.filter(~which)
            if left.num_rows < rows.num_rows:
                yield file, written_anew(s3, table, file, left, day) if left.num_rows else None


def written_anew(s3: S3Client, table: Table, old: DataFile, rows: pyarrow.Table, day: date) -> DataFile:
    """Rows in a file beside the old one, named by what it holds. day: one of its partition."""
    told = [field.name for field in table.schema().fields if bounds_of(table, old, field.name) is not None]
    return put_rows(s3, table, old, rows, day, {name: _extremes(rows[name]) for name in told})


def put_rows(
    s3: S3Client, table: Table, beside: DataFile, rows: pyarrow.Table, day: date, bounds: dict[str, tuple[Any, Any]]
) -> DataFile:
    """Put a file into the folder of another one, named by what it holds; what a commit says of it."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(rows, sink, compression="zstd")
    body = sink.getvalue()
    folder = beside.file_path.rpartition("/")[0]
    location = f"{folder}/{hashlib.sha256(body).hexdigest()[:32]}.parquet"
    bucket, key = split_location(location)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return data_file(table, NewFile(location, len(body), rows.num_rows, day, bounds))


def _extremes(column: pyarrow.ChunkedArray) -> tuple[Any, Any]:
    """Least and greatest value, times and dates as the number that a manifest has."""
    kind = column.type
    if pyarrow.types.is_temporal(kind):
        column = column.cast(pyarrow.int32() if pyarrow.types.is_date32(kind) else pyarrow.int64())
    found = pyarrow.compute.min_max(column)
    return found["min"].as_py(), found["max"].as_py()
