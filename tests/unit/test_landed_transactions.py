"""Raw objects are read without Spark: what the rules need of each row, and what cannot be read."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest

from data_processing.fraud_rules import COLUMNS
from data_processing.landed_transactions import Transaction, read_object, time_of
from tests.unit.kinesis_events import landed, process, transaction

ROW: dict[str, Any]
(ROW,) = landed(process(transaction(transaction_id="tx-1")))


def lines(*rows: dict[str, Any] | bytes) -> bytes:
    texts = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    return gzip.compress(b"\n".join(texts) + b"\n")


def test_what_the_landing_writes_is_read_with_its_arrival() -> None:
    batch = process(transaction(amount="12.5", event_time="2026-03-02T08:15:30.25+01:00"), transaction())
    found = read_object(gzip.compress(batch.landed))
    assert found.unreadable == 0
    (first, arrival), _ = found.transactions
    assert (first.amount, first.event_time.isoformat()) == (Decimal("12.5"), "2026-03-02T07:15:30.250000+00:00")
    assert time_of(arrival) == batch.first_arrival


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"[]",
        {},
        ROW | {"amount": "NaN"},
        ROW | {"amount": 1.5},
        ROW | {"event_time": "2026-03-02T08:15:30+01:00"},
        ROW | {"event_time": "2026-02-30T08:15:30Z"},
        ROW | {"status": "MAYBE"},
        ROW | {"account_id": None},
        ROW | {"account_id": 7},
        ROW | {"card_token": ["x"]},
    ],
    ids=str,
)
def test_a_row_that_the_landing_did_not_write_is_counted_and_the_others_are_read(bad: Any) -> None:
    found = read_object(lines(ROW, bad, ROW | {"transaction_id": "tx-2"}))
    assert [each.transaction_id for each, _ in found.transactions] == ["tx-1", "tx-2"]
    assert found.unreadable == 1


@pytest.mark.parametrize("body", [b"", b"no gzip", lines(ROW)[:-9], lines(ROW) + lines(ROW)])
def test_an_object_that_is_no_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="the object is"):
        read_object(body)


def test_while_a_rotation_overlaps_a_card_has_the_name_that_it_had_first() -> None:
    tokens: list[dict[str, Any]] = [
        {"card_token": "1_a"},
        {"card_token": "2_b", "former_card_token": "1_a"},
        {"card_token": None},
        {},
    ]
    found = read_object(lines(*({**ROW, **each} for each in tokens)))
    assert [each.card_token for each, _ in found.transactions] == ["1_a", "1_a", None, None]


def test_a_leap_second_is_the_last_microsecond_of_its_minute() -> None:
    ((one, _),) = read_object(lines(ROW | {"event_time": "2016-12-31T23:59:60Z"})).transactions
    assert one.event_time.isoformat() == "2016-12-31T23:59:59.999999+00:00"


def test_all_that_rules_may_read_is_read() -> None:
    of_the_run = {"event_date", "run_id", "event_time"}
    assert set(COLUMNS) - of_the_run <= set(Transaction.__struct_fields__)
