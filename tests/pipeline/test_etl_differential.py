"""Spark's answer is DuckDB's, row for row, on rows that hypothesis makes up."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from data_catalog.transaction_contract import POSITION
from data_processing import transformations as t
from tests.pipeline.etl_oracle import outcomes
from tests.pipeline.etl_rows import as_lines, line, row

_VALUES: dict[str, list[Any]] = {
    "transaction_id": ["", "x" * 64, "x" * 65, "tx 1", "tx-é"],
    "amount": ["0", "0.00", "1", "1.2", "1.20", "1.255", "1.2555", "1.25555", "1e3", "-1", "1,5", ".5", "5.", "007.10",
               "1.2000000", "000000000000000001.50", "1.2345000", "0.00000"],
    "currency": ["EUR", "JPY", "BHD", "CLF", "XXX", "eur", "", "DEM", "BGN"],
    "event_time": [
        "2026-03-02T08:15:30Z", "2026-03-02T08:15:30.25Z", "2026-02-29T08:15:30Z", "2026-13-01T00:00:00Z", "2026",
        "2026-03-02", "1772700000000", "2026-03-03T09:00:00Z", "2026-03-03T09:00:00.000001Z", "1969-12-31T23:59:59Z",
        "2026-03-02T24:00:01Z", "2026-03-02T08:15:60Z", "2026-03-02T08:15:30+00:00", "2026-03-02T08:15:30.1234567Z",
        "2026-03-01T23:59:59.9999999Z", "2026-02-28T23:59:60Z", "2026-02-28T23:59:60.7Z", "2002-03-31T12:00:00Z",
    ],
    "value_date": ["2026-02-28", "2026-02-29", "1969-12-31", "1582-10-10", "0001-01-01", "2026-3-1", "", None],
    "arrival_time": ["2026-03-02T09:00:00.5Z", "1066-10-14T09:00:00Z", "+10000-01-01T00:00:00Z"],
    "landed_at": ["1899-12-31T23:59:59Z", "2026-03-02"],
    "transaction_type": ["REVERSAL", "FEE", "fee", ""],
    "original_transaction_id": ["tx-000009", None],
    "status": ["PENDING", "PENDING", "REJECTED", "booked"],
    "booking_date": ["2026-03-02", "2026-02-30", "1969-12-31"],
    "pending_transaction_id": ["tx-000009", ""],
    "replaces_sequence_number": ["5", "49600000000000000001", "010"],
    "merchant_country": ["DE", "XX", "de", None],
    "merchant_category_code": ["5411", "54", "541a", None],
    "balance_after": ["-0.01", "12.34567", "--1", None],
    "card_last4": ["4242", "42", None],
    "schema_version": ["1.1", "2.0", "1."],
    "sequence_number": ["1", "9", "10", "010", "x"],
    "sub_sequence_number": [0, 1],
    "shard_id": ["shardId-000000000001", None],
}  # fmt: skip
_TIMES = ("event_time", "arrival_time", "landed_at")
_CHANGES = [(name, value) for name, values in _VALUES.items() for value in values]
_BREAKS = ["{record}{record}", "[{record}]", "{record} x", "{{}}", "null", "{cut}", "x", " {record} "]


@st.composite
def made_lines(draw: st.DrawFn) -> list[str]:
    """Rows over few ids and positions, so that they repeat and conflict; some changed, some broken, some again."""
    made: list[str] = []
    seen = set()
    for number in range(draw(st.integers(60, 120))):
        changes = dict(draw(st.lists(st.sampled_from(_CHANGES), max_size=draw(st.sampled_from([0, 0, 1, 2])))))
        text = draw(st.one_of(st.none(), st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)))
        fields = {"transaction_id": f"tx-{draw(st.integers(1, 15)):06}", "description": text} | changes
        whole = row(number, **fields)
        identity = tuple(whole.get(name) for name in POSITION)
        if identity in seen:
            continue  # a position says one thing only
        seen.add(identity)
        record = line(whole)
        if draw(st.integers(0, 15)) == 0:
            record = draw(st.sampled_from(_BREAKS)).format(record=record, cut=record[:-30])
        made.append(record)
    return made + draw(st.lists(st.sampled_from(made), max_size=6))


# No shrinking: each example is a job of its own.
@settings(max_examples=10, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(lines=made_lines())
def test_spark_and_duckdb_agree_row_for_row(spark, lines):
    by_spark, by_duckdb = Counter(_by_spark(spark, lines)), Counter(outcomes(lines))
    assert (by_spark - by_duckdb, by_duckdb - by_spark) == (Counter(), Counter())


def _by_spark(spark, lines):
    with tempfile.TemporaryDirectory() as directory:
        raw = as_lines(spark, Path(directory), lines)
        decided = t.decided(t.typed(t.parsed(raw))).where("disposition <> 'redelivered'")
        # Times as numbers: Python's end with the year 9999.
        rows = decided.withColumn("microseconds", F.unix_micros("event_time")).drop(*_TIMES).collect()
    for each in rows:
        position = "/".join(str(each[name]) for name in POSITION)
        if each["shard_id"] == "unknown":
            position = each["description"].split("\n")[1]
        outcome = each["reason"] or each["disposition"]
        curated = (each["transaction_id"], each["amount"], each["microseconds"], each["description"])
        yield (position, outcome, *(curated if outcome in t.CURATED else itertools.repeat(None, 4)))
