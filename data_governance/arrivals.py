"""Counts what arrived on each day, and only on days whose objects have changed since they were counted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from data_catalog.lake_layout import (
    LANDING_QUARANTINE_PREFIX,
    RAW_CONTROL_PREFIX,
    RAW_TRANSACTIONS_PREFIX,
    Batch,
    arrival_day,
    arrival_of,
    batch_of,
)
from data_governance.control_totals import ControlTotals
from data_governance.kept_totals import DayTotals
from data_governance.lake_reader import BatchObject, LakeReader, Position, Row, overlapping

# What is listed of a day: the bucket's purpose and the prefix.
_LISTED = (("raw", RAW_TRANSACTIONS_PREFIX), ("raw", RAW_CONTROL_PREFIX), ("quarantine", LANDING_QUARANTINE_PREFIX))
# How far clocks may differ, and how long a batch may wait for its control object.
_SLACK = timedelta(days=2)
_REPLAY = "replay-"  # what the incarnation of a replay begins with


class _Names(NamedTuple):
    """The keys of a day's objects: rows by the purpose of their bucket, and control objects."""

    rows: dict[str, list[str]]
    controls: list[str]


class Arrivals:
    """The days on which something arrived. days: as they were kept; count() brings them up to the lake."""

    def __init__(self, reader: LakeReader, days: dict[str, DayTotals], retention: timedelta, now: datetime) -> None:
        self._reader = reader
        self._days = days
        self._now = now
        self._open_for = retention + _SLACK

    def count(self) -> None:
        """Count the days that have changed, and seal those on which nothing can land any more."""
        opened = self._open_days()
        changed = set()
        for day in opened:
            digest, shards = self._digest(day)
            if day not in self._days or self._days[day].objects != digest:
                changed.add(day)
                self._days[day] = DayTotals(digest, self._now, shards)
        # A record that landed twice, on two days, counts on the first. So one's change changes the other.
        changed |= {day for day in opened if changed.intersection(self._neighbours(day))}
        for day in sorted(changed):
            kept = self._days[day]
            self._days[day] = self._counted(day, DayTotals(kept.objects, self._now, kept.shards))
        for day in opened:
            self._days[day].sealed = self._days[day].balances and date.fromisoformat(day) < self._complete_before(
                self._now
            )

    def changed_since_sealed(self) -> dict[str, list[str]]:
        """The sealed days whose objects are no longer those that were counted; the objects that were put since."""
        found = {}
        for day, totals in self._days.items():
            if totals.sealed and self._digest(day)[0] != totals.objects:
                counted_at = totals.measured_at.isoformat()[:19]
                listed = (
                    each
                    for purpose, prefix in _LISTED
                    for page in self._reader.pages(purpose, arrival_day(prefix, day))
                    for each in page.summaries()
                )
                found[day] = [each.key for each in listed if each.modified >= counted_at]
        return found

    def unchanged(self, days: Iterable[str]) -> list[str]:
        """Those of the days that are sealed and whose objects are still those that were counted."""
        sealed = [day for day in days if day in self._days and self._days[day].sealed]
        return [day for day in sealed if self._digest(day)[0] == self._days[day].objects]

    def take_as_counted(self, days: Iterable[str]) -> None:
        """Objects of these days were written anew, and count for the same."""
        for day in days:
            self._days[day].objects = self._digest(day)[0]

    def _complete_before(self, now: datetime) -> date:
        """At a time, nothing can land any more on earlier dates."""
        return (now - self._open_for).date()

    def _open_days(self) -> list[str]:
        """The days that are not sealed, and those that may have appeared since the last count."""
        start = ""
        if self._days:
            counted_at = max(totals.measured_at for totals in self._days.values())
            opened = [day for day, totals in self._days.items() if not totals.sealed]
            start = min([self._complete_before(counted_at).isoformat(), *opened])
        found: set[str] = set()
        for purpose, prefix in _LISTED:
            after = arrival_day(prefix, start).removesuffix("/") if start else ""
            found |= {arrival_of(folder)[0] for folder in self._reader.folders(purpose, prefix, after)}
        found |= {day for day in self._days if day >= start}
        return sorted(day for day in found if day and not (day in self._days and self._days[day].sealed))

    def _digest(self, day: str) -> tuple[str, dict[str, tuple[int, int]]]:
        """Of the day's objects, and the lowest and highest sequence number of each shard."""
        digest = hashlib.sha256()
        shards: dict[str, tuple[int, int]] = {}
        for purpose, prefix in _LISTED:
            for page in self._reader.pages(purpose, arrival_day(prefix, day)):
                for found in page.summaries():
                    digest.update(f"{found.key}\t{found.size}\t{found.etag}\n".encode())
                    if batch := batch_of(found.key):
                        first, last = shards.get(_shard(batch), (batch.first, batch.last))
                        shards[_shard(batch)] = min(first, batch.first), max(last, batch.last)
        return digest.hexdigest(), shards

    def _neighbours(self, day: str) -> dict[str, set[str]]:
        """The days that may hold records of this one's shards a second time; those shards."""
        own = self._days[day].shards
        found = {other: _shared(own, totals.shards) for other, totals in self._days.items() if other != day}
        return {other: shards for other, shards in found.items() if shards}

    def _names(self, day: str, shards: set[str] | None = None) -> _Names:
        """Those of a day, or only of some shards."""
        names = _Names({"raw": [], "quarantine": []}, [])
        for purpose, prefix in _LISTED:
            into = names.controls if prefix == RAW_CONTROL_PREFIX else names.rows[purpose]
            for key in self._reader.keys(purpose, arrival_day(prefix, day)):
                if shards is None or ((batch := batch_of(key)) and _shard(batch) in shards):
                    into.append(key)
        return names

    def _counted(self, day: str, totals: DayTotals) -> DayTotals:
        own = self._names(day)
        others = [self._names(other, shards) for other, shards in self._neighbours(day).items()]
        for row in self._first(day, "raw", own, others):
            of = totals.replayed if row.stream_incarnation.startswith(_REPLAY) else totals.landed
            of.add(row.key, Decimal(row.amount))
        seen: set[str] = set()
        for row in self._first(day, "quarantine", own, others):
            if row.fingerprint in seen:
                totals.repeated.add(row.key, Decimal(row.amount))
                continue
            seen.add(row.fingerprint)
            totals.quarantined.add(row.key, Decimal(row.amount))
            totals.reasons[row.reason] = totals.reasons.get(row.reason, 0) + 1
        for _, body in self._reader.bodies("raw", own.controls):
            control = json.loads(body)
            streamed = totals.streamed.setdefault(control["stream_incarnation"], ControlTotals())
            streamed += ControlTotals.from_rows(control["streamed"])
        self._take_off_repeated(day, totals, own, others)
        return totals

    def _first(self, day: str, purpose: str, own: _Names, others: list[_Names]) -> Iterator[Row]:
        """The rows of the day's objects whose positions no object before has. Only overlapping objects are compared."""
        keys = own.rows[purpose]
        clusters = self._clusters(day, keys, [key for names in others for key in names.rows[purpose]])
        together = {each.key for cluster in clusters for each in cluster}
        yield from self._reader.rows(purpose, [key for key in keys if key not in together])
        for cluster in clusters:
            seen: set[Position] = set()
            for each in cluster:
                for row in self._reader.rows(purpose, [each.key]):
                    if row.position not in seen and arrival_of(each.key)[0] == day:
                        yield row
                    seen.add(row.position)

    def _take_off_repeated(self, day: str, totals: DayTotals, own: _Names, others: list[_Names]) -> None:
        """Batches that overlap were both committed: what the later one streamed again is streamed once."""
        objects: dict[tuple[str, Batch], str] = {}
        for names in (own, *others):
            for purpose, keys in names.rows.items():
                objects |= {(purpose, batch): key for key in keys if (batch := batch_of(key))}
        for cluster in self._clusters(day, own.controls, [key for names in others for key in names.controls]):
            seen: set[Position] = set()
            for each in cluster:
                for purpose in ("raw", "quarantine"):
                    key = objects.get((purpose, each.batch))
                    for row in self._reader.rows(purpose, [key] if key else []):
                        if row.position in seen and arrival_of(each.key)[0] == day:
                            totals.streamed[each.batch.incarnation].add(row.key, -Decimal(row.amount), -1)
                        seen.add(row.position)

    def _clusters(self, day: str, own: list[str], others: list[str]) -> list[list[BatchObject]]:
        """Overlapping objects of which one is the day's; those of sealed days first, because they have been counted."""
        batches = [BatchObject(batch, key) for key in (*own, *others) if (batch := batch_of(key))]
        return [
            sorted(cluster, key=lambda each: (not self._days[arrival_of(each.key)[0]].sealed, each))
            for cluster in overlapping(batches)
            if any(arrival_of(each.key)[0] == day for each in cluster)
        ]


def _shard(batch: Batch) -> str:
    return f"{batch.incarnation}-{batch.shard_id}"


def _shared(one: dict[str, tuple[int, int]], other: dict[str, tuple[int, int]]) -> set[str]:
    """The shards of which both may hold the same records."""
    return {
        shard
        for shard in one.keys() & other.keys()
        if one[shard][0] <= other[shard][1] and other[shard][0] <= one[shard][1]
    }
