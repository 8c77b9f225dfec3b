"""An id that was final before the window of the job's deduplication is found, and the later row moved to quarantine."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pyarrow.parquet
import pytest

from data_catalog.lake_layout import run_key
from data_catalog.transaction_contract import LANDED_FIELDS
from data_governance.control_totals import ControlTotals, CuratedTotals
from data_governance.kept_measures import KeptMeasures
from data_governance.kept_totals import KeptTotals
from data_governance.lake_measures import Lake
from data_governance.reconciliation import Measured
from data_governance.run_result import RunResult
from data_processing.etl_run import Buckets
from data_storage import repeated_ids_repair
from data_storage.repeated_ids import count_repeated, look_for_repeated_ids, repeated_finals
from data_storage.repeated_ids_repair import repair
from data_storage.warehouse_loader import load_pending, loaded_by_run, loaded_totals
from data_storage.warehouse_security import apply_security
from infrastructure.aws.iceberg import NewFile, append, files_on
from infrastructure.aws.s3_objects import split_location
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.settings import Settings
from tests.pipeline import curated_runs
from tests.pipeline.curated_runs import put_run, transaction
from tests.pipeline.etl_lake import make_tables
from tests.pipeline.warehouse_bench import Bench, open_bench

SETTINGS = Settings()
RAW, CURATED, QUARANTINE = (SETTINGS.bucket(purpose) for purpose in ("raw", "curated", "quarantine"))
LONG_AGO, NOW = datetime(2026, 1, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 10, tzinfo=UTC)


class TheLake:
    """A warehouse and the lake that it is loaded from."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.tables = make_tables(bench.s3, Buckets(RAW, CURATED, QUARANTINE)).table
        self.warehouse = bench.data_api, bench.target

    def run(self, name: str, rows: list[dict[str, Any]], created_at: datetime) -> str:
        """Curate and load a run."""
        run_id = put_run(self.bench.s3, name, rows, created_at=created_at)
        key = run_key(run_id, "result.json")
        result = RunResult.from_json(self.bench.s3.get_object(Bucket=CURATED, Key=key)["Body"].read(), name)
        counted = replace(result, control_totals={"duplicate": ControlTotals()})
        self.bench.s3.put_object(Bucket=CURATED, Key=key, Body=counted.to_json())
        for file in result.curated:
            new = NewFile(f"s3://{CURATED}/{file.key}", file.size, file.records, file.partition_date)
            append(self.tables("transactions"), [new], run_id, lambda _: False)
        load_pending(self.bench.data_api, self.bench.s3, self.bench.target, CURATED)
        return run_id

    def rows(self, table: str) -> list[dict[str, Any]]:
        found = []
        for file in files_on(self.tables(table)):
            bucket, key = split_location(file.file_path)
            body = self.bench.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            found += pyarrow.parquet.read_table(io.BytesIO(body), partitioning=None).to_pylist()
        return found

    def measure(self) -> Measured:
        lake = Lake(self.bench.s3, SETTINGS, self.tables)
        kept = KeptTotals(self.bench.s3, CURATED)

        def loaded(runs: Mapping[str, Any]) -> Mapping[str, CuratedTotals]:
            return loaded_by_run(self.bench.data_api, self.bench.target, runs)

        return KeptMeasures(lake, kept, timedelta(days=7), loaded).measure(NOW).measured

    def repair(self) -> None:
        self.measure()
        rows = repeated_finals(*self.warehouse)
        repair(self.bench.s3, SETTINGS, self.tables, self.warehouse, rows)


