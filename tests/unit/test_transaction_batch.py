"""A batch of records: what lands, in which form and under which names, and that it is the same at every retry."""

from __future__ import annotations

import json
import random
import tracemalloc
from decimal import Decimal

import pytest

from data_catalog.transaction_contract import (
    LANDED_FIELDS,
    QUARANTINE_FIELDS,
    QUARANTINE_REASONS,
    REPLACED,
    TRANSACTION_FIELDS,
)
from data_governance.control_totals import UNREADABLE, ControlKey, ControlTotals
from data_governance.tokenization import TokenKeys
from data_ingestion.kinesis_records import MAX_AGGREGATED
from data_ingestion.landing_rows import LandedRow
from data_ingestion.transaction_batch import control_entry, process_batch
from data_ingestion.transaction_generator import generate
from infrastructure.errors import PlatformError
from tests.unit.kinesis_events import (
    ARRIVAL,
    EVERY_FIELD,
    FIRST_SEQUENCE,
    INCARNATION,
    KEYS,
    SHARD,
    TRANSACTION,
    aggregated,
    encoded,
    event_records,
    landed,
    outcome,
    process,
    quarantined,
    transaction,
)

NAME = f"{INCARNATION}-{SHARD}-{FIRST_SEQUENCE}-{FIRST_SEQUENCE + 1}"


def test_a_landed_row_has_every_field_of_the_contract_and_no_other() -> None:
    (row,) = landed(process(encoded(EVERY_FIELD)))
    assert row.keys() == {field.name for field in LANDED_FIELDS} - {*REPLACED, "former_card_token"}


def test_a_landed_row_carries_what_was_sent_where_it_stood_and_when_it_came() -> None:
    _, row = landed(process(transaction(), encoded(EVERY_FIELD)))
    sent = {name: value for name, value in EVERY_FIELD.items() if name != "card_number"}
    assert row == sent | {
        "event_time": "2026-05-28T20:26:39.507000Z",
        "card_token": KEYS.token("4111111111111111"),
        "card_last4": "1111",
        "stream_incarnation": INCARNATION,
        "shard_id": SHARD,
        "sequence_number": str(FIRST_SEQUENCE + 1),
        "sub_sequence_number": 0,
        "arrival_time": "2026-05-28T20:26:40.251000Z",
        "landed_at": "2026-05-28T20:26:40.251000Z",
    }


def test_the_landed_row_has_no_place_for_a_card_number() -> None:
    assert "card_number" not in LandedRow.__struct_fields__


def test_absent_and_null_optional_fields_are_left_out() -> None:
    nulls = {field.name: None for field in TRANSACTION_FIELDS if not field.required}
    for row in landed(process(transaction(), transaction(**nulls))):
        assert row.keys() & nulls.keys() == set()
        assert "card_token" not in row


def test_times_are_brought_to_utc() -> None:
    (row,) = landed(process(transaction(event_time="2026-05-28T23:30:00.5+05:30")))
    assert row["event_time"] == "2026-05-28T18:00:00.500000Z"


def test_a_quarantined_row_is_of_the_contract_and_tells_where_why_and_what_for() -> None:
    (row,) = quarantined(process(transaction(amount="1.001")))
    assert row.keys() <= {field.name for field in QUARANTINE_FIELDS}
    assert {field.name for field in QUARANTINE_FIELDS if field.required} <= row.keys()
    assert row | {"fingerprint": ..., "payload": ...} == {
        "reason": "amount_scale",
        "stage": "landing",
        "field": "amount",
        "transaction_id": TRANSACTION["transaction_id"],
        "currency": "EUR",
        "credit_debit_indicator": "DBIT",
        "amount": "1.001",
        "stream_incarnation": INCARNATION,
        "shard_id": SHARD,
        "sequence_number": str(FIRST_SEQUENCE),
        "sub_sequence_number": 0,
        "arrival_time": "2026-05-28T20:26:40.250000Z",
        "fingerprint": ...,
        "payload": ...,
    }
    assert json.loads(row["payload"]) == TRANSACTION | {"amount": "1.001"}


