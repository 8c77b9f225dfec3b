"""When accounts, and those whom they pay, were first seen: what rules with a history remember. Pure; DataFrames.

A sighting is the earliest event time of an account in a calendar month, or of its payments to one counterparty in a
calendar year (UTC). Sightings are a set to which each run adds what it knows earlier or anew; a period's earliest is
what counts. So the set follows from the transactions alone, in whatever order and runs they come, and "was it seen from
the beginning of a period until a moment" has an exact answer. Of a pair that is paid each month, a year is one row.

Seen is what happened or may still happen: PENDING counts, REJECTED does not. What a bank does by itself, as fees and
interest, wakes no account. An erased counterparty has no name left, so nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from data_catalog.transaction_contract import SIGHTING_FIELDS, spark_ddl, typed_columns
from data_governance.tombstones import MASK
from data_processing.fraud_conditions import satisfies
from data_processing.fraud_rules import COLUMNS, READ, SEEN_WITHIN, History, Rule

NAMES = ("account_id", "counterparty_account", "first_seen")
HELD = spark_ddl([column for column in typed_columns(SIGHTING_FIELDS) if column[0] in NAMES])
_BY_THE_BANK = ("FEE", "INTEREST")
_PAYING = ("PAYMENT", "TRANSFER")


def months_looked_at(event_dates: Iterable[date]) -> list[date]:
    """The first days of all months whose sightings may count for transactions of these dates."""
    dates = sorted(event_dates)
    first, last = (day.year * 12 + day.month - 1 for day in (dates[0] - SEEN_WITHIN, dates[-1]))
    return [date(number // 12, number % 12 + 1, 1) for number in range(first, last + 1)]


def sightings(transactions: DataFrame) -> DataFrame:
    """NAMES of the sightings in these transactions (READ), one a period. Of every account there is a row without a
    counterparty; its first_seen is null if only the bank did something."""
    happened = transactions.where(F.col("status") != "REJECTED")
    kind, at, payee = F.col("transaction_type"), F.col("event_time"), F.col("counterparty_account")
    pays = kind.isin(*_PAYING) & (F.col("credit_debit_indicator") == "DBIT") & (payee != MASK)
    acts = F.when(~kind.isin(*_BY_THE_BANK), at)
    nobody = F.lit(None).cast("string").alias("counterparty_account")
    own = happened.select("account_id", nobody, _month(at).alias("period"), acts.alias("at"))
    paid = happened.where(pays).select("account_id", payee, F.year(at).alias("period"), at.alias("at"))
    by_period = own.unionByName(paid).groupBy("account_id", "counterparty_account", "period")
    return by_period.agg(F.min("at").alias("first_seen"))


def of_same(held: DataFrame, found: DataFrame, broadcast: bool) -> DataFrame:
    """The held sightings of the accounts and pairs that were found. broadcast: those are few."""
    wanted = found.select("account_id", _whom()).distinct()
    keyed = held.select(*NAMES, _whom())
    kept = keyed.join(F.broadcast(wanted) if broadcast else wanted, ["account_id", "whom"], "left_semi")
    return kept.select(*NAMES)


def beyond(found: DataFrame, held: DataFrame | None, run_id: str) -> DataFrame:
    """SIGHTING_FIELDS of what was found and of whose period nothing as early is held."""
    new = found.where(F.col("first_seen").isNotNull()).withColumn("whom", _whom())
    if held is not None:
        at = F.col("first_seen")
        period = F.when(F.col("counterparty_account").isNull(), _month(at)).otherwise(F.year(at))
        known = held.select("account_id", _whom(), period.alias("period"), at.alias("known"))
        earliest = known.groupBy("account_id", "whom", "period").agg(F.min("known").alias("known"))
        joined = new.join(earliest, ["account_id", "whom", "period"], "left")
        new = joined.where(F.col("known").isNull() | (F.col("first_seen") < F.col("known")))
    derived = {"event_date": F.to_date("first_seen"), "run_id": F.lit(run_id)}
    return new.select(*(derived.get(field.name, F.col(field.name)).alias(field.name) for field in SIGHTING_FIELDS))


def unforeseen(transactions: DataFrame, rules: Sequence[Rule], seen: DataFrame) -> DataFrame:
    """The transactions (READ) that satisfy a rule with a history: COLUMNS, and a boolean by raises() of each rule.

    seen: NAMES of all sightings of their accounts and pairs, those of these transactions included.
    """
    asking = [(raises(rule), rule.history, satisfies(rule.concerned)) for rule in rules if rule.history]
    happened = transactions.where(F.col("status") != "REJECTED").select(*READ)
    flagged = happened.select("*", *((asks & _can_be_told(history)).alias(name) for name, history, asks in asking))
    satisfied = F.greatest(F.lit(False), *(F.col(name) for name, _, _ in asking))
    asked = flagged.where(satisfied)
    before = seen.select("account_id", _whom(), "first_seen")
    joined = asked.join(before, "account_id", "left")
    told = joined.groupBy(*asked.columns).agg(
        *(F.max(_was_seen(history)).alias(f"seen {name}") for name, history, _ in asking),
        *(F.max(_was_known(history)).alias(f"known {name}") for name, history, _ in asking),
    )
    judged = ((name, F.col(name) & ~_yes(f"seen {name}") & _yes(f"known {name}")) for name, _, _ in asking)
    return told.select(*COLUMNS, *(column.alias(name) for name, column in judged)).where(satisfied)


def raises(rule: Rule) -> str:
    """The column that tells whether a transaction satisfies the rule."""
    return f"raises_{rule.name}"


def _yes(name: str) -> Column:
    return F.coalesce(name, F.lit(False))


def _month(at: Column) -> Column:
    return F.year(at) * 12 + F.month(at)


def _whom() -> Column:
    """The counterparty; "", which no account is called, for the account itself."""
    return F.coalesce("counterparty_account", F.lit("")).alias("whom")


def _can_be_told(history: History) -> Column:
    if history.unseen == "account":
        return F.lit(True)
    return F.coalesce(F.col("counterparty_account") != MASK, F.lit(False))


def _was_seen(history: History) -> Column:
    """Whether a sighting shows that what should be unseen was seen."""
    whom = F.lit("") if history.unseen == "account" else F.col("counterparty_account")
    until = F.col("event_time") - _span(history.apart_from)
    return (F.col("whom") == whom) & (F.col("first_seen") >= _since(history)) & (F.col("first_seen") < until)


def _was_known(history: History) -> Column:
    """Whether a sighting shows that the account had been there."""
    until = _since(history) if history.unseen == "account" else F.col("event_time") - _span(history.known_for)
    since = F.date_trunc("month", F.col("event_time") - _span(SEEN_WITHIN))
    return (F.col("whom") == "") & (F.col("first_seen") >= since) & (F.col("first_seen") < until)


def _since(history: History) -> Column:
    period = "month" if history.unseen == "account" else "year"
    return F.date_trunc(period, F.col("event_time") - _span(history.within))


def _span(length: timedelta) -> Column:
    return F.make_dt_interval(secs=F.lit(length.total_seconds()).cast("decimal(18,6)"))
