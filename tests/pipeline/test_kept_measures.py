"""Totals that were verified are kept: what is sealed is not read again, and nothing is counted twice or forgotten."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pyarrow
import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError
from pyiceberg.table import Table

from data_catalog.lake_layout import Batch, run_key
from data_governance.control_totals import ControlKey, ControlTotals, CuratedTotals
from data_governance.kept_measures import KeptMeasures, Loaded
from data_governance.kept_totals import Erasure, KeptTotals
from data_governance.lake_measures import Lake
from data_governance.reconciliation import Measured, differences, imbalances
from data_governance.run_result import PublishedFile, RunResult
from data_ingestion.replay import Replay
from data_processing.etl_run import Buckets
from infrastructure.aws.iceberg import NewFile, append, data_file, files_on
from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.pipeline.etl_lake import make_tables

SETTINGS = Settings()
RAW, QUARANTINE, CURATED = (SETTINGS.bucket(purpose) for purpose in ("raw", "quarantine", "curated"))
INCARNATION, SHARD = "20260302T000000Z", "shardId-000000000000"
DAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
RETENTION = timedelta(days=7)
SEALED_BY = DAY + timedelta(days=11)
EUR = ControlKey("EUR", "DBIT")


_tables: list[Callable[[str], Table]] = []


def table(name: str) -> Table:
    """A table of the test's lake."""
    return _tables[0](name)


@pytest.fixture(name="s3")
def buckets():
    with emulated_aws():
        client = boto3.client("s3", region_name="us-east-1")
        for bucket in (RAW, QUARANTINE, CURATED):
            client.create_bucket(Bucket=bucket)
        _tables[:] = [make_tables(client, Buckets(RAW, CURATED, QUARANTINE)).table]
        yield client


def row(number: int, **more: Any) -> dict[str, Any]:
    position = {"stream_incarnation": INCARNATION, "shard_id": SHARD, "sequence_number": str(number)}
    money = {"amount": "1.00", "currency": "EUR", "credit_debit_indicator": "DBIT"}
    return position | {"sub_sequence_number": 0} | money | more


def put_rows(s3: Any, bucket: str, key: str, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = "".join(json.dumps(each) + "\n" for each in rows)
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(lines.encode(), mtime=0))


def land(s3: Any, first: int, last: int, at: datetime = DAY, bad: Collection[int] = ()) -> None:
    """What the Lambda writes for a batch of one euro a record; bad ones go to quarantine."""
    batch = Batch(INCARNATION, SHARD, first, last)
    put_rows(s3, RAW, batch.raw_key(at), (row(number) for number in range(first, last + 1) if number not in bad))
    if bad:
        rows = (row(n, stage="landing", reason="invalid_amount", fingerprint=f"f{n}") for n in bad)
        put_rows(s3, QUARANTINE, batch.quarantine_key(at), rows)
    streamed = ControlTotals()
    streamed.add(EUR, Decimal(last - first + 1), last - first + 1)
    control = {"stream_incarnation": INCARNATION, "streamed": streamed.rows()}
    s3.put_object(Bucket=RAW, Key=batch.control_key(at), Body=json.dumps(control).encode())


def curate(s3: Any, run_id: str, records: Mapping[date, int], duplicates: int = 0) -> None:
    """A finished run with so many booked euros a day."""
    files = []
    for day, count in records.items():
        columns = {
            "run_id": [run_id] * count,
            "currency": ["EUR"] * count,
            "credit_debit_indicator": ["DBIT"] * count,
            "status": ["BOOKED"] * count,
        }
        amounts = pyarrow.array([Decimal(1)] * count, pyarrow.decimal128(18, 4))
        body = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(columns | {"amount": amounts}), body)
        key = f"curated/transactions/data/{day}/{run_id}-00000.parquet"
        s3.put_object(Bucket=CURATED, Key=key, Body=body.getvalue())
        new = NewFile(f"s3://{CURATED}/{key}", len(body.getvalue()), count, day)
        append(table("transactions"), [new], f"{run_id} {day}", lambda _: False)
        files.append(PublishedFile(key, len(body.getvalue()), count, day))
    duplicate = ControlTotals()
    duplicate.add(EUR, Decimal(duplicates), duplicates)
    result = RunResult(run_id, DAY, tuple(files), (), {}, control_totals={"duplicate": duplicate})
    s3.put_object(Bucket=CURATED, Key=run_key(run_id, "manifest.json"), Body=b"{}")
    s3.put_object(Bucket=CURATED, Key=run_key(run_id, "result.json"), Body=result.to_json())


