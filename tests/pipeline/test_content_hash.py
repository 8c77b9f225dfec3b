"""The content hash is the same, whether Spark computes it for the job or Python for the fraud stream."""

from __future__ import annotations

from typing import Any

from data_catalog.content_hash import content_hash
from data_catalog.transaction_contract import LANDED_FIELDS
from data_processing import transformations
from tests.pipeline.etl_rows import as_lines, line, row

EVERY_FIELD: dict[str, Any] = {
    "card_token": "1_t",
    "card_last4": "4242",
    "counterparty_account": "GB29NWBK60161331926819",
    "counterparty_bank": "NWBKGB2L",
    "merchant_name": "Café 🍰",
    "merchant_category_code": "5812",
    "merchant_country": "DE",
    "original_transaction_id": "tx-0",
    "booking_date": "2026-03-04",
    "pending_transaction_id": "tx-9",
}
OTHERWISE_WRITTEN: tuple[dict[str, Any], ...] = (
    {},
    EVERY_FIELD,
    {"amount": "0012.5"},
    {"amount": "12.5000", "currency": "KWD"},
    {"balance_after": "-0.00"},
    {"balance_after": "-99999999999999.99"},
    {"event_time": "2026-03-02T08:15:30Z"},
    {"event_time": "2026-03-02T08:15:30.1234567Z"},
    {"event_time": "2016-12-31T23:59:60Z"},
    {"description": None},
    {"description": "a\u001fb"},
    {"description": "a", "merchant_name": "\u001fb"},
    *({name: value} for name, value in EVERY_FIELD.items()),
)


def test_spark_and_python_agree_on_every_field(spark, tmp_path):
    rows = [row(number, **fields) for number, fields in enumerate(OTHERWISE_WRITTEN)]
    typed = transformations.typed(transformations.parsed(as_lines(spark, tmp_path / "in", map(line, rows))))
    by_spark = {each["transaction_id"]: each["content_hash"] for each in typed.collect() if each["reason"] is None}
    assert by_spark == {each["transaction_id"]: content_hash(each) for each in rows}
    assert len(set(by_spark.values())) == len(rows)
    assert EVERY_FIELD.keys() | row().keys() >= {
        field.name for field in LANDED_FIELDS if "replaces" not in field.name
    } - {"former_card_token"}
