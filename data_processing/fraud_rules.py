"""The fraud rules: which curated transactions deserve a look, and why. Pure: DataFrame -> DataFrame.

Few, explained, and deterministic: a rule looks at a transaction and at what happened up to a day before it, as far as
it is curated when the transaction is, by the same run or a former one; facts stay untouched. They are examples of the
kinds that a bank runs (a limit, a sum over a window, a rate, an implausible sequence), to be replaced by its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    """A rule: its name and severity, and what finds its alerts: COLUMNS -> the rows that raise one, with reason."""

    name: str
    severity: str
    find: Callable[[DataFrame], DataFrame]


def large_amounts(transactions: DataFrame) -> DataFrame:
    """One transaction of at least its currency's threshold."""
    limit = _by_currency(LARGE_AMOUNTS)
    reason = F.format_string("one transaction of at least %s %s", limit.cast("string"), "currency")
    return transactions.where(F.col("amount") >= limit).withColumn("reason", reason)


def structured_deposits(transactions: DataFrame) -> DataFrame:
    """Cash deposits in one account within a day, each below the reporting threshold, together at or above it."""
    limit = _by_currency(CASH_REPORTING)
    cash = transactions.where(
        (F.col("transaction_type") == "DEPOSIT") & F.col("channel").isin("ATM", "BRANCH") & (F.col("amount") < limit)
    )
    day = _before("account_id", "currency", minutes=24 * 60)
    counted = cash.select("*", F.count("*").over(day).alias("deposits"), F.sum("amount").over(day).alias("total"))
    found = counted.where((F.col("deposits") >= STRUCTURING_DEPOSITS) & (F.col("total") >= limit))
    reason = F.format_string(
        "%d cash deposits within 24 hours reach %s %s", "deposits", limit.cast("string"), "currency"
    )
    return found.withColumn("reason", reason)


def rapid_card_use(transactions: DataFrame) -> DataFrame:
    """Many purchases with one card within minutes."""
    purchases = transactions.where(F.col("card_token").isNotNull() & (F.col("transaction_type") == "CARD_PURCHASE"))
    counted = purchases.withColumn("purchases", F.count("*").over(_before("card_token", minutes=RAPID_MINUTES)))
    reason = F.format_string(f"%d purchases with one card within {RAPID_MINUTES} minutes", "purchases")
    return counted.where(F.col("purchases") >= RAPID_PURCHASES).withColumn("reason", reason)


def implausible_travel(transactions: DataFrame) -> DataFrame:
    """One card, physically present in two countries within an hour."""
    present = transactions.where(
        F.col("card_token").isNotNull() & F.col("channel").isin("POS", "ATM") & F.col("merchant_country").isNotNull()
    )
    hour = _before("card_token", minutes=TRAVEL_MINUTES)
    seen = present.select(
        "*", F.min("merchant_country").over(hour).alias("one"), F.max("merchant_country").over(hour).alias("other")
    )
    reason = F.format_string(f"card present in %s and %s within {TRAVEL_MINUTES} minutes", "one", "other")
    return seen.where(F.col("one") != F.col("other")).withColumn("reason", reason)


RULES = (
    Rule("large_amount", "MEDIUM", large_amounts),
    Rule("structured_deposits", "HIGH", structured_deposits),
    Rule("rapid_card_use", "HIGH", rapid_card_use),
    Rule("implausible_travel", "HIGH", implausible_travel),
)


def dates_looked_at(event_dates: Iterable[date]) -> set[date]:
    """The event dates of what the rules look at for transactions of some dates."""
    return {day - timedelta(days=back) for day in event_dates for back in range(LOOK_BACK.days + 1)}


def alerts(transactions: DataFrame, run_id: str) -> DataFrame:
    """The alerts of a run: FRAUD_ALERT_FIELDS.

    transactions: COLUMNS of the run's curated transactions and of those before them that LOOK_BACK reaches.
    """
    found = [_alert_columns(rule.find(transactions), rule, run_id) for rule in RULES]
    return reduce(DataFrame.unionByName, found)


def _alert_columns(found: DataFrame, rule: Rule, run_id: str) -> DataFrame:
    derived: dict[str, Column] = {
        "alert_id": F.sha2(F.concat_ws("/", F.lit(rule.name), "transaction_id"), 256),
        "rule": F.lit(rule.name),
        "severity": F.lit(rule.severity),
    }
    columns = [derived.get(field.name, F.col(field.name)).alias(field.name) for field in FRAUD_ALERT_FIELDS]
    return found.where(F.col("run_id") == run_id).select(*columns)


def _before(*partition: str, minutes: int) -> WindowSpec:
    """Up to so many minutes before a row, and all that happened at its very moment."""
    microseconds = minutes * 60 * 1_000_000
    return Window.partitionBy(*partition).orderBy(F.unix_micros("event_time")).rangeBetween(-microseconds, 0)


def _by_currency(limits: dict[str, int]) -> Column:
    """The limit of the row's currency; null, which nothing reaches, where there is none."""
    cases = [F.when(F.col("currency") == currency, limit) for currency, limit in limits.items()]
    return F.coalesce(*cases)
