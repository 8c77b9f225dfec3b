"""What keeps an Apache Iceberg table in order: small files merged, snapshots expired, orphans removed.

In an account Glue's table optimizers do that; the laptop has these.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import EPOCH, bounds_of, files_on
from infrastructure.aws.iceberg_rewrite import put_rows, rows_of
from infrastructure.aws.s3_objects import split_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

SMALL_FILE_BYTES = 32 * 1024**2


def compact(s3: S3Client, table: Table, sorted_by: Sequence[str], least_files: int = 5) -> tuple[int, int]:
    """Merge the small files of each partition that has so many, in one commit; how many files became how many.

    The merged files stay until the snapshots that name them are expired. Raises pyiceberg's CommitFailedException if
    another commit came first; then the call can be made again.
    """
    small: dict[Any, list[DataFile]] = {}
    for file in files_on(table):
        if file.file_size_in_bytes < SMALL_FILE_BYTES:
            small.setdefault(file.partition[0], []).append(file)
    merged = {partition: files for partition, files in small.items() if len(files) >= least_files}
    if not merged:
        return 0, 0
    with table.transaction() as change, change.update_snapshot().overwrite() as snapshot:
        for partition, files in merged.items():
            for file in files:
                snapshot.delete_data_file(file)
            snapshot.append_data_file(_merged(s3, table, partition, files, sorted_by))
    return sum(map(len, merged.values())), len(merged)


def _merged(
    s3: S3Client, table: Table, partition: Any, files: Sequence[DataFile], sorted_by: Sequence[str]
) -> DataFile:
    rows = pyarrow.concat_tables([rows_of(s3, file.file_path) for file in files], promote_options="default")
    rows = rows.sort_by([(name, "ascending") for name in sorted_by])
    bounds: dict[str, tuple[Any, Any]] = {}
    for field in table.schema().fields:
        known = [bounds_of(table, file, field.name) for file in files]
        if all(each is not None for each in known):
            told = [each for each in known if each is not None]
            bounds[field.name] = min(first for first, _ in told), max(last for _, last in told)
    return put_rows(s3, table, files[0], rows, first_day_of(table, partition), bounds)


def first_day_of(table: Table, partition: Any) -> date:
    """The first day of a partition, by its value in manifests: days or months since 1970."""
    if isinstance(partition, date):
        return partition
    if str(table.spec().fields[0].transform) == "month":
        return date(EPOCH.year + partition // 12, partition % 12 + 1, 1)
    return EPOCH + timedelta(days=partition)


def files_before(table: Table, day: date) -> list[DataFile]:
    """The files of the partitions that end before a day."""
    last_day = timedelta(days=30 if str(table.spec().fields[0].transform) == "month" else 0)
    return [file for file in files_on(table) if first_day_of(table, file.partition[0]) + last_day < day]


def drop(table: Table, files: Sequence[DataFile]) -> None:
    """Commit the table without these files, if there are any."""
    if files:
        with table.transaction() as change, change.update_snapshot().overwrite() as snapshot:
            for file in files:
                snapshot.delete_data_file(file)


def expire(table: Table, before: datetime, keep: Collection[int] = ()) -> int:
    """Forget the snapshots from before a time but for the current one, tagged ones and those to keep; how many."""
    referred = {ref.snapshot_id for ref in table.metadata.refs.values()} | set(keep)
    old = [
        snapshot.snapshot_id
        for snapshot in table.metadata.snapshots
        if snapshot.timestamp_ms < before.timestamp() * 1000 and snapshot.snapshot_id not in referred
    ]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()
    return len(old)


def remove_orphans(s3: S3Client, table: Table, before: datetime, keep: Collection[str] = ()) -> int:
    """Remove the table's files from before a time that no snapshot names, data and metadata alike; how many.

    keep: locations to keep all the same, such as the files of a run that is not committed yet.
    """
    bucket, prefix = split_location(table.metadata.location.rstrip("/") + "/")
    named = {split_location(location)[1] for location in (*files_named(table), *keep)}
    orphans = [
        entry["Key"]
        for entry in s3_objects.entries(s3, bucket, prefix)
        if entry["Key"] not in named and entry["LastModified"] < before
    ]
    for start in range(0, len(orphans), 1000):
        keys: Any = [{"Key": key} for key in orphans[start : start + 1000]]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    return len(orphans)


def files_named(table: Table) -> set[str]:
    """The locations of all files that the table's snapshots and its metadata name."""
    named = {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
    seen: set[str] = set()
    for snapshot in table.metadata.snapshots:
        named.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in seen:
                seen.add(manifest.manifest_path)
                named.update(_data_files(table, manifest))
    return named | seen


def _data_files(table: Table, manifest: Any) -> Iterator[str]:
    entries: Iterable[Any] = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    return (entry.data_file.file_path for entry in entries)
