"""A value lands as what it says: times are cut and never moved, amounts keep their number, currencies their years."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_catalog.currencies import CURRENCY_MINOR_UNITS, LAST_EVENT_DATES
from data_governance.control_totals import ControlKey
from data_ingestion.control_entries import control_entry
from data_ingestion.event_times import utc_time, utc_times
from tests.unit.kinesis_events import landed, outcome, process, transaction

EUR = ControlKey("EUR", "DBIT")


@pytest.mark.parametrize(
    ("sent", "lands"),
    [
        ("2026-05-27T23:59:59.9999999Z", "2026-05-27T23:59:59.999999Z"),
        ("2025-12-31T23:59:59.9999999+00:00", "2025-12-31T23:59:59.999999Z"),
        ("2026-01-01T00:59:59.99999999999999999999+01:00", "2025-12-31T23:59:59.999999Z"),
        ("2026-05-27T12:00:00.1234567Z", "2026-05-27T12:00:00.123456Z"),
        ("2026-05-27T12:00:00.0000009Z", "2026-05-27T12:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
        ("2017-01-01T08:59:60.5+09:00", "2016-12-31T23:59:59.999999Z"),
        ("2026-05-27t12:00:00z", "2026-05-27T12:00:00Z"),
    ],
)
def test_a_time_is_cut_off_behind_the_microseconds_and_keeps_its_day(sent: str, lands: str) -> None:
    # Alone, and among others of the common shape.
    for datas in ([transaction(event_time=sent)], [transaction(), transaction(event_time=sent), transaction()]):
        assert lands in [row["event_time"] for row in landed(process(*datas))]


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-27T12:30:60Z", "2026-05-27T24:00:00Z", "2026-05-27T12:00:61Z", "2026-05-27T12:00:00", "",
        "2026-05-27T12:00:00.Z", "2026-05-27T12:00:00,5Z", "20260527T120000Z", "2026-W22-3T12:00:00Z",
        "2026-05-27T12:00Z", "2026-05-27T12:00:00+24:00", "2026-05-27T12:00:00+05:75", "2026-02-29T12:00:00Z",
        "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-05-27T12:00:00Z\n", "٢٠٢٦-05-27T12:00:00Z",
    ],
)  # fmt: skip
def test_what_is_no_time_is_quarantined(text: str) -> None:
    assert utc_time(text) is None
    assert outcome(transaction(event_time=text)) == "invalid_event_time"


times = st.datetimes(datetime(1970, 1, 2), datetime(2026, 5, 1))
offsets = st.integers(-14 * 60, 14 * 60)


@given(st.lists(st.tuples(times, offsets, st.integers(0, 9)), min_size=1, max_size=20))
def test_many_times_are_read_as_each_alone(made: list[tuple[datetime, int, int]]) -> None:
    texts = []
    for time, offset, digits in made:
        sign, minutes = "-" if offset < 0 else "+", abs(offset)
        fraction = f".{time.microsecond:06}"[: digits + 1].ljust(digits + 1, "9") if digits else ""
        texts.append(f"{time:%Y-%m-%dT%H:%M:%S}{fraction}{sign}{minutes // 60:02}:{minutes % 60:02}")
    found = utc_times(texts)
    assert found == list(map(utc_time, texts))
    for each, (time, offset, _) in zip(found, made, strict=True):
        assert each is not None
        true = time.replace(microsecond=0, tzinfo=UTC) - timedelta(minutes=offset)
        assert true <= each < true + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("12.3400", "12.34"), ("8.850", "8.85"), ("5202.9600", "5202.96"), ("000000000005202.96", "5202.96"),
        ("0000000000000000000000000000001", "1"), ("12.34" + "0" * 60, "12.34"), ("007.10", "7.10"), ("3.", None),
        ("12.3450", "amount_scale"), ("12.34000001", "amount_scale"), ("100000000000000.00", None), ("0.000", None),
        (".5", None), ("+1.00", None), ("1 000.00", None),
    ],
)  # fmt: skip
def test_needless_zeros_are_the_same_number_and_other_digits_are_not(sent: str, number: str | None) -> None:
    data = transaction(amount=sent)
    if number is None or number == "amount_scale":
        assert outcome(data) == (number or "invalid_amount")
        return
    result = process(data)
    (row,) = landed(result)
    assert Decimal(row["amount"]) == Decimal(number)
    assert control_entry(data) == (EUR, Decimal(number))
    assert result.streamed_totals == result.landed_totals


@pytest.mark.parametrize("sent", ["-0000000000000000012.3000", "12.300000000", "0.000000"])
def test_a_balance_may_have_needless_zeros_too(sent: str) -> None:
    (row,) = landed(process(transaction(balance_after=sent)))
    assert Decimal(row["balance_after"]) == Decimal(sent)


def test_a_card_number_does_not_land_behind_zeros() -> None:
    assert outcome(transaction(amount="00030569309025904.00")) == "card_number_in_identifier"


@pytest.mark.parametrize(
    ("currency", "event_time", "ends"),
    [
        ("HRK", "2022-12-30T12:00:00Z", "landed"),
        ("HRK", "2024-01-31T23:59:59.9999999Z", "landed"),
        ("HRK", "2024-02-01T00:00:00Z", "invalid_currency"),
        ("ANG", "2025-02-01T12:00:00Z", "landed"),
        ("ZWL", "2023-01-01T12:00:00Z", "landed"),
        ("DEM", "1999-06-01T12:00:00Z", "landed"),
        ("DEM", "2026-03-10T12:00:00Z", "invalid_currency"),
        ("BGN", "2025-12-30T12:00:00Z", "landed"),
        ("XCG", "2025-07-01T12:00:00Z", "landed"),
    ],
)
def test_a_withdrawn_currency_is_taken_to_a_year_beyond_its_end(currency: str, event_time: str, ends: str) -> None:
    assert outcome(transaction(currency=currency, amount="100", event_time=event_time)) == ends


def test_a_withdrawn_currency_has_the_digits_it_had() -> None:
    old = {"event_time": "1999-06-01T12:00:00Z"}
    assert outcome(transaction(currency="DEM", amount="1.95", **old)) == "landed"
    assert outcome(transaction(currency="ITL", amount="1936", **old)) == "landed"
    assert outcome(transaction(currency="ITL", amount="1936.27", **old)) == "amount_scale"


def test_each_withdrawn_currency_was_withdrawn_at_the_end_of_a_month_and_has_digits() -> None:
    assert all((day + timedelta(days=1)).day == 1 for day in LAST_EVENT_DATES.values())
    assert LAST_EVENT_DATES.keys() <= CURRENCY_MINOR_UNITS.keys()


def test_booking_date_and_pending_id_land_and_are_checked() -> None:
    (row,) = landed(process(transaction(booking_date="2026-05-29", pending_transaction_id="P-1")))
    assert (row["booking_date"], row["pending_transaction_id"]) == ("2026-05-29", "P-1")
    assert outcome(transaction(booking_date="2026-02-30")) == "invalid_value"
    assert outcome(transaction(booking_date="1969-12-31")) == "invalid_value"
    assert outcome(transaction(pending_transaction_id="4111111111111111")) == "card_number_in_identifier"
    assert outcome(transaction(pending_transaction_id="")) == "invalid_value"
