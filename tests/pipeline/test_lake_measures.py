"""The lake's totals are taken from what it holds; positions that landed twice count once."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import boto3
import pyarrow
import pyarrow.parquet
import pytest
from pyiceberg.table import Table

from data_catalog.lake_layout import Batch, batch_of, run_key
from data_catalog.transaction_contract import QUARANTINE_FIELDS
from data_governance.control_totals import ControlTotals, CuratedTotals
from data_governance.kept_measures import KeptMeasures
from data_governance.kept_totals import KeptTotals
from data_governance.lake_measures import Lake
from data_governance.reconciliation import imbalances
from data_governance.run_result import PublishedFile, RunResult
from data_ingestion.replay import Replay
from data_processing.etl_run import Buckets
from infrastructure.aws.iceberg import NewFile, append
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.pipeline.curated_runs import parquet
from tests.pipeline.etl_lake import make_tables

SETTINGS = Settings()
INCARNATION, SHARD = "20260302T000000Z", "shardId-000000000000"
DATE = "arrival_date=2026-03-02"
ARRIVED = datetime(2026, 3, 2, tzinfo=UTC)


_tables: list[Callable[[str], Table]] = []


def table(name):
    """A table of the test's lake."""
    return _tables[0](name)


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with emulated_aws():
        client = boto3.client("s3")
        for purpose in ("raw", "curated", "quarantine"):
            client.create_bucket(Bucket=SETTINGS.bucket(purpose))
        _tables.clear()
        _tables.append(make_tables(client, Buckets(*map(SETTINGS.bucket, ("raw", "curated", "quarantine")))).table)
        yield client


def row(sequence, amount="1.00", **more):
    return {
        "stream_incarnation": INCARNATION,
        "shard_id": SHARD,
        "sequence_number": str(sequence),
        "sub_sequence_number": 0,
        "amount": amount,
        "currency": "EUR",
        "credit_debit_indicator": "DBIT",
    } | more


def ndjson(rows):
    return gzip.compress(b"".join(json.dumps(r).encode() + b"\n" for r in rows))


def land(s3, first, last, bad=(), committed=True):
    """What the Lambda writes for a batch of one euro a record; `bad` sequence numbers are quarantined."""
    name = f"{INCARNATION}-{SHARD}-{first}-{last}"
    quarantined = [row(n, stage="landing", reason="invalid_amount", fingerprint=f"f{n}") for n in bad]
    if quarantined:
        key = f"quarantine/stage=landing/{DATE}/{name}.ndjson.gz"
        s3.put_object(Bucket=SETTINGS.bucket("quarantine"), Key=key, Body=ndjson(quarantined))
    good = [row(n) for n in range(first, last + 1) if n not in bad]
    key = f"raw/transactions/{DATE}/arrival_hour=00/{name}.ndjson.gz"
    s3.put_object(Bucket=SETTINGS.bucket("raw"), Key=key, Body=ndjson(good))
    if committed:
        count = last - first + 1
        streamed = [{"currency": "EUR", "credit_debit_indicator": "DBIT", "records": count, "amount": f"{count}.00"}]
        control = {"stream_incarnation": INCARNATION, "streamed": streamed}
        s3.put_object(
            Bucket=SETTINGS.bucket("raw"), Key=f"raw/control/{DATE}/{name}.json", Body=json.dumps(control).encode()
        )


def commit(s3, name, bucket, body):
    """Add a run's file to a table, and its result."""
    key = f"{name}/data/2026-03-02/run-00000.parquet"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    append(table(name), [NewFile(f"s3://{bucket}/{key}", len(body), 1, ARRIVED.date())], "run", lambda _: False)
    result = RunResult("run", ARRIVED, (), (), {}, control_totals={"duplicate": ControlTotals()})
    files = (PublishedFile(key, len(body), 1, ARRIVED.date()),)
    result = replace(result, curated=files) if name == "transactions" else replace(result, quarantine=files)
    s3.put_object(Bucket=SETTINGS.bucket("curated"), Key=run_key("run", "result.json"), Body=result.to_json())


