"""The fraud rules: which accounts and cards deserve a look, and on what evidence. Pure: DataFrame -> DataFrame.

Few, explained and deterministic; they never change a transaction. They are examples of the kinds that a bank runs (a
limit, a sum over a window, a rate, an implausible sequence), for the bank to replace with its own.

A rule looks at windows of event time that end at a transaction. A window that satisfies it raises an alert, which is
named by the rule, its subject (an account or a card) and the bucket (hour or day, UTC) in which the window ends. The
alert's evidence are the transactions in such windows. Every rule is monotone: more transactions never take an alert
away. So the same transactions raise the same alerts with the same evidence, in whatever order and runs they come.

Rules look at what happened or may still happen: PENDING counts, REJECTED does not. Several puts of one transaction in
one window count as one use. If an item is rejected or reversed later, the warehouse's view closes its alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_catalog.transaction_contract import FRAUD_ALERT_EVIDENCE_FIELDS, FRAUD_ALERT_FIELDS

# The longest window, which decides on what other dates the rules look beside a transaction's own.
LONGEST_WINDOW = timedelta(hours=24)
# What the rules read of a curated transaction.
COLUMNS = (
    "transaction_id", "content_hash", "account_id", "transaction_type", "credit_debit_indicator", "status", "channel",
    "amount", "currency", "event_time", "card_token", "merchant_country", "event_date", "run_id",
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
# The same for cash: about 10,000 euros, from which on deposits have to be reported.
CASH_REPORTING = {currency: amount * 2 // 3 for currency, amount in LARGE_AMOUNTS.items()}
STRUCTURING_DEPOSITS = 3
RAPID_PURCHASES, RAPID_MINUTES = 5, 10
TRAVEL_MINUTES = 60


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and what its alerts say.

    concerned: the transactions that it looks at. minutes: the length of its windows. raised: the condition, over
    COLUMNS and measures. measures: of the window that ends at a row, uses (distinct transactions), total (their
    amounts), first_country and last_country (by name). within: what keeps windows apart, besides the subject. bucket:
    hour or day. least_evidence: an alert is closed once fewer of its transactions still count.
    """

    name: str
    severity: str
    subject: str
    reason: str
    concerned: Column
    minutes: int
    raised: Column
    least_evidence: int
    bucket: str
    measures: tuple[str, ...] = ()
    within: tuple[str, ...] = ()

    @property
    def subject_type(self) -> str:
        return "CARD" if self.subject == "card_token" else "ACCOUNT"


def rules() -> list[Rule]:
    """All rules. A function, because a Column needs a Spark session."""
    is_purchase = (F.col("transaction_type") == "CARD_PURCHASE") & (F.col("credit_debit_indicator") == "DBIT")
    is_present = (
        F.col("transaction_type").isin("CARD_PURCHASE", "WITHDRAWAL")
        & (F.col("credit_debit_indicator") == "DBIT")
        & F.col("channel").isin("POS", "ATM")
        & F.col("merchant_country").isNotNull()
    )
    is_cash = (
        (F.col("transaction_type") == "DEPOSIT")
        & (F.col("credit_debit_indicator") == "CRDT")
        & F.col("channel").isin("ATM", "BRANCH")
        & (F.col("amount") < _by_currency(CASH_REPORTING))
    )
    return [
        Rule(
            name="large_amount",
            severity="MEDIUM",
            subject="account_id",
            reason="one transaction of at least the limit of its currency",
            concerned=(F.col("transaction_type") != "REVERSAL") & (F.col("amount") >= _by_currency(LARGE_AMOUNTS)),
            minutes=0,
            raised=F.lit(True),
            least_evidence=1,
            bucket="day",
        ),
        Rule(
            name="structured_deposits",
            severity="HIGH",
            subject="account_id",
            reason="cash deposits, each below the reporting threshold, reach it together within 24 hours",
            concerned=is_cash,
            minutes=24 * 60,
            raised=(F.col("uses") >= STRUCTURING_DEPOSITS) & (F.col("total") >= _by_currency(CASH_REPORTING)),
            least_evidence=STRUCTURING_DEPOSITS,
            bucket="day",
            measures=("uses", "total"),
            within=("currency",),
        ),
        Rule(
            name="rapid_card_use",
            severity="HIGH",
            subject="card_token",
            reason=f"{RAPID_PURCHASES} or more purchases with one card within {RAPID_MINUTES} minutes",
            concerned=is_purchase,
            minutes=RAPID_MINUTES,
            raised=F.col("uses") >= RAPID_PURCHASES,
            least_evidence=RAPID_PURCHASES,
            bucket="hour",
            measures=("uses",),
        ),
        Rule(
            name="implausible_travel",
            severity="HIGH",
            subject="card_token",
            reason=f"card present in two countries within {TRAVEL_MINUTES} minutes",
            concerned=is_present,
            minutes=TRAVEL_MINUTES,
            raised=F.col("first_country") != F.col("last_country"),
            least_evidence=2,
            bucket="hour",
            measures=("first_country", "last_country"),
        ),
    ]


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