def test_a_quarantined_record_keeps_its_card_as_a_token_so_that_a_corrected_one_has_it_again() -> None:
    (row,) = quarantined(process(encoded(EVERY_FIELD | {"status": "LOST"})))
    payload = json.loads(row["payload"])
    assert payload["card_token"] == KEYS.token("4111111111111111")
    assert payload["card_last4"] == "1111"
    assert "card_number" not in payload


def test_keys_come_from_the_batch_and_the_first_arrival() -> None:
    result = process(transaction(), transaction())
    assert result.raw_key == f"raw/transactions/arrival_date=2026-05-28/arrival_hour=20/{NAME}.ndjson.gz"
    assert result.quarantine_key == f"quarantine/stage=landing/arrival_date=2026-05-28/{NAME}.ndjson.gz"
    assert result.control_key == f"raw/control/arrival_date=2026-05-28/{NAME}.json"


def test_the_partition_is_that_of_the_first_record_even_where_a_batch_spans_midnight() -> None:
    midnight = 1_780_012_800.0  # 2026-05-29T00:00:00Z
    records = event_records([transaction(), transaction()], arrival=midnight - 0.001)
    assert "arrival_date=2026-05-28/arrival_hour=23" in process_batch(records, INCARNATION, KEYS).raw_key


def test_a_retried_batch_writes_the_same_keys_and_bytes() -> None:
    records = event_records(generate(600, seed=11))
    first, second = (process_batch(records, INCARNATION, KEYS) for _ in range(2))
    assert first == second
    assert first.quarantined and first.landed


def test_rows_stand_in_the_order_of_the_stream() -> None:
    result = process(*generate(700, seed=12))
    for rows in (landed(result), quarantined(result)):
        numbers = [int(row["sequence_number"]) for row in rows]
        assert numbers == sorted(numbers)


def test_every_record_ends_in_exactly_one_of_the_two() -> None:
    result = process(*generate(1_500, seed=13))
    numbers = [row["sequence_number"] for row in landed(result) + quarantined(result)]
    assert sorted(map(int, numbers)) == [FIRST_SEQUENCE + index for index in range(1_500)]
    assert result.landed_records + sum(result.quarantined_by_reason.values()) == result.records == 1_500


def test_control_totals_balance_and_are_those_of_the_rows() -> None:
    datas = list(generate(1_500, seed=14))
    result = process(*datas)
    streamed, rows = ControlTotals(), ControlTotals()
    for data in datas:
        streamed.add(*control_entry(data))
    for row in landed(result):
        rows.add(ControlKey(row["currency"], row["credit_debit_indicator"]), Decimal(row["amount"]))
    assert result.streamed_totals == streamed
    assert result.landed_totals == rows
    assert result.streamed_totals == result.landed_totals + result.quarantined_totals


def test_quarantined_rows_carry_what_they_count_for() -> None:
    result = process(*generate(1_500, seed=15))
    rows = ControlTotals()
    for row in quarantined(result):
        rows.add(ControlKey(row.get("currency"), row.get("credit_debit_indicator")), Decimal(row["amount"]))
    assert rows == result.quarantined_totals


def test_the_control_object_tells_the_batch_and_its_totals() -> None:
    result = process(transaction(), b"{")
    assert json.loads(result.control) == {
        "stream_incarnation": INCARNATION,
        "shard_id": SHARD,
        "first_sequence_number": str(FIRST_SEQUENCE),
        "last_sequence_number": str(FIRST_SEQUENCE + 1),
        "records": 2,
        "streamed": result.streamed_totals.rows(),
        "landed": result.landed_totals.rows(),
        "quarantined": result.quarantined_totals.rows(),
    }
    assert result.streamed_totals.rows() == [
        {"currency": None, "credit_debit_indicator": None, "records": 1, "amount": "0"},
        {"currency": "EUR", "credit_debit_indicator": "DBIT", "records": 1, "amount": "67.54"},
    ]


