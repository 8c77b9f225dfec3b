"""Apache Iceberg tables in the Glue Data Catalog: opened, read as lists of files, and added to.

pyiceberg does the work. Its file access goes through the project's S3 client, so that retries, region and endpoint are
the same as everywhere; its own needs pyarrow or fsspec.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

T = TypeVar("T")

_ATTEMPTS = 8
_LONGEST_WAIT = 5.0
EPOCH = date(1970, 1, 1)
RUN_ID = "run-id"  # the property of a snapshot that names the run that committed it


def open_catalog(glue: Any, s3: S3Client) -> GlueCatalog:
    """The Data Catalog as pyiceberg sees it, on these clients."""
    from pyiceberg.catalog.glue import GlueCatalog

    from infrastructure.aws.iceberg_files import files_through

    catalog = GlueCatalog("glue", client=glue)
    files = files_through(s3)
    catalog._load_file_io = lambda *_, **__: files  # type: ignore[method-assign]
    return catalog


def tables_of(glue: Any, s3: S3Client, database: str) -> Callable[[str], Table]:
    """Opens a table of a database, as it is now, by its name."""
    catalog = open_catalog(glue, s3)
    return lambda name: catalog.load_table((database, name))


@dataclass(frozen=True, slots=True)
class NewFile:
    """A Parquet file to add. location: s3://bucket/key; day: one day of its partition; bounds: least and greatest value
    by column, of the columns that readers should prune by."""

    location: str
    size: int
    records: int
    day: date
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


def append(table: Table, files: Sequence[NewFile], run_id: str, committed: Callable[[Table], bool]) -> int:
    """Commit the files of a run as one snapshot; returns its id.

    committed: whether the table, as it is now, has the run already; then nothing is added. A commit that is refused,
    because another came first, is tried again a few times. Raises PlatformError if all of them are refused.
    """
    from pyiceberg.exceptions import CommitFailedException

    for attempt in range(_ATTEMPTS):
        if committed(table):
            return snapshot_of(table, run_id) or _current(table)
        try:
            with table.transaction() as change:
                adding = change.update_snapshot(snapshot_properties={RUN_ID: run_id}).merge_append()
                with adding as snapshot:
                    for each in files:
                        snapshot.append_data_file(data_file(table, each))
            return _current(table)
        except CommitFailedException:
            time.sleep(min(_LONGEST_WAIT, 0.1 * 2**attempt) * random.uniform(0.5, 1))  # nosec B311 # a pause
            table.refresh()
    raise PlatformError(
        f"table {'.'.join(table.name())}",
        f"refused {_ATTEMPTS} commits of run {run_id}: others came first each time",
        "Run the job again; it goes on where it was",
    )


def changed(table: Callable[[], Table], change: Callable[[Table], T]) -> T:
    """Change the table as it is now; a few times more, where another commit comes first each time."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException

    for _ in range(_ATTEMPTS - 1):
        with suppress(CommitFailedException, ValidationException):
            return change(table())
    return change(table())


def _current(table: Table) -> int:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def snapshot_of(table: Table, run_id: str) -> int | None:
    """The snapshot that a run committed; None if the table no longer knows one."""
    for snapshot in table.metadata.snapshots:
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(RUN_ID) == run_id:
            return snapshot.snapshot_id
    return None


def sequence_number(table: Table) -> int:
    """The number of the table's last commit that made a snapshot; 0 if there was none."""
    number: int = getattr(table.metadata, "last_sequence_number", 0)
    return number


def knows_all_since(table: Table, base: int) -> bool:
    """Whether the table still knows every snapshot since this sequence number. Each has the next one."""
    known = {
        snapshot.sequence_number for snapshot in table.metadata.snapshots if (snapshot.sequence_number or 0) > base
    }
    return len(known) == sequence_number(table) - base


def files_on(table: Table, days: Iterable[date] | None = None, snapshot_id: int | None = None) -> Iterator[DataFile]:
    """The data files of a snapshot (the current one), or those of the partitions of these days. Reads manifests only.

    Raises PlatformError where the table has delete files, which readers of the bare files would not see.
    """
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else table.current_snapshot()
    if snapshot is None:
        return
    value = _partition_value(table)
    wanted = None if days is None else frozenset(map(value, days))
    for manifest in snapshot.manifests(table.io):
        if manifest.content != 0:
            raise PlatformError(
                f"table {'.'.join(table.name())}",
                "has delete files, which an engine's DELETE or UPDATE wrote",
                "Have them merged: Athena's OPTIMIZE ... REWRITE DATA, or the table's compaction",
            )
        if wanted is not None and not _may_hold(manifest, wanted):
            continue
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            partition = entry.data_file.partition[0]
            if wanted is None or (value(partition) if isinstance(partition, date) else partition) in wanted:
                yield entry.data_file


def _may_hold(manifest: Any, days: frozenset[int]) -> bool:
    summary = manifest.partitions[0] if manifest.partitions else None
    if summary is None or summary.lower_bound is None or summary.upper_bound is None:
        return True
    first, last = (int.from_bytes(bound, "little", signed=True) for bound in (summary.lower_bound, summary.upper_bound))
    return any(first <= day <= last for day in days)


def _partition_value(table: Table) -> Callable[[date], int]:
    """What a day's partition is called in manifests: days or months since 1970."""
    if str(table.spec().fields[0].transform) == "month":
        return lambda day: (day.year - EPOCH.year) * 12 + day.month - 1
    return number_of


def number_of(day: date) -> int:
    """A date as partitions by day and bounds of files have it: days since 1970."""
    return (day - EPOCH).days


def bounds_of(table: Table, file: DataFile, column: str) -> tuple[Any, Any] | None:
    """Least and greatest value of a column in a file, as its writer told; None if it did not."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import PrimitiveType

    found = table.schema().find_field(column)
    lower, upper = (bounds.get(found.field_id) for bounds in (file.lower_bounds or {}, file.upper_bounds or {}))
    if lower is None or upper is None:
        return None
    assert isinstance(found.field_type, PrimitiveType)
    return from_bytes(found.field_type, lower), from_bytes(found.field_type, upper)


def data_file(table: Table, new: NewFile) -> DataFile:
    """A new file as a manifest lists it."""
    from pyiceberg.conversions import to_bytes
    from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
    from pyiceberg.typedef import Record

    lower: dict[int, bytes] = {}
    upper: dict[int, bytes] = {}
    for name, (least, greatest) in new.bounds.items():
        column = table.schema().find_field(name)
        lower[column.field_id] = to_bytes(column.field_type, least)  # type: ignore[arg-type]
        upper[column.field_id] = to_bytes(column.field_type, greatest)  # type: ignore[arg-type]
    return DataFile.from_args(
        _table_format_version=2,
        content=DataFileContent.DATA,
        file_path=new.location,
        file_format=FileFormat.PARQUET,
        partition=Record(_partition_value(table)(new.day)),
        record_count=new.records,
        file_size_in_bytes=new.size,
        column_sizes={},
        value_counts={},
        null_value_counts={},
        nan_value_counts={},
        lower_bounds=lower,
        upper_bounds=upper,
        sort_order_id=0,
        spec_id=table.spec().spec_id,
        key_metadata=None,
        split_offsets=None,
        equality_ids=None,
    )
