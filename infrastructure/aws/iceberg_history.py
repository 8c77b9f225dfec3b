"""Changes rows of an Apache Iceberg table in all of its history, so that nothing says any more what they were.

    rewrite   the files that hold such rows are written anew, in the current snapshot and in that of each tag
    forget    snapshots that still name the old files are expired, and the old files removed with all their versions

Both may be broken off anywhere and done again. A snapshot of a tag can't be changed: a branch is made from it, changed,
and the tag moved to the branch's snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow
import pyarrow.compute
import pyarrow.parquet
from botocore.exceptions import ClientError

from infrastructure.aws.iceberg import files_on
from infrastructure.aws.iceberg_rewrite import rows_of, written_anew
from infrastructure.aws.iceberg_upkeep import files_named, first_day_of
from infrastructure.aws.s3_objects import split_location
from infrastructure.aws.s3_versions import Version, remove_versions, versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

# The rows of a file as they should be; the very same object if they are.
Change = Callable[[pyarrow.Table], pyarrow.Table]

_BRANCH = "changing-"  # what the name of a branch begins with on which a tag's snapshot is changed
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of a file. new: what stands for it, if rows are left."""

    changes: bool
    new: DataFile | None = None


class History:
    """A table and the change of its rows. open_table: the table as it is now."""

    def __init__(self, s3: S3Client, open_table: Callable[[], Table], change: Change) -> None:
        self._s3 = s3
        self._open = open_table
        self._change = change
        self._outcomes: dict[str, _Outcome] = {}

    def rewrite(self) -> None:
        """Change the current snapshot and those of tags and branches."""
        for name in self._open().metadata.refs:
            if name.startswith(_BRANCH):  # of a call that was broken off
                self._open().manage_snapshots().remove_branch(name).commit()
        for name in self._open().metadata.refs:
            self._committed(name)

    def _committed(self, ref: str) -> None:
        from pyiceberg.exceptions import CommitFailedException, ValidationException

        for _ in range(_ATTEMPTS - 1):
            with suppress(CommitFailedException, ValidationException):  # another commit came first
                return self._rewrite(ref)
        return self._rewrite(ref)

    def _rewrite(self, name: str) -> None:
        from pyiceberg.table.refs import SnapshotRefType

        table = self._open()
        ref = table.metadata.refs[name]
        files = [(file, self._outcome(table, file)) for file in files_on(table, snapshot_id=ref.snapshot_id)]
        replaced = [(file, outcome.new) for file, outcome in files if outcome.changes]
        if not replaced:
            return
        if ref.snapshot_ref_type == SnapshotRefType.BRANCH:
            _replace(table, name, replaced)
            return
        branch = f"{_BRANCH}{name}"
        if branch not in table.metadata.refs:
            table.manage_snapshots().create_branch(ref.snapshot_id, branch).commit()
        _replace(table, branch, replaced)
        moved = table.metadata.refs[branch].snapshot_id
        table.manage_snapshots().create_tag(moved, name, ref.max_ref_age_ms).remove_branch(branch).commit()

    def _outcome(self, table: Table, file: DataFile) -> _Outcome:
        location = file.file_path
        if location not in self._outcomes:
            rows = rows_of(self._s3, location)
            changed = self._change(rows)
            new = None
            if changed is not rows and changed.num_rows:
                new = written_anew(self._s3, table, file, changed, first_day_of(table, file.partition[0]))
            self._outcomes[location] = _Outcome(changed is not rows, new)
        return self._outcomes[location]

    def forget(self) -> None:
        """Expire the snapshots that name files with such rows, and remove those files."""
        table = self._open()
        referred = {ref.snapshot_id for ref in table.metadata.refs.values()}
        named = _data_by_snapshot(table)
        holding = {location for location in set().union(*named.values()) if self._holds(location)}
        old = sorted(id_ for id_, files in named.items() if id_ not in referred and files & holding)
        bucket, prefix = split_location(table.metadata.location.rstrip("/") + "/")
        # The files go first: once the snapshots are expired, a call that was broken off would no longer know them.
        self._remove(bucket, {split_location(location)[1] for location in holding})
        before = files_named(table)
        if old:
            table.maintenance.expire_snapshots().by_ids(old).commit()
        now = {split_location(location)[1] for location in files_named(self._open())}
        self._remove(bucket, {split_location(location)[1] for location in before} - now)
        self._sweep(bucket, prefix, now)

    def _holds(self, location: str) -> bool:
        """Whether a file holds such rows. One that is gone was removed because it did."""
        try:
            rows = rows_of(self._s3, location)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return True
        return self._change(rows) is not rows

    def _sweep(self, bucket: str, prefix: str, named: set[str]) -> None:
        """Remove what no snapshot names: replaced and deleted versions, and files with such rows that were never
        committed. Other files are left alone: a run or a compaction may be about to commit them."""
        current = {each.key for each in versions(self._s3, bucket, prefix) if each.current}
        uncommitted = {
            key for key in current - named if key.endswith(".parquet") and self._holds(f"s3://{bucket}/{key}")
        }
        remove_versions(self._s3, bucket, prefix, lambda each: not each.current or each.key in uncommitted)

    def _remove(self, bucket: str, keys: set[str]) -> None:
        for key in sorted(keys):
            remove_versions(self._s3, bucket, key, _is(key))


def _is(key: str) -> Callable[[Version], bool]:
    return lambda each: each.key == key


def _replace(table: Table, branch: str, replaced: list[tuple[DataFile, DataFile | None]]) -> None:
    with table.transaction() as change, change.update_snapshot(branch=branch).overwrite() as snapshot:
        for old, new in replaced:
            snapshot.delete_data_file(old)
            if new is not None:
                snapshot.append_data_file(new)


def rows_everywhere(s3: S3Client, table: Table) -> Iterator[tuple[pyarrow.Table, bool]]:
    """The rows of each file that any snapshot names, and whether the current one names it. Files that are gone are
    passed over."""
    named = _data_by_snapshot(table)
    current = named.get(table.metadata.current_snapshot_id or 0, set())
    for location in sorted(set().union(*named.values())):
        with suppress(s3.exceptions.NoSuchKey):
            yield rows_of(s3, location), location in current


def _data_by_snapshot(table: Table) -> dict[int, set[str]]:
    """The locations of the data files that each snapshot names. Each manifest is read once."""
    read: dict[str, set[str]] = {}
    found: dict[int, set[str]] = {}
    for snapshot in table.metadata.snapshots:
        files = found[snapshot.snapshot_id] = set()
        for manifest in snapshot.manifests(table.io):
            path = manifest.manifest_path
            if path not in read:
                entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                read[path] = {entry.data_file.file_path for entry in entries if entry.data_file.content == 0}
            files |= read[path]
    return found
