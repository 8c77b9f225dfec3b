"""Keeps the lake in order: month ends are tagged, small files merged, old snapshots and orphans removed, and dates past
the retention dropped from lake and warehouse.

In an account Glue's table optimizers merge, expire and clear, and the job tags the month ends as it commits: there only
retention is left to do.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from data_catalog.lake_tables import LAKE_TABLES
from data_governance.kept_totals import Erasure, KeptTotals
from data_governance.lake_reader import LakeReader
from data_storage.sql_text import literal
from infrastructure.aws.iceberg import changed
from infrastructure.aws.iceberg_tags import tag_months
from infrastructure.aws.iceberg_upkeep import compact, drop, expire, files_before, remove_orphans
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute_batch
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(slots=True)
class Upkeep:
    """What was done to a table."""

    table: str
    merged: tuple[int, int] = (0, 0)
    tags: list[str] = field(default_factory=list)
    expired: int = 0
    removed: int = 0
    dropped: int = 0


def maintain(
    lake: LakeReader, now: datetime, keep: Collection[int], merging: bool, uncommitted: Collection[str] = ()
) -> list[Upkeep]:
    """Maintain every table; what was done.

    keep: snapshots that are still needed, because the warehouse has not loaded their runs. merging: merge, expire and
    clear too, which Glue does in an account. uncommitted: where files of open runs lie; other orphans are removed once
    they are twice as old as snapshots get.
    """
    age = timedelta(days=lake.settings.snapshot_retention_days)
    oldest = first_day_kept(lake.settings.data_retention_years, now)
    done = []
    for spec in LAKE_TABLES:
        tables = partial(lake.tables, spec.name)
        upkeep = Upkeep(spec.name)
        upkeep.tags = changed(tables, lambda table: tag_months(table, now))
        since = oldest_link(oldest, lake.settings) if spec.kind == "token_links" else oldest
        upkeep.dropped = changed(tables, partial(_drop, lake, oldest=since))
        if merging:
            upkeep.merged = changed(tables, partial(compact, lake.s3, sorted_by=spec.sorted_by))
            upkeep.expired = changed(tables, lambda table: expire(table, now - age, keep))
            upkeep.removed = remove_orphans(lake.s3, tables(), now - 2 * age, uncommitted)
        done.append(upkeep)
    return done


def first_day_kept(years: int, now: datetime) -> date:
    """The first event date that is kept, so many years back."""
    day = now.date()
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


def oldest_link(oldest: date, settings: Settings) -> date:
    """The first date of links that are kept: until a key's last tokens are past the retention, so is its first link."""
    return oldest - timedelta(days=settings.token_key_max_age_days)


def _drop(lake: LakeReader, table: Table, oldest: date) -> int:
    """Drop the partitions from before a day, and enter beside the kept totals what they held."""
    gone, name = files_before(table, oldest), table.name()[1]
    if gone and name in ("transactions", "pending_transactions"):
        # Entered first: killed in between, the next call enters the same again, and drops it.
        curated = lake.curated(file.file_path for file in gone)
        kept = KeptTotals(lake.s3, lake.settings.bucket("curated"))
        kept.add_erasure(Erasure(f"retention-{name}-{oldest}", oldest, curated))
    drop(table, gone)
    return len(gone)


def drop_from_warehouse(data_api: DataApi, target: WarehouseTarget, oldest: date, settings: Settings) -> None:
    """Delete what the lake has dropped. Of balances each account's last one stays: later ones go on from it."""
    schema, day = target.schema, literal(oldest)
    dated = ("fact_transactions", "pending_transactions", "fraud_alerts", "fraud_alert_evidence")
    statements = [
        f"LOCK {schema}.load_lock",
        *(f"DELETE FROM {schema}.{table} WHERE event_date < {day}" for table in dated),
        f"DELETE FROM {schema}.token_links WHERE event_date < {literal(oldest_link(oldest, settings))}",
        f"DELETE FROM {schema}.quarantine WHERE arrival_time < {day}",
        f"""DELETE FROM {schema}.daily_balances WHERE balance_date < {day} AND EXISTS (
    SELECT 1 FROM {schema}.daily_balances AS later
    WHERE later.account_id = daily_balances.account_id AND later.currency = daily_balances.currency
        AND later.balance_date > daily_balances.balance_date AND later.balance_date < {day})""",
    ]
    execute_batch(data_api, target, statements, f"retention-{oldest}", uuid.uuid4().hex)
