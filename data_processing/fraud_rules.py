"""The fraud rules: which curated transactions deserve a look, and why. Pure: DataFrame -> DataFrame.

Few, explained, and deterministic: a rule looks at a transaction and at what happened up to a day before it, as far as
it is curated when the transaction is, by the same run or a former one; facts stay untouched. They are examples of the
kinds that a bank runs (a limit, a sum over a window, a rate, an implausible sequence), to be replaced by its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from data_catalog.transaction_contract import FRAUD_ALERT_FIELDS

# How far back a rule looks from a transaction.
LOOK_BACK = timedelta(hours=24)
# What the rules read of a curated transaction.
COLUMNS = (
    "transaction_id", "account_id", "transaction_type", "channel", "amount", "currency", "event_time", "card_token",
    "merchant_country", "event_date", "run_id",
)  # fmt: skip

# About 15,000 euros: the FATF's threshold for customer due diligence on a single transaction (recommendation 10).
LARGE_AMOUNTS = {
    "EUR": 15_000,
    "USD": 15_000,
    "GBP": 13_000,
    "CHF": 14_000,
    "CZK": 375_000,
    "JPY": 2_500_000,
    "BHD": 6_000,
}
# The same kind of list for cash: deposits are reported from about 10,000 euros on.
CASH_REPORTING = {currency: amount * 2 // 3 for currency, amount in LARGE_AMOUNTS.items()}
STRUCTURING_DEPOSITS = 3
RAPID_PURCHASES, RAPID_MINUTES = 5, 10
TRAVEL_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: which transactions raise an alert, and why, over COLUMNS and the history that its kind adds to them."""

    name: str
    severity: str
    raised: Column
    reason: Column


def _rules_on_one() -> list[Rule]:
    """Rules that need no history."""
    limit = _by_currency(LARGE_AMOUNTS)
    return [
        Rule(
            "large_amount",
            "MEDIUM",
            F.col("amount") >= limit,
            F.format_string("one transaction of at least %s %s", limit.cast("string"), "currency"),
        )
    ]


def _cash_history(transactions: DataFrame) -> DataFrame:
    """Cash deposits below the reporting threshold: deposits and total of their account within a day before."""
    cash = (
        (F.col("transaction_type") == "DEPOSIT")
        & F.col("channel").isin("ATM", "BRANCH")
        & (F.col("amount") < _by_currency(CASH_REPORTING))
    )
    account, day = _ordered("account_id", "currency"), 24 * 60
    return transactions.where(cash).select(
        "*",
        _summed(F.lit(1), account, day).alias("deposits"),
        _summed(F.col("amount"), account, day).alias("total"),
    )


def _rules_on_cash() -> list[Rule]:
    """Over _cash_history: each deposit below the reporting threshold, together at or above it."""
    limit = _by_currency(CASH_REPORTING)
    return [
        Rule(
            "structured_deposits",
            "HIGH",
            (F.col("deposits") >= STRUCTURING_DEPOSITS) & (F.col("total") >= limit),
            F.format_string(
                "%d cash deposits within 24 hours reach %s %s", "deposits", limit.cast("string"), "currency"
            ),
        )
    ]


def _card_history(transactions: DataFrame) -> DataFrame:
    """Uses of a card: its purchases in the last minutes, the first and last (by name) country where it was present."""
    is_purchase = F.col("transaction_type") == "CARD_PURCHASE"
    is_present = F.col("channel").isin("POS", "ATM") & F.col("merchant_country").isNotNull()
    country = F.when(is_present, F.col("merchant_country"))
    card = _ordered("card_token")
    minutes, hour = (card.rangeBetween(-_micros(limit), 0) for limit in (RAPID_MINUTES, TRAVEL_MINUTES))
    return transactions.where(F.col("card_token").isNotNull() & (is_purchase | is_present)).select(
        "*",
        F.when(is_purchase, F.count(F.when(is_purchase, True)).over(minutes)).alias("purchases"),
        F.when(is_present, F.min(country).over(hour)).alias("one"),
        F.when(is_present, F.max(country).over(hour)).alias("other"),
    )


def _rules_on_cards() -> list[Rule]:
    """Over _card_history: many purchases with one card within minutes; one card present in two countries in an hour."""
    return [
        Rule(
            "rapid_card_use",
            "HIGH",
            F.col("purchases") >= RAPID_PURCHASES,
            F.format_string(f"%d purchases with one card within {RAPID_MINUTES} minutes", "purchases"),
        ),
        Rule(
            "implausible_travel",
            "HIGH",
            F.col("one") != F.col("other"),
            F.format_string(f"card present in %s and %s within {TRAVEL_MINUTES} minutes", "one", "other"),
        ),
    ]


def dates_looked_at(event_dates: Iterable[date]) -> set[date]:
    """The event dates of what the rules look at for transactions of some dates."""
    return {day - timedelta(days=back) for day in event_dates for back in range(LOOK_BACK.days + 1)}


def alerts(transactions: DataFrame, run_id: str) -> DataFrame:
    """The alerts of a run: FRAUD_ALERT_FIELDS.

    transactions: COLUMNS of the run's curated transactions and of those before them that LOOK_BACK reaches.
    """
    found = [
        _raised(transactions, _rules_on_one()),
        _raised(_cash_history(transactions), _rules_on_cash()),
        _raised(_card_history(transactions), _rules_on_cards()),
    ]
    derived: dict[str, Column] = {
        "alert_id": F.sha2(F.concat_ws("/", "rule.name", "transaction_id"), 256),
        "rule": F.col("rule.name"),
        "severity": F.col("rule.severity"),
        "reason": F.col("rule.reason"),
    }
    columns = [derived.get(field.name, F.col(field.name)).alias(field.name) for field in FRAUD_ALERT_FIELDS]
    return reduce(DataFrame.unionByName, found).where(F.col("run_id") == run_id).select(*columns)


def _raised(transactions: DataFrame, rules: list[Rule]) -> DataFrame:
    """A row for each transaction and rule that it raises, which is named in rule; COLUMNS beside it."""
    each = [
        F.when(
            rule.raised,
            F.struct(
                F.lit(rule.name).alias("name"), F.lit(rule.severity).alias("severity"), rule.reason.alias("reason")
            ),
        )
        for rule in rules
    ]
    return transactions.select(*COLUMNS, F.explode(F.array(*each)).alias("rule")).where(F.col("rule").isNotNull())


def _summed(column: Column, ordered: WindowSpec, minutes: int) -> Column:
    """The sum over the transactions up to so many minutes before a row, and all that happened at its very moment.

    As the difference of two sums from the beginning, which grow row by row: Spark sums a window that slides anew for
    every row, which takes hours for an account with a million deposits.
    """
    before = Window.unboundedPreceding
    until_now = F.sum(column).over(ordered.rangeBetween(before, 0))
    until_then = F.sum(column).over(ordered.rangeBetween(before, -_micros(minutes) - 1))
    return until_now - F.coalesce(until_then, F.lit(0))


def _ordered(*partition: str) -> WindowSpec:
    return Window.partitionBy(*partition).orderBy(F.unix_micros("event_time"))


def _micros(minutes: int) -> int:
    return minutes * 60 * 1_000_000


def _by_currency(limits: dict[str, int]) -> Column:
    """The limit of the row's currency; null, which nothing reaches, where there is none."""
    cases = [F.when(F.col("currency") == currency, limit) for currency, limit in limits.items()]
    return F.coalesce(*cases)