def test_many_decimals_and_many_currencies_are_summed_exactly() -> None:
    random_ = random.Random(1)
    expected = ControlTotals()
    datas = []
    for currency, units in (("EUR", 2), ("JPY", 0), ("BHD", 3), ("CLF", 4)):
        for _ in range(300):
            amount = str(Decimal(random_.randrange(1, 10**12)).scaleb(-random_.randint(0, units)))
            datas.append(transaction(currency=currency, amount=amount))
            expected.add(ControlKey(currency, "DBIT"), Decimal(amount))
    assert process(*datas).streamed_totals == expected


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({}, (ControlKey("EUR", "DBIT"), Decimal("67.54"))),
        ({"amount": "00001"}, (ControlKey("EUR", "DBIT"), Decimal(1))),
        ({"amount": "0", "status": 5, "event_time": None}, (ControlKey("EUR", "DBIT"), Decimal(0))),
        ({"amount": "1.2345", "currency": "JPY"}, (ControlKey("JPY", "DBIT"), Decimal("1.2345"))),
        ({"amount": 67.54}, (UNREADABLE, Decimal(0))),
        ({"amount": "1e3"}, (UNREADABLE, Decimal(0))),
        ({"amount": "-1"}, (UNREADABLE, Decimal(0))),
        ({"amount": "1.23456"}, (UNREADABLE, Decimal(0))),
        ({"amount": "1\n"}, (UNREADABLE, Decimal(0))),
        ({"amount": "\u0661\u0662"}, (UNREADABLE, Decimal(0))),
        ({"amount": "123456789012345"}, (UNREADABLE, Decimal(0))),
        ({"amount": "4222222222222"}, (UNREADABLE, Decimal(0))),  # a Visa card number of 13 digits
        ({"currency": "EURO"}, (UNREADABLE, Decimal(0))),
        ({"currency": ...}, (UNREADABLE, Decimal(0))),
        ({"credit_debit_indicator": "CRED"}, (UNREADABLE, Decimal(0))),
    ],
)
def test_control_entry_reads_what_can_be_counted_and_nothing_else(changes: dict, entry: tuple) -> None:  # type: ignore[type-arg]
    assert control_entry(transaction(**changes)) == entry


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"\xff", b"{", b'{"amount":"1"', b"{}{}", b"[" * 100_000])
def test_control_entry_of_what_is_no_object_is_unreadable(data: bytes) -> None:
    assert control_entry(data) == (UNREADABLE, Decimal(0))


def test_duplicates_in_a_batch_are_seen_and_still_land() -> None:
    result = process(transaction(), transaction(transaction_id="T2"), transaction(), transaction(status="PENDING"))
    assert (result.duplicates, result.landed_records) == (1, 4), "another state is no duplicate"


