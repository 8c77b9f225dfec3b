"""A lake on moto, in process, and what a reader finds in it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import boto3
import pyarrow
import pyarrow.parquet

from data_catalog.create_glue_catalog_table import JSON_TABLES, iceberg_table, json_table
from data_catalog.lake_tables import LAKE_TABLES
from data_governance.control_totals import ControlTotals
from data_governance.run_result import RunResult
from data_processing.etl_run import Buckets
from data_processing.etl_transaction_processing import process
from data_processing.lake_catalog import LakeCatalog
from infrastructure.aws import s3_objects
from infrastructure.aws.glue_table import Table
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.iceberg_table import IcebergTable
from infrastructure.aws.s3_objects import split_location
from tests.pipeline.etl_rows import INCARNATION, SHARD, line

DATABASE = "lake"
BUCKETS = Buckets("raw-bucket", "curated-bucket", "quarantine-bucket")
# When the job runs, by its own clock: on the day on which everything arrives, because it lists older days only as long
# as something can still land there.
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)
ARRIVAL_DATE = NOW.date().isoformat()
# Of one run's files, what must be the same however it came about.
_HOPS = ("landed", "redelivered", "duplicate", "quarantined", "curated", "ledger", "pending")


def make_tables(s3: Any, buckets: Buckets = BUCKETS, glue: Any = None) -> LakeCatalog:
    """The catalog's tables over these buckets, as provisioning makes them."""
    glue = glue or boto3.client("glue", region_name="us-east-1")
    clients = FixedClients(s3=s3, glue=glue)
    database = DATABASE
    glue.create_database(DatabaseInput={"Name": database})
    for json_ in JSON_TABLES:
        properties = json_table(buckets.raw, json_)
        Table(part="", name=f"{database}.{json_.name}", clients=clients, properties=properties).create(properties)
    for table in LAKE_TABLES:
        properties = iceberg_table(buckets.of(table.bucket), table)
        IcebergTable(part="", name=f"{database}.{table.name}", clients=clients, properties=properties).create(
            properties
        )
    return LakeCatalog(glue, s3, database)


class FixedClients:
    """These clients, by service."""

    emulated = True

    def __init__(self, **clients: Any) -> None:
        self._clients = clients

    def __call__(self, service: str) -> Any:
        return self._clients[service]


def make_buckets() -> Any:
    """An S3 client, and the lake's buckets."""
    s3 = boto3.client("s3", region_name="us-east-1")
    for bucket in (BUCKETS.raw, BUCKETS.curated, BUCKETS.quarantine):
        s3.create_bucket(Bucket=bucket)
    return s3


class EmulatedLake:
    """Three buckets, and the job run on them by a Spark session."""

    def __init__(self, spark: Any, staging: Any) -> None:
        self.s3 = make_buckets()
        self._spark = spark
        self._staging = str(staging)
        self.glue = boto3.client("glue", region_name="us-east-1")
        self.catalog = make_tables(self.s3, glue=self.glue)

    def land(
        self,
        rows: Iterable[dict[str, Any]],
        first: int,
        last: int,
        *,
        arrival: str = ARRIVAL_DATE,
        hour: str = "09",
        shard: str = f"{INCARNATION}-{SHARD}",
    ) -> str:
        """Put a raw object as a batch of these rows would be; its key."""
        key = f"raw/transactions/arrival_date={arrival}/arrival_hour={hour}/{shard}-{first}-{last}.ndjson.gz"
        self.put(key, "".join(line(each) + "\n" for each in rows).encode())
        return key

    def refuse(self, numbers: Iterable[int], first: int, last: int, **fields: Any) -> str:
        """Put a quarantine object as the landing writes it, a record for each sequence number; its key."""
        rows = [
            {
                "reason": "malformed_json", "stage": "landing", "amount": "0", "fingerprint": f"f{number}",
                "stream_incarnation": INCARNATION, "shard_id": SHARD, "sequence_number": str(number),
                "sub_sequence_number": 0, "arrival_time": f"{ARRIVAL_DATE}T09:00:00.000000Z", "payload": "{",
            } | fields
            for number in numbers
        ]  # fmt: skip
        name = f"{INCARNATION}-{SHARD}-{first}-{last}.ndjson.gz"
        key = f"quarantine/stage=landing/arrival_date={ARRIVAL_DATE}/{name}"
        body = gzip.compress("".join(json.dumps(each) + "\n" for each in rows).encode(), 1, mtime=0)
        self.s3.put_object(Bucket=BUCKETS.quarantine, Key=key, Body=body)
        return key

    def put(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=BUCKETS.raw, Key=key, Body=gzip.compress(body, 1, mtime=0))

    def run(self) -> list[RunResult]:
        """Run the job; the results of the runs that ended in it."""
        return process(self._spark, self.s3, BUCKETS, self.catalog, self._staging, now=lambda: NOW)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        return list(s3_objects.keys(self.s3, bucket, prefix))

    def body(self, bucket: str, key: str) -> bytes:
        return s3_objects.body(self.s3, bucket, key)

    def table(self, name: str) -> list[dict[str, Any]]:
        """All rows that the table's snapshot names, whatever run they came with, without the run's id."""
        tables = [
            pyarrow.parquet.read_table(io.BytesIO(self.body(*split_location(file.file_path))), partitioning=None)
            for file in files_on(self.catalog.table(name))
        ]
        rows = pyarrow.concat_tables(tables).drop_columns(["run_id"]).to_pylist() if tables else []
        return sorted(rows, key=repr)

    def curated(self) -> list[dict[str, Any]]:
        """All transactions in their final state, by id."""
        return sorted(self.table("transactions"), key=lambda each: each["transaction_id"])

    def quarantine(self) -> list[dict[str, Any]]:
        """All quarantined rows, without the run's id."""
        return self.table("quarantine")

    def totals(self) -> dict[str, ControlTotals]:
        """The control totals of all results, by hop."""
        totals = {hop: ControlTotals() for hop in _HOPS}
        for key in self.keys(BUCKETS.curated, "runs/"):
            if key.endswith("/result.json"):
                result = RunResult.from_json(self.body(BUCKETS.curated, key), key)
                for hop in _HOPS:
                    totals[hop] += result.control_totals[hop]
        return totals

    def state(self) -> tuple[Any, ...]:
        """All that must not depend on what was killed."""
        tables = {table.name: self.table(table.name) for table in LAKE_TABLES}
        return tables, {hop: each.rows() for hop, each in self.totals().items()}
