"""Evaluates the fraud rules (fraud_rules.py) over a run's transactions, for the job. Pure: DataFrame -> DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import reduce
from typing import get_args

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_catalog.transaction_contract import FRAUD_ALERT_EVIDENCE_FIELDS, FRAUD_ALERT_FIELDS
from data_processing.fraud_conditions import any_of, by_currency, satisfies
from data_processing.fraud_rules import COLUMNS, LONGEST_WINDOW, Measure, Rule, Subject
from data_processing.fraud_suspects import of_suspects, suspects
from data_processing.sightings import raises
from data_processing.travel_speed import with_speed

_SUBJECTS: tuple[Subject, ...] = get_args(Subject)
# Fewer subjects are sent to where their transactions are read; that takes some 100 MB of memory at most.
_SUBJECTS_TO_BROADCAST = 500_000
_NAMES = tuple(dict.fromkeys(field.name for field in (*FRAUD_ALERT_EVIDENCE_FIELDS, *FRAUD_ALERT_FIELDS)))


def dates_looked_at(event_dates: Iterable[date]) -> set[date]:
    """The event dates of all windows that may hold a transaction of these dates, before and after it."""
    reach = LONGEST_WINDOW.days
    return {day + timedelta(days=days) for day in event_dates for days in range(-reach, reach + 1)}


def related(former: DataFrame, new: DataFrame, broadcast: bool) -> DataFrame:
    """The former transactions that may stand in a window with a new one: those of its account or card.

    broadcast: the new transactions are few, so that their subjects are sent to where the former ones are read.
    """
    kept = former
    for subject in ("account_id", "card_token"):
        wanted = new.select(subject).where(F.col(subject).isNotNull()).distinct()
        wanted = wanted.withColumn(f"has_{subject}", F.lit(True))
        kept = kept.join(F.broadcast(wanted) if broadcast else wanted, subject, "left")
    return kept.where(F.coalesce("has_account_id", "has_card_token")).select(*COLUMNS)


def evidence(
    transactions: DataFrame, rules: Sequence[Rule], run_id: str, unforeseen: DataFrame | None = None
) -> DataFrame:
    """The evidence of a run's alerts: FRAUD_ALERT_EVIDENCE_FIELDS, and the fields of FRAUD_ALERT_FIELDS that those
    lack. Persisted and computed.

    transactions: COLUMNS of the run's curated transactions, and of former ones on dates_looked_at(). Only windows that
    hold one of the run's transactions are examined; all others were examined when their last transaction was curated.
    unforeseen: sightings.unforeseen() of the run's transactions; without it rules with a history raise nothing.
    """
    happened = transactions.where(F.col("status") != "REJECTED").withColumn("at", F.unix_micros("event_time"))
    own = happened.where(F.col("run_id") == run_id)
    found: list[DataFrame] = []
    scratch: list[DataFrame] = []
    if single := [rule for rule in rules if not rule.window and not rule.history]:
        concerned = own.where(any_of(satisfies(rule.concerned) for rule in single)).persist()
        scratch.append(concerned)
        found += [_of_single_transactions(concerned, rule, run_id) for rule in single]
    if unforeseen is not None:
        at = unforeseen.withColumn("at", F.unix_micros("event_time")).persist()
        scratch.append(at)
        found += [_of_single_transactions(at.where(raises(rule)), rule, run_id) for rule in rules if rule.history]
    for subject in _SUBJECTS:
        windowed = [rule for rule in rules if rule.window and rule.subject == subject]
        if not windowed:
            continue
        suspected = suspects(happened, windowed).persist()
        scratch.append(suspected)
        ((count, *may_raise),) = suspected.select(F.count("*"), *(F.max(rule.name) for rule in windowed)).collect()
        windowed = [rule for rule, may in zip(windowed, may_raise, strict=True) if may]
        if not windowed:
            continue
        few = F.broadcast(suspected) if count <= _SUBJECTS_TO_BROADCAST else suspected
        looked_at = of_suspects(happened, few, windowed).persist()
        scratch.append(looked_at)
        found += [_of_windows(looked_at.where(F.col(rule.name)), rule, run_id) for rule in windowed]
    if not found:
        found = [_of_single_transactions(own.limit(0), rules[0], run_id)]
    all_found = reduce(DataFrame.unionByName, found).persist()
    all_found.count()
    for each in scratch:
        each.unpersist()
    return all_found


def alerts(evidence: DataFrame) -> DataFrame:
    """The alerts of evidence(): FRAUD_ALERT_FIELDS, one row each."""
    dated = evidence.withColumn("event_date", F.to_date("bucket_start"))
    return dated.select(*(field.name for field in FRAUD_ALERT_FIELDS)).distinct()


def _of_single_transactions(transactions: DataFrame, rule: Rule, run_id: str) -> DataFrame:
    concerned = transactions.where(satisfies(rule.concerned) & F.col(rule.subject).isNotNull())
    return _named(concerned.withColumn("bucket_start", _bucket("at", rule)), rule, run_id)


def _of_windows(concerned: DataFrame, rule: Rule, run_id: str) -> DataFrame:
    measured = _measured(concerned, rule, run_id)
    is_tip = reduce(Column.__and__, [F.col(_reached(number)) for number in range(len(rule.raised_by))])
    is_tip = is_tip & satisfies(rule.last) & (F.col("new_rows") > 0)
    tips = measured.withColumn("tip_at", F.when(is_tip, F.col("at")))
    by_subject = Window.partitionBy(rule.subject, *rule.within)
    reach = rule.reach
    backwards = by_subject.orderBy(F.col("at").desc()).rangeBetween(Window.unboundedPreceding, 0)
    onwards = by_subject.orderBy("at").rangeBetween(Window.unboundedPreceding, reach)
    # A window is no longer than a bucket, so the windows that hold a row end in at most two buckets: that of the first
    # window's end at or after the row, and that of the last one within reach.
    spanned = tips.select(
        "*", F.min("tip_at").over(backwards).alias("first_tip"), F.max("tip_at").over(onwards).alias("last_tip")
    )
    ends = F.array_distinct(
        F.array(
            F.when(F.col("first_tip") <= F.col("at") + reach, _bucket("first_tip", rule)),
            F.when(F.col("last_tip") >= F.col("at"), _bucket("last_tip", rule)),
        )
    )
    found = spanned.select("*", F.explode(ends).alias("bucket_start")).where(F.col("bucket_start").isNotNull())
    return _named(found, rule, run_id)


def _named(found: DataFrame, rule: Rule, run_id: str) -> DataFrame:
    """Transactions with bucket_start, as evidence of the rule's alerts."""
    derived: dict[str, Column] = {
        "alert_id": F.sha2(F.concat_ws("/", F.lit(rule.name), rule.subject, F.unix_micros("bucket_start")), 256),
        "rule": F.lit(rule.name),
        "severity": F.lit(rule.severity),
        "subject_type": F.lit(rule.subject_type),
        "subject": F.col(rule.subject),
        "least_evidence": F.lit(rule.least_evidence).cast("bigint"),
        "reason": F.lit(rule.reason),
        "run_id": F.lit(run_id),
    }
    return found.select(*(derived.get(name, F.col(name)).alias(name) for name in _NAMES))


