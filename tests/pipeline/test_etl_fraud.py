"""Fraud rules look a day back and a day ahead, whichever run curated what happened then; an alert is raised once."""

from __future__ import annotations

import pytest

from tests.pipeline.etl_rows import row

BASE = 49600000000000000000


def deposit(number, event_time, **fields):
    cash = {"transaction_type": "DEPOSIT", "channel": "ATM", "amount": "4000.00", "account_id": "A"}
    cash["credit_debit_indicator"] = "CRDT"
    return row(number, event_time=event_time, arrival_time="2026-03-04T00:00:00Z", **(cash | fields))


def run(lake, *rows):
    numbers = [int(each["sequence_number"]) for each in rows]
    lake.land(rows, min(numbers), max(numbers))
    (result,) = lake.run()
    return result


def alerts(lake):
    """(rule, subject, bucket) of all alerts."""
    found = lake.table("fraud_alerts")
    assert len({each["alert_id"] for each in found}) == len(found), "an alert is raised once"
    return sorted((each["rule"], each["subject"], f"{each['bucket_start']:%Y-%m-%d %H}") for each in found)


def evidence(lake):
    """The transactions that alerts rest on, each put once."""
    found = [(each["alert_id"], each["transaction_id"], each["content_hash"]) for each in lake.table(EVIDENCE)]
    assert len(set(found)) == len(found)
    return sorted({transaction for _, transaction, _ in found})


EVIDENCE = "fraud_alert_evidence"
STRUCTURED = ("structured_deposits", "A", "2026-03-02 00")


@pytest.mark.slow
def test_deposits_of_three_runs_over_midnight_are_seen_together(lake):
    run(lake, deposit(1, "2026-03-01T23:00:00Z"))
    run(lake, deposit(2, "2026-03-02T09:00:00Z"))
    assert alerts(lake) == []
    run(lake, deposit(3, "2026-03-02T22:59:59Z"))
    assert alerts(lake) == [STRUCTURED]
    assert evidence(lake) == ["tx-000001", "tx-000002", "tx-000003"]
    run(lake, deposit(4, "2026-03-02T23:00:00Z"), deposit(5, "2026-03-02T23:00:00Z", account_id="B"))
    assert alerts(lake) == [STRUCTURED], "more of the same day is more evidence, no other alert"
    assert evidence(lake) == ["tx-000001", "tx-000002", "tx-000003", "tx-000004"]


@pytest.mark.slow
def test_the_last_to_arrive_may_be_the_first_that_happened(lake):
    run(lake, deposit(2, "2026-03-02T09:00:00Z"), deposit(3, "2026-03-02T22:59:59Z"))
    assert alerts(lake) == []
    run(lake, deposit(1, "2026-03-01T23:00:00Z"))
    assert alerts(lake) == [STRUCTURED]
    assert evidence(lake) == ["tx-000001", "tx-000002", "tx-000003"]


@pytest.mark.slow
@pytest.mark.parametrize("other", [{"status": "REJECTED"}, {"credit_debit_indicator": "DBIT"}])
def test_deposits_that_were_rejected_or_taken_back_raise_nothing(lake, other):
    run(lake, *(deposit(number, "2026-03-02T09:00:00Z", **other) for number in (1, 2, 3)))
    assert alerts(lake) == []


@pytest.mark.slow
def test_a_pending_deposit_counts_and_once_with_its_booking(lake):
    run(lake, deposit(1, "2026-03-02T08:00:00Z", status="PENDING"), deposit(2, "2026-03-02T09:00:00Z"))
    run(lake, deposit(1, "2026-03-02T10:00:00Z", sequence_number=str(BASE + 9)))
    assert alerts(lake) == []
    run(lake, deposit(3, "2026-03-02T11:00:00Z"))
    assert alerts(lake) == [STRUCTURED]


CARD = {"transaction_type": "CARD_PURCHASE", "channel": "POS", "card_token": "1_t", "card_last4": "4242"}