def evidence(transactions: DataFrame, run_id: str) -> DataFrame:
    """The evidence of a run's alerts: FRAUD_ALERT_EVIDENCE_FIELDS, and the fields of FRAUD_ALERT_FIELDS that those
    lack.

    transactions: COLUMNS of the run's curated transactions, and of former ones on dates_looked_at(). Only windows that
    hold one of the run's transactions are examined; all others were examined when their last transaction was curated.
    """
    happened = transactions.where(F.col("status") != "REJECTED")
    return reduce(DataFrame.unionByName, [_evidence_of(happened, rule, run_id) for rule in rules()])


def alerts(evidence: DataFrame) -> DataFrame:
    """The alerts of evidence(): FRAUD_ALERT_FIELDS, one row each."""
    dated = evidence.withColumn("event_date", F.to_date("bucket_start"))
    return dated.select(*(field.name for field in FRAUD_ALERT_FIELDS)).distinct()


def _evidence_of(transactions: DataFrame, rule: Rule, run_id: str) -> DataFrame:
    is_raised = rule.raised & (F.col("new_rows") > 0)
    concerned = transactions.where(rule.concerned & F.col(rule.subject).isNotNull())
    timed = concerned.withColumn("at", F.unix_micros("event_time"))
    tips = _windows(_close_together(timed, rule), rule, run_id)
    tips = tips.withColumn("tip_at", F.when(is_raised, F.col("at")))
    by_subject = Window.partitionBy(rule.subject, *rule.within)
    reach = _micros(rule.minutes)
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
    names = dict.fromkeys(field.name for field in (*FRAUD_ALERT_EVIDENCE_FIELDS, *FRAUD_ALERT_FIELDS))
    return found.select(*(derived.get(name, F.col(name)).alias(name) for name in names))


def _close_together(rows: DataFrame, rule: Rule) -> DataFrame:
    """The rows that some window holds together with enough others to raise an alert: mostly few.

    All rows of such a window are kept, and the rules are monotone, so the alerts are those of all rows. This takes one
    sort, and the windows' measures take several.
    """
    others = rule.least_evidence - 1
    if not others:
        return rows
    ordered = Window.partitionBy(rule.subject, *rule.within).orderBy("at")
    spans = [F.lead("at", others - n).over(ordered) - F.lag("at", n).over(ordered) for n in range(others + 1)]
    return rows.withColumn("shortest_span", F.least(*spans)).where(F.col("shortest_span") <= _micros(rule.minutes))


def _windows(rows: DataFrame, rule: Rule, run_id: str) -> DataFrame:
    """Adds to rows with at (microseconds) what is measured of the window that ends at a row: uses, total, new_rows and
    the two countries."""
    puts = Window.partitionBy(rule.subject, *rule.within, "transaction_id").orderBy("at", "content_hash")
    rows = rows.select(
        "*",
        *(F.lag(name).over(puts).alias(f"former_{name}") for name in ("at", "amount")),
        *(F.lead(name).over(puts).alias(f"next_{name}") for name in ("at", "amount")),
    )
    reach = _micros(rule.minutes)
    follows = F.col("at") - F.col("former_at") <= reach
    is_followed = F.col("next_at") - F.col("at") <= reach
    ordered = Window.partitionBy(rule.subject, *rule.within).orderBy("at")
    window = ordered.rangeBetween(-reach, 0)

    def within(entering: Column, leaving: Column) -> Column:
        """The sum over a window: of all that entered until now, less all that left it until then.

        Both sums grow row by row; Spark sums a sliding window anew for every row, which takes hours for an account
        with a million deposits.
        """
        until_now = ordered.rangeBetween(Window.unboundedPreceding, 0)
        until_then = ordered.rangeBetween(Window.unboundedPreceding, -reach - 1)
        return F.sum(entering).over(until_now) - F.coalesce(F.sum(leaving).over(until_then), F.lit(0))

    def once(value: Column, both: tuple[Column, Column]) -> Column:
        """The sum over a window in which of two puts of one transaction, one behind the other, the greater counts."""
        former, following = (F.least(value, other) for other in both)
        repeated = within(
            F.when(follows, former).otherwise(F.lit(0)), F.when(is_followed, following).otherwise(F.lit(0))
        )
        return within(value, value) - repeated

    one = F.lit(1)
    is_new = F.when(F.col("run_id") == run_id, 1).otherwise(0)
    columns = {
        "uses": once(one, (one, one)),
        "total": once(F.col("amount"), (F.col("former_amount"), F.col("next_amount"))),
        "new_rows": within(is_new, is_new),
        "first_country": F.min("merchant_country").over(window),
        "last_country": F.max("merchant_country").over(window),
    }
    return rows.select("*", *(columns[name].alias(name) for name in ("new_rows", *rule.measures)))


def _bucket(column: str, rule: Rule) -> Column:
    return F.date_trunc(rule.bucket, F.timestamp_micros(column))


def _micros(minutes: int) -> int:
    return minutes * 60 * 1_000_000


def _by_currency(limits: dict[str, int]) -> Column:
    """The limit for the row's currency; null, which no amount reaches, for a currency without one."""
    cases = [F.when(F.col("currency") == currency, limit) for currency, limit in limits.items()]
    return F.coalesce(*cases)