def test_unknown_fields_are_kept_out_and_counted() -> None:
    result = process(transaction(terminal="7", nested={"pan": "4111111111111111"}), transaction())
    assert result.unknown_fields == 2
    assert landed(result)[0].keys() == landed(result)[1].keys()
    assert b"4111111111111111" not in result.landed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": "1.7"}, "landed"),
        ({"schema_version": "2.0"}, "unsupported_schema_version"),
        ({"schema_version": "1"}, "unsupported_schema_version"),
        ({"schema_version": "1.0 "}, "unsupported_schema_version"),
        ({"account_id": ...}, "missing_field"),
        ({"account_id": None}, "missing_field"),
        ({"account_id": 12345}, "wrong_type"),
        ({"amount": 67.54}, "wrong_type"),
        ({"description": ["a"]}, "wrong_type"),
        ({"account_id": ""}, "invalid_value"),
        ({"account_id": "A" * 35}, "invalid_value"),
        ({"account_id": "A 1"}, "invalid_value"),
        ({"account_id": "A1\n"}, "invalid_value"),
        ({"account_id": "Ä1"}, "invalid_value"),
        ({"transaction_id": "T" * 65}, "invalid_value"),
        ({"transaction_type": "GIFT"}, "invalid_value"),
        ({"transaction_type": "deposit"}, "invalid_value"),
        ({"merchant_category_code": "581"}, "invalid_value"),
        ({"merchant_category_code": "\uff15\uff18\uff11\uff14"}, "invalid_value"),
        ({"merchant_country": "XX"}, "invalid_value"),
        ({"merchant_name": "x" * 141}, "invalid_value"),
        ({"description": "ü" * 500}, "landed"),
        ({"description": "ü" * 501}, "invalid_value"),
        ({"description": "a\0b"}, "invalid_value"),
        ({"description": "naïve\0"}, "invalid_value"),
        ({"description": "two\nlines"}, "landed"),
        ({"description": 'said "card" \\ \u0007'}, "landed"),
        ({"value_date": "2026-02-30"}, "invalid_value"),
        ({"value_date": "2026-05-29T00:00:00Z"}, "invalid_value"),
        ({"value_date": "1899-12-31"}, "invalid_value"),
        ({"balance_after": "-0.5"}, "landed"),
        ({"balance_after": "1e3"}, "invalid_value"),
        ({"balance_after": ""}, "invalid_value"),
        ({"balance_after": "+1"}, "invalid_value"),
        ({"amount": "0"}, "invalid_amount"),
        ({"amount": "0.00"}, "invalid_amount"),
        ({"amount": "00.01"}, "landed"),
        ({"amount": "-1.00"}, "invalid_amount"),
        ({"amount": "+1.00"}, "invalid_amount"),
        ({"amount": "1."}, "invalid_amount"),
        ({"amount": ".5"}, "invalid_amount"),
        ({"amount": ""}, "invalid_amount"),
        ({"amount": "NaN"}, "invalid_amount"),
        ({"amount": "Infinity"}, "invalid_amount"),
        ({"amount": "1e3"}, "invalid_amount"),
        ({"amount": "1_000"}, "invalid_amount"),
        ({"amount": "1,234.50"}, "invalid_amount"),
        ({"amount": "10.00\n"}, "invalid_amount"),
        ({"amount": " 10.00"}, "invalid_amount"),
        ({"amount": "\u0661\u0662"}, "invalid_amount"),
        ({"amount": "123456789012345"}, "invalid_amount"),
        ({"amount": "99999999999999.99"}, "landed"),
        ({"amount": "1.255"}, "amount_scale"),
        ({"amount": "1.5", "currency": "JPY"}, "amount_scale"),
        ({"amount": "1.255", "currency": "BHD"}, "landed"),
        ({"amount": "1.12345", "currency": "CLF"}, "amount_scale"),
        ({"currency": "EURO"}, "invalid_currency"),
        ({"currency": "eur"}, "invalid_currency"),
        ({"currency": "XXX"}, "invalid_currency"),
        ({"currency": "EU\n"}, "invalid_currency"),
        ({"event_time": "2026-05-28T20:26:39"}, "invalid_event_time"),
        ({"event_time": "2026-05-28"}, "invalid_event_time"),
        ({"event_time": "1780000000"}, "invalid_event_time"),
        ({"event_time": "2026-05-28T24:00:00Z"}, "invalid_event_time"),
        ({"event_time": "2026-05-28T20:26:60Z"}, "invalid_event_time"),
        ({"event_time": "1969-12-31T23:59:59Z"}, "invalid_event_time"),
        ({"event_time": "1970-01-01T00:30:00+01:00"}, "invalid_event_time"),
        ({"event_time": "1969-12-31T23:30:00-01:00"}, "landed"),
        ({"event_time": "0001-01-01T00:00:00+23:59"}, "invalid_event_time"),
        ({"event_time": "9999-12-31T23:59:59-23:59"}, "invalid_event_time"),
        ({"event_time": "2026-05-29T20:26:40.250Z"}, "landed"),
        ({"event_time": "2026-05-29T20:26:40.260Z"}, "event_time_in_future"),
        ({"event_time": "2026-05-29T22:26:40.260+02:00"}, "event_time_in_future"),
        ({"transaction_type": "REVERSAL"}, "missing_original_transaction"),
        ({"transaction_type": "REVERSAL", "original_transaction_id": None}, "missing_original_transaction"),
        ({"transaction_type": "REVERSAL", "original_transaction_id": "T0"}, "landed"),
        ({"card_number": "4111 1111 1111 1111"}, "landed"),
        ({"card_number": "4111-1111-1111-1111"}, "landed"),
        ({"card_number": "4111111111111112"}, "invalid_card_number"),
        ({"card_number": "4111  1111 1111 1111"}, "invalid_card_number"),
        ({"card_number": "4111111111111111\n"}, "invalid_card_number"),
        ({"card_number": "\uff14" + "\uff11" * 15}, "invalid_card_number"),
        ({"card_number": "\u0664" + "\u0661" * 15}, "invalid_card_number"),
        ({"card_number": "411111111111"}, "invalid_card_number"),
        ({"card_number": "41111111111111111111"}, "invalid_card_number"),
        ({"card_number": ""}, "invalid_card_number"),
        ({"card_number": 4111111111111111}, "wrong_type"),
        ({"transaction_id": "4111111111111111a000000000000abc"}, "card_number_in_identifier"),
        ({"transaction_id": "41111111-1111-1111-a000-000000000abc"}, "card_number_in_identifier"),
        ({"transaction_id": "\\u0034111111111111111"}, "card_number_in_identifier"),
        ({"account_id": "4111\\t1111\\t11111111"}, "card_number_in_identifier"),
        ({"transaction_id": "a\\u0034"}, "landed"),
        ({"transaction_id": "46925665-8229-4927-8d7e-b9f962f9da63"}, "landed"),
        ({"transaction_id": "4111111111111111"}, "card_number_in_identifier"),
        ({"transaction_id": "TX4111111111111111"}, "card_number_in_identifier"),
        ({"transaction_id": "4111-1111-1111-1111"}, "card_number_in_identifier"),
        ({"account_id": "4111111111111111"}, "card_number_in_identifier"),
        ({"counterparty_account": "x:4111111111111111"}, "card_number_in_identifier"),
        ({"counterparty_bank": "4111111111111111"}, "card_number_in_identifier"),
        ({"original_transaction_id": "4111111111111111"}, "card_number_in_identifier"),
        ({"channel": "4111111111111111"}, "card_number_in_identifier"),
        ({"currency": "4111111111111111"}, "card_number_in_identifier"),
        ({"amount": "4222222222222"}, "card_number_in_identifier"),
        ({"amount": "4222222222222.00"}, "card_number_in_identifier"),
        ({"balance_after": "-36227206271667"}, "card_number_in_identifier"),
        ({"account_id": "4111111111111112"}, "landed"),
        ({"account_id": "DE89370400440532013000"}, "landed"),
        ({"transaction_id": "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"}, "landed"),
    ],
)
def test_reasons(changes: dict, reason: str) -> None:  # type: ignore[type-arg]
    assert outcome(transaction(**changes)) == reason
    # The same verdict among good records, which take the fast path.
    rows = quarantined(process(transaction(), transaction(**changes), transaction()))
    assert [row["reason"] for row in rows] == ([] if reason == "landed" else [reason])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_record"),
        (b" \r\n\t", "empty_record"),
        (b"x" * 65_537, "record_too_large"),
        (b"\xef\xbb\xbf" + transaction(), "invalid_encoding"),
        (transaction().decode().encode("utf-16"), "invalid_encoding"),
        (transaction().replace(b"POS", b"\xff\xfe"), "invalid_encoding"),
        (transaction(unknown=1).replace(b"unknown", b"unkn\xffwn"), "invalid_encoding"),
        (transaction()[:-1], "malformed_json"),
        (transaction() + transaction(), "malformed_json"),
        (transaction() + b"\n" + transaction(), "malformed_json"),
        (transaction() + b"x", "malformed_json"),
        (b"[" + transaction() + b"]", "malformed_json"),
        (b"null", "malformed_json"),
        (b'"text"', "malformed_json"),
        (b"\0\0\0", "malformed_json"),
        (transaction(x=1).replace(b'"x":1', b'"x":NaN'), "malformed_json"),
        (transaction(x=1).replace(b'"x":1', b'"x":-Infinity'), "malformed_json"),
        (transaction(x=1).replace(b'"x":1', b'"x":01'), "malformed_json"),
        (transaction(x=1).replace(b'"x":1', b'"x":' + b"9" * 60_000), "landed"),
        (transaction(x=1).replace(b'"x":1', b'"x":1e999999'), "landed"),
        (transaction()[:-1] + b',"amount":"1.00"}', "duplicate_key"),
        (transaction()[:-1] + b',"am\\u006funt":"1.00"}', "duplicate_key"),
        (transaction()[:-1] + b',"channel":null}', "duplicate_key"),
        (transaction(description='""""')[:-1] + b',"channel":"POS"}', "duplicate_key"),
        (transaction(description="????").replace(b"?", b"\\u0022")[:-1] + b',"channel":"POS"}', "duplicate_key"),
        (transaction(x={"y": 1}).replace(b'"y":1', b'"y":1,"y":2'), "duplicate_key"),
        (transaction(x=[[[[]]]]), "landed"),
        (transaction(x=1).replace(b'"x":1', b'"x":' + b"[" * 15 + b"]" * 15), "landed"),
        (transaction(x=1).replace(b'"x":1', b'"x":' + b"[" * 16 + b"]" * 16), "too_deep"),
        (transaction(x=1).replace(b'"x":1', b'"x":' + b"[" * 30_000 + b"]" * 30_000), "too_deep"),
        (transaction(x=1).replace(b'"x":1', b'"x":' + b'{"a":' * 10_000), "too_deep"),
        (transaction(description="x").replace(b'"x"', b'"\\ud800"'), "invalid_value"),
        (transaction(x=1).replace(b'"x"', b'"\\ud800"'), "malformed_json"),
        (transaction(description="x").replace(b'"x"', b'"\\ud83d\\ude00"'), "landed"),
        (transaction().replace(b":", b" : ").replace(b",", b" ,\n"), "invalid_event_time"),
        (json.dumps(TRANSACTION, indent=2).encode(), "landed"),
        (b"\xf3\x89\x9a\xc2", "broken_aggregate"),
    ],
)
def test_records_that_are_no_transaction(data: bytes, reason: str) -> None:
    assert outcome(data) == reason