def test_five_uses_at_one_instant_are_one_alert(lake):
    run(lake, *(row(number, merchant_country="DE", **CARD) for number in range(1, 6)))
    assert alerts(lake) == [("rapid_card_use", "1_t", "2026-03-02 08")]
    assert len(evidence(lake)) == 5


@pytest.mark.slow
def test_nobody_held_the_card_for_a_refund(lake):
    run(
        lake,
        row(1, merchant_country="DE", **CARD),
        row(2, merchant_country="JP", **(CARD | {"credit_debit_indicator": "CRDT"})),
    )
    assert alerts(lake) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [{"event_time": "2026-03-01T08:59:59Z"}, {"account_id": "B"}, {"currency": "USD"}, {"channel": "WEB"}],
    ids=["more than a day before", "another account", "another currency", "no cash"],
)
def test_what_does_not_belong_together_raises_nothing(lake, other):
    run(lake, deposit(1, **({"event_time": "2026-03-01T23:00:00Z"} | other)), deposit(2, "2026-03-02T08:00:00Z"))
    run(lake, deposit(3, "2026-03-02T09:00:00Z"))
    assert alerts(lake) == []


def test_a_card_seen_in_two_countries_by_two_runs(lake):
    card = {"transaction_type": "CARD_PURCHASE", "channel": "POS", "card_token": "1_t", "card_last4": "4242"}
    run(lake, row(1, merchant_country="DE", event_time="2026-03-02T08:00:00Z", **card))
    run(lake, row(2, merchant_country="JP", event_time="2026-03-02T08:30:00Z", **card))
    assert alerts(lake) == [("implausible_travel", "1_t", "2026-03-02 00")]


def paid(number, event_time, whom="P", amount="3000.00", **fields):
    transfer = {"transaction_type": "TRANSFER", "counterparty_account": whom, "account_id": "A", "amount": amount}
    return row(number, event_time=event_time, **(transfer | fields))


def seen(lake):
    """Account, whom it paid, and when first, of all sightings."""
    found = ((each["account_id"], each["counterparty_account"], each["first_seen"]) for each in lake.table("sightings"))
    return sorted(f"{account} {whom or ''} {at:%Y-%m-%d %H}" for account, whom, at in found)


@pytest.mark.slow
def test_runs_remember_whom_an_account_paid_and_add_only_what_is_new(lake):
    run(lake, paid(1, "2025-11-30T08:00:00Z", amount="9.00"), paid(2, "2026-01-05T08:00:00Z", amount="9.00"))
    first = ["A  2025-11-30 08", "A  2026-01-05 08", "A P 2025-11-30 08", "A P 2026-01-05 08"]
    assert (seen(lake), alerts(lake)) == (first, [])
    large = [paid(3, "2026-03-02T08:00:00Z"), paid(4, "2026-03-02T09:00:00Z", "Q"), paid(5, "2026-03-02T09:00:00Z")]
    run(lake, *large)
    assert alerts(lake) == [("new_payee", "A", "2026-03-02 00")]
    assert evidence(lake) == ["tx-000004"]
    assert seen(lake) == sorted([*first, "A  2026-03-02 08", "A Q 2026-03-02 09"])


@pytest.mark.slow
def test_an_account_that_wakes_is_told_by_what_former_runs_saw(lake):
    run(lake, paid(1, "2025-08-30T08:00:00Z", amount="9.00"), row(2, account_id="B", event_time="2026-01-05T08:00:00Z"))
    run(lake, row(3, account_id="A", transaction_type="FEE", event_time="2026-01-31T08:00:00Z"))
    assert seen(lake) == ["A  2025-08-30 08", "A P 2025-08-30 08", "B  2026-01-05 08"]
    woken = {"event_time": "2026-03-02T08:00:00Z", "amount": "1000.00"}
    run(lake, paid(4, **woken), paid(5, account_id="B", **woken))
    assert alerts(lake) == [("dormant_account", "A", "2026-03-02 00")]
