"""Commits a run: what its write-ahead list names becomes visible, one Iceberg snapshot a table, in a fixed order.

From the list on a run only goes forward. Each table is asked whether it has the run already, so a run that was killed
between two tables, or that two jobs finish at the same time, is committed once. A snapshot names its run; where the
table no longer knows all snapshots since the run began, because they were expired, the rows are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from data_catalog.lake_tables import LAKE_TABLES, LakeTable
from infrastructure.aws.iceberg import NewFile, append, files_on, knows_all_since, snapshot_of

if TYPE_CHECKING:
    from pyiceberg.table import Table

Tables = Callable[[str], "Table"]  # a table of the lake as it is now, by its name
# Whether files of a table (by location) hold a row of the run.
HoldRows = Callable[[LakeTable, Sequence[str]], bool]


def commit_run(
    run_id: str, publication: Mapping[str, Any], tables: Tables, bucket_of: Callable[[str], str], hold_rows: HoldRows
) -> dict[str, int]:
    """Commit every table that the run has files for; the snapshot of each, by the table's name.

    publication: the write-ahead list. bucket_of: a bucket's name by its purpose.
    """
    snapshots: dict[str, int] = {}
    for lake_table in LAKE_TABLES:
        rows = [row for row in publication["files"] if row["kind"] == lake_table.kind]
        if not rows:
            continue
        base = publication["base_snapshots"][lake_table.name]["sequence_number"]
        files = [_new_file(row, bucket_of(lake_table.bucket)) for row in rows]

        def committed(table: Table) -> bool:
            if snapshot_of(table, run_id) is not None:
                return True
            return not knows_all_since(table, base) and _holds(table, lake_table, files, hold_rows)  # noqa: B023

        snapshots[lake_table.name] = append(tables(lake_table.name), files, run_id, committed)
    return snapshots


def _holds(table: Table, lake_table: LakeTable, files: Sequence[NewFile], hold_rows: HoldRows) -> bool:
    present = [file.file_path for file in files_on(table, {file.day for file in files})]
    if {file.location for file in files} & set(present):
        return True
    return bool(present) and hold_rows(lake_table, present)


def _new_file(row: Mapping[str, Any], bucket: str) -> NewFile:
    return NewFile(
        location=f"s3://{bucket}/{row['key']}",
        size=row["size"],
        records=row["records"],
        day=first_day(row["partition"]),
        bounds={name: (least, greatest) for name, (least, greatest) in row.get("bounds", {}).items()},
    )


def first_day(partition: str) -> date:
    """The first day of a partition, e.g. of 2026-03-02 or of 2026-03."""
    return date.fromisoformat(partition if len(partition) == 10 else f"{partition}-01")
