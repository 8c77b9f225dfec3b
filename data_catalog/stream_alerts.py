"""The alerts of the fraud stream and the DynamoDB table that holds them: every key is written here. Pure.

    partition key `subject`     sort key `item`
    ACCOUNT/account_id          event date     what the rules remember of one subject's day: a set of transactions
    CARD/card_token             event date     the same of a card
    alerts/event date           alert id       one alert

A day's alerts are one partition, so that whoever compares them with the job's reads the dates that it asks for and
nothing else. Every item carries `expires_at` (seconds since 1970), after which DynamoDB removes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

SUBJECT, ITEM, EXPIRES_AT = "subject", "item", "expires_at"
# Longer than DEDUPLICATION_WINDOW_DAYS, so that a transaction that comes again then tells no alert twice.
ALERT_DAYS = 60
# Of a message and an alert's item: enough to look at, and far below what SNS and DynamoDB take.
MOST_EVIDENCE = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def alert_id(rule: str, subject: str, bucket_start: datetime) -> str:
    """The alert's name, whoever raises it: SHA-256 of rule, subject and bucket, in hexadecimal digits.

    bucket_start: the hour or day (UTC) of event time in which the alert's window ends.
    """
    micros = (bucket_start - _EPOCH) // _MICROSECOND
    return hashlib.sha256(f"{rule}/{subject}/{micros}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StreamAlert:
    """An alert as the stream raises it.

    evidence: ids of the transactions that it rests on, at most MOST_EVIDENCE; arrival_time: when the last of those that
    raised it reached the stream.
    """

    rule: str
    severity: str
    subject_type: str
    subject: str
    bucket_start: datetime
    reason: str
    evidence: tuple[str, ...]
    arrival_time: datetime
    raised_at: datetime

    @property
    def alert_id(self) -> str:
        return alert_id(self.rule, self.subject, self.bucket_start)

    @property
    def event_date(self) -> date:
        return self.bucket_start.date()

    @property
    def key(self) -> dict[str, str]:
        """Its place in the table."""
        return {SUBJECT: alerts_of(self.event_date), ITEM: self.alert_id}

    def as_json(self) -> dict[str, Any]:
        """What is told of it: ids and tokens, no card data."""
        return {
            "alert_id": self.alert_id,
            "rule": self.rule,
            "severity": self.severity,
            "subject_type": self.subject_type,
            "subject": self.subject,
            "bucket_start": _text(self.bucket_start),
            "reason": self.reason,
            "evidence": list(self.evidence),
            "arrival_time": _text(self.arrival_time),
            "raised_at": _text(self.raised_at),
        }

    @staticmethod
    def from_json(told: Mapping[str, Any]) -> StreamAlert:
        """The opposite of as_json()."""
        return StreamAlert(
            rule=told["rule"],
            severity=told["severity"],
            subject_type=told["subject_type"],
            subject=told["subject"],
            bucket_start=datetime.fromisoformat(told["bucket_start"]),
            reason=told["reason"],
            evidence=tuple(told["evidence"]),
            arrival_time=datetime.fromisoformat(told["arrival_time"]),
            raised_at=datetime.fromisoformat(told["raised_at"]),
        )


def memory_of(subject_type: str, subject: str) -> str:
    """The partition of what is remembered of an account or a card."""
    return f"{subject_type}/{subject}"


def alerts_of(event_date: date) -> str:
    """The partition of the alerts of an event date (that of bucket_start)."""
    return f"alerts/{event_date.isoformat()}"


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
