"""Rules with a history, against the rules spelled out: what a run raises, in order of time, and out of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from data_governance.tombstones import MASK
from data_processing import fraud_rules_in_spark, sightings
from data_processing.fraud_rule_file import shipped_rules
from data_processing.fraud_rules import COLUMNS
from tests.pipeline.test_etl_fraud_rules import MICRO, SCHEMA, START, transaction

RULES = [rule for rule in shipped_rules() if rule.history]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
T = START + 10 * HOUR
# What the rules look at, seen from a transaction at T: where each stretch of time begins or ends, to the microsecond.
EDGES = {
    "a day before": T - 24 * HOUR,
    "known": T - 30 * DAY,
    "half a year": datetime(2025, 9, 1, tzinfo=UTC),  # the month in which 180 days before T lie
    "the year before last": datetime(2025, 1, 1, tzinfo=UTC),  # in which 400 days before T lie
    "three years": datetime(2023, 3, 1, tzinfo=UTC),  # the month in which 1,096 days before T lie
}
Row = dict[str, Any]
Raised = set[tuple[str, str]]  # rule, transaction


def made(number: int, at: datetime, **fields: Any) -> Row:
    payee = fields.pop("counterparty_account", None)
    one: Row = transaction(number, at, **fields)
    return one | {"counterparty_account": payee}


def first_of(one: Row, days: int, period: str) -> datetime:
    began: datetime = (one["event_time"] - days * DAY).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return began if period == "month" else began.replace(month=1)


def happened(rows: Iterable[Row], since: datetime, until: datetime) -> list[Row]:
    return [each for each in rows if each["status"] != "REJECTED" and since <= each["event_time"] < until]


def uses(rows: Iterable[Row]) -> list[Row]:
    return [each for each in rows if each["transaction_type"] not in ("FEE", "INTEREST")]


def is_payment(one: Row) -> bool:
    return one["transaction_type"] in ("PAYMENT", "TRANSFER") and one["credit_debit_indicator"] == "DBIT"


def is_to_somebody_new(one: Row, rows: Sequence[Row]) -> bool:
    if not is_payment(one) or one["amount"] < 3_000 or one["counterparty_account"] in (None, MASK):
        return False
    before = happened(rows, first_of(one, 400, "year"), one["event_time"] - 24 * HOUR)
    was_paid = any(is_payment(each) and each["counterparty_account"] == one["counterparty_account"] for each in before)
    return not was_paid and bool(uses(happened(rows, first_of(one, 1096, "month"), one["event_time"] - 30 * DAY)))


def wakes_an_account(one: Row, rows: Sequence[Row]) -> bool:
    goes_out = one["transaction_type"] in ("PAYMENT", "TRANSFER", "CARD_PURCHASE", "WITHDRAWAL")
    if not goes_out or one["credit_debit_indicator"] != "DBIT" or one["amount"] < 1_000:
        return False
    since = first_of(one, 180, "month")
    is_asleep = not uses(happened(rows, since, one["event_time"] - 24 * HOUR))
    return is_asleep and bool(uses(happened(rows, first_of(one, 1096, "month"), since)))


def expected(rows: Sequence[Row], known: Sequence[Row]) -> Raised:
    """What these transactions raise, if those are known."""
    by_account: dict[str, list[Row]] = {}
    for each in known:
        by_account.setdefault(each["account_id"], []).append(each)
    found: Raised = set()
    for each in rows:
        if each["status"] != "REJECTED":
            own = by_account[each["account_id"]]
            found |= {("new_payee", each["transaction_id"])} if is_to_somebody_new(each, own) else set()
            found |= {("dormant_account", each["transaction_id"])} if wakes_an_account(each, own) else set()
    return found


def histories(seed: int) -> list[Row]:
    """Accounts, each with a large payment at T, or a few, and what may have been seen before it. Of the accounts that
    are called "known" something is seen long before, which is their first row."""
    draw = random.Random(seed)
    moments = [edge + late for edge in EDGES.values() for late in (-MICRO, timedelta(0), MICRO)]
    moments += [T - 23 * HOUR, T, T + MICRO, T - 300 * DAY, T - 29 * DAY]
    rows: list[Row] = []
    for account in range(160):
        name = f"{'known' if account % 2 else 'any'} {account}"
        if account % 2:
            rows.append(made(len(rows), T - 300 * DAY, account_id=name, transaction_type="DEPOSIT"))
        few = draw.sample(moments, k=2)
        for number in range(draw.randint(2, 6)):
            at = T if number == 0 else draw.choice([T, *few])
            fields = {
                "account_id": name,
                "transaction_type": draw.choice(["PAYMENT", "PAYMENT", "TRANSFER", "CARD_PURCHASE", "FEE", "DEPOSIT"]),
                "credit_debit_indicator": draw.choice(["DBIT", "DBIT", "DBIT", "CRDT"]),
                "status": draw.choice(["BOOKED", "BOOKED", "PENDING", "REJECTED"]),
                "amount": draw.choice(["5.00", "999.99", "1000.00", "2999.99", "3000.00"]),
                "counterparty_account": draw.choice(["P", "P", "Q", None, MASK]),
            }
            if number == 0:
                fields |= {"transaction_type": "TRANSFER", "amount": "3000.00", "credit_debit_indicator": "DBIT"}
            rows.append(made(len(rows), at, **fields))
    return rows


class Lake:
    """Runs over made-up transactions, with the sightings that they leave."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self.held: list[tuple[Any, ...]] = []

    def run(self, number: int, rows: Sequence[Row]) -> Raised:
        run_id = f"run {number}"
        new = self._spark.createDataFrame(
            [tuple((each | {"run_id": run_id}).values()) for each in rows], SCHEMA + ", counterparty_account string"
        )
        found = sightings.sightings(new).persist()
        before = self._spark.createDataFrame(self.held, sightings.HELD) if self.held else None
        held = sightings.of_same(before, found, broadcast=True) if before is not None else None
        added = sightings.beyond(found, held, run_id).select(*sightings.NAMES).collect()
        self.held += [tuple(each) for each in added]
        seen = self._spark.createDataFrame(self.held, sightings.HELD)
        raised = sightings.unforeseen(new, RULES, sightings.of_same(seen, found, broadcast=False))
        evidence = fraud_rules_in_spark.evidence(new.select(*COLUMNS), RULES, run_id, raised)
        found.unpersist()
        return {(each["rule"], each["transaction_id"]) for each in evidence.collect()}

    def earliest(self) -> dict[tuple[str, str | None, str], datetime]:
        """By account, counterparty and period."""
        kept: dict[tuple[str, str | None, str], datetime] = {}
        for account, payee, naive in self.held:
            at = naive.replace(tzinfo=UTC)
            key = account, payee, f"{at:%Y}" if payee else f"{at:%Y-%m}"
            kept[key] = min(at, kept.get(key, at))
        return kept