@pytest.fixture(name="lake")
def lake_with_an_id_twice(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[TheLake]:
    monkeypatch.setattr(curated_runs, "BUCKET", CURATED)
    with open_bench(warehouse) as bench:
        for bucket in (RAW, CURATED, QUARANTINE):
            bench.s3.create_bucket(Bucket=bucket)
        lake = TheLake(bench)
        first = transaction(1, event_time=LONG_AGO, sequence_number="900", balance_after=None)
        lake.run("first", [first, transaction(2, event_time=LONG_AGO)], datetime(2026, 3, 1, tzinfo=UTC))
        # Replayed, so that its position is before that of the first one: what was committed first stays.
        again = transaction(1, event_time=NOW, sequence_number="7", amount=first["amount"] + 5)
        lake.run("again", [again, transaction(3, event_time=NOW)], datetime(2026, 3, 2, tzinfo=UTC))
        yield lake


def test_the_later_of_two_final_rows_is_found(lake: TheLake) -> None:
    (found,) = repeated_finals(*lake.warehouse)
    assert (found.first_date, found.event_date) == (LONG_AGO.date(), NOW.date())
    assert found.position[2] == "7"
    assert count_repeated(*lake.warehouse) == 1


def test_an_auditor_may_look(lake: TheLake) -> None:
    apply_security(*lake.warehouse)
    lake.bench.batch('CREATE USER "anna" PASSWORD DISABLE', 'GRANT ROLE auditor TO "anna"')
    assert len(repeated_finals(lake.bench.data_api, lake.bench.target.as_admin(secret_arn=None, db_user="anna"))) == 1


def test_the_later_one_moves_to_quarantine_and_all_totals_follow(lake: TheLake) -> None:
    before = lake.measure()
    lake.repair()

    assert count_repeated(*lake.warehouse) == 0
    kept = sorted((row["transaction_id"], row["sequence_number"]) for row in lake.rows("transactions"))
    assert [number for id_, number in kept if id_ == transaction(1)["transaction_id"]] == ["900"]
    (quarantined,) = lake.rows("quarantine")
    assert (quarantined["reason"], quarantined["stage"]) == ("conflicting_duplicate", "etl")
    payload = json.loads(quarantined["payload"])
    assert payload["event_time"] == "2026-03-02T10:00:00Z" and payload.keys() <= {field.name for field in LANDED_FIELDS}
    after, whole = lake.measure(), Lake(lake.bench.s3, SETTINGS, lake.tables).measure().measured
    assert after.hops() == whole.hops() | {"loaded": after.hops()["loaded"]}
    assert after.curated == after.loaded == loaded_totals(*lake.warehouse)
    assert after.curated.all + after.quarantined_etl == before.curated.all
    assert after.erased.records == 0
    totals = lake.bench.query("SELECT records FROM banking.load_control_totals ORDER BY records")
    ledger = lake.bench.query("SELECT rows_loaded, quarantined FROM banking.load_ledger ORDER BY rows_loaded")
    summary = lake.bench.query("SELECT reason, records FROM banking.quarantine_summary")
    assert (totals, ledger, summary) == ([(1,)] * 3, [(1, 1), (2, 0)], [("conflicting_duplicate", 1)])


@pytest.mark.parametrize("moment", ["take_out", "KeptTotals", "execute_batch"])
def test_a_repair_that_was_killed_is_completed_by_the_next(
    lake: TheLake, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(repeated_ids_repair, moment, killed)
        with pytest.raises(KeyboardInterrupt):
            lake.repair()
    lake.repair()
    assert len(lake.rows("quarantine")) == 1
    assert len(lake.rows("transactions")) == 3
    after = lake.measure()
    assert after.curated == after.loaded == loaded_totals(*lake.warehouse)
    assert after.quarantined_etl.records == 1


def test_a_clean_warehouse_has_none(warehouse: Warehouse) -> None:
    with open_bench(warehouse) as bench:
        assert repeated_finals(bench.data_api, bench.target) == []
        assert count_repeated(bench.data_api, bench.target) == 0


def test_it_is_told_once_a_day_how_many_there_are(lake: TheLake) -> None:
    cloudwatch = boto3.client("cloudwatch", region_name="us-east-1")

    def look() -> int | None:
        return look_for_repeated_ids(
            lake.bench.data_api, lake.bench.s3, cloudwatch, lake.bench.target, CURATED, "Bank/dev"
        )

    assert [look(), look()] == [1, None]
    (metric,) = cloudwatch.list_metrics(Namespace="Bank/dev")["Metrics"]
    assert metric["MetricName"] == "RepeatedTransactionIds"
    counted = json.loads(lake.bench.s3.get_object(Bucket=CURATED, Key="runs/repeated_ids.json")["Body"].read())
    yesterday = {"counted_at": (datetime.now(UTC) - timedelta(days=1)).isoformat(), "ids": counted["ids"]}
    lake.bench.s3.put_object(Bucket=CURATED, Key="runs/repeated_ids.json", Body=json.dumps(yesterday).encode())
    assert look() == 1