def kept(s3):
    """What is counted from kept totals, a day after."""
    store = KeptTotals(s3, SETTINGS.bucket("curated"))
    return KeptMeasures(Lake(s3, SETTINGS, table), store, timedelta(days=7), None).measure(ARRIVED + timedelta(days=1))


def measured(s3):
    """What the whole lake holds; counted at once, or from kept totals, it is the same."""
    whole = Lake(s3, SETTINGS, table).measure()
    for _ in range(2):
        found = kept(s3)
        assert found.measured.hops() == whole.measured.hops()
        assert found.measured.quarantined_by_reason == whole.measured.quarantined_by_reason
        assert (found.streamed_by_incarnation, found.corrections) == (whole.streamed_by_incarnation, whole.corrections)
    return whole.measured


def test_key_names_tell_the_range():
    key = f"raw/transactions/{DATE}/arrival_hour=00/{INCARNATION}-{SHARD}-7-12.ndjson.gz"
    assert batch_of(key) == Batch(INCARNATION, SHARD, 7, 12)
    assert batch_of("raw/transactions/arrival_date=2026-03-02/replay-1.ndjson.gz") is None


def test_separate_batches_add_up(s3):
    land(s3, 1, 10, bad=(3,))
    land(s3, 11, 15)
    m = measured(s3)
    assert (m.streamed.records, m.landed.records, m.quarantined_landing.records) == (15, 14, 1)
    assert m.quarantined_by_reason == {"invalid_amount": 1}


@pytest.mark.parametrize("committed", [True, False])
def test_a_batch_retried_with_other_boundaries_counts_once(s3, committed):
    land(s3, 1, 10, bad=(3,), committed=committed)
    land(s3, 1, 15, bad=(3,))
    m = measured(s3)
    assert (m.streamed.records, m.landed.records, m.quarantined_landing.records) == (15, 14, 1)
    assert m.repeated_landing.records == 0


def test_however_many_batches_overlap_a_day_is_listed_once(s3):
    listed, counts = [], set()
    s3.meta.events.register("before-send.s3.ListObjectsV2", lambda request, **_: listed.append(request.url))
    for number in range(1, 6):
        land(s3, 10 * number, 10 * number + 5, bad=[10 * number + 4])
        land(s3, 10 * number + 3, 10 * number + 9, bad=[10 * number + 4])
        listed.clear()
        found = measured(s3)
        counts.add(len(listed))
        assert found.streamed.records == 10 * number
    assert len(counts) == 1
    assert found.landed.records == 45 and found.quarantined_landing.records == 5


def test_a_raw_object_that_was_lost_shows(s3):
    land(s3, 1, 10)
    s3.delete_object(
        Bucket=SETTINGS.bucket("raw"),
        Key=f"raw/transactions/{DATE}/arrival_hour=00/{INCARNATION}-{SHARD}-1-10.ndjson.gz",
    )
    m = measured(s3)
    assert (m.streamed.records, m.landed.records) == (10, 0)


def test_the_same_bad_content_again_is_a_repeat(s3):
    name = f"{INCARNATION}-{SHARD}-1-2"
    rows = [row(n, stage="landing", reason="malformed_json", fingerprint="same", amount="0") for n in (1, 2)]
    key = f"quarantine/stage=landing/{DATE}/{name}.ndjson.gz"
    s3.put_object(Bucket=SETTINGS.bucket("quarantine"), Key=key, Body=ndjson(rows))
    m = measured(s3)
    assert (m.quarantined_landing.records, m.repeated_landing.records) == (1, 1)


def test_curated_is_summed_exactly_from_the_parquet_files(s3):
    table = pyarrow.table(
        {
            "currency": ["EUR", "EUR", "JPY", "EUR"],
            "credit_debit_indicator": ["DBIT", "DBIT", "CRDT", "DBIT"],
            "status": ["BOOKED", "REJECTED", "BOOKED", "PENDING"],
            "amount": pyarrow.array(
                [Decimal("0.1000"), Decimal("0.2000"), Decimal("5.0000"), Decimal(7)], pyarrow.decimal128(18, 4)
            ),
        }
    )
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    commit(s3, "transactions", SETTINGS.bucket("curated"), file.getvalue())
    curated = measured(s3).curated
    rows = {r["currency"]: (r["records"], Decimal(r["amount"])) for r in curated.ledger.rows()}
    assert rows == {"EUR": (2, Decimal("0.3")), "JPY": (1, Decimal(5))}
    ((_, records, amount),) = curated.pending.lines()
    assert (records, amount) == (1, Decimal(7)), "by status: until contract 1.0 pending items lay there too"


