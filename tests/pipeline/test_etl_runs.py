"""Runs over a lake: what is pending is taken once, across runs too, and a run that was broken off is finished."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from data_catalog.lake_tables import LAKE_TABLES
from data_governance.control_totals import ControlKey
from infrastructure.errors import PlatformError
from tests.pipeline.etl_lake import BUCKETS
from tests.pipeline.etl_rows import INCARNATION, SHARD, row

TABLES = [table.name for table in LAKE_TABLES]
BASE = 49600000000000000000


def rows(*numbers, **fields):
    return [row(number, **fields) for number in numbers]


def test_nothing_pending_ends_quietly(lake):
    assert lake.run() == []
    assert lake.keys(BUCKETS.curated, "runs/") == []
    assert not any(table.current_snapshot() for table in map(lake.catalog.table, TABLES))


def test_a_result_says_what_became_of_every_row(lake):
    again = row(1, sequence_number=str(BASE + 5))
    lake.land([*rows(1, 2, 3), row(4, currency="XXX"), again, *rows(3)], BASE + 1, BASE + 5)
    (result,) = lake.run()
    counts = {hop: totals.records for hop, totals in result.control_totals.items()}
    assert counts == {
        "landed": 5,
        "redelivered": 1,
        "duplicate": 1,
        "quarantined": 1,
        "erased": 0,
        "curated": 3,
        "ledger": 3,
        "pending": 0,
    }
    totals = lake.totals()
    assert totals["landed"] == totals["curated"] + totals["duplicate"] + totals["quarantined"]
    lines = {key: amount for key, _, amount in totals["curated"].lines()}
    assert lines == {ControlKey("EUR", "DBIT"): Decimal("37.5")}
    assert result.quarantined_by_reason == {"invalid_currency": 1}
    assert sum(file.records for file in result.curated) == 3
    for file in result.curated:
        assert file.key.startswith(f"curated/transactions/data/{file.partition_date}/{result.run_id}-")
        assert len(lake.body(BUCKETS.curated, file.key)) == file.size
    assert lake.keys(BUCKETS.quarantine, "quarantine_table/data/") == [file.key for file in result.quarantine]
    for name, snapshot in result.snapshots.items():
        assert lake.catalog.table(name).current_snapshot().snapshot_id == snapshot
    assert set(result.snapshots) == {"transactions", "transaction_ids", "sightings", "quarantine"}


def test_what_the_landing_refused_is_in_the_quarantine_table_once(lake):
    """A batch that was retried with other boundaries has its records in two objects, of one run or of two."""
    lake.refuse([BASE + 1, BASE + 2], BASE + 1, BASE + 2)
    lake.refuse([BASE + 1, BASE + 2, BASE + 3], BASE + 1, BASE + 3)
    lake.land([row(4, currency="XXX")], BASE + 4, BASE + 4)
    (result,) = lake.run()
    assert result.quarantined_by_reason == {"invalid_currency": 1}, (
        "totals of the job: what the landing refused, it told"
    )
    lake.refuse([BASE + 3, BASE + 5], BASE + 3, BASE + 5)
    (only_refused,) = lake.run()
    assert (only_refused.raw_objects, only_refused.control_totals["landed"].records) == (0, 0)
    assert lake.run() == []
    found = [(each["stage"], each["sequence_number"], each["amount"]) for each in lake.quarantine()]
    expected = [("landing", str(BASE + number), Decimal(0)) for number in (1, 2, 3, 5)]
    assert sorted(found) == [("etl", str(BASE + 4), Decimal(0)), *expected]


def test_what_was_processed_is_not_processed_again(lake):
    key = lake.land(rows(1, 2), BASE + 1, BASE + 2)
    lake.run()
    before = lake.state()
    lake.put(key, lake.body(BUCKETS.raw, key))  # a retry of the landing: same key, put again
    assert lake.run() == []
    assert lake.state() == before


def test_a_transaction_of_a_former_run_is_a_duplicate_or_a_conflict(lake):
    lake.land(rows(1, 2), BASE + 1, BASE + 2)
    lake.run()
    lake.land(
        [row(1, sequence_number=str(BASE + 3)), row(2, sequence_number=str(BASE + 4), amount="1.00")],
        BASE + 3,
        BASE + 4,
    )
    lake.land([row(3, event_time="2026-02-27T00:00:00Z", sequence_number=str(BASE + 5))], BASE + 5, BASE + 5)
    lake.run()
    assert [each["transaction_id"] for each in lake.curated()] == ["tx-000001", "tx-000002", "tx-000003"]
    assert {hop: each.records for hop, each in lake.totals().items()} == {
        "landed": 5, "redelivered": 0, "duplicate": 1, "quarantined": 1, "curated": 3, "ledger": 3, "pending": 0,
    }  # fmt: skip
    (conflict,) = lake.quarantine()
    assert (conflict["reason"], conflict["transaction_id"]) == ("conflicting_duplicate", "tx-000002")


@pytest.mark.slow
def test_a_batch_that_was_retried_with_other_boundaries_counts_once(lake):
    lake.land(rows(1, 2, 3), BASE + 1, BASE + 3)
    lake.run()
    lake.land(rows(1, 2, 3, 4, 5), BASE + 1, BASE + 5)
    lake.land(rows(4), BASE + 4, BASE + 4)
    (result,) = lake.run()
    counts = {hop: totals.records for hop, totals in result.control_totals.items()}
    assert counts == {
        "landed": 2,
        "redelivered": 4,
        "duplicate": 0,
        "quarantined": 0,
        "erased": 0,
        "curated": 2,
        "ledger": 2,
        "pending": 0,
    }
    assert len(lake.curated()) == 5


@pytest.mark.slow
def test_the_same_positions_under_another_incarnation_are_other_records(lake):
    lake.land(rows(1), BASE + 1, BASE + 1)
    lake.run()
    other = row(9, sequence_number=str(BASE + 1), stream_incarnation="20270101T000000Z")
    lake.land([other], BASE + 1, BASE + 1, shard=f"20270101T000000Z-{SHARD}")
    lake.run()
    assert [each["transaction_id"] for each in lake.curated()] == ["tx-000001", "tx-000009"]


@pytest.mark.slow
def test_late_data_adds_files_to_a_date_and_takes_none_away(lake):
    lake.land(rows(1), BASE + 1, BASE + 1)
    lake.run()
    first = lake.keys(BUCKETS.curated, "curated/transactions/data/2026-03-02/")
    lake.land([row(2, sequence_number=str(BASE + 2))], BASE + 2, BASE + 2, hour="23")
    lake.run()
    assert set(first) < set(lake.keys(BUCKETS.curated, "curated/transactions/data/2026-03-02/"))
    assert len(lake.curated()) == 2


@pytest.mark.slow
def test_many_objects_of_any_size_an_empty_one_too(lake):
    for number in range(1, 41):
        lake.land(rows(number) if number % 10 else [], BASE + number, BASE + number, hour=f"{number % 24:02}")
    (result,) = lake.run()
    assert result.raw_objects == 40
    assert len(lake.curated()) == 36


def test_an_object_that_is_gone_or_changed_since_the_manifest_is_named(lake, monkeypatch):
    key = lake.land(rows(1), BASE + 1, BASE + 1)
    with monkeypatch.context() as broken:
        broken.setattr("data_processing.etl_transaction_processing.EtlRun.finish", _killed)
        with pytest.raises(KeyboardInterrupt):
            lake.run()
    lake.put(key, b"something else altogether")
    with pytest.raises(PlatformError, match=INCARNATION):
        lake.run()
    lake.s3.delete_object(Bucket=BUCKETS.raw, Key=key)
    with pytest.raises(PlatformError, match="gone"):
        lake.run()


def _killed(self):
    raise KeyboardInterrupt


def test_a_manifest_that_another_process_fixed_meanwhile_is_not_run_over(lake, monkeypatch):
    lake.land(rows(1), BASE + 1, BASE + 1)
    put = lake.s3.put_object

    def with_a_rival(**request):
        put(**request)
        rival = {"run_id": "rival", "created_at": "2026-03-02T00:00:00+00:00", "listed_from": None}
        body = json.dumps(rival | {"exhausted": True, "objects": [], "earlier": []})
        put(Bucket=BUCKETS.curated, Key="runs/rival/manifest.json", Body=body)

    monkeypatch.setattr(lake.s3, "put_object", with_a_rival)
    with pytest.raises(PlatformError, match="begun at the same time"):
        lake.run()
    assert lake.keys(BUCKETS.curated, "runs/") == ["runs/rival/manifest.json"]


_AS_GLUE = {
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.shuffle.partitions": "4",
}


@pytest.fixture
def as_glue(spark):
    """The session with adaptive execution and code generation on, as on Glue; the other tests do without, for speed."""
    before = {name: spark.conf.get(name) for name in _AS_GLUE}
    for name, value in _AS_GLUE.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.mark.slow
def test_adaptive_execution_and_code_generation_change_nothing(as_glue, lake):
    big = [row(n, amount="20000.00", event_time=f"2026-02-2{n % 8}T00:00:00Z") for n in range(4, 12)]
    lake.land([*rows(1, 2), row(3, currency="XXX"), *big], BASE + 1, BASE + 11)
    lake.run()
    again = [row(1, sequence_number=str(BASE + 12)), row(2, sequence_number=str(BASE + 13), amount="1.00"), row(14)]
    lake.land([*again, *rows(3)], BASE + 3, BASE + 14)
    (result,) = lake.run()
    counts = {hop: totals.records for hop, totals in result.control_totals.items()}
    assert counts == {
        "landed": 3,
        "redelivered": 1,
        "duplicate": 1,
        "quarantined": 1,
        "erased": 0,
        "curated": 1,
        "ledger": 1,
        "pending": 0,
    }
    assert result.quarantined_by_reason == {"conflicting_duplicate": 1}
    assert {each["reason"] for each in lake.quarantine()} == {"conflicting_duplicate", "invalid_currency"}
    assert [each["transaction_id"] for each in lake.curated()] == [f"tx-{n:06}" for n in (1, 2, *range(4, 12), 14)]
    alerts = lake.keys(BUCKETS.curated, "curated/fraud_alerts/data/")
    assert len(alerts) == len({row["event_time"] for row in big})
