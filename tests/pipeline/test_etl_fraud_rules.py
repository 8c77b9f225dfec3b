"""The rules over made-up transactions that crowd the edges of their windows, against rules spelled out one by one."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from data_processing import fraud_rules_in_spark
from data_processing.fraud_rule_file import shipped_rules

SCHEMA = (
    "transaction_id string, content_hash string, account_id string, transaction_type string, "
    "credit_debit_indicator string, status string, channel string, amount decimal(18,4), currency string, "
    "event_time timestamp, card_token string, merchant_country string, event_date date, run_id string"
)
START = datetime(2026, 3, 2, tzinfo=UTC)
DAY, MINUTE, MICRO = timedelta(days=1), timedelta(minutes=1), timedelta(microseconds=1)
# Germany and Japan lie 7,107 km apart at the least, which takes so long at 1,000 km/h.
LEAST_FLIGHT = timedelta(hours=7.107)
PURCHASE = {"transaction_type": "CARD_PURCHASE", "channel": "POS", "merchant_country": "DE"}
DEPOSIT = {"transaction_type": "DEPOSIT", "channel": "ATM", "amount": "4000.00", "credit_debit_indicator": "CRDT"}


def transaction(number, event_time, **fields):
    made = {
        "transaction_id": f"t{number}",
        "content_hash": f"h{number}",
        "account_id": "A",
        "transaction_type": "PAYMENT",
        "credit_debit_indicator": "DBIT",
        "status": "BOOKED",
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
        yield START + LEAST_FLIGHT + late, card | {"merchant_country": "JP"}
        yield from ((START, DEPOSIT | {"account_id": f"deposits {late}"}) for _ in range(2))
        yield START + DAY + late, DEPOSIT | {"account_id": f"deposits {late}"}
        card = PURCHASE | {"card_token": f"tested {late}"}
        yield from ((START, card | {"amount": "1.00"}) for _ in range(3))
        yield START + 60 * MINUTE + late, card | {"amount": "200.00"}
        account = {"account_id": f"rapid {late}", "transaction_type": "PAYMENT", "channel": "WEB"}
        yield from ((START, account) for _ in range(9))
        yield START + 60 * MINUTE + late, account
        mule = {"account_id": f"mule {late}", "transaction_type": "TRANSFER"}
        yield START, mule | {"amount": "3000.00", "credit_debit_indicator": "CRDT"}
        yield START + 6 * 60 * MINUTE + late, mule | {"amount": "2700.00"}
    for number, moment in enumerate((START, START + 5 * 60 * MINUTE - MICRO, START + 5 * 60 * MINUTE, START - MICRO)):
        yield moment, {"transaction_type": "PAYMENT", "amount": "5000.00", "account_id": f"night {number}"}


def at_random():
    """Uses of two cards and two accounts, many at the same moment, some put twice; event_time, fields."""
    draw = random.Random(20)
    now = START
    for number in range(300):
        now += draw.choice([timedelta(0), timedelta(0), MICRO, MINUTE, 15 * MINUTE])
        kind, channel = draw.choice([("CARD_PURCHASE", "POS"), ("CARD_PURCHASE", "WEB"), ("WITHDRAWAL", "ATM")])
        shared = {
            "status": draw.choice(["PENDING", "BOOKED", "BOOKED", "REJECTED"]),
            "credit_debit_indicator": draw.choice(["DBIT", "DBIT", "DBIT", "CRDT"]),
        }
        use = shared | {
            "transaction_type": kind,
            "channel": channel,
            "amount": draw.choice(["1.00", "4.99", "5.00", "50.00", "200.00"]),
            "card_token": draw.choice(["1", "2", None]),
            "merchant_country": draw.choice(["DE", "DE", "DE", "FR", "JP", None]),
            "transaction_id": f"use {number}",
        }
        yield now, use
        if draw.random() < 0.3:
            yield now + draw.choice([timedelta(0), MINUTE, 15 * MINUTE]), use
        moved = shared | {
            "transaction_type": draw.choice(["DEPOSIT", "DEPOSIT", "REVERSAL", "TRANSFER", "PAYMENT", "PAYMENT"]),
            "credit_debit_indicator": draw.choice(["CRDT", "DBIT"]),
            "channel": draw.choice(["ATM", "BRANCH", "WEB", "MOBILE"]),
            "account_id": draw.choice("AB"),
            "currency": draw.choice(["EUR", "SEK"]),
            "transaction_id": f"moved {number}",
        }
        amounts = ["333.33", "1500.00", "3333.34", "9999.99", "10000.00", "15000.00"]
        yield now, moved | {"amount": draw.choice(amounts)}
        if draw.random() < 0.3:
            yield now + 60 * MINUTE, moved | {"amount": draw.choice(amounts)}
        for burst in range(12 if number % 50 == 49 else 0):
            soon = now + draw.choice([1, 2, 5, 8]) * burst * MINUTE
            booked = {"status": "BOOKED", "credit_debit_indicator": "DBIT"}
            paid = moved | booked | {"transaction_type": "PAYMENT", "channel": "API", "amount": "12.00"}
            yield soon, paid | {"transaction_id": f"paid {number} {burst}"}
            yield soon, use | PURCHASE | booked | {"card_token": "1", "transaction_id": f"bought {number} {burst}"}


def window(of, rows, minutes):
    """What happened up to so many minutes before a row, and at its very moment."""
    span = timedelta(minutes=minutes)
    return [one for one in rows if timedelta(0) <= of["event_time"] - one["event_time"] <= span]


def total(rows):
    """Each transaction once: of two puts one behind the other, the greater counts."""
    amount = Decimal(0)
    puts: dict[str, list[Any]] = {}
    for one in sorted(rows, key=lambda each: (each["event_time"], each["content_hash"])):
        puts.setdefault(one["transaction_id"], []).append(one["amount"])
    for amounts in puts.values():
        amount += sum(amounts) - sum(map(min, amounts, amounts[1:]))
    return amount


def ids(rows):
    return {one["transaction_id"] for one in rows}


def is_cash(one):
    small = one["amount"] < 10_000 and one["currency"] == "EUR" and one["credit_debit_indicator"] == "CRDT"
    return small and one["transaction_type"] == "DEPOSIT" and one["channel"] in ("ATM", "BRANCH")


def is_purchase(one):
    return one["transaction_type"] == "CARD_PURCHASE" and one["credit_debit_indicator"] == "DBIT"


def is_present(one):
    by_hand = one["transaction_type"] in ("CARD_PURCHASE", "WITHDRAWAL") and one["credit_debit_indicator"] == "DBIT"
    return by_hand and one["channel"] in ("POS", "ATM") and bool(one["merchant_country"])


def is_at_night(one):
    out = one["transaction_type"] in ("PAYMENT", "TRANSFER", "CARD_PURCHASE", "WITHDRAWAL")
    much = one["amount"] >= 5_000 and one["currency"] == "EUR" and one["credit_debit_indicator"] == "DBIT"
    return out and much and one["event_time"].hour in range(5)


def is_sent(one):
    sent = one["transaction_type"] in ("PAYMENT", "TRANSFER") and one["credit_debit_indicator"] == "DBIT"
    return sent and one["channel"] in ("MOBILE", "WEB", "API", "BRANCH")


def is_moved(one):
    return one["transaction_type"] in ("TRANSFER", "PAYMENT", "WITHDRAWAL") and one["currency"] == "EUR"


def is_out_of_reach(one, other):
    """Whether nobody gets from one to the other in time, where Japan alone is far from the other countries."""
    is_far = (one["merchant_country"] == "JP") != (other["merchant_country"] == "JP")
    return is_far and abs(one["event_time"] - other["event_time"]) <= LEAST_FLIGHT


def tries_a_card(rows, tip):
    return tip["amount"] >= 200 and tip["currency"] == "EUR" and len(ids(each for each in rows if is_small(each))) >= 3


def is_small(one):
    return one["amount"] < 5 and one["currency"] == "EUR"


def passes_on(rows, tip):
    came = [one for one in rows if one["credit_debit_indicator"] == "CRDT"]
    went = [one for one in rows if one["credit_debit_indicator"] == "DBIT"]
    return tip["credit_debit_indicator"] == "DBIT" and total(came) >= 3_000 and total(went) >= 2_700


# Name -> subject, whether a transaction is concerned, minutes, whether a window that ends at the tip raises it.
RULES = {
    "large_amount": (
        "account_id",
        lambda one: one["amount"] >= 15_000 and one["currency"] == "EUR" and one["transaction_type"] != "REVERSAL",
        0,
        lambda rows, tip: True,
    ),
    "night_high_value": ("account_id", is_at_night, 0, lambda rows, tip: True),
    "structured_deposits": (
        "account_id",
        is_cash,
        24 * 60,
        lambda rows, tip: len(ids(rows)) >= 3 and total(rows) >= 10_000,
    ),
    "rapid_account_use": ("account_id", is_sent, 60, lambda rows, tip: len(ids(rows)) >= 10),
    "mule_account": ("account_id", is_moved, 6 * 60, passes_on),
    "rapid_card_use": ("card_token", is_purchase, 10, lambda rows, tip: len(ids(rows)) >= 5),
    "card_testing": ("card_token", is_purchase, 60, tries_a_card),
    "implausible_travel": (
        "card_token",
        is_present,
        12 * 60,
        lambda rows, tip: any(is_out_of_reach(one, tip) for one in rows),
    ),
}
BY_THE_HOUR = {"rapid_account_use", "rapid_card_use", "card_testing"}


def expected(transactions):
    """(rule, subject, bucket) -> the (transaction, put) that the alert rests on."""
    found: dict[tuple[str, str, datetime], set[tuple[str, str]]] = {}
    happened = [one for one in transactions if one["status"] != "REJECTED"]
    for name, (subject, is_concerned, minutes, raises) in RULES.items():
        for tip in filter(is_concerned, happened):
            same = [one for one in happened if is_concerned(one) and one[subject] == tip[subject] and tip[subject]]
            rows = window(tip, same, minutes)
            if rows and raises(rows, tip):
                hour = tip["event_time"].replace(minute=0, second=0, microsecond=0)
                bucket = hour if name in BY_THE_HOUR else hour.replace(hour=0)
                evidence = {(one["transaction_id"], one["content_hash"]) for one in rows}
                found.setdefault((name, tip[subject], bucket), set()).update(evidence)
    return found


def named(rule, subject, bucket):
    """The alert's id, which depends on these three alone."""
    micros = (bucket - datetime(1970, 1, 1, tzinfo=UTC)) // MICRO
    return hashlib.sha256(f"{rule}/{subject}/{micros}".encode()).hexdigest()