def test_a_damaged_object_is_named(s3):
    key = f"raw/transactions/{DATE}/arrival_hour=00/{INCARNATION}-{SHARD}-1-1.ndjson.gz"
    s3.put_object(Bucket=SETTINGS.bucket("raw"), Key=key, Body=b"not gzip")
    with pytest.raises(PlatformError, match="is not what the pipeline writes"):
        measured(s3)


def full_row(sequence, **more):
    """A corrected record: the landed schema, at the position that was quarantined."""
    landed = {
        "schema_version": "1.0",
        "transaction_id": f"T{sequence}",
        "account_id": "DE1",
        "transaction_type": "PAYMENT",
        "status": "BOOKED",
        "channel": "WEB",
        "event_time": "2026-03-02T00:00:00Z",
        "arrival_time": "2026-03-02T00:00:01Z",
        "landed_at": "2026-03-02T00:00:01Z",
    }
    return row(sequence) | landed | more


def correct(s3, rows, name="a.ndjson"):
    body = "\n".join(json.dumps(r) for r in rows).encode()
    s3.put_object(Bucket=SETTINGS.bucket("quarantine"), Key=f"corrected/{name}", Body=body)


def replay(s3):
    return Replay(s3, SETTINGS.bucket("raw"), SETTINGS.bucket("quarantine"), table).run("corrected/")


def test_a_replayed_record_leaves_quarantine_and_lands_once(s3):
    land(s3, 1, 10, bad=(3, 4))
    correct(s3, [full_row(3, amount="7.00")])
    assert (replay(s3).replayed, replay(s3).replayed, replay(s3).replayed_before) == (1, 0, 1)
    m = measured(s3)
    assert (m.streamed.records, m.landed.records, m.quarantined_landing.records) == (10, 9, 1)
    m.curated = CuratedTotals(ledger=m.landed)
    assert imbalances(m) == []


def test_a_replay_interrupted_before_its_raw_object_is_done_again(s3):
    land(s3, 1, 10, bad=(3,))
    correct(s3, [full_row(3)])
    replay(s3)
    raw = SETTINGS.bucket("raw")
    for found in s3.list_objects_v2(Bucket=raw, Prefix="raw/transactions/")["Contents"]:
        if "/replay-" in found["Key"]:
            s3.delete_object(Bucket=raw, Key=found["Key"])
    assert replay(s3).replayed == 1
    m = measured(s3)
    assert (m.streamed.records, m.landed.records, m.quarantined_landing.records) == (10, 10, 0)


