"""Tags the snapshots that an Apache Iceberg table had at the ends of months."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table


def tag_months(table: Table, now: datetime) -> list[str]:
    """Tag the last snapshot of each past month (UTC) that has one and no tag yet, as month-2026-03; the new tags.

    A tagged snapshot is never expired. A month in which nothing was committed has the tag's snapshot of the one before.
    """
    last: dict[str, int] = {}
    for snapshot in sorted(table.metadata.snapshots, key=lambda each: each.timestamp_ms):
        last[f"{datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC):%Y-%m}"] = snapshot.snapshot_id
    new = {
        f"month-{month}": id_
        for month, id_ in last.items()
        if month < f"{now:%Y-%m}" and f"month-{month}" not in table.metadata.refs
    }
    if new:
        manage = table.manage_snapshots()
        for tag, id_ in new.items():
            manage = manage.create_tag(id_, tag)
        manage.commit()
    return sorted(new)
