"""What other fraud rules would have raised on curated transactions, beside today's. Pure: DataFrames -> figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_processing import sightings
from data_processing.fraud_rules import LONGEST_WINDOW, Rule
from data_processing.fraud_rules_in_spark import alerts, evidence

# A subject with more alerts than this in the dates costs analysts more than it tells them.
NOISY = 3
# All transactions count as those of one run, so that every window is examined.
_RUN = "backtest"


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """A rule's alerts. raised: under the rules on trial; today: under today's rule of the same name. new, gone: in one
    of both only. known: of those raised, whose subject has an alert of any of today's rules on the same date."""

    rule: str
    raised: int
    today: int
    new: int
    gone: int
    known: int


@dataclass(frozen=True, slots=True)
class Noise:
    """How much a set of rules asks of analysts. subjects: accounts and cards with alerts; noisy: those with more than
    NOISY."""

    alerts: int
    alerts_a_day: float
    alerts_per_1000_accounts: float
    subjects: int
    noisy: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """The comparison of two sets of rules over dates (UTC, both included)."""

    first: date
    last: date
    transactions: int
    accounts: int
    by_rule: tuple[RuleFigures, ...]
    on_trial: Noise
    today: Noise


def dates_read(first: date, last: date) -> tuple[date, date]:
    """The event dates of all transactions that an alert of these dates may rest on."""
    return first - LONGEST_WINDOW, last


def backtest(
    transactions: DataFrame,
    on_trial: Sequence[Rule],
    today: Sequence[Rule],
    first: date,
    last: date,
    seen: DataFrame | None = None,
) -> Backtest:
    """Compare rules on the alerts whose bucket begins on these dates.

    transactions: COLUMNS of all curated ones on dates_read(); READ for rules with a history, and seen, the
    sightings of months_looked_at(): all that the lake knows by now, what came late included.
    """
    rows = transactions.withColumn("run_id", F.lit(_RUN))
    looked_at = rows.where(F.col("event_date").between(first, last))
    counted = looked_at.agg(F.countDistinct("transaction_id"), F.countDistinct("account_id")).collect()[0]
    trial_alerts, today_alerts = (_alerts(rows, rules, first, last, seen) for rules in (on_trial, today))
    try:
        days = (last - first).days + 1
        return Backtest(
            first,
            last,
            transactions=counted[0],
            accounts=counted[1],
            by_rule=_by_rule(trial_alerts, today_alerts, [rule.name for rule in (*on_trial, *today)]),
            on_trial=_noise(trial_alerts, days, counted[1]),
            today=_noise(today_alerts, days, counted[1]),
        )
    finally:
        trial_alerts.unpersist()
        today_alerts.unpersist()


def _alerts(rows: DataFrame, rules: Sequence[Rule], first: date, last: date, seen: DataFrame | None) -> DataFrame:
    """rule, alert_id, subject_type, subject, event_date of the dates. Persisted and computed."""
    unforeseen = None
    if seen is not None and any(rule.history for rule in rules):
        unforeseen = sightings.unforeseen(rows, rules, seen)
    found = evidence(rows, rules, _RUN, unforeseen)
    of_dates = alerts(found).where(F.col("event_date").between(first, last))
    kept = of_dates.select("rule", "alert_id", "subject_type", "subject", "event_date").persist()
    kept.count()
    found.unpersist()
    return kept


def _by_rule(on_trial: DataFrame, today: DataFrame, names: Sequence[str]) -> tuple[RuleFigures, ...]:
    both = on_trial.join(today.select("alert_id"), "alert_id", "left_semi")
    known = on_trial.join(today.select("subject_type", "subject", "event_date").distinct(),
                          ["subject_type", "subject", "event_date"], "left_semi")  # fmt: skip
    raised, now, same, overlap = (_counts(each) for each in (on_trial, today, both, known))
    return tuple(
        RuleFigures(
            rule=name,
            raised=raised.get(name, 0),
            today=now.get(name, 0),
            new=raised.get(name, 0) - same.get(name, 0),
            gone=now.get(name, 0) - same.get(name, 0),
            known=overlap.get(name, 0),
        )
        for name in dict.fromkeys(names)
    )


def _counts(found: DataFrame) -> dict[str, int]:
    return {row["rule"]: row["count"] for row in found.groupBy("rule").count().collect()}


def _noise(found: DataFrame, days: int, accounts: int) -> Noise:
    of_subject = found.groupBy("subject_type", "subject").agg(F.count("*").alias("alerts"))
    is_noisy = (F.col("alerts") > NOISY).cast("int")
    total = of_subject.agg(F.sum("alerts"), F.count("*"), F.sum(is_noisy)).collect()[0]
    raised = total[0] or 0
    return Noise(raised, raised / days, 1000 * raised / accounts if accounts else 0.0, total[1], total[2] or 0)
