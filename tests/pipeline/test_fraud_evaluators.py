"""One definition of each rule, two evaluators: Spark's for the job and Python's for the stream raise the same."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_catalog.stream_alerts import alert_id
from data_processing import fraud_rules_in_spark
from data_processing.fraud_rule_file import parse_rules, shipped_rules
from data_processing.fraud_rules_in_python import concerned, raised
from data_processing.landed_transactions import Transaction, time_of
from tests.pipeline.test_etl_fraud_rules import SCHEMA
from tests.unit.stream_memory import START, transaction

# Rules that use every part of the form, among them those that no shipped rule uses yet.
EVERY_PART = """
    [limits.small]
    EUR = 100
    JPY = 20_000

    [[rules]]
    name = "at_night"
    severity = "LOW"
    subject = "card"
    bucket = "hour"
    reason = "one transaction at night by another clock"
    least_evidence = 1
    looks_at = { amount_at_least = "small", hours = { first = 22, last = 5, time_zone = "Asia/Kolkata" } }

    [[rules]]
    name = "probed"
    severity = "HIGH"
    subject = "card"
    bucket = "hour"
    reason = "two small purchases, and at the end a larger one"
    least_evidence = 3
    window_minutes = 60
    looks_at = { transaction_types = ["CARD_PURCHASE"] }
    last = { amount_at_least = "small", channels = ["WEB", "POS"] }
    raised_by = [{ measure = "uses", at_least = 2, of = { amount_below = "small" } }]

    [[rules]]
    name = "in_and_out"
    severity = "HIGH"
    subject = "account"
    bucket = "day"
    reason = "credits and debits of some size within a day"
    least_evidence = 2
    window_minutes = 1440
    same = ["currency"]
    looks_at = { transaction_types_except = ["REVERSAL"] }
    raised_by = [
        { measure = "total", at_least = "small", of = { credit_debit_indicator = "CRDT" } },
        { measure = "total", at_least = "small", of = { credit_debit_indicator = "DBIT" } },
        { measure = "countries", at_least = 1, of = { present = ["merchant_country"] } },
    ]
"""
# Rules with a history are the job's alone.
RULES = (*(rule for rule in shipped_rules() if not rule.history), *parse_rules(EVERY_PART, "rules of the test"))
TYPES = ("CARD_PURCHASE", "CARD_PURCHASE", "DEPOSIT", "DEPOSIT", "WITHDRAWAL", "TRANSFER", "REVERSAL")
AMOUNTS = ("0.0001", "50", "99.9999", "100", "3333.34", "5000", "9999.99", "10000", "15000")
TIMES = (0, 1, 599_999_999, 600_000_000, 3_600_000_000, 3_600_000_001, 86_399_999_999, 86_400_000_000)
Raised = set[tuple[str, str, str, str, Any]]  # rule, subject, alert id, transaction, its put


def history_of(seed: int) -> list[tuple[Transaction, bool]]:
    """Transactions of many accounts and cards that crowd the edges of windows, and whether each is new."""
    draw = random.Random(seed)
    found: dict[tuple[str, str], tuple[Transaction, bool]] = {}
    for subject in range(200):
        # Each subject does few things at few moments, or hardly any window would hold enough of a kind.
        types, times = draw.choices(TYPES, k=2), draw.choices(TIMES, k=3)
        amounts, most = draw.choices(AMOUNTS, k=3), 12
        channels, indicators = draw.choices(["POS", "ATM", "WEB", "BRANCH"], k=2), draw.choices(["DBIT", "CRDT"], k=2)
        if subject % 10 == 0:
            types, times, channels, indicators, most = ["PAYMENT"], times[:1], ["WEB"], ["DBIT"], 20
        elif subject % 10 == 1:
            types, times, indicators, amounts = ["CARD_PURCHASE"], times[:2], ["DBIT"], ["4", "4", "4", "250"]
        for number in range(draw.randint(1, most)):
            made = transaction(
                f"{subject}.{draw.randint(0, 2 * number)}",
                START + timedelta(microseconds=draw.choice(times)),
                content_hash=f"h{number}",
                account_id=f"A{subject}",
                card_token=draw.choice([None, *[f"1_{subject}"] * 3]),
                transaction_type=draw.choice(types),
                credit_debit_indicator=draw.choice(indicators),
                status=draw.choice(["BOOKED", "BOOKED", "PENDING", "REJECTED"]),
                channel=draw.choice(channels),
                amount=draw.choice(amounts),
                currency=draw.choice(["EUR", "EUR", "EUR", "JPY", "SEK"]),
                merchant_country=draw.choice([None, "DE", "DE", "JP"]),
            )
            found[made.transaction_id, made.content_hash] = made, draw.random() < 0.5
    return list(found.values())


def by_python(history: list[tuple[Transaction, bool]]) -> Raised:
    found: Raised = set()
    for rule in RULES:
        by_subject: dict[str, list[Transaction]] = {}
        for each in concerned(rule, [each for each, _ in history]):
            by_subject.setdefault(getattr(each, rule.subject), []).append(each)
        new = {each for each, is_new in history if is_new}
        for subject, own in by_subject.items():
            for bucket, evidence in raised(rule, own, new).items():
                name = alert_id(rule.name, subject, time_of(bucket))
                found |= {(rule.name, subject, name, each.transaction_id, each.content_hash) for each in evidence}
    return found


def by_spark(spark: Any, history: list[tuple[Transaction, bool]]) -> Raised:
    names = [part.split()[0] for part in SCHEMA.split(", ")]

    def value(each: Transaction, is_new: bool, name: str) -> Any:
        derived = {"event_date": each.event_time.date(), "run_id": "run" if is_new else "earlier"}
        return derived[name] if name in derived else getattr(each, name)

    rows = [tuple(value(each, is_new, name) for name in names) for each, is_new in history]
    evidence = fraud_rules_in_spark.evidence(spark.createDataFrame(rows, SCHEMA), RULES, "run")
    columns = ("rule", "subject", "alert_id", "transaction_id", "content_hash")
    return {tuple(row[name] for name in columns) for row in evidence.select(*columns).collect()}


@pytest.mark.slow
def test_both_evaluators_raise_the_same_alerts_with_the_same_evidence(spark):
    met: set[str] = set()

    @settings(max_examples=4, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def agree(seed: int) -> None:
        history = history_of(seed)
        found = by_python(history)
        met.update(rule for rule, *_ in found)
        assert found == by_spark(spark, history)

    agree()
    assert met == {rule.name for rule in RULES}, "a rule that nothing raises is not compared"
