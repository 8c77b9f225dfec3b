"""Takes rows out of an Apache Iceberg table by writing the files that hold them anew."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from infrastructure.aws.iceberg import NewFile, bounds_of, data_file, files_on, split

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table


def rows_of(s3: S3Client, location: str) -> pyarrow.Table:
    """A data file's rows, with the field ids of its columns."""
    bucket, key = split(location)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return pyarrow.parquet.read_table(io.BytesIO(body), partitioning=None)


def take_out(s3: S3Client, table: Table, days: Iterable[date], which: pyarrow.compute.Expression) -> None:
    """Commit one snapshot in which the files of these days have no such rows. Nothing, if none has.

    Raises pyiceberg's CommitFailedException if another commit came first; then the call can be made again.
    """
    replaced: list[tuple[DataFile, DataFile | None]] = []
    for day in sorted(set(days)):
        for file in files_on(table, [day]):
            rows = rows_of(s3, file.file_path)
            left = rows.filter(~which)
            if left.num_rows < rows.num_rows:
                replaced.append((file, _written(s3, table, file, day, left) if left.num_rows else None))
    if not replaced:
        return
    with table.transaction() as change, change.update_snapshot().overwrite() as snapshot:
        for old, new in replaced:
            snapshot.delete_data_file(old)
            if new is not None:
                snapshot.append_data_file(new)


def _written(s3: S3Client, table: Table, old: DataFile, day: date, rows: pyarrow.Table) -> DataFile:
    """The rows in a file beside the old one, named by what it holds. The old bounds still hold."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(rows, sink, compression="zstd")
    body = sink.getvalue()
    folder = old.file_path.rpartition("/")[0]
    location = f"{folder}/{hashlib.sha256(body).hexdigest()[:32]}.parquet"
    bucket, key = split(location)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    known = {field.name: bounds_of(table, old, field.name) for field in table.schema().fields}
    bounds = {name: found for name, found in known.items() if found is not None}
    return data_file(table, NewFile(location, len(body), rows.num_rows, day, bounds))
