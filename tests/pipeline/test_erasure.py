"""An erased account: gone from tables, history, quarantine and warehouse, masked elsewhere, and the books balance."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet
import pytest

from data_catalog.create_athena_workgroup import RESULTS_PREFIX
from data_catalog.lake_layout import CORRECTED_PREFIX, Batch
from data_catalog.lake_tables import LAKE_TABLES
from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.kept_measures import KeptMeasures
from data_governance.kept_totals import KeptTotals
from data_governance.lake_measures import Lake
from data_governance.reconciliation import Measured, differences, imbalances
from data_governance.tombstones import MASK, read_tombstones
from data_ingestion.replay import Replay
from data_processing.etl_run import Buckets
from data_processing.etl_transaction_processing import process
from data_storage.erasure import AccountErasure
from data_storage.erasure_certificate import Certificate
from data_storage.warehouse_loader import load_pending, loaded_by_run, loaded_totals
from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.iceberg_rewrite import rows_of
from infrastructure.errors import PlatformError
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.settings import Settings
from tests.faults.test_etl_kill import Kill, KilledError
from tests.pipeline.etl_lake import NOW, make_tables
from tests.pipeline.etl_rows import INCARNATION, SHARD, line, row
from tests.pipeline.warehouse_bench import Bench, open_bench

pytestmark = pytest.mark.slow

SETTINGS = Settings()
RAW, CURATED, QUARANTINE = (SETTINGS.bucket(purpose) for purpose in ("raw", "curated", "quarantine"))
BASE = 49600000000000000000
STAYS = "DE89370400440532013000"
LATER, SEALED = NOW + timedelta(days=15), NOW + timedelta(days=20)  # on the first nothing is sealed yet by the second
FAULT = {"merchant_country": "XX"}
TAG = "month-2026-02"


class TheLake:
    """A lake and a warehouse that the job and the loader filled."""

    def __init__(self, bench: Bench, spark: Any, staging: Path) -> None:
        self.bench, self.s3 = bench, bench.s3
        self.glue = boto3.client("glue", region_name="us-east-1")
        self.buckets = Buckets(RAW, CURATED, QUARANTINE)
        for bucket in (RAW, CURATED, QUARANTINE):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.catalog = make_tables(self.s3, self.buckets, self.glue)
        self.lake = Lake(self.s3, SETTINGS, self.catalog.table)
        self._spark, self._staging = spark, str(staging)
        self._last = BASE
        self.at = NOW  # the time by which things land and the job runs

    def land(self, rows: Iterable[dict[str, Any]], payloads: Iterable[str] = ()) -> None:
        """Write what the Lambda would of a batch: rows, and records that it refuses."""
        first, lines, refused, streamed = self._last + 1, [], [], ControlTotals()
        for record in rows:
            self._last += 1
            lines.append(line(record | {"sequence_number": str(self._last)}))
            key = ControlKey(record["currency"], record["credit_debit_indicator"])
            streamed.add(key, Decimal(record["amount"]))
        for payload in payloads:
            self._last += 1
            refused.append(self._refused(payload))
            streamed.add(ControlKey(None, None), Decimal(0))
        batch = Batch(INCARNATION, SHARD, first, self._last)
        self._put(RAW, batch.raw_key(self.at), lines)
        if refused:
            self._put(QUARANTINE, batch.quarantine_key(self.at), refused)
        control = {"stream_incarnation": INCARNATION, "streamed": streamed.rows()}
        self.s3.put_object(Bucket=RAW, Key=batch.control_key(self.at), Body=json.dumps(control).encode())

    def _refused(self, payload: str) -> str:
        return json.dumps(
            {
                "reason": "malformed_json", "stage": "landing", "amount": "0", "fingerprint": f"f{payload}"[:64],
                "transaction_id": "tx-refused", "stream_incarnation": INCARNATION, "shard_id": SHARD,
                "sequence_number": str(self._last), "sub_sequence_number": 0,
                "arrival_time": f"{NOW:%Y-%m-%dT%H:%M:%S}.000000Z", "payload": payload,
            }
        )  # fmt: skip

    def _put(self, bucket: str, key: str, lines: Iterable[str]) -> None:
        body = "".join(f"{each}\n" for each in lines).encode()
        self.s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(body, mtime=0))

    def run(self) -> None:
        process(self._spark, self.s3, self.buckets, self.catalog, self._staging, now=lambda: self.at)
        load_pending(self.bench.data_api, self.s3, self.bench.target, CURATED)

    def measure(self, now: datetime = SEALED) -> Measured:
        """What the kept totals say."""
        return self._kept().measure(now).measured

    def _kept(self) -> KeptMeasures:
        kept = KeptTotals(self.s3, CURATED)
        return KeptMeasures(
            self.lake,
            kept,
            timedelta(days=7),
            lambda runs: loaded_by_run(self.bench.data_api, self.bench.target, runs),
        )

    def unbalanced(self, now: datetime = SEALED) -> list[Any]:
        """What a reconciliation finds, and a deep one."""
        kept, deep = self.measure(now), self.lake.measure().measured
        deep.loaded = loaded_totals(self.bench.data_api, self.bench.target)
        changed = self._kept().changed_since_sealed(now)
        return [*imbalances(kept), *imbalances(deep), *differences(kept, deep), *changed.items()]

    def erasure(self, account: str, refuse: Any = lambda: None) -> AccountErasure:
        warehouse = self.bench.data_api, self.bench.target
        return AccountErasure(self.lake, account, warehouse, refuse, self._bring_up)

    def _bring_up(self) -> None:
        self.measure()

    def erase(self, account: str) -> Certificate:
        return self.erasure(account).run("arn:aws:iam::123456789012:user/anna", NOW)

    def rows(self, table: str) -> list[dict[str, Any]]:
        opened = self.catalog.table(table)
        return [each for file in files_on(opened) for each in rows_of(self.s3, file.file_path).to_pylist()]

    def every_version(self) -> str:
        """All that lies in the curated and the quarantine bucket, former versions too, as text."""
        return "\n".join(
            self._text(bucket, entry)
            for bucket in (CURATED, QUARANTINE)
            for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
            for entry in page.get("Versions", [])
        )

    def _text(self, bucket: str, entry: dict[str, Any]) -> str:
        found = self.s3.get_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
        body = found["Body"].read()
        if entry["Key"].endswith(".parquet"):
            body = repr(pyarrow.parquet.read_table(io.BytesIO(body), partitioning=None).to_pylist()).encode()
        elif entry["Key"].endswith(".gz"):
            body = gzip.decompress(body)
        return f"{entry['Key']} {body.decode('utf-8', 'replace')}"

    def in_warehouse(self) -> str:
        """Every table of the warehouse, as text."""
        names = self.bench.query("SELECT tablename FROM pg_tables WHERE schemaname = 'banking'")
        return "\n".join(f"{name} {self.bench.query(f'SELECT * FROM banking.{name}')}" for (name,) in names)


def of(account: str, number: int, **more: Any) -> dict[str, Any]:
    return row(number, account_id=account, **more)


def card(number: int) -> dict[str, str]:
    """A card while a rotation overlaps."""
    return {"card_token": f"2_{number}", "former_card_token": f"1_{number}", "card_last4": "4242"}


def fill(lake: TheLake, accounts: Iterable[str]) -> None:
    """Two runs with a month end between, in which each account is an owner, a counterparty, and at fault."""
    first, second, payloads = [of(STAYS, 1, **card(1)), of(STAYS, 2, **FAULT)], [of(STAYS, 3)], ["{"] * 3
    for place, account in enumerate(accounts, 1):
        n = place * 100
        first += [
            of(account, n + 1, **card(n)),
            of(account, n + 2, status="PENDING"),
            of(account, n + 3, amount="20000.00"),
            of(account, n + 4, **FAULT),
            of(STAYS, n + 5, counterparty_account=account, description=f"an {account} gezahlt"),
            of(STAYS, n + 6, counterparty_account=account, **FAULT),
        ]
        second += [of(account, n + 7), of(account, n + 1, **card(n)), of(STAYS, n + 8, counterparty_account=account)]
        payloads += [
            json.dumps({"account_id": account, "amount": "much"}),
            json.dumps({"account_id": STAYS, "counterparty_account": account}),
            f'{{"account_id":"{account}","amo',
        ]
    lake.land(first, payloads)
    lake.run()
    for table in LAKE_TABLES:
        opened = lake.catalog.table(table.name)
        snapshot = opened.current_snapshot()
        assert snapshot is not None
        opened.manage_snapshots().create_tag(snapshot.snapshot_id, TAG).commit()
    lake.land(second)
    lake.run()
    lake.measure()
    lake.at = LATER


ACCOUNTS = [f"DE021203000000002{number:05}" for number in range(24)]


@pytest.fixture(name="lake", scope="module")
def filled(warehouse: Warehouse, spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TheLake]:
    """One for all tests of the module; each erases an account of its own."""
    with open_bench(warehouse) as bench:
        lake = TheLake(bench, spark, tmp_path_factory.mktemp("staging"))
        fill(lake, ACCOUNTS)
        yield lake


@pytest.fixture(name="gone")
def account_of_the_test(lake: TheLake, unused: list[str]) -> str:
    return unused.pop()


@pytest.fixture(scope="module")
def unused() -> list[str]:
    return list(ACCOUNTS)


def without_warehouse(counts: Mapping[str, int]) -> dict[str, int]:
    return {place: count for place, count in counts.items() if not place.startswith("warehouse")}


OWN = {
    "transactions": 3, "pending_transactions": 1, "transaction_ids": 4, "token_links": 1, "sightings": 2,
    "fraud_alerts": 1, "fraud_alert_evidence": 1, "quarantine": 3, "quarantine of the landing": 2,
    "corrected records": 0,
}  # fmt: skip
IN_WAREHOUSE = {
    "fact_transactions": 3, "pending_transactions": 1, "fraud_alerts": 1, "fraud_alert_evidence": 1, "dim_account": 1,
    "daily_balances": 1, "token_links": 1, "restricted_accounts": 0, "quarantine": 3,
}  # fmt: skip


def assert_gone(lake: TheLake, account: str) -> None:
    assert [text[:200] for text in lake.every_version().splitlines() if account in text] == []
    assert [text for text in lake.in_warehouse().splitlines() if account in text] == []
    assert lake.unbalanced() == []


def test_nothing_but_raw_holds_an_erased_account_and_the_books_balance(lake: TheLake, gone: str) -> None:
    assert lake.unbalanced() == []
    assert gone in lake.every_version() and gone in lake.in_warehouse()
    before = lake.measure()
    lake.s3.put_object(Bucket=CURATED, Key=f"{RESULTS_PREFIX}answer.csv", Body=gone.encode())
    certificate = lake.erase(gone)
    assert_gone(lake, gone)
    after = lake.measure()
    assert (after.erased - before.erased).records == 5
    assert after.curated.all + after.erased + after.quarantined_etl == (
        before.curated.all + before.erased + before.quarantined_etl
    )
    assert without_warehouse(certificate.removed) == OWN
    assert {place: certificate.removed[f"warehouse {place}"] for place in IN_WAREHOUSE} == IN_WAREHOUSE
    assert certificate.masked["transactions"] == certificate.masked["warehouse fact_transactions"] == 2
    masked = [each for each in lake.rows("transactions") if each["counterparty_account"] == MASK]
    assert {each["account_id"] for each in masked} == {STAYS}
    assert f"an {MASK} gezahlt" in {each["description"] for each in masked}
    assert f"an {MASK} gezahlt" in lake.in_warehouse()


def test_a_run_that_held_the_account_balances_too(lake: TheLake, gone: str) -> None:
    lake.erase(gone)
    for run_id in {each["run_id"] for each in lake.rows("transactions")}:
        measured = lake.lake.measure_run(run_id)
        assert imbalances(measured, ("curated",)) == []


def tagged(lake: TheLake, table: str) -> list[dict[str, Any]]:
    opened = lake.catalog.table(table)
    files = files_on(opened, snapshot_id=opened.metadata.refs[TAG].snapshot_id)
    return [each for file in files for each in rows_of(lake.s3, file.file_path).to_pylist()]


def test_a_month_end_is_still_there_without_the_account_and_no_snapshot_names_its_files(
    lake: TheLake, gone: str
) -> None:
    refs = {table.name: lake.catalog.table(table.name).metadata.refs[TAG] for table in LAKE_TABLES}
    then = {each["transaction_id"] for each in tagged(lake, "transactions") if each["account_id"] != gone}
    certificate = lake.erase(gone)
    moved = {tag.table: tag for tag in certificate.tags}
    assert set(moved) == set(refs)
    for name, before in refs.items():
        table = lake.catalog.table(name)
        assert moved[name].old == before.snapshot_id
        assert moved[name].new == table.metadata.refs[TAG].snapshot_id != before.snapshot_id
        assert set(table.metadata.refs) == {TAG, "main"}
        assert before.snapshot_id not in {snapshot.snapshot_id for snapshot in table.metadata.snapshots}
    assert {each["transaction_id"] for each in tagged(lake, "transactions")} == then


def test_it_refuses_while_a_run_is_open_or_not_loaded_and_changes_nothing(lake: TheLake, gone: str) -> None:
    def refuse() -> None:
        raise PlatformError("run 2026-03-1", "is open", "Wait")

    before = lake.every_version()
    with pytest.raises(PlatformError, match="is open"):
        lake.erasure(gone, refuse).run("anna", NOW)
    assert lake.every_version() == before


def test_a_dry_run_counts_the_same_and_changes_nothing(lake: TheLake, gone: str) -> None:
    before = lake.every_version()
    found = lake.erasure(gone).dry_run()
    assert lake.every_version() == before
    certificate = lake.erase(gone)
    assert (found.removed, found.masked) == (certificate.removed, certificate.masked)


def test_the_certificate_says_what_went_and_does_not_name_the_account(lake: TheLake, gone: str) -> None:
    certificate = lake.erase(gone)
    stored = Certificate.from_json(s3_objects.body(lake.s3, CURATED, certificate.key))
    page = s3_objects.body(lake.s3, CURATED, certificate.page_key).decode()
    assert stored == certificate and stored.completed_at is not None
    assert (stored.account, stored.asked_by) == ("*" * 18 + gone[-4:], "arn:aws:iam::123456789012:user/anna")
    tombstones = read_tombstones(lake.s3, CURATED)
    assert tombstones is not None and stored.account_hash == tombstones.hash_of(gone)
    assert stored.raw.until == str(NOW.date() + timedelta(days=stored.raw.days + stored.raw.old_version_days))
    assert stored.raw.until in page and "Article 17(3)" in page and "<script" not in page and "http" not in page
    assert all(str(tag.new) in page for tag in stored.tags)
    assert gone not in page


def test_the_same_call_again_changes_nothing(lake: TheLake, gone: str) -> None:
    first = lake.erase(gone)
    before = lake.every_version()
    assert lake.erase(gone) == first
    assert lake.every_version() == before


def test_what_comes_later_stays_out_and_the_books_balance(lake: TheLake, gone: str) -> None:
    lake.erase(gone)
    before = lake.measure()
    lake.land([of(gone, 9), of(gone, 10), of(STAYS, 11, counterparty_account=gone)], ["{"])
    lake.run()
    assert_gone(lake, gone)
    assert (lake.measure().erased - before.erased).records == 2


def test_what_the_landing_refuses_later_goes_by_another_call(lake: TheLake, gone: str) -> None:
    first = lake.erase(gone)
    lake.land([], [json.dumps({"account_id": gone})])
    second = lake.erase(gone)
    assert second.id != first.id and second.account_hash == first.account_hash
    assert second.removed["quarantine of the landing"] == 1
    assert_gone(lake, gone)


def corrected(lake: TheLake, folder: str, account: str, number: int) -> None:
    """Correct one of the broken records of the first batch."""
    broken = [each for each in lake.rows("quarantine") if each["payload"] == "{"][number]
    record = of(account, 70 + number, sequence_number=broken["sequence_number"])
    key = f"{CORRECTED_PREFIX}{folder}/a.ndjson"
    lake.s3.put_object(Bucket=QUARANTINE, Key=key, Body=line(record).encode() + b"\n")


def replay(lake: TheLake, folder: str) -> tuple[int, int]:
    tombstones = read_tombstones(lake.s3, CURATED)
    report = Replay(lake.s3, RAW, QUARANTINE, lake.catalog.table, tombstones).run(f"{CORRECTED_PREFIX}{folder}/")
    return report.replayed, report.erased


def test_a_corrected_record_of_the_account_is_not_put_back(lake: TheLake, gone: str) -> None:
    lake.erase(gone)
    corrected(lake, "gone", gone, 0)
    assert replay(lake, "gone") == (0, 1)


def test_records_that_were_corrected_and_replayed_go_too(lake: TheLake, gone: str) -> None:
    corrected(lake, "before", gone, 1)
    assert replay(lake, "before") == (1, 0)
    lake.run()
    certificate = lake.erase(gone)
    assert certificate.removed["corrected records"] == 1
    assert certificate.removed["transactions"] == OWN["transactions"] + 1
    assert_gone(lake, gone)


def test_killed_at_some_calls_and_called_again(lake: TheLake, unused: list[str]) -> None:
    with Kill(lake, 10**9, after=False) as counted:
        whole = lake.erase(unused.pop())
    for share, after in ((0.0, True), (0.15, False), (0.4, True), (0.6, False), (1.0, False)):
        gone = unused.pop()
        with pytest.raises(KilledError), Kill(lake, 1 + round(share * (counted.calls - 1)), after):
            lake.erase(gone)
        certificate = lake.erase(gone)
        assert certificate.completed_at is not None
        assert (certificate.removed, certificate.masked) == (whole.removed, whole.masked)
        assert {tag.table for tag in certificate.tags} == {tag.table for tag in whole.tags}
        assert_gone(lake, gone)
