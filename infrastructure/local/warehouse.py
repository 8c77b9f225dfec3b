"""The embedded stack's warehouse as in an account: tables, masks and row-level security, and a user for each role.

The load runs as the database user of the job's IAM role, and reconcile counts as an auditor. So a right that is missing
in the account is missing here too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from data_storage.redshift_setup import contents
from infrastructure.aws.redshift_data import WarehouseTarget
from infrastructure.local.redshift.data_api import LocalRedshiftData
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.settings import Settings
from infrastructure.settings_source import read_environment, settings_from

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_OF_THE_READER = ("FRAUD_RULES_FILE", "FRAUD_WEBHOOK_URL", "STREAM_ALERTS")
AUDITOR_ROLE = "auditor"  # stands for the IAM role of an auditor


def embedded_settings() -> Settings:
    """The settings of the embedded stack: the defaults, one auditor, and what the reader sets of _OF_THE_READER."""
    own = {name: value for name, value in read_environment().items() if name in _OF_THE_READER}
    return settings_from(own, warehouse_auditors=(AUDITOR_ROLE,))


@dataclass(frozen=True, slots=True)
class EmbeddedWarehouse:
    """The Data API's stand-in, and how the job, the auditor and the administrator log in through it."""

    data_api: LocalRedshiftData
    loader: WarehouseTarget
    auditor: WarehouseTarget
    admin: WarehouseTarget


def open_warehouse(server: Warehouse, s3: S3Client, settings: Settings) -> EmbeddedWarehouse:
    """As the administrator, make what the warehouse lacks. s3: the client that COPY reads with."""
    data_api = LocalRedshiftData(server, s3)
    inside = contents(settings)
    admin = WarehouseTarget(
        database=settings.warehouse_database,
        schema=settings.warehouse_schema,
        copy_role_arn=settings.role_arn("redshift"),
        workgroup=f"{settings.prefix}-embedded",
    )
    inside.make(data_api, admin)
    (auditor,) = inside.auditors
    return EmbeddedWarehouse(data_api, replace(admin, db_user=inside.job_user), replace(admin, db_user=auditor), admin)
