"""An id that was taken for a card number lands after all if somebody says by name that it is none, and that is kept."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from data_ingestion.replay import Replay, ReplayReport
from data_processing.etl_run import Buckets
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.pipeline.etl_lake import make_tables
from tests.unit.kinesis_events import TRANSACTION, process, quarantined, transaction

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SETTINGS = Settings()
RAW, CURATED, QUARANTINE = map(SETTINGS.bucket, ("raw", "curated", "quarantine"))
ID = "2311202600000006"  # an id of a date and a serial number, which is also a Mastercard number
POSITION = ("stream_incarnation", "shard_id", "sequence_number", "sub_sequence_number")

Bank = tuple["S3Client", Callable[[], ReplayReport], dict[str, Any]]


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    """The client, the replay, and the quarantined row of a record with that id, whose corrected line lies ready."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with emulated_aws():
        s3 = boto3.client("s3")
        for bucket in (RAW, CURATED, QUARANTINE):
            s3.create_bucket(Bucket=bucket)
        result = process(transaction(original_transaction_id=ID), transaction(amount="1.001"))
        s3.put_object(Bucket=QUARANTINE, Key=result.quarantine_key, Body=gzip.compress(result.quarantined))
        row = quarantined(result)[0]
        put(s3, "corrected/a.ndjson", corrected(row))
        tables = make_tables(s3, Buckets(RAW, CURATED, QUARANTINE)).table
        yield s3, lambda: Replay(s3, RAW, QUARANTINE, tables).run("corrected/"), row


def put(s3: S3Client, key: str, row: dict[str, Any]) -> None:
    s3.put_object(Bucket=QUARANTINE, Key=key, Body=json.dumps(row).encode())


def position(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in POSITION}


def corrected(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    times = dict.fromkeys(("arrival_time", "landed_at"), row["arrival_time"])
    return TRANSACTION | {"original_transaction_id": ID} | position(row) | times | changes


def approval(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    words = {
        "field": "original_transaction_id",
        "approved_by": "M. Novak, payments operations",
        "approved_at": "2026-11-26T09:30:00Z",
        "reason": "core banking ids are a date and a serial number (ticket 4711)",
    }
    return position(row) | words | changes


def written(s3: S3Client, prefix: str) -> list[bytes]:
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket=RAW, Prefix=prefix).get("Contents", [])]
    return [s3.get_object(Bucket=RAW, Key=key)["Body"].read() for key in keys]


def test_the_payload_does_not_tell_the_id_and_without_an_approval_the_true_one_is_refused(bank: Bank) -> None:
    s3, replay, row = bank
    assert row["reason"] == "card_number_in_identifier"
    assert ID not in row["payload"]
    with pytest.raises(PlatformError, match=r"bad original_transaction_id .*card number") as caught:
        replay()
    assert ID not in str(caught.value)
    assert not written(s3, "raw/")


def test_with_an_approval_it_lands_as_it_is_and_the_control_object_says_who_when_and_why(bank: Bank) -> None:
    s3, replay, row = bank
    put(s3, "approved/2026-11.ndjson", approval(row))
    assert replay().replayed == 1
    ((landed,), (control,)) = written(s3, "raw/transactions/"), written(s3, "raw/control/replay/")
    assert json.loads(gzip.decompress(landed))["original_transaction_id"] == ID
    (kept,) = json.loads(control)["approved"]
    assert kept == {
        "where": "approved/2026-11.ndjson line 1",
        "position": [row[name] for name in POSITION],
        "field": "original_transaction_id",
        "approved_by": "M. Novak, payments operations",
        "approved_at": "2026-11-26T09:30:00Z",
        "reason": "core banking ids are a date and a serial number (ticket 4711)",
    }
    assert (again := replay()).replayed == 0 and again.replayed_before == 1


def test_an_approval_lets_one_field_of_one_record_in_and_nothing_else(bank: Bank) -> None:
    s3, replay, row = bank
    put(s3, "approved/a.ndjson", approval(row, field="transaction_id"))
    with pytest.raises(PlatformError, match="bad original_transaction_id"):
        replay()
    put(s3, "approved/a.ndjson", approval(row, sequence_number=str(int(row["sequence_number"]) + 1)))
    with pytest.raises(PlatformError, match="bad original_transaction_id"):
        replay()
    put(s3, "approved/a.ndjson", approval(row))
    put(s3, "corrected/a.ndjson", corrected(row, account_id="4111111111111111", description=f"card {ID}"))
    with pytest.raises(PlatformError, match="bad account_id"):
        replay()
    put(s3, "corrected/a.ndjson", corrected(row, description="card 4111111111111111"))
    assert replay().replayed == 1
    assert "4111111111111111" not in gzip.decompress(written(s3, "raw/transactions/")[0]).decode()


def test_a_record_that_was_quarantined_for_another_reason_needs_none(bank: Bank) -> None:
    s3, replay, row = bank
    other = row | {"sequence_number": str(int(row["sequence_number"]) + 1)}
    put(s3, "corrected/a.ndjson", corrected(other, original_transaction_id="T0"))
    put(s3, "approved/a.ndjson", approval(other))
    with pytest.raises(PlatformError, match="approves a record that was quarantined for another reason"):
        replay()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"approved_by": " "}, "says not in words who"),
        ({"reason": 5}, "says not in words who"),
        ({"reason": "x" * 501}, "says not in words who"),
        ({"approved_at": "yesterday"}, "has an approved_at that is no RFC 3339 time"),
        ({"approved_at": "2026-11-26T09:30:00"}, "has an approved_at that is no RFC 3339 time"),
        ({"field": "description"}, "names another field"),
        ({"field": "card_number"}, "names another field"),
        ({"value": ID}, "is no JSON object with"),
        ({"reason": f"it is {ID}"}, "holds a card number"),
    ],
)
def test_an_approval_that_is_not_complete_is_refused_and_nothing_is_written(
    bank: Bank, changes: dict[str, Any], says: str
) -> None:
    s3, replay, row = bank
    put(s3, "approved/a.ndjson", approval(row, **changes))
    with pytest.raises(PlatformError, match=f"approved/a.ndjson line 1: {says}") as caught:
        replay()
    assert ID not in str(caught.value)
    assert not written(s3, "raw/")


def test_a_token_of_a_corrected_record_holds_no_card_number(bank: Bank) -> None:
    s3, replay, row = bank
    put(s3, "approved/a.ndjson", approval(row))
    for token in (f"4111111111111111_{'a' * 43}", f"1_4111111111111111{'a' * 27}", f"1_{'a' * 42}"):
        put(s3, "corrected/a.ndjson", corrected(row, card_token=token))
        with pytest.raises(PlatformError, match="bad card_token"):
            replay()
