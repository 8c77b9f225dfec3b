"""How the lake's tables are kept in order in an account: Glue merges small files, expires snapshots, removes orphans.

Snapshots outlive the longest time that a load may lag, because COPY names the files that a run committed. Orphans are
kept for twice as long: files of a run that is killed before its commit are orphans until it is finished.
"""

from __future__ import annotations

from typing import Any

from data_catalog.lake_tables import LAKE_TABLES, LakeTable
from infrastructure.aws.glue_table_optimizer import TableOptimizer
from infrastructure.aws.iceberg_table import IcebergTable
from infrastructure.planning.resource import Clients, Resource, resource_id
from infrastructure.references import role_id
from infrastructure.settings import Settings

_PART = "data_catalog"


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """Three optimizers for each Iceberg table."""
    return [
        TableOptimizer(
            part=_PART,
            name=f"{settings.glue_database}.{table.name}/{kind}",
            clients=clients,
            account_id=settings.account_id,
            depends_on=(
                resource_id(IcebergTable.type, f"{settings.glue_database}.{table.name}"),
                role_id(settings, "optimizer"),
            ),
            properties={"Configuration": configuration},
        )
        for table in LAKE_TABLES
        for kind, configuration in configurations(settings, table).items()
    ]


def configurations(settings: Settings, table: LakeTable) -> dict[str, dict[str, Any]]:
    """The configuration of each type of optimizer."""
    own = {"roleArn": settings.role_arn("optimizer"), "enabled": True}
    days = settings.snapshot_retention_days
    retention = {"snapshotRetentionPeriodInDays": days, "numberOfSnapshotsToRetain": 1, "cleanExpiredFiles": True}
    orphans = {
        "orphanFileRetentionPeriodInDays": 2 * days,
        "location": f"s3://{settings.bucket(table.bucket)}/{table.prefix}",
    }
    return {
        "compaction": own | {"compactionConfiguration": {"icebergConfiguration": {"strategy": "binpack"}}},
        "retention": own | {"retentionConfiguration": {"icebergConfiguration": retention}},
        "orphan_file_deletion": own | {"orphanFileDeletionConfiguration": {"icebergConfiguration": orphans}},
    }


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