def test_every_reason_of_the_landing_is_in_the_catalog() -> None:
    result = process(*generate(5_000, seed=16))
    assert result.quarantined_by_reason.keys() <= QUARANTINE_REASONS.keys()


def test_a_1_mib_record_is_quarantined_whole_and_in_little_time() -> None:
    data = b'{"description":"' + b"4111 1111 " * 104_000 + b'"}'
    (row,) = quarantined(process(data))
    assert row["reason"] == "record_too_large"
    assert len(row["payload"]) == len(data)


def test_an_aggregate_is_taken_apart_in_order() -> None:
    datas = [transaction(transaction_id=f"T{index}") for index in range(3)]
    result = process(transaction(), aggregated(datas), transaction())
    rows = landed(result)
    assert [row["sub_sequence_number"] for row in rows] == [0, 0, 1, 2, 0]
    assert [row["transaction_id"] for row in rows[1:4]] == ["T0", "T1", "T2"]
    assert {row["sequence_number"] for row in rows[1:4]} == {str(FIRST_SEQUENCE + 1)}
    assert result.records == 5
    assert json.loads(result.control)["last_sequence_number"] == str(FIRST_SEQUENCE + 2)


def test_a_broken_aggregate_is_quarantined_as_one_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    datas = [transaction(transaction_id=f"T{index}") for index in range(3)]
    result = process(aggregated(datas, index=7), aggregated(datas, digest=bytes(16)), aggregated([]))
    assert result.quarantined_by_reason == {"broken_aggregate": 3}
    assert result.streamed_totals.rows()[0]["records"] == 3
    assert capfd.readouterr() == ("", "")


