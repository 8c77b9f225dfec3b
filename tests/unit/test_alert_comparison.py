"""Which alerts job and stream have both raised, and which one of them alone."""

from __future__ import annotations

import json
from datetime import date, timedelta

from data_catalog.stream_alerts import ALERT_DAYS, StreamAlert, alert_id
from data_governance.alert_comparison import alerts_among, compared, recent_dates
from infrastructure.settings import Settings
from tests.unit.stream_memory import START

DAY = START.date()


def alert(subject: str, day: int = 0) -> StreamAlert:
    at = START + timedelta(days=day)
    return StreamAlert("large_amount", "MEDIUM", "ACCOUNT", subject, at, "a reason", ("t1",), at, at)


def test_each_alert_counts_once_under_its_rule() -> None:
    job = {"a": "large_amount", "b": "card_testing", "c": "large_amount", "d": "new_payee"}
    stream = {"a": "large_amount", "b": "card_testing", "x": "mule_account"}
    found = compared([DAY, DAY + timedelta(days=1)], job, stream, {"new_payee", "dormant_account"})
    assert str(found) == (
        "Fraud alerts of 2026-03-02 to 2026-03-03: 2 by job and stream, 1 by the job alone, "
        "1 by rules that are left to the job, 1 by the stream alone (unconfirmed)"
    )
    assert found.as_json() == {
        "dates": ["2026-03-02", "2026-03-03"],
        "confirmed": {"alerts": 2, "by_rule": {"card_testing": 1, "large_amount": 1}},
        "job_alone": {"alerts": 1, "by_rule": {"large_amount": 1}},
        "left_to_job": {"alerts": 1, "by_rule": {"new_payee": 1}},
        "unconfirmed": {"alerts": 1, "by_rule": {"mule_account": 1}},
    }


def test_rules_that_are_left_to_the_job_are_told_only_where_they_raised_something() -> None:
    found = compared([DAY], {"a": "large_amount"}, {}, {"new_payee"})
    assert str(found).endswith(": 0 by job and stream, 1 by the job alone, 0 by the stream alone (unconfirmed)")


def test_of_a_kept_table_only_the_alerts_of_the_date_are_taken() -> None:
    wanted, other = alert("A"), alert("A", day=1)
    items = [
        {
            "subject": {"S": each.key["subject"]},
            "item": {"S": each.alert_id},
            "alert": {"S": json.dumps(each.as_json())},
        }
        for each in (wanted, other)
    ]
    memory = {"subject": {"S": "ACCOUNT/A"}, "item": {"S": "2026-03-02"}, "rows": {"SS": ["x"]}}
    assert list(alerts_among([memory, *items])(DAY)) == [wanted]
    assert list(alerts_among([memory])(DAY)) == []


def test_an_alert_is_named_as_the_job_names_it() -> None:
    # SHA-256 of "large_amount/A/1772409600000000", as any other program would compute it.
    assert alert("A").alert_id == alert_id("large_amount", "A", START)
    assert alert("A").alert_id == "06a06bf82cf03db557d3895d119721ac5b918025122775509b79b2d72eaa53c1"


def test_the_last_days_end_with_the_last_one() -> None:
    assert recent_dates(date(2026, 3, 2), 3) == [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 2)]


def test_an_alert_is_known_for_longer_than_its_transactions_may_come_again() -> None:
    assert Settings().deduplication_window_days < ALERT_DAYS
