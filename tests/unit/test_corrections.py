"""From a quarantined record to a line that a replay takes. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from data_ingestion.corrected_records import Position
from data_ingestion.corrections import SETTABLE, NotCorrectableError, checked_line, draft
from data_ingestion.quarantined_records import QuarantinedRecord
from infrastructure.errors import PlatformError

TOKEN = "1_" + "a" * 43
PAYLOAD = {
    "schema_version": "1.1", "transaction_id": "T1", "account_id": "DE89370400440532013000",
    "transaction_type": "PAYMENT", "credit_debit_indicator": "DBIT", "amount": "12.50", "currency": "euro",
    "event_time": "2026-03-02T09:00:00Z", "status": "BOOKED", "channel": "API",
}  # fmt: skip
RECORD = QuarantinedRecord(
    reason="invalid_currency",
    stage="landing",
    field="currency",
    transaction_id="T1",
    position=Position("20260302T090000Z", "shardId-000000000000", "17", 0),
    arrival_time=datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC),
    payload=json.dumps(PAYLOAD),
)


def holding(**fields):
    return replace(RECORD, payload=json.dumps(PAYLOAD | fields))


def test_a_value_that_is_set_makes_a_line_that_keeps_its_position():
    line = json.loads(checked_line(draft(RECORD, {"currency": "EUR"}), "x"))
    assert line["currency"] == "EUR" and line["amount"] == "12.50"
    assert [line[name] for name in Position._fields] == list(RECORD.position)
    assert line["arrival_time"] == line["landed_at"] == "2026-03-02T09:00:01+00:00"


def test_what_is_still_at_fault_is_named_as_a_replay_would():
    with pytest.raises(PlatformError, match="has a bad currency"):
        checked_line(draft(RECORD, {"currency": "EURO"}), "x")
    with pytest.raises(PlatformError, match="lacks amount"):
        checked_line(draft(RECORD, {"currency": "EUR", "amount": ""}), "x")


def test_a_card_stays_by_its_token_and_unknown_fields_do_not_land():
    record = holding(card_token=TOKEN, card_last4="4242", loyalty="[removed]", cvv="[removed]")
    line = json.loads(checked_line(draft(record, {"currency": "EUR"}), "x"))
    assert line["card_token"] == TOKEN and "loyalty" not in line and "cvv" not in line


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ('{"transaction_id":"T1","acc', "is no JSON object"),
        ("[1]", "is no JSON object"),
        (json.dumps(PAYLOAD | {"card_number": "[removed]"}), "has a card number without a token"),
    ],
)
def test_what_no_value_can_correct_is_said(payload, says):
    with pytest.raises(NotCorrectableError, match=says):
        draft(replace(RECORD, payload=payload), {"currency": "EUR"})


def test_a_card_number_cannot_be_set_nor_a_position():
    assert not {"card_number", "card_token", "sequence_number", "landed_at"} & set(SETTABLE)


@pytest.mark.parametrize(
    ("name", "value"),
    [("reason", "invalid_currency"), ("day", "2026-03-02"), ("channel", "API"), ("amount", "12.50"), ("nothing", None)],
)
def test_a_condition_compares_the_rows_properties_and_the_payloads_fields(name, value):
    assert RECORD.value(name) == value