def test_aggregates_past_what_a_batch_can_hold_stay_whole_and_memory_stays_small() -> None:
    """Lambda would pass three times as many; split into records, these would take 200 MB."""
    tiny = aggregated([b""] * MAX_AGGREGATED)
    tracemalloc.start()
    result = process(aggregated([transaction()]), *[tiny] * 12, aggregated([transaction()]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # After the first one none of the large ones fits any more, but the last one does.
    assert result.quarantined_by_reason == {"broken_aggregate": 12}
    assert result.landed_records == 2
    assert peak < 100 * 2**20


def test_as_many_aggregated_records_as_a_batch_can_hold_are_taken_apart() -> None:
    half = MAX_AGGREGATED // 2
    result = process(*[aggregated([b""] * half)] * 2, aggregated([b"", b""]), transaction())
    assert result.quarantined_by_reason == {"broken_aggregate": 1, "empty_record": MAX_AGGREGATED}
    assert result.landed_records == 1


@pytest.mark.parametrize(
    ("text", "row_text"),
    [
        ("\\u0034" + "1" * 15, "*" * 12 + "1111"),
        ("\u00fc \\u0034" + "1" * 15, "\u00fc " + "*" * 12 + "1111"),
        ("4111" + " " * 30 + "1111-1111" + "\t" * 9 + "1111", "****" + " " * 30 + "****-****" + "\t" * 9 + "1111"),
        ("4111\U000e01011111\u030111111111", "****\U000e0101****\u0301****1111"),
        ("C:\\u0031 and \\n", "C:\\u0031 and \\n"),
    ],
)
def test_free_text_lands_with_card_numbers_masked_however_they_are_written(text: str, row_text: str) -> None:
    rows = landed(process(transaction(), transaction(description=text), transaction(merchant_name=text)))
    assert [row.get("description", row.get("merchant_name")) for row in rows] == [None, row_text, row_text]


def test_landed_at_is_the_latest_arrival_wherever_it_stands() -> None:
    records = event_records([transaction()] * 3)
    records[1]["kinesis"]["approximateArrivalTimestamp"] = ARRIVAL + 60
    rows = landed(process_batch(records, INCARNATION, KEYS))
    assert {row["landed_at"] for row in rows} == {"2026-05-28T20:27:40.250000Z"}


@pytest.mark.parametrize("records", [[], None, [{}], ["x"], [{"kinesis": {}}], [{"Sns": {}}]])
def test_an_event_of_another_source_is_refused(records: object) -> None:
    with pytest.raises(PlatformError, match="holds no Kinesis records") as caught:
        process_batch(records, INCARNATION, KEYS)  # type: ignore[arg-type]
    assert caught.value.__context__ is None


def test_the_fingerprint_is_of_the_content_and_survives_a_rotation_of_keys() -> None:
    rotated = TokenKeys(2, {1: bytes(range(32)), 2: bytes(32)})
    before, again, after, other = (
        quarantined(process(data, keys=keys))[0]["fingerprint"]
        for data, keys in ((b"{", KEYS), (b"{", KEYS), (b"{", rotated), (b"{{", KEYS))
    )
    assert before == again == after != other


def test_a_rotation_changes_tokens_and_nothing_else() -> None:
    rotated = TokenKeys(2, {1: bytes(range(32)), 2: bytes(32)})
    (before,), (after,) = (landed(process(encoded(EVERY_FIELD), keys=keys)) for keys in (KEYS, rotated))
    former = before.pop("card_token")
    assert after.pop("card_token").startswith("2_")
    assert after.pop("former_card_token") == former, "while both keys are live, a card has both tokens"
    assert before == after


def test_only_a_card_has_a_former_token() -> None:
    overlap = TokenKeys(2, {1: bytes(range(32)), 2: bytes(range(32, 64))})
    with_card, without = landed(process(encoded(EVERY_FIELD), transaction(), keys=overlap))
    assert with_card["former_card_token"] == KEYS.token("4111111111111111")
    assert "former_card_token" not in without and "card_token" not in without


def test_a_quarantined_card_keeps_both_tokens_for_its_correction() -> None:
    overlap = TokenKeys(2, {1: bytes(range(32)), 2: bytes(range(32, 64))})
    (row,) = quarantined(process(encoded(EVERY_FIELD | {"currency": "XXQ"}), keys=overlap))
    payload = json.loads(row["payload"])
    assert payload["card_token"] == overlap.token("4111111111111111")
    assert payload["former_card_token"] == KEYS.token("4111111111111111")