def remembered(rows: Iterable[Row]) -> dict[tuple[str, str | None, str], datetime]:
    kept: dict[tuple[str, str | None, str], datetime] = {}
    for each in happened(rows, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        at, account, payee = each["event_time"], each["account_id"], each["counterparty_account"]
        keys = [(account, None, f"{at:%Y-%m}")] if uses([each]) else []
        keys += [(account, payee, f"{at:%Y}")] if is_payment(each) and payee not in (None, MASK) else []
        for key in keys:
            kept[key] = min(at, kept.get(key, at))
    return kept


@pytest.mark.slow
def test_a_run_raises_what_is_new_by_all_that_is_known_then(spark):
    rows, draw, lake = histories(1), random.Random(1), Lake(spark)
    runs = [draw.randrange(3) for _ in rows]
    known: list[Row] = []
    raised: Raised = set()
    for run in range(3):
        own = [each for each, number in zip(rows, runs, strict=True) if number == run]
        known += own
        found = lake.run(run, own)
        assert found == expected(own, known)
        raised |= found
    assert {rule for rule, _ in raised} == {rule.name for rule in RULES}
    assert lake.earliest() == remembered(rows), "the set follows from the transactions alone"


@pytest.mark.slow
def test_runs_in_the_order_of_time_raise_what_one_run_raises(spark):
    rows, lake = histories(2), Lake(spark)
    bounds = [START - 3000 * DAY, T - 40 * DAY, T - 20 * HOUR, START + 3000 * DAY]
    raised: Raised = set()
    for number, (since, until) in enumerate(pairwise(bounds)):
        raised |= lake.run(number, [each for each in rows if since <= each["event_time"] < until])
    assert raised == expected(rows, rows)


@pytest.mark.slow
def test_in_any_order_nothing_is_missed_of_accounts_that_were_known(spark):
    draw, lake = random.Random(3), Lake(spark)
    rows = [each for each in histories(3) if each["account_id"].startswith("known")]
    firsts = [each for each in rows if each["transaction_type"] == "DEPOSIT" and each["event_time"] == T - 300 * DAY]
    rest = [each for each in rows if each not in firsts]
    draw.shuffle(rest)
    raised = lake.run(0, firsts + rest[:100]) | lake.run(1, rest[100:])
    wanted = expected(rows, rows)
    after = {each["transaction_id"] for each in rows if each["event_time"] >= T - 30 * DAY}  # when they were known
    assert {each for each in wanted if each[1] in after} <= raised
    assert raised - wanted, "no late record shows that a payee was known: nothing here is out of order"


def test_months_are_read_as_far_back_as_a_history_reaches():
    months = sightings.months_looked_at([date(2026, 3, 2), date(2026, 1, 31)])
    assert (months[0], months[-1]) == (date(2023, 1, 1), date(2026, 3, 1))
    assert len(months) == 39
