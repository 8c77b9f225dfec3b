"""A whole run over rows that are wrong in every way: all of them in quarantine, and no run that ends on one."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

import pytest

from data_catalog.lake_layout import EARLIEST_ARRIVAL
from tests.pipeline.etl_lake import ARRIVAL_DATE, BUCKETS, NOW
from tests.pipeline.etl_rows import INCARNATION, SHARD, line, row
from tests.pipeline.test_etl_row_checks import SILENT

BASE = 49600000000000000000
# Years that older calendars count otherwise, and one that no ISO date has.
_ANCIENT = ["0000-01-01", "0001-01-01", "1066-10-14", "1582-10-10", "1899-12-31", "+10000-01-01"]
_TIMES = {"event_time": "invalid_event_time", "arrival_time": "invalid_value", "landed_at": "invalid_value"}


def ancient_rows():
    """(row, the reason expected): every value of _ANCIENT in every field that is a date or a time."""
    for day in _ANCIENT:
        yield {"value_date": day}, "invalid_value"
        for name, reason in _TIMES.items():
            yield {name: f"{day}T00:00:00Z"}, reason


def distinct(number, text):
    """A line of SILENT at a position of its own, with an id of its own."""
    encoded = text if isinstance(text, bytes) else text.encode()
    return encoded.replace(b"49600000000000000001", str(BASE + number).encode()).replace(
        b"tx-000001", b"tx-%06d" % number
    )


@pytest.fixture
def landed(lake):
    """The lake with all of them landed, and how often each reason is expected."""
    expected = Counter(reason for _, reason in SILENT.values() if reason)
    lines = [distinct(number, text) for number, (text, _) in enumerate(SILENT.values(), 1)]
    for number, (fields, reason) in enumerate(ancient_rows(), 500):
        lines.append(line(row(number, **fields)).encode())
        expected[reason] += 1
    name = f"{INCARNATION}-{SHARD}-1-999.ndjson.gz"
    lake.put(f"raw/transactions/arrival_date={ARRIVAL_DATE}/arrival_hour=09/{name}", b"\n".join(lines) + b"\n")
    return lake, expected


def test_every_bad_row_is_in_quarantine_and_the_totals_balance(landed):
    lake, expected = landed
    (result,) = lake.run()
    assert result.quarantined_by_reason == dict(sorted(expected.items()))
    assert Counter(each["reason"] for each in lake.quarantine()) == expected
    in_order = [name for name, (_, reason) in SILENT.items() if reason is None]
    assert len(lake.curated()) == len(in_order)
    totals = lake.totals()
    assert totals["landed"] == totals["curated"] + totals["quarantined"]
    assert totals["landed"].records == len(in_order) + expected.total()
    assert lake.run() == []


def test_quarantine_lies_under_days_that_can_be(landed):
    lake, _ = landed
    lake.run()
    latest = (NOW + timedelta(days=2)).date().isoformat()
    for key in lake.keys(BUCKETS.quarantine, "quarantine_table/data/"):
        found = re.fullmatch(r"quarantine_table/data/(\d{4}-\d\d-\d\d)/[^/]+", key)
        assert found, key
        assert EARLIEST_ARRIVAL.isoformat() <= found[1] <= latest