def reconciled(s3: Any, now: datetime, loaded: Loaded | None = None) -> Measured:
    kept = KeptTotals(s3, CURATED)
    return KeptMeasures(Lake(s3, SETTINGS, table), kept, RETENTION, loaded).measure(now).measured


def asked(s3: Any) -> list[str]:
    """What is asked of raw, quarantine and curated files from now on: "GET key" or "LIST prefix"."""
    seen: list[str] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == "ListObjectsV2":
            seen.append(f"LIST {params['Prefix']}")
        elif model.name == "GetObject" and not params["Key"].startswith("reconciliation/"):
            seen.append(f"GET {params['Key']}")

    s3.meta.events.register("provide-client-params.s3", note)
    return seen


def test_a_sealed_day_is_neither_listed_nor_read(s3):
    land(s3, 1, 10, bad=[3])
    reconciled(s3, SEALED_BY)
    land(s3, 11, 12, SEALED_BY)
    seen = asked(s3)
    found = reconciled(s3, SEALED_BY + timedelta(hours=1))
    assert (found.streamed.records, found.landed.records, found.quarantined_landing.records) == (12, 11, 1)
    assert not [each for each in seen if "2026-03-02" in each]
    assert [each for each in seen if each.startswith("GET raw/transactions/")]


def test_an_open_day_is_read_again_only_if_it_has_changed(s3):
    land(s3, 1, 10)
    reconciled(s3, NEXT_DAY)
    seen = asked(s3)
    assert reconciled(s3, NEXT_DAY).landed.records == 10
    assert not [each for each in seen if each.startswith("GET ")]
    land(s3, 11, 15)
    assert reconciled(s3, NEXT_DAY).landed.records == 15


def test_a_day_that_does_not_balance_is_never_sealed(s3):
    land(s3, 1, 10)
    s3.delete_object(Bucket=RAW, Key=Batch(INCARNATION, SHARD, 1, 10).raw_key(DAY))
    assert reconciled(s3, SEALED_BY).landed.records == 0
    land(s3, 1, 10)  # restored
    assert reconciled(s3, SEALED_BY).landed.records == 10


@pytest.mark.parametrize(
    ("now", "order"),
    [(NEXT_DAY, (0, 1)), (NEXT_DAY, (1, 0)), (DAY + timedelta(days=10), (0, 1))],
    ids=["in order", "the later day first", "the first day is sealed"],
)
def test_a_batch_that_landed_again_on_the_next_day_counts_once(s3, now, order):
    """With other boundaries: its first record arrived on the day after that of the first delivery."""
    batches = [lambda: land(s3, 1, 10, bad=[9]), lambda: land(s3, 6, 15, NEXT_DAY, bad=[9])]
    batches[order[0]]()
    reconciled(s3, now)
    batches[order[1]]()
    found = reconciled(s3, now)
    assert KeptTotals(s3, CURATED).days["2026-03-02"].sealed is (now > SEALED_BY - timedelta(days=2))
    whole = Lake(s3, SETTINGS, table).measure().measured
    assert found.hops() == whole.hops()
    assert (found.streamed.records, found.landed.records, found.quarantined_landing.records) == (15, 14, 1)


