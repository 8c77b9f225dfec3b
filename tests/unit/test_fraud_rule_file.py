"""A file of fraud rules is read as it stands, or refused with the place of its fault and what to do."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from data_processing.fraud_rule_file import left_to_job, parse_rules, read_rules, shipped_rules
from data_processing.fraud_rules import LONGEST_UNSEEN, LONGEST_WINDOW, SEEN_WITHIN, History, Hours
from infrastructure.errors import PlatformError
from infrastructure.local.warehouse import embedded_settings

FILE = """
[limits.high]
EUR = 100.50
JPY = 15_000

[[rules]]
name = "tested_card"
severity = "HIGH"
subject = "card"
bucket = "hour"
reason = "small purchases, then a large one"
least_evidence = 3
window_minutes = 45
looks_at = { transaction_types = ["CARD_PURCHASE"], hours = { first = 22, last = 1, time_zone = "Europe/Prague" } }
last = { amount_at_least = "high" }
raised_by = [{ measure = "uses", at_least = 2, of = { amount_below = "high" } }]
"""


def test_a_rule_is_what_its_file_says() -> None:
    (rule,) = parse_rules(FILE, "own.toml")
    assert (rule.name, rule.severity, rule.subject, rule.bucket) == ("tested_card", "HIGH", "card_token", "hour")
    assert rule.window == timedelta(minutes=45)
    assert rule.concerned.hours == Hours(22, 1, "Europe/Prague")
    assert rule.last.amount_at_least == {"EUR": Decimal("100.50"), "JPY": Decimal(15_000)}
    assert rule.raised_by[0].of.amount_below == rule.last.amount_at_least
    assert rule.in_stream


def test_hours_may_span_midnight() -> None:
    assert Hours(22, 1).included == (22, 23, 0, 1)
    assert Hours(5, 5).included == (5,)


def test_no_window_reaches_beyond_the_dates_that_the_job_looks_at() -> None:
    assert max(rule.window for rule in shipped_rules()) <= LONGEST_WINDOW


def test_the_longest_history_with_the_year_in_which_it_begins_is_read() -> None:
    assert timedelta(days=366) + LONGEST_UNSEEN < SEEN_WITHIN


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("EUR = 100.50", "EUX = 100.50", "own.toml, limits.high: EUX is no currency of ISO 4217. Did you mean"),
        ("EUR = 100.50", "EUR = -1", "own.toml, limits.high: EUR is -1. Set it to an amount above 0"),
        ("EUR = 100.50", "EUR = nan", "own.toml, limits.high: EUR is Decimal('NaN'). Set it to an amount above 0"),
        ("EUR = 100.50", "EUR = 0.00001", "own.toml, limits.high: EUR is Decimal('0.00001'). Set it to an amount"),
        ("EUR = 100.50", "EUR = 1e30", "own.toml, limits.high: EUR is Decimal('1E+30'). Set it to an amount"),
        ("EUR = 100.50", "EUR = true", "own.toml, limits.high: EUR is True. Set it to an amount above 0"),
        ("EUR = 100.50\nJPY = 15_000", "", "own.toml, limits.high: names no currency."),
        ("severity", "severty", "own.toml, rules[1] tested_card: has no severity, but severty. Rename it to severity"),
        ('"HIGH"', '"HIHG"', "own.toml, rules[1] tested_card: severity is 'HIHG'. Did you mean HIGH?"),
        ('"tested_card"', '"Tested card"', "own.toml, rules[1]: name is 'Tested card'. Use lower-case letters"),
        ('"card"', '"merchant"', "own.toml, rules[1] tested_card: subject is 'merchant'. Use one of account, card"),
        ('last = { amount_at_least = "high" }', 'lats = { amount_at_least = "high" }',
         "own.toml, rules[1] tested_card: has lats, which has no meaning there. Did you mean last?"),
        ('last = { amount_at_least = "high" }', 'last = { amount_at_least = "hgih" }',
         "own.toml, rules[1] tested_card, last: amount_at_least is 'hgih', which is no limit of the file. "
         "Did you mean high?"),
        ('last = { amount_at_least = "high" }', 'last = "high"',
         "own.toml, rules[1] tested_card, last: is no table. Write it as { key = value }"),
        ("CARD_PURCHASE", "CARD_PURCHSE",
         "own.toml, rules[1] tested_card, looks_at: transaction_types has 'CARD_PURCHSE'. "
         "Did you mean CARD_PURCHASE?"),
        ('["CARD_PURCHASE"]', '"CARD_PURCHASE"',
         "own.toml, rules[1] tested_card, looks_at: transaction_types is 'CARD_PURCHASE'. Write a list in brackets"),
        ("Europe/Prague", "Europe/Praha", "looks_at, hours: time_zone 'Europe/Praha' is not known. Name one of"),
        ("first = 22", "first = 24", "looks_at, hours: first is 24. Set it to a whole number, 0 to 23"),
        ("window_minutes = 45", "window_minutes = 61",
         "own.toml, rules[1] tested_card: window_minutes is 61. Set it to a whole number, 0 to 60"),
        ("window_minutes = 45", "", "own.toml, rules[1] tested_card: has a window without raised_by, or raised_by"),
        ('"uses", at_least = 2', '"total", at_least = "high"',
         'own.toml, rules[1] tested_card: sums amounts over currencies. Add same = ["currency"]'),
        ('"uses"', '"used"', "own.toml, rules[1] tested_card, raised_by[1]: measure is 'used'. Did you mean uses?"),
        ("[[rules]]", "[rules]", "own.toml: rules is no list of tables. Write [[rules]] above each"),
        ("[[rules]]", "[[rules]", "own.toml: is no TOML:"),
        ("[[rules]]", "[[rule]]", "own.toml: has rule, which has no meaning there. Did you mean rules?"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_what_to_do(old: str, new: str, told: str) -> None:
    assert old in FILE
    with pytest.raises(PlatformError) as refused:
        parse_rules(FILE.replace(old, new, 1), "own.toml")
    assert told in str(refused.value)


def test_a_speed_needs_countries() -> None:
    asked = 'raised_by = [{ measure = "speed", at_least = 900 }]'
    with pytest.raises(PlatformError, match="measures speed without a country"):
        parse_rules(FILE[: FILE.index("raised_by")] + asked, "own.toml")


HISTORY = """
[[rules]]
name = "stranger"
severity = "HIGH"
subject = "account"
bucket = "day"
reason = "a payment to somebody new"
least_evidence = 1
in_stream = false
looks_at = { transaction_types = ["PAYMENT"] }
history = { unseen = "counterparty", within_days = 365, apart_from_hours = 12, known_for_days = 14 }
"""


def test_a_history_is_what_its_file_says() -> None:
    (rule,) = parse_rules(HISTORY, "own.toml")
    assert rule.history == History("counterparty", timedelta(days=365), timedelta(hours=12), timedelta(days=14))
    assert left_to_job(parse_rules(FILE + HISTORY, "own.toml")) == {"stranger"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("in_stream = false", "", "stranger: has a history, which the stream does not remember. Add in_stream = false"),
        ('"account"', '"card"', 'stranger: asks for the history of a card. Set subject = "account"'),
        ('"counterparty"', '"payee"', "stranger, history: unseen is 'payee'. Use one of account, counterparty"),
        ('"counterparty"', '"account"', "history: has known_for_days, which has no meaning there. Use one of unseen"),
        ("365", "800", "history: within_days is 800. Set it to a whole number, 30 to 700"),
        ("apart_from_hours", "apart_hours", "history: has no apart_from_hours, but apart_hours. Rename it"),
        (", known_for_days = 14", "", "history: has no known_for_days. Add it"),
        ("looks_at", 'window_minutes = 5\nraised_by = [{ measure = "uses", at_least = 2 }]\nlooks_at',
         "stranger: has a history and a window. Leave out window_minutes and raised_by"),
    ],
)  # fmt: skip
def test_a_fault_of_a_history_is_told_with_its_place_and_what_to_do(old: str, new: str, told: str) -> None:
    assert old in HISTORY
    with pytest.raises(PlatformError) as refused:
        parse_rules(HISTORY.replace(old, new, 1), "own.toml")
    assert told in str(refused.value)


def test_two_rules_of_one_name_are_refused() -> None:
    rule = FILE[FILE.index("[[rules]]") :]
    with pytest.raises(PlatformError, match="has two rules named tested_card"):
        parse_rules(FILE + rule, "own.toml")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
        read_rules(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PlatformError, match="is not UTF-8"):
        read_rules(tmp_path / "rules.toml")


def test_the_embedded_stack_takes_the_rules_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAUD_RULES_FILE", "own.toml")
    assert embedded_settings().fraud_rules_file == "own.toml"
