"""Each raw row is proven or refused. What a typed JSON reader repairs or drops in silence is found here."""

from __future__ import annotations

import json

import pytest

from data_catalog.landed_form import LINE, SEPARATOR
from data_catalog.transaction_contract import LANDED_FIELDS
from data_processing import known_ids, transformations
from tests.pipeline.etl_rows import as_lines, line, row
from tests.pipeline.test_content_hash import EVERY_FIELD

# name -> (line, the fault expected: a reason, or None for a row that is in order)
SILENT: dict[str, tuple[str | bytes, str | None]] = {
    "amount as a number with more decimals": (line(row()).replace('"12.50"', "1.255"), "unreadable_row"),
    "amount with more decimals than its currency": (line(row(amount="1.255")), "amount_scale"),
    "amount with more decimals than is stored": (line(row(amount="1.25555")), "amount_scale"),
    "amount with a fraction of a yen": (line(row(amount="100.5", currency="JPY")), "amount_scale"),
    "amount with thousands separators": (line(row(amount="1,234.50")), "invalid_amount"),
    "amount in exponent form": (line(row(amount="1e3")), "invalid_amount"),
    "amount NaN": (line(row(amount="NaN")), "invalid_amount"),
    "amount with a sign": (line(row(amount="-1.00")), "invalid_amount"),
    "amount zero": (line(row(amount="0.00")), "invalid_amount"),
    "amount too large": (line(row(amount="123456789012345")), "invalid_amount"),
    "amount in other digits": (line(row(amount="١٢")), "invalid_amount"),
    "amount with a line feed": (line(row(amount="12.50\n")), "invalid_amount"),
    "time in epoch milliseconds": (line(row(event_time="1772700000000")), "invalid_event_time"),
    "time as a number": (line(row()).replace('"2026-03-02T08:15:30.250000Z"', "1772700000000"), "unreadable_row"),
    "time as a bare year": (line(row(event_time="2026")), "invalid_event_time"),
    "time as a bare date": (line(row(event_time="2026-03-02")), "invalid_event_time"),
    "time without offset": (line(row(event_time="2026-03-02T08:15:30")), "invalid_event_time"),
    "time on a day that is none": (line(row(event_time="2026-02-30T08:15:30Z")), "invalid_event_time"),
    "time at 25 o'clock": (line(row(event_time="2026-03-02T25:15:30Z")), "invalid_event_time"),
    "time before 1970": (line(row(event_time="1969-12-31T23:59:59Z")), "invalid_event_time"),
    "time more than a day after its arrival": (line(row(event_time="2026-03-03T09:00:01Z")), "event_time_in_future"),
    "date that is a time": (line(row(value_date="2026-03-02T00:00:00Z")), "invalid_value"),
    "date that is none": (line(row(value_date="2026-02-29")), "invalid_value"),
    "two objects on a line": (line(row(1)) + line(row(2)), "unreadable_row"),
    "two objects with a space": (line(row(1)) + " " + line(row(2)), "unreadable_row"),
    "what looks like a line that was taken apart": (SEPARATOR + SEPARATOR.join("x" * 40), "unreadable_row"),
    "something behind the object": (line(row()) + " x", "unreadable_row"),
    "an empty object": ("{}", "unreadable_row"),
    "an array of rows": (f"[{line(row(1))},{line(row(2))}]", "unreadable_row"),
    "a truncated row": (line(row())[:-40], "unreadable_row"),
    "white space": ("   ", "unreadable_row"),
    "null": ("null", "unreadable_row"),
    "a field that stands twice": (line(row()).replace("{", '{"amount":"99.00",', 1), "unreadable_row"),
    "an unknown field": (line(row())[:-1] + ',"surprise":"x"}', "unreadable_row"),
    "a card number field": (line(row())[:-1] + ',"card_number":"x"}', "unreadable_row"),
    "a field in other case": (line(row()).replace('"amount"', '"Amount"'), "unreadable_row"),
    "single quotes": (line(row()).replace('"', "'"), "unreadable_row"),
    "a nested object": (line(row()).replace('"Miete März"', '{"a":"b"}'), "unreadable_row"),
    "a boolean": (line(row()).replace('"Miete März"', "true"), "unreadable_row"),
    "an integer as text": (line(row()).replace('_number":0', '_number":"0"'), "unreadable_row"),
    "a byte order mark": ("\ufeff" + line(row()), "unreadable_row"),
    "a huge line": (line(row(description="x" * 70_000)), "unreadable_row"),
    "half a surrogate pair": (line(row()).replace("Miete", "\\ud83d"), "unreadable_row"),
    "a raw control character": (line(row()).replace("Miete", "\x01"), "unreadable_row"),
    "bytes that are no UTF-8": (line(row()).encode().replace(b"Miete", b"\xff"), "unreadable_row"),
    "no UTF-8 beside a real U+FFFD": (line(row()).encode().replace(b"Miete", b"\xff\xef\xbf\xbd"), "unreadable_row"),
    "a missing field": (line(row(account_id=None)), "missing_field"),
    "a null field": (line(row()).replace('"DE89370400440532013000"', "null"), "missing_field"),
    "a missing position": (line(row(sequence_number=None)), "missing_field"),
    "an empty id": (line(row(transaction_id="")), "invalid_value"),
    "an id that is too long": (line(row(transaction_id="x" * 65)), "invalid_value"),
    "an id with a line feed at its end": (line(row(transaction_id="tx\n")), "invalid_value"),
    "an id beyond ASCII": (line(row(transaction_id="tx-é")), "invalid_value"),
    "a kind that is none": (line(row(transaction_type="GIFT")), "invalid_value"),
    "a status in lower case": (line(row(status="booked")), "invalid_value"),
    "a currency that is none": (line(row(currency="XXX")), "invalid_currency"),
    "a country that is none": (line(row(merchant_country="XX")), "invalid_value"),
    "a category code of letters": (line(row(merchant_category_code="54A1")), "invalid_value"),
    "a description with NUL": (line(row(description="a\0b")), "invalid_value"),
    "a description that is too long": (line(row(description="ä" * 501)), "invalid_value"),
    "a reversal of nothing": (line(row(transaction_type="REVERSAL")), "missing_original_transaction"),
    "another major version": (line(row(schema_version="2.0")), "unsupported_schema_version"),
    "a row in order": (line(row()), None),
    "a row in other order": (line(dict(reversed(row().items()))), None),
    "a row with spaces and escapes": (json.dumps(row(description='says "hi" \\ \u65b0\n😀')), None),
    "a row with a carriage return": (line(row()) + "\r", None),
    "a row with nulls": (line(row())[:-1] + ',"merchant_name":null}', None),
    "a row with a real U+FFFD": (line(row(description="Caf\ufffd")), None),
    "a description of 500 characters beyond the BMP": (line(row(description="😀" * 500)), None),
    "a dinar with three decimals": (line(row(amount="1.255", currency="BHD")), None),
    "the largest amount": (line(row(amount="99999999999999.99")), None),
    "a time without fraction": (line(row(event_time="2026-03-02T08:15:30Z")), None),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(spark, tmp_path_factory):
    """fault by name, all of them from one job."""
    lines = as_lines(spark, tmp_path_factory.mktemp("rows"), [each for each, _ in SILENT.values()])
    rows = transformations.typed(transformations.parsed(lines)).coalesce(1)
    reasons = [each["reason"] for each in rows.select("reason").collect()]
    assert len(reasons) == len(SILENT), "a line makes exactly one row"
    return dict(zip(SILENT, reasons, strict=True))


@pytest.mark.parametrize("name", SILENT)
def test_a_row_is_refused_for_what_is_wrong_with_it(found, name):
    assert found[name] == SILENT[name][1]


def test_what_the_landing_writes_takes_the_short_way(spark, tmp_path):
    from tests.pipeline.etl_landed import landed_lines

    lines = landed_lines(400)
    parsed = transformations.parsed(as_lines(spark, tmp_path / "in", lines))
    assert parsed.where("is_proven").count() == len(lines) > 350


def test_a_line_is_taken_apart_into_what_its_json_says(spark, tmp_path):
    full = {field.name: None for field in LANDED_FIELDS} | row(**EVERY_FIELD, replaces_sub_sequence_number=7)
    in_order = sorted(full, key=lambda name: LINE.index(f'"{name}":'))
    rows = [{name: full[name] for name in in_order if name != left_out} for left_out in (None, *EVERY_FIELD)]
    written = {line(each): full | dict.fromkeys(full.keys() - each.keys()) for each in rows}
    parsed = transformations.parsed(as_lines(spark, tmp_path / "in", written))
    found = {each["line"]: each["row"].asDict() for each in parsed.where("is_proven").collect()}
    assert found == written


def test_ids_and_dates_of_a_batch_are_read_however_a_line_is_written(spark, tmp_path):
    written = [
        line(row(transaction_id="as-landed")),
        line(dict(reversed(row(transaction_id="turned").items()))),
        json.dumps(row(transaction_id="spaced")),
        line(row(transaction_id="escaped")).replace("escaped", r"\u0065scaped"),
        line(row(transaction_id="text", description='"transaction_id":"another","event_time":"2020-01-01')),
    ]
    found = known_ids.batch_ids(as_lines(spark, tmp_path / "in", written)).collect()
    assert [each["transaction_id"] for each in found] == ["as-landed", "turned", "spaced", "escaped", "text"]
    assert [each["day"] for each in found] == [row()["event_time"][:10]] * 5
