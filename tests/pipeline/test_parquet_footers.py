"""Records and bounds of staged files, from their footers: what a run commits to Iceberg without reading a row again."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow
import pyarrow.parquet
import pytest

from data_processing import parquet_footers
from data_processing.run_files import FileCount
from data_processing.staging import open_staging
from tests.pipeline.etl_lake import BUCKETS

BOUNDED = ("transaction_id", "event_date")


@pytest.fixture(params=["local disk", "S3"])
def staging(s3, tmp_path, request):
    return open_staging(s3, BUCKETS.curated, "r1", str(tmp_path) if request.param == "local disk" else None)


def put(staging, tmp_path, rows, **options):
    """A file of ids t00000, t00001, ... whose event dates go back from 2026-03-31."""
    ids = [f"t{number:05}" for number in range(rows)]
    days = [date(2026, 3, 31) - timedelta(days=number % 20) for number in range(rows)]
    file = tmp_path / "made.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"transaction_id": ids, "event_date": days}), file, **options)
    staging.put("attempt/transaction_ids/slice=2026-03/part-0.parquet", [file.read_bytes()])
    return staging.files("attempt/transaction_ids")


def days_since_1970(day):
    return (day - date(1970, 1, 1)).days


def test_records_and_bounds_are_those_of_all_row_groups(staging, tmp_path):
    files = put(staging, tmp_path, 1000, row_group_size=7)
    dates = days_since_1970(date(2026, 3, 12)), days_since_1970(date(2026, 3, 31))
    assert parquet_footers.counted(staging, files, BOUNDED) == {
        files[0].path: FileCount(1000, {"transaction_id": ("t00000", "t00999"), "event_date": dates})
    }


def test_a_footer_larger_than_what_is_read_at_first_is_read_whole(staging, tmp_path):
    files = put(staging, tmp_path, 2000, row_group_size=2)
    footer = pyarrow.parquet.read_metadata(tmp_path / "made.parquet").serialized_size
    assert footer > parquet_footers._MOSTLY_ENOUGH
    (count,) = parquet_footers.counted(staging, files, BOUNDED).values()
    assert (count.records, count.bounds["transaction_id"]) == (2000, ("t00000", "t01999"))


def test_a_column_without_statistics_has_no_bounds(staging, tmp_path):
    files = put(staging, tmp_path, 10, write_statistics=["event_date"])
    (count,) = parquet_footers.counted(staging, files, BOUNDED).values()
    assert count.records == 10
    assert list(count.bounds) == ["event_date"]


def test_without_columns_to_bound_records_are_counted_alone(staging, tmp_path):
    files = put(staging, tmp_path, 10)
    assert parquet_footers.counted(staging, files, ()) == {files[0].path: FileCount(10)}


def test_what_spark_writes_has_the_bounds_of_its_rows(spark, s3, tmp_path):
    staging = open_staging(s3, BUCKETS.curated, "r1", str(tmp_path))
    # Beyond ASCII, and so long that a truncated statistic would be another value.
    ids = ["a" * 64, "b" * 63 + "a", "b" * 63 + "ü"]
    rows = [(each, date(2026, 3, day)) for day, each in enumerate(ids, 1)]
    spark.createDataFrame(rows, "transaction_id string, event_date date").coalesce(1).write.parquet(staging.uri("ids"))
    (count,) = parquet_footers.counted(staging, staging.files("ids"), BOUNDED).values()
    dates = days_since_1970(date(2026, 3, 1)), days_since_1970(date(2026, 3, 3))
    assert (count.records, count.bounds) == (3, {"transaction_id": (ids[0], ids[2]), "event_date": dates})
