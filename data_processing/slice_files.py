"""A Parquet file for each of many small slices, cut by the driver out of what Spark staged.

Spark takes some 20 ms of CPU to open, rename and read again a file. A run of few rows on each of thousands of dates
would spend nearly all of its time on that. So the tables of such a run are staged in a few files, sorted by slice, and
the driver puts a file for each slice straight to its place, which takes some 3 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from data_processing.run_files import folder_of, slice_path, table_of
from data_processing.staging import Staging
from infrastructure.aws import s3_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BATCH_ROWS = 10_000
# Up to so many rows Snappy takes no more room than zstd, and half the CPU of writer and readers (measured).
_ROWS_FOR_SNAPPY = 10
_THREADS = 16
# At most this many slices are being put or waiting for it, which bounds memory.
_AHEAD = 2 * _THREADS


def publish_slices(s3: S3Client, staging: Staging, places: Mapping[str, tuple[str, str]]) -> dict[str, int]:
    """Put each slice to its bucket and key; the sizes of the files. places, sizes: by slice_path()."""
    wanted = ((path, (s3, rows, *places[path])) for path, rows in _slices_of(staging, places))
    return dict(s3_objects.calls_ahead(_put, wanted, _THREADS, _AHEAD))


def _slices_of(staging: Staging, paths: Mapping[str, object]) -> Iterator[tuple[str, pyarrow.Table]]:
    """The rows of these slices, in the order of the tables' files."""
    columns = {table_of(path): tuple(name for name, _ in folder_of(path)) for path in paths}
    for table, by in sorted(columns.items()):
        for file in staging.files(table):
            with staging.opened(file.path) as opened:
                for values, rows in slices(opened, by):
                    path = slice_path(table, zip(by, values, strict=True))
                    if path in paths:
                        yield path, rows


def slices(file: IO[bytes], by: Sequence[str]) -> Iterator[tuple[tuple[str, ...], pyarrow.Table]]:
    """The values of each slice and its rows, without the columns by, of a Parquet file that is sorted by them."""
    begun: tuple[str, ...] = ()
    parts: list[pyarrow.Table] = []
    for batch in pyarrow.parquet.ParquetFile(file).iter_batches(_BATCH_ROWS, use_threads=False):
        rows = pyarrow.Table.from_batches([batch])
        keys = pyarrow.compute.binary_join_element_wise(*(rows[name].combine_chunks() for name in by), _SEPARATOR)
        runs = pyarrow.compute.run_end_encode(keys)
        rows = rows.drop_columns(list(by)).replace_schema_metadata()
        begin = 0
        for key, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            values = tuple(key.split(_SEPARATOR))
            if parts and values != begun:
                yield begun, pyarrow.concat_tables(parts)
                parts = []
            begun = values
            parts.append(rows.slice(begin, end - begin))
            begin = end
    if parts:
        yield begun, pyarrow.concat_tables(parts)


_SEPARATOR = "\x1f"


def _put(s3: S3Client, rows: pyarrow.Table, bucket: str, key: str) -> int:
    body = parquet(rows)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return len(body)


def parquet(rows: pyarrow.Table) -> bytes:
    """A file with the types and field ids that Spark writes."""
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(
        rows,
        sink,
        compression="snappy" if rows.num_rows <= _ROWS_FOR_SNAPPY else "zstd",
        use_dictionary=False,  # 5,000 rows take more room with dictionaries
        store_schema=False,  # Arrow's own takes more room than a few rows
        store_decimal_as_integer=True,
    )
    body: bytes = sink.getvalue().to_pybytes()
    return body
