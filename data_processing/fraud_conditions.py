"""The conditions of fraud rules as Spark columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from data_processing.fraud_rules import Conditions, Limits


def satisfies(conditions: Conditions) -> Column:
    """Whether a row satisfies the conditions. Null, where a field that they ask about is null, counts as no."""
    asked: list[Column] = [F.lit(True)]
    if conditions.transaction_types:
        asked.append(F.col("transaction_type").isin(*conditions.transaction_types))
    if conditions.transaction_types_except:
        asked.append(~F.col("transaction_type").isin(*conditions.transaction_types_except))
    if conditions.credit_debit_indicator:
        asked.append(F.col("credit_debit_indicator") == conditions.credit_debit_indicator)
    if conditions.channels:
        asked.append(F.col("channel").isin(*conditions.channels))
    asked += [F.col(name).isNotNull() for name in conditions.present]
    if conditions.amount_at_least is not None:
        asked.append(F.col("amount") >= by_currency(conditions.amount_at_least))
    if conditions.amount_below is not None:
        asked.append(F.col("amount") < by_currency(conditions.amount_below))
    if conditions.hours is not None:
        local = F.from_utc_timestamp("event_time", conditions.hours.time_zone)
        asked.append(F.hour(local).isin(*conditions.hours.included))
    return F.coalesce(reduce(Column.__and__, asked), F.lit(False))


def by_currency(limits: Limits) -> Column:
    """The limit for the row's currency; null, which no amount reaches, for a currency without one."""
    cases = [F.when(F.col("currency") == currency, F.lit(limit)) for currency, limit in limits.items()]
    return F.coalesce(*cases)


def any_of(flags: Iterable[Column]) -> Column:
    """Whether one of the flags is true."""
    return reduce(lambda one, other: one | other, flags)
