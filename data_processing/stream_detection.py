"""What a raw object raises, on what was seen before: the fraud stream's logic, apart from AWS. Pure but for the memory.

A rule on single transactions needs the object alone. For the others the object's transactions are added to what is
remembered of their account or card, one set of transactions for each subject and event date. A set grows by union, so
objects may come repeatedly and in any order; and because each object writes before it reads, of two that are looked at
at the same time at least one sees both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Protocol

from data_catalog.stream_alerts import MOST_EVIDENCE, StreamAlert
from data_processing.fraud_rules import Rule
from data_processing.fraud_rules_in_python import Raised, concerned, raised
from data_processing.landed_transactions import Transaction, micros, time_of

_DAY = micros(timedelta(days=1))


class SubjectDay(NamedTuple):
    """An account or a card on one event date (UTC): what is remembered together."""

    subject_type: str
    subject: str
    event_date: date

    def neighbour(self, days: int) -> SubjectDay:
        return self._replace(event_date=self.event_date + timedelta(days=days))


class Memory(Protocol):
    """What is remembered of subjects, by event date."""

    def add(self, new: Mapping[SubjectDay, Collection[Transaction]]) -> dict[SubjectDay, set[Transaction]]:
        """Add transactions; returns all that is remembered of these days, the new ones among it."""

    def read(self, days: Collection[SubjectDay]) -> dict[SubjectDay, set[Transaction]]:
        """What is remembered of these days, by a consistent read; days of which nothing is are left out."""


@dataclass(frozen=True, slots=True)
class Detected:
    """What an object raised. looked_at: how many of its transactions some rule looks at."""

    alerts: list[StreamAlert]
    looked_at: int


def detect(
    transactions: Iterable[tuple[Transaction, int]], rules: Sequence[Rule], memory: Memory, now: datetime
) -> Detected:
    """The alerts that rest on at least one of these transactions, given with their arrival times (microseconds)."""
    arrivals = dict(transactions)
    found: list[StreamAlert] = []
    looked_at: set[Transaction] = set()
    to_remember: dict[SubjectDay, dict[Transaction, int]] = defaultdict(dict)
    for rule in (each for each in rules if each.in_stream):
        of_rule = list(concerned(rule, arrivals))
        looked_at.update(of_rule)
        for subject, own in _by_subject(rule, of_rule).items():
            if not rule.window:
                found += _alerts(rule, subject, raised(rule, own, own), arrivals, now)
            for each in own if rule.window else ():
                of_day = to_remember[SubjectDay(rule.subject_type, subject, each.event_time.date())]
                of_day[each] = max(of_day.get(each, 0), rule.reach)
    found += _with_memory(rules, to_remember, memory, arrivals, now)
    return Detected(found, len(looked_at))


def _with_memory(
    rules: Sequence[Rule],
    new: Mapping[SubjectDay, Mapping[Transaction, int]],
    memory: Memory,
    arrivals: Mapping[Transaction, int],
    now: datetime,
) -> Iterator[StreamAlert]:
    """new: by subject and day, each with the longest window of a rule that looks at it (microseconds)."""
    windowed = [rule for rule in rules if rule.in_stream and rule.window]
    remembered = memory.add(new) if new else {}
    reached = _neighbours(new)
    remembered |= memory.read(reached) if reached else {}
    by_subject: dict[tuple[str, str], set[Transaction]] = defaultdict(set)
    for day, of_day in remembered.items():
        by_subject[day[:2]] |= of_day
    for (subject_type, subject), all_of_it in by_subject.items():
        fresh = {each for each in all_of_it if each in arrivals}
        for rule in windowed:
            if rule.subject_type == subject_type:
                raising = raised(rule, list(concerned(rule, all_of_it)), fresh)
                yield from _alerts(rule, subject, raising, arrivals, now)


def _neighbours(new: Mapping[SubjectDay, Mapping[Transaction, int]]) -> set[SubjectDay]:
    """The other days that windows with these transactions reach into. No window is longer than a day."""
    found: set[SubjectDay] = set()
    for day, of_day in new.items():
        for each, reach in of_day.items():
            since_midnight = each.at % _DAY
            if since_midnight < reach:
                found.add(day.neighbour(-1))
            if since_midnight + reach >= _DAY:
                found.add(day.neighbour(1))
    return found - new.keys()


def _by_subject(rule: Rule, transactions: Iterable[Transaction]) -> dict[str, list[Transaction]]:
    found: dict[str, list[Transaction]] = defaultdict(list)
    for each in transactions:
        found[getattr(each, rule.subject)].append(each)
    return found


def _alerts(
    rule: Rule, subject: str, raising: Raised, arrivals: Mapping[Transaction, int], now: datetime
) -> Iterator[StreamAlert]:
    for bucket, evidence in raising.items():
        ordered = sorted(evidence, key=lambda each: (each.at, each.transaction_id))
        yield StreamAlert(
            rule=rule.name,
            severity=rule.severity,
            subject_type=rule.subject_type,
            subject=subject,
            bucket_start=time_of(bucket),
            reason=rule.reason,
            evidence=tuple(dict.fromkeys(each.transaction_id for each in ordered))[:MOST_EVIDENCE],
            arrival_time=time_of(max(arrivals[each] for each in evidence if each in arrivals)),
            raised_at=now.astimezone(UTC),
        )
