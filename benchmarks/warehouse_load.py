"""How long the warehouse's load takes: N rows, the same rows again as another run, and a rerun; per statement.

    python benchmarks/warehouse_load.py [--rows 1000000]

On the embedded PostgreSQL, through the Data API's stand-in, with roles and masks on. Says how the stand-in scales and
whether the driver's memory stays flat, not how fast Redshift is.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import psycopg

from data_governance.run_result import PublishedFile
from data_storage.warehouse_loader import LoadReport, load_pending, loaded_totals
from data_storage.warehouse_security import apply_security
from data_storage.warehouse_tables import create_tables
from infrastructure.local.emulator import emulated_aws
from infrastructure.local.redshift.data_api import LocalRedshiftData
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.curated_runs import BUCKET, put_files, put_result, transaction
from tests.pipeline.warehouse_bench import TARGET

ROWS_PER_FILE = 50_000
DAYS = 10


def rows(first: int, count: int) -> Iterator[dict[str, Any]]:
    """One day's transactions: 20,000 accounts, 2,000 merchants, balances."""
    day = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=first // ROWS_PER_FILE % DAYS)
    for number in range(first, first + count):
        yield transaction(
            number,
            account_id=f"DE{number % 20_000:020d}",
            event_time=day + timedelta(seconds=number % 86_400),
            balance_after=Decimal(number % 1_000_000).scaleb(-2),
            merchant_name=f"Merchant {number % 2000}",
            merchant_category_code=("5411", "5812", "5999")[number % 3],
            merchant_country="DE",
            description="Card purchase at the shop around the corner",
        )


def put_run(s3: Any, name: str, count: int) -> None:
    """A run of so many rows, file by file, so that the benchmark itself needs little memory."""
    files: list[PublishedFile] = []
    for first in range(0, count, ROWS_PER_FILE):
        batch = list(rows(first, min(ROWS_PER_FILE, count - first)))
        files += put_files(s3, name, batch, first // ROWS_PER_FILE)
    put_result(s3, name, files)


def resident_mb() -> int:
    """This process's peak memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with tempfile.TemporaryDirectory() as directory, mock.patch.dict(os.environ, keys), emulated_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        put_run(s3, "first", count)
        started = time.monotonic()
        with Warehouse(Path(directory) / "warehouse") as warehouse:
            data_api = LocalRedshiftData(warehouse, s3)
            create_tables(data_api, TARGET)
            apply_security(data_api, TARGET)
            print(f"start, tables, security   {time.monotonic() - started:7.2f} s")
            load(data_api, s3, "load")
            put_run(s3, "second", count)
            load(data_api, s3, "replay as another run")
            load(data_api, s3, "rerun")
            assert loaded_totals(data_api, TARGET).all.records == count
            with warehouse.connect() as connection:
                size(connection)


def load(data_api: LocalRedshiftData, s3: Any, what: str) -> None:
    """Load what is pending; print time, rate, growth of memory, and the statements that took longest."""
    before, started = resident_mb(), time.monotonic()
    reports: list[LoadReport] = load_pending(data_api, s3, TARGET, BUCKET)
    seconds = time.monotonic() - started
    staged = sum(report.rows_staged for report in reports)
    loaded = sum(report.rows_loaded for report in reports)
    print(
        f"{what:<25} {seconds:7.2f} s   {staged:>9,} rows staged, {loaded:>9,} loaded, {staged / seconds:>8,.0f} rows/s"
        f", driver's peak memory {resident_mb()} MiB (+{resident_mb() - before})"
    )
    if reports:
        (newest,) = data_api.list_statements(StatementName=f"load-{reports[-1].run_id}")["Statements"]
        parts = data_api.describe_statement(Id=newest["Id"])["SubStatements"]
        for part in sorted(parts, key=lambda part: -part["Duration"])[:6]:
            print(f"    {part['Duration'] / 1e9:7.2f} s  {' '.join(part['QueryString'].split())[:70]}")


def size(connection: psycopg.Connection[Any]) -> None:
    (bytes_,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    print(f"database on disk          {bytes_ / 1e6:7,.0f} MB")


if __name__ == "__main__":
    main()
