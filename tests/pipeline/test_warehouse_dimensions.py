"""Dimensions and balances depend on what happened, not on when it was loaded: late data leaves no trace."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_storage import warehouse_loader
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.curated_runs import BUCKET, put_run, transaction
from tests.pipeline.warehouse_bench import Bench, open_bench

Row = dict[str, Any]
BEGIN = datetime(2026, 3, 1, 22, tzinfo=UTC)
_names = itertools.count()
EMPTIED = (
    "fact_transactions", "pending_transactions", "dim_account", "dim_merchant", "daily_balances", "load_ledger",
    "load_history",
)  # fmt: skip

rows = st.builds(
    lambda **fields: fields,
    account_id=st.sampled_from(["A1", "DE89370400440532013000"]),
    currency=st.sampled_from(["EUR", "JPY"]),
    event_time=st.integers(0, 12).map(lambda half_hours: BEGIN + timedelta(minutes=30 * half_hours)),
    booking_date=st.sampled_from([date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)]),
    status=st.sampled_from(["BOOKED", "BOOKED", "BOOKED", "REJECTED", "PENDING"]),
    balance_after=st.none() | st.integers(-3, 3).map(Decimal),
    merchant_name=st.sampled_from([None, "Shop", "Café"]),
    merchant_country=st.sampled_from([None, "DE"]),
    merchant_category_code=st.sampled_from([None, "5411", "5812"]),
    shard_id=st.sampled_from(["shardId-000000000000", "shardId-000000000001"]),
    # Sequence numbers whose order as text is not their order as numbers.
    sequence_number=st.sampled_from(["9", "10", "100"]),
    sub_sequence_number=st.integers(0, 5),
)


@pytest.fixture(scope="module")
def bench(warehouse: Warehouse) -> Iterator[Bench]:
    with open_bench(warehouse) as opened:
        yield opened


def position(row: Row) -> tuple[Any, ...]:
    return (row["stream_incarnation"], row["shard_id"], int(row["sequence_number"]), row["sub_sequence_number"])


def expected_balances(happened: Iterable[Row]) -> list[tuple[Any, ...]]:
    last: dict[tuple[Any, ...], Row] = {}
    for row in sorted(happened, key=position):
        if row["balance_after"] is not None and row["status"] == "BOOKED":
            last[row["account_id"], row["currency"], row["booking_date"]] = row
    return [(*key, row["balance_after"]) for key, row in sorted(last.items())]


def expected_merchants(happened: Iterable[Row]) -> list[tuple[Any, ...]]:
    """(name, country, code, valid_from, valid_to): a new version wherever the code changes over time."""
    sightings: dict[tuple[str, str], dict[datetime, str | None]] = {}
    for row in sorted(happened, key=lambda row: (row["event_time"], position(row))):
        if row["merchant_name"] is not None and row["status"] != "PENDING":
            merchant = (row["merchant_name"], row["merchant_country"] or "ZZ")
            sightings.setdefault(merchant, {})[row["event_time"].replace(tzinfo=None)] = row["merchant_category_code"]
    versions = []
    for merchant, codes in sorted(sightings.items()):
        changes = [next(group) for _, group in itertools.groupby(sorted(codes.items(), key=lambda item: item[0]),
                                                                 key=lambda item: item[1])]  # fmt: skip
        ends = [time for time, _ in changes[1:]] + [None]
        versions += [(*merchant, code, time, end) for (time, code), end in zip(changes, ends, strict=True)]
    return versions


def expected_accounts(happened: Sequence[Row]) -> list[tuple[Any, ...]]:
    accounts = sorted({row["account_id"] for row in happened})
    found = []
    for account in accounts:
        times = [row["event_time"].replace(tzinfo=None) for row in happened if row["account_id"] == account]
        scheme = ("IBAN", "DE") if account.startswith("DE") else ("BBAN", None)
        found.append((account, *scheme, min(times), max(times)))
    return found


# Two records never share a position.
happenings = st.lists(
    rows,
    min_size=1,
    max_size=25,
    unique_by=lambda row: (row["shard_id"], row["sequence_number"], row["sub_sequence_number"]),
)
few = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(few, max_examples=300)


@few
@given(happenings, st.data())
def test_any_split_into_runs_leaves_the_same_dimensions_and_balances(
    bench: Bench, fields: list[Row], data: st.DataObject
) -> None:
    load_in_some_split_and_compare(bench, fields, data)


@pytest.mark.soak
@many
@given(happenings, st.data())
def test_many_splits_into_runs_leave_the_same_dimensions_and_balances(
    bench: Bench, fields: list[Row], data: st.DataObject
) -> None:
    load_in_some_split_and_compare(bench, fields, data)


def load_in_some_split_and_compare(bench: Bench, fields: list[Row], data: st.DataObject) -> None:
    happened = [transaction(number, **row) for number, row in enumerate(fields)]
    runs: list[list[Row]] = [[], [], []]
    for row in happened:
        runs[data.draw(st.integers(0, 2), label="run")].append(row)
    with bench.warehouse.connect() as connection:
        for table in EMPTIED:
            connection.execute(f"TRUNCATE banking.{table}".encode())
    for key in bench.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        bench.s3.delete_object(Bucket=BUCKET, Key=key["Key"])

    for number, run in enumerate(runs):
        put_run(bench.s3, f"run {next(_names)}", run, created_at=datetime(2026, 3, 5, number, tzinfo=UTC))
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)

    with bench.warehouse.connect() as connection:
        balances = connection.execute(
            "SELECT account_id, currency, balance_date, closing_balance FROM banking.daily_balances ORDER BY 1, 2, 3"
        ).fetchall()
        merchants = connection.execute(
            "SELECT merchant_name, merchant_country, merchant_category_code, valid_from, valid_to"
            " FROM banking.dim_merchant ORDER BY 1, 2, 4"
        ).fetchall()
        accounts = connection.execute(
            "SELECT account_id, identification_scheme, country, first_event_time, last_event_time"
            " FROM banking.dim_account ORDER BY 1"
        ).fetchall()
        current = connection.execute(
            "SELECT 1 FROM banking.dim_merchant WHERE is_current <> (valid_to IS NULL)"
        ).fetchall()
    assert balances == expected_balances(happened)
    assert merchants == expected_merchants(happened)
    assert accounts == expected_accounts(happened)
    assert current == []


def test_a_late_event_splits_a_merchants_version(bench: Bench) -> None:
    """Same code before and after, another in between that arrives a run later."""
    shop = {"merchant_name": "Late shop", "merchant_country": "CZ"}
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for number, (hours, code) in enumerate([(0, "5411"), (2, "5411"), (1, "5812")]):
        row = transaction(1000 + number, **shop, merchant_category_code=code, event_time=noon + timedelta(hours=hours))
        put_run(bench.s3, f"late {number}", [row], created_at=datetime(2026, 3, 6, number, tzinfo=UTC))
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)

    assert bench.query(
        "SELECT merchant_category_code, valid_from, valid_to FROM banking.dim_merchant"
        " WHERE merchant_name = 'Late shop' ORDER BY valid_from"
    ) == [
        ("5411", "2026-03-02 12:00:00", "2026-03-02 13:00:00"),
        ("5812", "2026-03-02 13:00:00", "2026-03-02 14:00:00"),
        ("5411", "2026-03-02 14:00:00", None),
    ]


def attempts(bench: Bench, run_id: str) -> int:
    statements = bench.data_api.list_statements(StatementName=f"load-{run_id}", Status="ALL")["Statements"]
    return len([each for each in statements if each["StatementName"] == f"load-{run_id}"])


@pytest.mark.parametrize(
    ("late", "tries"),
    [
        ({"merchant_category_code": "5411"}, 1),
        ({"merchant_category_code": "5812"}, 2),
        ({"balance_after": Decimal(7), "booking_date": date(2025, 5, 6)}, 2),
        ({"balance_after": Decimal(7), "booking_date": date(2026, 5, 2)}, 1),
    ],
    ids=["the code of its time", "a code of its own", "booked long ago", "booked late"],
)
def test_only_a_late_row_that_changes_what_is_old_has_all_dates_read(
    bench: Bench, late: dict[str, Any], tries: int
) -> None:
    name, base = f"late-{next(_names)}", 10_000 * (1 + next(_names))
    long_ago, now = datetime(2025, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)
    shop = {"merchant_name": name, "merchant_country": "CZ", "merchant_category_code": "5411"}
    usual = {"account_id": name, "booking_date": now.date()} | shop
    first = transaction(base, **usual | {"booking_date": long_ago.date()}, event_time=long_ago)
    others = [transaction(base + number, **usual, event_time=now) for number in range(1, 151)]
    row = transaction(base + 500, **usual | late, event_time=long_ago + timedelta(days=5), sequence_number="9" * 60)
    run_id = ""
    for number, rows_ in enumerate(([first], [*others, row])):
        run_id = put_run(bench.s3, f"{name} {number}", rows_, created_at=datetime(2026, 3, 7, number, tzinfo=UTC))
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)

    assert attempts(bench, run_id) == tries
    codes = bench.query(
        "SELECT merchant_category_code FROM banking.dim_merchant"
        f" WHERE merchant_name = '{name}' AND merchant_country = 'CZ' ORDER BY valid_from"
    )
    assert codes == ([("5411",), ("5812",), ("5411",)] if "5812" in late.values() else [("5411",)])
    if "balance_after" in late:
        assert bench.query(
            f"SELECT balance_date FROM banking.daily_balances WHERE account_id = '{name}' AND closing_balance = 7"
        ) == [(str(late["booking_date"]),)]