@pytest.mark.parametrize("made", [at_the_edges, at_random])
def test_alerts_and_evidence_are_those_of_the_rules_spelled_out(spark, made):
    transactions = [transaction(number, at, **fields) for number, (at, fields) in enumerate(made())]
    random.Random(1).shuffle(transactions)
    rows = spark.createDataFrame([tuple(each.values()) for each in transactions], SCHEMA)
    evidence = fraud_rules_in_spark.evidence(rows, shipped_rules(), "run")
    found: dict[Any, set[tuple[str, str]]] = {}
    for each in evidence.collect():
        found.setdefault(each["alert_id"], set()).add((each["transaction_id"], each["content_hash"]))
    wanted = expected(transactions)
    assert {rule for rule, *_ in wanted} >= RULES.keys() - ({"large_amount"} if made is at_the_edges else set())
    assert found == {named(*key): rests_on for key, rests_on in wanted.items()}
    alerts = fraud_rules_in_spark.alerts(evidence).collect()
    assert sorted((each["rule"], each["subject"], each["bucket_start"].timestamp()) for each in alerts) == sorted(
        (rule, subject, bucket.timestamp()) for rule, subject, bucket in wanted
    )


@pytest.mark.slow
def test_however_the_transactions_are_split_into_runs_alerts_and_evidence_are_the_same(spark):
    transactions = [transaction(number, at, **fields) for number, (at, fields) in enumerate(at_random())]
    wanted = {(named(*key), *one) for key, rests_on in expected(transactions).items() for one in rests_on}
    for seed in (1, 2):
        draw = random.Random(seed)
        split = [each | {"run_id": draw.choice(["run 0", "run 1", "run 2"])} for each in transactions]
        found = set()
        for run in range(3):
            curated = [tuple(each.values()) for each in split if each["run_id"] <= f"run {run}"]
            draw.shuffle(curated)
            rows = spark.createDataFrame(curated, SCHEMA)
            evidence = fraud_rules_in_spark.evidence(rows, shipped_rules(), f"run {run}")
            found |= {(each["alert_id"], each["transaction_id"], each["content_hash"]) for each in evidence.collect()}
        assert found == wanted