def test_a_replay_of_a_sealed_day_is_an_entry_beside_it(s3):
    land(s3, 1, 10, bad=[3, 4])
    reconciled(s3, SEALED_BY)
    landed = {
        "schema_version": "1.0", "transaction_id": "T3", "account_id": "DE1", "transaction_type": "PAYMENT",
        "status": "BOOKED", "channel": "WEB", "event_time": "2026-03-02T00:00:00Z",
        "arrival_time": "2026-03-02T00:00:01Z", "landed_at": "2026-03-02T00:00:01Z",
    }  # fmt: skip
    body = json.dumps(row(3, amount="7.00") | landed).encode()
    s3.put_object(Bucket=QUARANTINE, Key="corrected/a.ndjson", Body=body)
    Replay(s3, RAW, QUARANTINE, table).run("corrected/")
    seen = asked(s3)
    for _ in range(2):
        found = reconciled(s3, datetime.now(UTC))
        assert (found.streamed.records, found.landed.records, found.quarantined_landing.records) == (10, 9, 1)
        assert found.quarantined_by_reason == {"invalid_amount": 1}
        assert found.hops() == Lake(s3, SETTINGS, table).measure().measured.hops()
    assert KeptTotals(s3, CURATED).days["2026-03-02"].quarantined.records == 2, "what was sealed stays"
    assert "LIST raw/transactions/arrival_date=2026-03-02/" not in seen


def test_runs_are_counted_once_and_a_month_that_is_over_is_one_sum(s3):
    s3.put_object(Bucket=CURATED, Key="runs/taken.json", Body=b"{}")  # no run
    curate(s3, "2026-03-1", {date(2026, 3, 1): 2, date(2026, 3, 2): 3}, duplicates=4)
    assert reconciled(s3, NEXT_DAY).curated.ledger.records == 5
    curate(s3, "2026-04-1", {date(2026, 3, 1): 1})
    found = reconciled(s3, datetime(2026, 4, 5, tzinfo=UTC))
    assert (found.curated.ledger.records, found.duplicate_etl.records) == (6, 4)
    kept = KeptTotals(s3, CURATED).months
    assert sorted(kept) == ["2026-03", "2026-04"]
    assert (list(kept["2026-03"].runs), list(kept["2026-04"].runs)) == ([], ["2026-04-1"])
    closed = kept["2026-03"].closed
    assert closed and {day: totals.ledger.records for day, totals in closed.curated.items()} == {
        "2026-03-01": 2,
        "2026-03-02": 3,
    }
    seen = asked(s3)
    assert reconciled(s3, datetime(2026, 4, 6, tzinfo=UTC)).curated.ledger.records == 6
    assert not [each for each in seen if "2026-03" in each]


def test_a_month_with_an_open_run_stays_open_until_it_is_finished(s3):
    curate(s3, "2026-03-1", {date(2026, 3, 1): 2})
    s3.put_object(Bucket=CURATED, Key=run_key("2026-03-2", "manifest.json"), Body=b"{}")
    april = datetime(2026, 4, 20, tzinfo=UTC)
    assert reconciled(s3, april).curated.ledger.records == 2
    curate(s3, "2026-03-2", {date(2026, 3, 1): 5})
    assert reconciled(s3, april).curated.ledger.records == 7


def test_runs_of_a_former_version_are_counted_too(s3):
    curate(s3, "0123456789abcdef", {date(2026, 3, 1): 2})
    for _ in range(2):
        assert reconciled(s3, NEXT_DAY).curated.ledger.records == 2


def test_the_warehouse_is_asked_for_the_runs_that_it_was_not_seen_to_hold(s3):
    held: dict[str, CuratedTotals] = {}
    questions: list[dict[str, list[date]]] = []

    def loaded(runs: Mapping[str, Collection[date]]) -> Mapping[str, CuratedTotals]:
        questions.append({run_id: list(days) for run_id, days in runs.items()})
        return held

    curate(s3, "2026-03-1", {date(2026, 3, 1): 2})
    curate(s3, "2026-03-2", {date(2026, 3, 2): 3})
    for run_id, records in (("2026-03-1", 2), ("2026-03-2", 1)):
        held[run_id] = CuratedTotals()
        held[run_id].ledger.add(EUR, Decimal(records), records)
    found = reconciled(s3, NEXT_DAY, loaded)
    assert found.loaded and found.loaded.ledger.records == 3
    assert [each.hop for each in imbalances(found)] == ["curated", "loaded"]
    held["2026-03-2"].ledger.add(EUR, Decimal(2), 2)
    reconciled(s3, SEALED_BY, loaded)
    found = reconciled(s3, SEALED_BY, loaded)
    assert found.loaded and found.loaded.ledger.records == 5
    assert questions == [
        {"2026-03-1": [date(2026, 3, 1)], "2026-03-2": [date(2026, 3, 2)]},
        {"2026-03-2": [date(2026, 3, 2)]},
    ]


