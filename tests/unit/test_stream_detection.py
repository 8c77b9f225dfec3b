"""The fraud stream raises the same alerts as the rules over the whole history, in whatever order objects come."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from data_processing.fraud_rule_file import parse_rules, shipped_rules
from data_processing.fraud_rules_in_python import concerned, raised
from data_processing.landed_transactions import Transaction, micros
from data_processing.stream_detection import SubjectDay, detect
from tests.unit.stream_memory import START, InMemory, arrived, transaction

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PURCHASE: dict[str, Any] = {
    "transaction_type": "CARD_PURCHASE",
    "channel": "POS",
    "card_token": "1_t",
    "merchant_country": "DE",
}
DEPOSIT: dict[str, Any] = {
    "transaction_type": "DEPOSIT", "channel": "ATM", "credit_debit_indicator": "CRDT", "amount": "4000",
}  # fmt: skip
Alert = tuple[str, str, datetime]


def found(memory: InMemory, *objects: Iterable[Transaction]) -> set[Alert]:
    """What the objects raise, one after the other."""
    return {
        (alert.rule, alert.subject, alert.bucket_start)
        for landed in objects
        for alert in detect(arrived(*landed), shipped_rules(), memory, START).alerts
    }


def test_a_rule_on_one_transaction_needs_no_memory() -> None:
    memory = InMemory()
    large = transaction(1, transaction_type="INTEREST", amount="15000")
    assert found(memory, [large]) == {("large_amount", "A", START)}
    assert memory.held == {}


def test_deposits_of_two_days_in_three_objects_are_seen_together() -> None:
    memory = InMemory()
    deposits = [transaction(number, START + number * 11 * 60 * MINUTE, **DEPOSIT) for number in (1, 2, 3)]
    assert found(memory, [deposits[2]], [deposits[0]]) == set()
    assert found(memory, [deposits[1]]) == {("structured_deposits", "A", START + DAY)}


def test_the_same_object_again_raises_the_same_and_no_more() -> None:
    memory = InMemory()
    uses = [transaction(number, START + number * MINUTE, **PURCHASE) for number in range(5)]
    once = found(memory, uses)
    assert once == {("rapid_card_use", "1_t", START)}
    assert found(memory, uses, uses) == once


def test_five_puts_of_one_purchase_are_one_use() -> None:
    puts = [transaction(1, START + number * MINUTE, content_hash=f"h{number}", **PURCHASE) for number in range(5)]
    assert found(InMemory(), puts) == set()


def test_only_what_a_rule_with_a_window_looks_at_is_remembered() -> None:
    memory = InMemory()
    fee, rejected = transaction(1, transaction_type="FEE"), transaction(2, status="REJECTED", **DEPOSIT)
    found(memory, [fee, rejected, transaction(3, **DEPOSIT)])
    assert memory.held == {SubjectDay("ACCOUNT", "A", START.date()): {transaction(3, **DEPOSIT)}}


def test_a_neighbouring_day_is_read_only_if_a_window_reaches_into_it() -> None:
    memory, rules = InMemory(), [rule for rule in shipped_rules() if rule.window == 60 * MINUTE]
    for number, (at, neighbours) in enumerate(
        ((DAY / 2, []), (59 * MINUTE, [-1]), (60 * MINUTE, []), (DAY - 60 * MINUTE, [1])), 1
    ):
        memory.reads.clear()
        detect(arrived(transaction(number, START + at, **PURCHASE)), rules, memory, START)
        assert memory.reads == [SubjectDay("CARD", "1_t", (START + days * DAY).date()) for days in neighbours]


def test_a_rule_that_is_not_for_the_stream_is_left_to_the_job() -> None:
    text = """
        [[rules]]
        name = "any"
        severity = "LOW"
        subject = "account"
        bucket = "day"
        reason = "any transaction"
        least_evidence = 1
        looks_at = {}
        in_stream = false
    """
    assert detect(arrived(transaction(1)), parse_rules(text, "rules"), InMemory(), START).alerts == []


def test_an_alert_says_when_the_transaction_that_raised_it_arrived() -> None:
    memory = InMemory()
    uses = [transaction(number, START + number * MINUTE, **PURCHASE) for number in range(5)]
    detect(arrived(*uses[:4]), shipped_rules(), memory, START)
    (alert,) = detect(arrived(uses[4], after=timedelta(seconds=7)), shipped_rules(), memory, START).alerts
    assert alert.arrival_time == START + 4 * MINUTE + timedelta(seconds=7)
    assert alert.evidence == ("t0", "t1", "t2", "t3", "t4")


def one() -> st.SearchStrategy[Transaction]:
    """Cash and purchases of two accounts and cards, at the edges of windows and about midnight; some put twice."""
    at = st.sampled_from([0, 1, 600_000_000, 3_600_000_000, micros(DAY) - 1, micros(DAY), micros(DAY) + 1])
    kinds: list[dict[str, Any]] = [PURCHASE, PURCHASE | {"merchant_country": "JP"}, DEPOSIT, {"amount": "15000"}]
    return st.builds(
        lambda number, at, subject, kind, status, put: transaction(
            number,
            START + timedelta(microseconds=at),
            **(kind | {"account_id": f"A{subject}", "status": status, "content_hash": f"h{number}{put}"}),
        ),
        number=st.integers(0, 8),
        at=at,
        subject=st.integers(0, 1),
        kind=st.sampled_from(kinds),
        status=st.sampled_from(["BOOKED", "BOOKED", "PENDING", "REJECTED"]),
        put=st.integers(0, 1),
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(one(), max_size=25), st.randoms(use_true_random=False))
def test_whatever_the_order_the_repeats_and_the_objects_the_alerts_are_those_of_all_together(
    history: list[Transaction], draw: random.Random
) -> None:
    wanted: set[Alert] = set()
    for rule in (each for each in shipped_rules() if each.in_stream):
        by_subject: dict[str, set[Transaction]] = {}
        for each in concerned(rule, history):
            by_subject.setdefault(getattr(each, rule.subject), set()).add(each)
        for subject, own in by_subject.items():
            wanted |= {
                (rule.name, subject, START + timedelta(microseconds=bucket - _START))
                for bucket in raised(rule, own, own)
            }
    coming = [*history, *(draw.choice(history) for _ in history[::3])]
    draw.shuffle(coming)
    objects: list[list[Transaction]] = []
    while coming:
        count = draw.randint(1, 6)
        objects.append(coming[:count])
        del coming[:count]
    assert found(InMemory(), *objects) == wanted


_START = transaction(0).at
