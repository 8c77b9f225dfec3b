"""Upkeep of the lake's tables: what queries see stays the same, what is old or merged goes, month ends stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pyarrow.parquet
import pytest

from data_catalog.lake_tables import LAKE_TABLES
from data_catalog.transaction_contract import CURATED_FIELDS
from data_governance.kept_totals import KeptTotals
from data_governance.lake_reader import LakeReader
from data_processing.etl_run import Buckets
from data_storage.lake_maintenance import first_day_kept, maintain
from data_storage.lake_rebuild import forget_runs
from infrastructure.aws.iceberg import NewFile, append, files_on, snapshot_of
from infrastructure.aws.iceberg_upkeep import files_named
from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.pipeline.curated_runs import parquet, transaction
from tests.pipeline.etl_lake import make_tables

SETTINGS = Settings(snapshot_retention_days=7, data_retention_years=7)
TRANSACTIONS = LAKE_TABLES[0]
NOW = datetime.now(UTC)


@pytest.fixture
def lake():
    with emulated_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        buckets = Buckets(*map(SETTINGS.bucket, ("raw", "curated", "quarantine")))
        for bucket in (buckets.raw, buckets.curated, buckets.quarantine):
            s3.create_bucket(Bucket=bucket)
        yield LakeReader(s3, SETTINGS, make_tables(s3, buckets).table)


def add(lake: LakeReader, run_id: str, *numbers: int, **fields: Any) -> None:
    """Commit a file of these transactions, all of one date."""
    rows = [{"run_id": run_id, **transaction(3 * number, **fields)} for number in numbers]
    body, bucket = parquet(rows, CURATED_FIELDS), SETTINGS.bucket("curated")
    day = rows[0]["event_date"]
    key = TRANSACTIONS.file_key(str(day), run_id)
    lake.s3.put_object(Bucket=bucket, Key=key, Body=body)
    ids = [row["transaction_id"] for row in rows]
    file = NewFile(f"s3://{bucket}/{key}", len(body), len(rows), day, {"transaction_id": (min(ids), max(ids))})
    append(lake.tables("transactions"), [file], run_id, lambda _: False)


def rows(lake: LakeReader) -> list[str]:
    found = pyarrow.concat_tables(lake.parquet(lake.files("transactions"), ["transaction_id"]))
    return sorted(found["transaction_id"].to_pylist())


def stored(lake: LakeReader) -> set[str]:
    bucket = SETTINGS.bucket("curated")
    return {f"s3://{bucket}/{key}" for key in lake.keys("curated", TRANSACTIONS.prefix)}


def kept_in_order(lake: LakeReader, now: datetime, keep: Any = ()) -> Any:
    return next(each for each in maintain(lake, now, keep, merging=True) if each.table == "transactions")


def test_small_files_are_merged_and_what_was_merged_goes_once_no_snapshot_names_it(lake):
    for number in range(6):
        add(lake, f"run-{number}", number)
    before, names = rows(lake), stored(lake)
    upkeep = kept_in_order(lake, NOW)
    assert (upkeep.merged, upkeep.expired, upkeep.removed) == ((6, 1), 0, 0)
    assert rows(lake) == before
    assert len(list(lake.files("transactions"))) == 1
    assert names < stored(lake), "a load may still copy them"

    upkeep = kept_in_order(lake, NOW + timedelta(days=8))
    assert (upkeep.merged, upkeep.expired) == ((0, 0), 6)
    assert upkeep.removed == 0, "orphans are kept twice as long"
    upkeep = kept_in_order(lake, NOW + timedelta(days=15))
    assert upkeep.removed >= 6
    assert rows(lake) == before
    assert stored(lake) == files_named(lake.tables("transactions"))


def test_a_merged_file_is_in_order_and_found_by_its_bounds(lake):
    for number in (5, 1, 4, 2, 3):
        add(lake, f"run-{number}", number, account_id=f"DE{9 - number}")
    kept_in_order(lake, NOW)
    (table,) = lake.parquet(lake.files("transactions"), ["account_id"])
    assert table["account_id"].to_pylist() == [f"DE{9 - number}" for number in (5, 4, 3, 2, 1)]
    found = lake.tables("transactions").scan(row_filter="transaction_id > 'tx-00000016'").plan_files()
    assert list(found) == []


def test_a_snapshot_that_a_load_still_needs_is_kept(lake):
    for number in range(3):
        add(lake, f"run-{number}", number)
    needed = snapshot_of(lake.tables("transactions"), "run-0")
    assert kept_in_order(lake, NOW + timedelta(days=8), {needed}).expired == 1
    assert snapshot_of(lake.tables("transactions"), "run-0") == needed


def test_what_the_lake_said_at_the_end_of_a_month_is_one_query(lake):
    add(lake, "run-0", 0)
    next_month = (NOW.replace(day=1) + timedelta(days=32)).replace(day=1)
    assert kept_in_order(lake, next_month).tags == [f"month-{NOW:%Y-%m}"]
    add(lake, "run-1", 1)
    assert kept_in_order(lake, next_month + timedelta(days=40)).tags == []
    table = lake.tables("transactions")
    tagged = table.snapshot_by_name(f"month-{NOW:%Y-%m}")
    assert tagged is not None
    assert [file.record_count for file in files_on(table, None, tagged.snapshot_id)] == [1]
    assert len(rows(lake)) == 2


def test_dates_past_the_retention_are_dropped_and_entered_beside_the_kept_totals(lake):
    old = first_day_kept(7, NOW) - timedelta(days=1)
    add(lake, "old", 1, event_time=datetime(old.year, old.month, old.day, tzinfo=UTC))
    add(lake, "new", 2)
    assert kept_in_order(lake, NOW).dropped == 1
    assert rows(lake) == ["tx-00000006"]
    (entry,) = KeptTotals(lake.s3, SETTINGS.bucket("curated")).erasures
    assert entry.curated.all.records == 1


@pytest.mark.parametrize(("today", "first"), [("2028-02-29", "2021-02-28"), ("2026-11-26", "2019-11-26")])
def test_the_first_day_kept(today, first):
    assert first_day_kept(7, datetime.fromisoformat(f"{today}T00:00:00+00:00")) == date.fromisoformat(first)


def test_an_account_is_left_to_glue_but_for_tags_and_retention(lake):
    for number in range(6):
        add(lake, f"run-{number}", number)
    lake.settings = replace(SETTINGS)
    done = maintain(lake, NOW + timedelta(days=60), (), merging=False)
    assert {(each.merged, each.expired, each.removed) for each in done} == {((0, 0), 0, 0)}
    assert len(list(lake.files("transactions"))) == 6


def test_after_a_rebuild_no_run_counts_as_committed(lake):
    for number in range(3):
        add(lake, f"run-{number}", number)
    lake.s3.put_object(Bucket=SETTINGS.bucket("curated"), Key="runs/month=2026-03/run-0/result.json", Body=b"{}")
    assert forget_runs(lake) == 1
    table = lake.tables("transactions")
    assert list(files_on(table)) == []
    assert snapshot_of(table, "run-0") is None
    assert list(lake.keys("curated", "runs/")) == []
