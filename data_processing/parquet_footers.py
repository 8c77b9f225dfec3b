"""What the footers of staged Parquet files tell: their records and the bounds of columns, without reading a row."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pyarrow.parquet

from data_processing.run_files import FileCount
from data_processing.staging import StagedFile, Staging
from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import number_of

_MOSTLY_ENOUGH = 64 * 1024
_LENGTH_AND_MAGIC = 8  # the end of every file: how many bytes the footer has, and PAR1
_THREADS = 16


def counted(staging: Staging, files: Iterable[StagedFile], bounded: Sequence[str]) -> dict[str, FileCount]:
    """By path: the records of each file, and the least and greatest value of the bounded columns, dates as days since
    1970. A column has no bounds where the writer stated none."""
    wanted = ((file.path, (staging, file, bounded)) for file in files)
    return dict(s3_objects.calls_ahead(_count, wanted, _THREADS, 2 * _THREADS))


def _count(staging: Staging, file: StagedFile, bounded: Sequence[str]) -> FileCount:
    footer = pyarrow.parquet.read_metadata(io.BytesIO(_footer(staging, file)))
    groups = [footer.row_group(number).to_dict()["columns"] for number in range(footer.num_row_groups)]
    stated = [{each["path_in_schema"]: each["statistics"] or {} for each in columns} for columns in groups]
    bounds: dict[str, tuple[Any, Any]] = {}
    for name in bounded:
        of_groups = [columns[name] for columns in stated]
        if of_groups and all(each.get("has_min_max") for each in of_groups):
            least, greatest = (bound(each[bound.__name__] for each in of_groups) for bound in (min, max))
            bounds[name] = _as_bound(least), _as_bound(greatest)
    return FileCount(footer.num_rows, bounds)


def _footer(staging: Staging, file: StagedFile) -> bytes:
    """The end of a file that holds its footer, which says itself where it begins."""
    end = staging.end_of(file, _MOSTLY_ENOUGH)
    needed = int.from_bytes(end[-_LENGTH_AND_MAGIC:][:4], "little") + _LENGTH_AND_MAGIC
    return end if needed <= len(end) else staging.end_of(file, needed)


def _as_bound(value: Any) -> Any:
    return number_of(value) if isinstance(value, date) else value