def test_what_an_erasure_took_out_is_an_entry_that_keeps_the_balance(s3):
    land(s3, 1, 5)
    curate(s3, "2026-03-1", {date(2026, 3, 2): 5})
    reconciled(s3, SEALED_BY)
    gone = CuratedTotals()
    gone.ledger.add(EUR, Decimal(2), 2)
    erasure = Erasure("0123", SEALED_BY.date(), gone)
    for _ in range(2):
        KeptTotals(s3, CURATED).add_erasure(erasure)
    found = reconciled(s3, SEALED_BY)
    assert (found.curated.ledger.records, found.erased.records) == (3, 2)
    assert imbalances(found) == []


def test_everything_counted_again_finds_an_object_that_changed_after_its_day_was_sealed(s3):
    land(s3, 1, 10)
    land(s3, 11, 20)
    now = datetime.now(UTC)
    reconciled(s3, now)
    key = Batch(INCARNATION, SHARD, 1, 10).raw_key(DAY)
    put_rows(s3, RAW, key, [row(number, amount="2.00" if number == 4 else "1.00") for number in range(1, 11)])
    kept = KeptMeasures(Lake(s3, SETTINGS, table), KeptTotals(s3, CURATED), RETENTION, None)
    verified = kept.measure(now).measured
    assert imbalances(verified, ["landed"]) == [], "what is sealed is not read"
    (found,) = differences(verified, Lake(s3, SETTINGS, table).measure().measured)
    assert (found.hop, found.records, found.amount) == ("landed", 0, Decimal(1))
    ((day, keys),) = kept.changed_since_sealed(now).items()
    assert day == "2026-03-02" and key in keys


def test_a_run_whose_files_were_compacted_away_is_counted_from_the_tables(s3):
    day = date(2026, 3, 2)
    curate(s3, "2026-03-1", {day: 5})
    curate(s3, "2026-03-2", {day: 2})
    body = io.BytesIO()
    columns = {"run_id": ["2026-03-1"] * 5 + ["2026-03-2"] * 2, "status": ["BOOKED"] * 7}
    columns |= {"currency": ["EUR"] * 7, "credit_debit_indicator": ["DBIT"] * 7}
    amounts = pyarrow.array([Decimal(1)] * 7, pyarrow.decimal128(18, 4))
    pyarrow.parquet.write_table(pyarrow.table(columns | {"amount": amounts}), body)
    old = [each["Key"] for each in s3.list_objects_v2(Bucket=CURATED, Prefix="curated/transactions/data/")["Contents"]]
    key = "curated/transactions/data/2026-03-02/compacted.parquet"
    s3.put_object(Bucket=CURATED, Key=key, Body=body.getvalue())
    held = table("transactions")
    with held.transaction() as change, change.update_snapshot().overwrite() as snapshot:
        for file in files_on(held):
            snapshot.delete_data_file(file)
        snapshot.append_data_file(data_file(held, NewFile(f"s3://{CURATED}/{key}", len(body.getvalue()), 7, day)))
    for each in old:
        s3.delete_object(Bucket=CURATED, Key=each)
    assert reconciled(s3, NEXT_DAY).curated.ledger.records == 7
    kept = KeptTotals(s3, CURATED).months["2026-03"].runs
    assert {run_id: run.all_curated.ledger.records for run_id, run in kept.items()} == {"2026-03-1": 5, "2026-03-2": 2}


def test_who_may_not_write_reconciles_all_the_same(s3):
    land(s3, 1, 10)

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")

    s3.meta.events.register_first("before-send.s3.PutObject", refuse)
    kept = KeptMeasures(Lake(s3, SETTINGS, table), KeptTotals(s3, CURATED), RETENTION, None)
    assert kept.measure(NEXT_DAY).measured.landed.records == 10
    assert not kept.is_kept
