"""The rules over made-up transactions that crowd the edges of their windows, against rules spelled out one by one."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from data_processing import fraud_rules

SCHEMA = (
    "transaction_id string, account_id string, transaction_type string, channel string, amount decimal(18,4), "
    "currency string, event_time timestamp, card_token string, merchant_country string, event_date date, run_id string"
)
START = datetime(2026, 3, 2, tzinfo=UTC)
DAY, MINUTE, MICRO = timedelta(days=1), timedelta(minutes=1), timedelta(microseconds=1)
PURCHASE = {"transaction_type": "CARD_PURCHASE", "channel": "POS", "amount": "10.00", "merchant_country": "DE"}
DEPOSIT = {"transaction_type": "DEPOSIT", "channel": "ATM", "amount": "4000.00"}


def transaction(number, event_time, **fields):
    made = {
        "transaction_id": f"t{number}",
        "account_id": "A",
        "transaction_type": "PAYMENT",
        "channel": "WEB",
        "amount": "10.00",
        "currency": "EUR",
        "event_time": event_time,
        "card_token": None,
        "merchant_country": None,
        "event_date": event_time.date(),
        "run_id": "run",
    } | fields
    return made | {"amount": Decimal(made["amount"])}


def at_the_edges():
    """What a rule needs, its last one at the end of the window, just before and just after it; event_time, fields."""
    for late in (-MICRO, timedelta(0), MICRO):
        card = PURCHASE | {"card_token": f"rapid {late}"}
        yield from ((START, card) for _ in range(4))
        yield START + 10 * MINUTE + late, card
        card = PURCHASE | {"card_token": f"travel {late}"}
        yield START, card
        yield START + 60 * MINUTE + late, card | {"merchant_country": "JP"}
        yield from ((START, DEPOSIT | {"account_id": f"deposits {late}"}) for _ in range(2))
        yield START + DAY + late, DEPOSIT | {"account_id": f"deposits {late}"}


def at_random():
    """Uses of two cards and deposits into two accounts, many at the same moment; event_time, fields."""
    draw = random.Random(20)
    now = START
    for _ in range(300):
        now += draw.choice([timedelta(0), timedelta(0), MICRO, MINUTE, 20 * MINUTE])
        kind, channel = draw.choice([("CARD_PURCHASE", "POS"), ("CARD_PURCHASE", "WEB"), ("WITHDRAWAL", "ATM")])
        countries = ["DE", "DE", "DE", "FR", "JP", None]
        yield (
            now,
            {
                "transaction_type": kind,
                "channel": channel,
                "card_token": draw.choice(["1", "2", None]),
                "merchant_country": draw.choice(countries),
            },
        )
        yield (
            now,
            {
                "transaction_type": "DEPOSIT",
                "channel": draw.choice(["ATM", "BRANCH", "WEB"]),
                "account_id": draw.choice("AB"),
                "amount": draw.choice(["3333.33", "3333.34", "9999.99", "10000.00", "15000.00"]),
                "currency": draw.choice(["EUR", "SEK"]),
            },
        )


def is_within(one, other, span):
    """Whether the other is at most a span before one, or at its very moment."""
    return timedelta(0) <= one["event_time"] - other["event_time"] <= span


def expected(transactions):
    for one in transactions:
        if one["amount"] >= 15_000 and one["currency"] == "EUR":
            yield "large_amount", one["transaction_id"], "one transaction of at least 15000 EUR"
        if is_cash(one):
            same = [
                other["amount"]
                for other in transactions
                if is_cash(other) and other["account_id"] == one["account_id"] and is_within(one, other, DAY)
            ]
            if len(same) >= 3 and sum(same) >= 10_000:
                reason = f"{len(same)} cash deposits within 24 hours reach 10000 EUR"
                yield "structured_deposits", one["transaction_id"], reason
        uses = [other for other in transactions if one["card_token"] and other["card_token"] == one["card_token"]]
        if one["transaction_type"] == "CARD_PURCHASE":
            purchases = [
                other
                for other in uses
                if other["transaction_type"] == "CARD_PURCHASE" and is_within(one, other, 10 * MINUTE)
            ]
            if len(purchases) >= 5:
                reason = f"{len(purchases)} purchases with one card within 10 minutes"
                yield "rapid_card_use", one["transaction_id"], reason
        if is_present(one):
            seen = {
                other["merchant_country"] for other in uses if is_present(other) and is_within(one, other, 60 * MINUTE)
            }
            if len(seen) > 1:
                reason = f"card present in {min(seen)} and {max(seen)} within 60 minutes"
                yield "implausible_travel", one["transaction_id"], reason


def is_cash(one):
    small = one["amount"] < 10_000 and one["currency"] == "EUR"
    return small and one["transaction_type"] == "DEPOSIT" and one["channel"] in ("ATM", "BRANCH")


def is_present(one):
    return one["channel"] in ("POS", "ATM") and bool(one["merchant_country"])


@pytest.mark.parametrize("made", [at_the_edges, at_random])
def test_alerts_are_those_of_the_rules_spelled_out(spark, made):
    transactions = [transaction(number, at, **fields) for number, (at, fields) in enumerate(made())]
    random.Random(1).shuffle(transactions)
    rows = spark.createDataFrame([tuple(each.values()) for each in transactions], SCHEMA)
    found = fraud_rules.alerts(rows, "run").select("rule", "transaction_id", "reason").collect()
    wanted = sorted(expected(transactions))
    assert {rule for rule, *_ in wanted} >= {"structured_deposits", "rapid_card_use", "implausible_travel"}
    assert sorted(map(tuple, found)) == wanted