def test_a_row_that_the_etl_quarantined_balances_after_its_replay(s3):
    land(s3, 1, 10)
    bad = row(5, stage="etl", reason="conflicting_duplicate", fingerprint="x", arrival_time=ARRIVED)
    body = parquet([bad | {"amount": Decimal(bad["amount"])}], QUARANTINE_FIELDS)
    commit(s3, "quarantine", SETTINGS.bucket("quarantine"), body)
    correct(s3, [full_row(5, amount="2.50")])
    replay(s3)
    m = measured(s3)
    assert (m.streamed.records, m.landed.records, m.quarantined_etl.records) == (10, 10, 0)
    assert m.landed.rows() == m.streamed.rows()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"amount": "1.00"}], "lacks"),
        ([full_row(3, card_number="4242424242424242")], "never lands"),
        ([full_row(3, amount=1.5)], "amount that is no string"),
        ([full_row(3, extra="x")], "not in the landed schema"),
        ([full_row(99)], "not in quarantine"),
        ([full_row(4), full_row(3), full_row(3, amount="2.00")], "line 3.*corrects the record of .* line 2 in another"),
        ([full_row(4), full_row(3, event_time="2026-03-02 10:00")], "line 2.* bad event_time .*with an offset"),
        ([full_row(3, event_time="2026-03-05T00:00:00Z")], "bad event_time .*later than its arrival"),
        ([full_row(3, arrival_time="2026-03-02T00:00:01")], "bad arrival_time"),
        ([full_row(3, landed_at="soon")], "bad landed_at"),
        ([full_row(3, currency="EURO")], "bad currency"),
        ([full_row(3, amount="1.005")], "bad amount .*more decimals"),
        ([full_row(3, currency="JPY", amount="1.5")], "bad amount .*more decimals"),
        ([full_row(3, status="DONE")], "bad status"),
        ([full_row(3, transaction_type="REVERSAL")], "bad original_transaction_id"),
        ([full_row(3, merchant_country="XX")], "bad merchant_country"),
        ([full_row(3, sequence_number="03")], "bad sequence_number"),
        ([full_row(3, sub_sequence_number=True)], "sub_sequence_number that is no integer"),
        ([full_row(3, account_id="4242424242424242")], "bad account_id .*card number"),
        ([full_row(3, card_token="4242424242424242")], "bad card_token"),
        ([full_row(3, card_last4="4242 4242 4242 4242")], "bad card_last4"),
    ],
)
def test_what_cannot_be_replayed_is_named_and_nothing_is_written(s3, rows, says):
    land(s3, 1, 10, bad=(3, 4))
    correct(s3, rows)
    with pytest.raises(PlatformError, match=says) as raised:
        replay(s3)
    assert "4242" not in str(raised.value)
    assert measured(s3).landed.records == 8


@pytest.mark.parametrize("line", [b"{", b"[]", b'"x"', b'{"amount":"1","amount":"2"}', b"\xff", b"[" * 100_000])
def test_a_line_that_is_no_json_object_with_each_field_once_is_refused(s3, line):
    land(s3, 1, 10, bad=(3,))
    s3.put_object(Bucket=SETTINGS.bucket("quarantine"), Key="corrected/a.ndjson", Body=b"\n" + line)
    with pytest.raises(PlatformError, match=r"corrected/a.ndjson line 2: (is not (a )?JSON|holds a field twice)"):
        replay(s3)


def replayed_rows(s3):
    raw = SETTINGS.bucket("raw")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=raw, Prefix="raw/transactions/")["Contents"]]
    bodies = [s3.get_object(Bucket=raw, Key=key)["Body"].read() for key in keys if "/replay-" in key]
    return [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]


def test_a_producers_offset_lands_as_utc_and_a_card_number_in_free_text_masked(s3):
    """As the landing would have written it: the ETL takes nothing else."""
    land(s3, 1, 10, bad=(3,))
    written = {
        "event_time": "2026-03-02T01:30:00.5+01:00",
        "arrival_time": "2026-03-02T02:00:00+01:00",
        "landed_at": "2026-03-02T01:00:00.000000Z",
        "description": "card 4242 4242 4242 4242",
        "merchant_name": None,
        "card_token": "1_" + "a" * 43,
    }
    correct(s3, [full_row(3, **written)])
    replay(s3)
    (landed,) = replayed_rows(s3)
    times = ("2026-03-02T00:30:00.500000Z", "2026-03-02T01:00:00Z", "2026-03-02T01:00:00Z")
    assert (landed["event_time"], landed["arrival_time"], landed["landed_at"]) == times
    assert "4242 4242" not in landed["description"] and landed["description"].endswith("4242")
    assert "merchant_name" not in landed and landed["card_token"] == written["card_token"]


def test_the_same_record_corrected_twice_in_the_same_way_lands_once(s3):
    land(s3, 1, 10, bad=(3, 4))
    correct(s3, [full_row(3), full_row(4)])
    correct(s3, [full_row(3, event_time="2026-03-02T01:00:00+01:00")], "b.ndjson")
    report = replay(s3)
    assert (report.read, report.replayed, report.repeated, report.replayed_before) == (3, 2, 1, 0)
    assert len(replayed_rows(s3)) == 2
    again = replay(s3)
    assert (again.replayed, again.repeated, again.replayed_before) == (0, 1, 2)


def test_a_prefix_without_corrected_records_says_so(s3):
    with pytest.raises(PlatformError, match="holds no corrected records"):
        replay(s3)
