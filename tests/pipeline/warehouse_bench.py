"""A real PostgreSQL behind the Data API, and an emulated S3: what tests of the warehouse need."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
from psycopg import sql

from data_storage.warehouse_tables import create_tables
from infrastructure.aws.redshift_data import Row, WarehouseTarget, execute_batch, query
from infrastructure.local.emulator import emulated_aws
from infrastructure.local.redshift.data_api import LocalRedshiftData
from infrastructure.local.redshift.postgresql import DATABASE, Warehouse
from tests.pipeline.curated_runs import BUCKET

TARGET = WarehouseTarget(
    database=DATABASE,
    schema="banking",
    copy_role_arn="arn:aws:iam::123456789012:role/banking-data-dev-redshift",
    workgroup="embedded",
)


@dataclass(frozen=True, slots=True)
class Bench:
    """A warehouse with its tables, empty; the clients that reach it."""

    warehouse: Warehouse
    data_api: LocalRedshiftData
    s3: Any
    target: WarehouseTarget = TARGET

    def query(self, statement: str) -> list[Row]:
        return query(self.data_api, self.target, statement)

    def batch(self, *statements: str) -> dict[str, Any]:
        return execute_batch(self.data_api, self.target, statements, "test", str(uuid.uuid4()))


@contextlib.contextmanager
def open_bench(warehouse: Warehouse) -> Iterator[Bench]:
    """An empty warehouse on this server, and an empty bucket."""
    with emulated_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        # As in the account; and moto closes an overwritten object under a reader where there are no versions.
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        try:
            data_api = LocalRedshiftData(warehouse, s3)
            create_tables(data_api, TARGET)
            yield Bench(warehouse, data_api, s3)
        finally:
            _empty(warehouse)


def _empty(warehouse: Warehouse) -> None:
    """Without schemas, and without the roles and users that a test made."""
    with warehouse.connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS banking, banking_stored, redshift_catalog CASCADE")
        for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE oid >= 16384").fetchall():
            connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(name)))
