"""What a fraud rule is: data that any engine can evaluate. Standard library only.

A rule looks at windows of event time that end at a transaction. A window that satisfies it raises an alert, which is
named by the rule, its subject (an account or a card) and the bucket (hour or day, UTC) in which the window ends. The
alert's evidence are the transactions in such windows. Rules on windows are monotone: more transactions never take an
alert away, because each measure can only grow and is compared with a least value. So the same transactions raise the
same alerts with the same evidence, in whatever order and runs they come, and whichever engine looks. A rule with a
history rests on what did not happen before, as far as the lake knows when the transaction comes: sightings.py.

Rules look at what happened or may still happen: PENDING counts, REJECTED does not. Several puts of one transaction in
one window count as one use. If an item is rejected or reversed later, the warehouse's view closes its alert.

data_processing/fraud_rules.toml holds the rules, data_processing/fraud_rule_file.py reads it, and
data_processing/fraud_rules_in_spark.py evaluates them for the job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

# The longest window. It decides on what other dates the rules look beside a transaction's own.
LONGEST_WINDOW = timedelta(hours=24)
# So far back rules with a history ask whether an account was seen, beginning with that month.
SEEN_WITHIN = timedelta(days=1096)
# The longest stretch of time in which something should be unseen. With the year in which it begins, it lies within
# SEEN_WITHIN.
LONGEST_UNSEEN = timedelta(days=700)
# What the rules read of a curated transaction.
COLUMNS = (
    "transaction_id", "content_hash", "account_id", "transaction_type", "credit_debit_indicator", "status", "channel",
    "amount", "currency", "event_time", "card_token", "merchant_country", "event_date", "run_id",
)  # fmt: skip
# And what sightings are taken from, on which rules with a history rest.
READ = (*COLUMNS, "counterparty_account")

# ISO 4217 currency -> amount in its major unit. A currency that is not named satisfies neither bound.
Limits = Mapping[str, Decimal]
Subject = Literal["account_id", "card_token"]
Bucket = Literal["hour", "day"]
Severity = Literal["LOW", "MEDIUM", "HIGH"]
# uses: distinct transactions. total: the sum of their amounts; of two puts of one transaction that follow each other,
# the greater counts. countries: distinct merchant_country. speed: km/h, the greatest at which somebody would have to go
# from an earlier transaction of the window to its last one, over the least distance of their merchant_country.
Kind = Literal["uses", "total", "countries", "speed"]
Unseen = Literal["account", "counterparty"]

BUCKET_LENGTHS: dict[Bucket, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the day on the clock of an IANA time zone, first and last included; 22 to 5 spans midnight."""

    first: int
    last: int
    time_zone: str = "UTC"

    @property
    def included(self) -> tuple[int, ...]:
        return tuple((self.first + step) % 24 for step in range((self.last - self.first) % 24 + 1))


@dataclass(frozen=True, slots=True)
class Conditions:
    """What one transaction must satisfy: all that is given; an empty condition asks nothing.

    present: fields that must not be null. amount_at_least, amount_below: by the transaction's currency.
    """

    transaction_types: tuple[str, ...] = ()
    transaction_types_except: tuple[str, ...] = ()
    credit_debit_indicator: str = ""
    channels: tuple[str, ...] = ()
    present: tuple[str, ...] = ()
    amount_at_least: Limits | None = None
    amount_below: Limits | None = None
    hours: Hours | None = None


ANY = Conditions()


@dataclass(frozen=True, slots=True)
class Measure:
    """Something measured of a window, and what it must reach at least.

    at_least: a number for uses, countries and speed; limits by the window's currency for total. of: which of the
    window's transactions are measured, for all but speed.
    """

    kind: Kind
    at_least: int | Limits
    of: Conditions = ANY

    @property
    def least_uses(self) -> int:
        """How many transactions it takes at least to reach it."""
        if self.kind == "speed":
            return 2
        return self.at_least if isinstance(self.at_least, int) else 1


@dataclass(frozen=True, slots=True)
class History:
    """What must not have been seen before a transaction, and that its account had been.

    unseen: the account, or the counterparty as one that it pays. within: so long before, from the beginning of that
    calendar month for the account, of that year for the counterparty (UTC). apart_from: what happened in the last hours
    does not count. known_for: so long before, or earlier, the account was seen; of an account that should be unseen,
    before the time in which it should be.
    """

    unseen: Unseen
    within: timedelta
    apart_from: timedelta
    known_for: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and what its alerts say.

    concerned: the transactions that it looks at. window: the length of its windows, which include both ends; zero, and
    no measures, for a rule on single transactions. last: what the transaction at the window's end must satisfy besides.
    raised_by: measures that must all be reached. within: fields that keep windows apart, besides the subject. A window
    is no longer than its bucket. history: what must not have been seen before, of a rule on single transactions.
    least_evidence: an alert is closed once fewer of its transactions still stand.
    in_stream: whether the stream's function evaluates the rule too, for which it remembers a subject's transactions for
    the length of the window.
    """

    name: str
    severity: Severity
    subject: Subject
    reason: str
    concerned: Conditions
    bucket: Bucket
    least_evidence: int
    window: timedelta = timedelta(0)
    last: Conditions = ANY
    raised_by: tuple[Measure, ...] = ()
    within: tuple[str, ...] = ()
    history: History | None = None
    in_stream: bool = True

    @property
    def reach(self) -> int:
        """How long its windows are, in microseconds."""
        return self.window // timedelta(microseconds=1)

    @property
    def subject_type(self) -> str:
        return "CARD" if self.subject == "card_token" else "ACCOUNT"

    @property
    def least_uses(self) -> int:
        """A window with fewer transactions cannot raise the rule."""
        return max((measure.least_uses for measure in self.raised_by), default=1)