def _measured(rows: DataFrame, rule: Rule, run_id: str) -> DataFrame:
    """Adds to rows with at (microseconds) which measures the window that ends at a row reaches: reached_0, reached_1,
    ... in the order of rule.raised_by; and new_rows, how many of its rows are the run's."""
    reach = rule.reach
    ordered = Window.partitionBy(rule.subject, *rule.within).orderBy("at")

    def within(entering: Column, leaving: Column) -> Column:
        """The sum over a window: of all that entered until now, less all that left it until then.

        Both sums grow row by row; Spark sums a sliding window anew for every row, which takes hours for an account
        with a million deposits.
        """
        until_now = ordered.rangeBetween(Window.unboundedPreceding, 0)
        until_then = ordered.rangeBetween(Window.unboundedPreceding, -reach - 1)
        return F.sum(entering).over(until_now) - F.coalesce(F.sum(leaving).over(until_then), F.lit(0))

    def once(number: int) -> Column:
        """The sum over a window in which of two puts of one transaction, one behind the other, the greater counts."""
        value = F.col(f"value_{number}")
        former, following = (F.least(value, F.col(f"{which}_value_{number}")) for which in ("former", "next"))
        follows = F.col("at") - F.col(f"former_at_{number}") <= reach
        is_followed = F.col(f"next_at_{number}") - F.col("at") <= reach
        repeated = within(
            F.when(follows, former).otherwise(F.lit(0)), F.when(is_followed, following).otherwise(F.lit(0))
        )
        return within(value, value) - repeated

    def is_reached(number: int, measure: Measure) -> Column:
        if measure.kind == "countries":
            countries = F.when(satisfies(measure.of), F.col("merchant_country"))
            return F.size(F.collect_set(countries).over(ordered.rangeBetween(-reach, 0))) >= _least(measure)
        return once(number) >= _least(measure)

    is_new = F.when(F.col("run_id") == run_id, 1).otherwise(0)
    reached = {_reached(n): is_reached(n, each) for n, each in enumerate(rule.raised_by) if each.kind != "speed"}
    return _with_puts(_with_speeds(rows, rule), rule).select(
        "*", within(is_new, is_new).alias("new_rows"), *(column.alias(name) for name, column in reached.items())
    )


def _with_speeds(rows: DataFrame, rule: Rule) -> DataFrame:
    for number, measure in enumerate(rule.raised_by):
        if measure.kind == "speed" and isinstance(measure.at_least, int):
            subject = (rule.subject, *rule.within)
            rows = with_speed(rows, subject, rule.reach, measure.at_least, _reached(number))
    return rows


def _with_puts(rows: DataFrame, rule: Rule) -> DataFrame:
    """Adds to each row what it counts for in each sum, and when and for how much its transaction was put before and
    after it."""
    for number, measure in enumerate(rule.raised_by):
        if measure.kind not in ("uses", "total"):
            continue
        is_measured = satisfies(measure.of)
        value = F.when(is_measured, F.col("amount") if measure.kind == "total" else F.lit(1)).otherwise(F.lit(0))
        rows = rows.withColumn(f"value_{number}", value)
        puts = Window.partitionBy(rule.subject, *rule.within, "transaction_id", is_measured)
        puts = puts.orderBy("at", "content_hash")
        names = {"at": "at", "value": f"value_{number}"}
        rows = rows.select(
            "*",
            *(F.lag(name).over(puts).alias(f"former_{what}_{number}") for what, name in names.items()),
            *(F.lead(name).over(puts).alias(f"next_{what}_{number}") for what, name in names.items()),
        )
    return rows


def _least(measure: Measure) -> Column:
    return F.lit(measure.at_least) if isinstance(measure.at_least, int) else by_currency(measure.at_least)


def _reached(number: int) -> str:
    return f"reached_{number}"


def _bucket(column: str, rule: Rule) -> Column:
    return F.date_trunc(rule.bucket, F.timestamp_micros(column))
