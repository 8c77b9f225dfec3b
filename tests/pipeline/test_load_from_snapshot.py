"""A run whose own files were merged into others and removed is loaded from the tables as they are now."""

from __future__ import annotations

import pytest

from data_storage import warehouse_loader
from infrastructure.aws.iceberg import NewFile, append
from infrastructure.aws.iceberg_upkeep import compact, files_named
from infrastructure.aws.s3_objects import split_location
from infrastructure.errors import PlatformError
from tests.pipeline.curated_runs import BUCKET, put_run, run_id, transaction
from tests.pipeline.etl_lake import BUCKETS, make_tables
from tests.pipeline.warehouse_bench import open_bench


def commit(bench, tables, name):
    """The run's files as its snapshots name them."""
    result = next(
        run
        for run in warehouse_loader.pending_runs(bench.data_api, bench.s3, bench.target, BUCKET)
        if run.run_id == run_id(name)
    )
    for table, files in (("transactions", result.curated), ("pending_transactions", result.pending_transactions)):
        new = [NewFile(f"s3://{BUCKET}/{each.key}", each.size, each.records, each.partition_date) for each in files]
        if new:
            append(tables(table), new, name, lambda _: False)


def test_it_gets_its_own_rows_and_none_of_other_runs(warehouse):
    with open_bench(warehouse) as bench, warehouse.connect() as loaded:
        bench.s3.create_bucket(Bucket=BUCKETS.quarantine)
        tables = make_tables(bench.s3).table
        for name, numbers in (("one", (0, 3)), ("two", (6, 9)), ("three", (12, 15))):
            put_run(
                bench.s3, name, [*(transaction(n) for n in numbers), transaction(30 + numbers[0], status="PENDING")]
            )
            commit(bench, tables, name)
        before = files_named(tables("transactions"))
        assert compact(bench.s3, tables("transactions"), ("account_id",), least_files=2) == (3, 1)
        compact(bench.s3, tables("pending_transactions"), ("account_id",), least_files=2)
        for location in before:
            if location.endswith(".parquet"):
                bench.s3.delete_object(Bucket=BUCKET, Key=split_location(location)[1])
        with pytest.raises(PlatformError):
            warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        reports = warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET, tables=tables)
        assert {(each.run_id, each.rows_staged, each.rows_loaded, each.pending_loaded) for each in reports} == {
            (run_id(name), 3, 2, 1) for name in ("one", "two", "three")
        }
        rows = loaded.execute("SELECT run_id, COUNT(*) FROM banking.fact_transactions GROUP BY 1").fetchall()
        assert sorted(rows) == sorted((run_id(name), 2) for name in ("one", "two", "three"))
