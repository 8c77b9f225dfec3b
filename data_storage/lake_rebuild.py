"""Empties the lake's tables and the warehouse, and forgets all runs, so that the job makes them anew from raw.

In this order, so that a kill leaves what the same command completes: the warehouse, then the tables, with their
history, which names the runs; the kept totals; at last the runs, without which everything in raw is pending again.
"""

from __future__ import annotations

import uuid
from typing import Any

from data_catalog.lake_layout import RECONCILIATION_PREFIX, RUNS_PREFIX
from data_catalog.lake_tables import LAKE_TABLES
from data_governance.lake_reader import LakeReader
from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.iceberg_upkeep import drop
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute_batch

_FILLED_BY_LOADS = (
    "fact_transactions", "pending_transactions", "dim_account", "dim_merchant", "fraud_alerts", "fraud_alert_evidence",
    "token_links", "daily_balances", "quarantine", "quarantine_summary", "load_control_totals", "load_ledger",
    "load_history",
)  # fmt: skip


def forget_warehouse(data_api: DataApi, admin: WarehouseTarget) -> None:
    """Empty every table that loads fill, in one transaction."""
    statements = [
        f"LOCK {admin.schema}.load_lock",
        *(f"DELETE FROM {admin.schema}.{table}" for table in _FILLED_BY_LOADS),
    ]
    execute_batch(data_api, admin, statements, "rebuild", uuid.uuid4().hex)


def forget_runs(lake: LakeReader) -> int:
    """Empty the tables, and remove what is kept of runs; how many documents."""
    for spec in LAKE_TABLES:
        table = lake.tables(spec.name)
        drop(table, list(files_on(table)))
        # A run over the same objects has the same id: no snapshot may say that it is committed.
        current = table.metadata.current_snapshot_id
        named = {ref.snapshot_id for ref in table.metadata.refs.values()} - {current}
        for tag in [name for name, ref in table.metadata.refs.items() if ref.snapshot_id in named]:
            table.manage_snapshots().remove_tag(tag).commit()
        old = [each.snapshot_id for each in table.metadata.snapshots if each.snapshot_id != current]
        if old:
            table.maintenance.expire_snapshots().by_ids(old).commit()
    return _removed(lake, RECONCILIATION_PREFIX) + _removed(lake, RUNS_PREFIX)


def _removed(lake: LakeReader, prefix: str) -> int:
    bucket = lake.settings.bucket("curated")
    keys = list(s3_objects.keys(lake.s3, bucket, prefix))
    for start in range(0, len(keys), 1000):
        objects: Any = [{"Key": key} for key in keys[start : start + 1000]]
        lake.s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    return len(keys)
