"""What runs have taken of the raw zone, by arrival hour: a plan reads neither old manifests nor old hours. Pure.

Manifests say what is taken. This is their summary: of each hour, which runs hold objects of it, and what it listed when
nothing was left pending. If an hour lists the same again, nothing is pending in it; only otherwise its runs' manifests
are read. The summary may be older than the manifests, or be lost: it counts in those that it lacks and forgets those
that are gone, so whoever writes it last writes what is true.

A record lands only while the stream still keeps it. So an hour is complete once it was looked at later than that.
Hours of the last two days are looked at in every plan, older ones once a day until they are complete.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from data_catalog.lake_layout import Batch, arrival_date, arrival_of, batch_of, run_month
from data_processing.manifest import Manifest, RawObject

_RECENT = timedelta(days=2)
_DAILY = timedelta(days=1)
# How far the clocks of Kinesis, S3 and the job may differ. A batch is filed under the arrival of its first record.
_CLOCK_SLACK = timedelta(days=1)
# If two jobs plan at the same time: the longest time between one's listing and the other's manifest.
LONGEST_PLANNING = timedelta(days=1)


@dataclass(slots=True)
class Hour:
    """What is taken of one arrival hour.

    runs: those whose manifests hold objects of it. shards: the lowest and highest sequence number that they hold, by
    stream incarnation and shard. checked_at: when it was last listed, if nothing was left pending then. listing: the
    digest of the keys that it had then; "" if a run has taken more since, or a taken object was missing.
    """

    runs: set[str] = field(default_factory=set)
    shards: dict[str, tuple[int, int]] = field(default_factory=dict)
    checked_at: datetime | None = None
    listing: str = ""


@dataclass(slots=True)
class Taken:
    """What is taken, by the prefix of the arrival hour.

    month: runs of earlier months are finished and counted in; "" if that is not known of any. since: earlier arrival
    dates are complete; None if none is. runs: those that are counted in, from the month on.
    """

    month: str = ""
    since: date | None = None
    runs: set[str] = field(default_factory=set)
    hours: dict[str, Hour] = field(default_factory=dict)

    def add(self, manifest: Manifest) -> None:
        """Count in what a run has taken."""
        self.runs.add(manifest.run_id)
        for raw in manifest.taken:
            hour = self.hours.setdefault(raw.hour, Hour())
            hour.runs.add(manifest.run_id)
            hour.listing = ""
            if not raw.is_quarantine and (batch := batch_of(raw.key)):
                first, last = hour.shards.get(_shard(batch), (batch.first, batch.last))
                hour.shards[_shard(batch)] = min(first, batch.first), max(last, batch.last)

    def forget(self, run_id: str) -> None:
        """Its manifest is gone: what it had taken is pending again."""
        self.runs.discard(run_id)
        for hour in self.hours.values():
            if run_id in hour.runs:
                hour.runs.discard(run_id)
                hour.listing, hour.checked_at = "", None

    def due(self, prefixes: Iterable[str], retention: timedelta, now: datetime) -> list[str]:
        """Which of the raw zone's hours are to be listed, oldest first. All of them are known from now on."""
        prefixes = sorted(prefixes)
        for prefix in prefixes:
            self.hours.setdefault(prefix, Hour())
        return [prefix for prefix in prefixes if self._is_due(prefix, retention, now)]

    def _is_due(self, prefix: str, retention: timedelta, now: datetime) -> bool:
        ended, checked_at = _end(prefix), self.hours[prefix].checked_at
        if ended is None or checked_at is None or ended > now - _RECENT:
            return True
        return checked_at <= now - _DAILY and not self._was_seen_complete(prefix, retention)

    def _was_seen_complete(self, prefix: str, retention: timedelta) -> bool:
        ended, checked_at = _end(prefix), self.hours[prefix].checked_at
        return bool(ended and checked_at and checked_at >= ended + retention + _CLOCK_SLACK)

    def overlapping_hours(self, objects: Iterable[RawObject]) -> list[str]:
        """The hours of which something is taken that may hold records of these objects."""
        batches = [batch for raw in objects if (batch := batch_of(raw.key))]
        reach: dict[str, tuple[int, int]] = {}
        for batch in batches:
            first, last = reach.get(_shard(batch), (batch.first, batch.last))
            reach[_shard(batch)] = min(first, batch.first), max(last, batch.last)
        return sorted(prefix for prefix, hour in self.hours.items() if _meet(hour.shards, reach))

    def checked(self, listings: dict[str, str], now: datetime) -> None:
        """Nothing is left pending in these hours; listings: the digests of their keys."""
        for prefix, listing in listings.items():
            hour = self.hours.setdefault(prefix, Hour())
            hour.checked_at, hour.listing = now, listing

    def settle(self, retention: timedelta, now: datetime, open_runs: Collection[str]) -> None:
        """Drop what no plan asks for any more. A manifest can be withdrawn until its run is finished."""
        days = [
            day
            for prefix, hour in self.hours.items()
            if (day := _day(prefix)) and (hour.runs & set(open_runs) or not self._was_seen_complete(prefix, retention))
        ]
        since = self.since = min([(now - retention - _CLOCK_SLACK).date(), *days])
        self.hours = {prefix: hour for prefix, hour in self.hours.items() if (_day(prefix) or since) >= since}
        self.month = min([f"{now - LONGEST_PLANNING:%Y-%m}", *map(run_month, open_runs)])
        self.runs = {run_id for run_id in self.runs if run_month(run_id) >= self.month}

    def to_json(self) -> bytes:
        """Its stored form."""
        document = {
            "month": self.month,
            "since": self.since.isoformat() if self.since else None,
            "runs": sorted(self.runs),
            "hours": {prefix: _row(hour) for prefix, hour in sorted(self.hours.items())},
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Taken:
        """What to_json wrote."""
        document = json.loads(data)
        return cls(
            month=document["month"],
            since=date.fromisoformat(document["since"]) if document["since"] else None,
            runs=set(document["runs"]),
            hours={prefix: _hour(row) for prefix, row in document["hours"].items()},
        )


def _row(hour: Hour) -> dict[str, Any]:
    return {
        "runs": sorted(hour.runs),
        "shards": hour.shards,
        "checked_at": hour.checked_at.isoformat() if hour.checked_at else None,
        "listing": hour.listing,
    }


def _hour(row: dict[str, Any]) -> Hour:
    return Hour(
        runs=set(row["runs"]),
        shards={shard: (first, last) for shard, (first, last) in row["shards"].items()},
        checked_at=datetime.fromisoformat(row["checked_at"]) if row["checked_at"] else None,
        listing=row["listing"],
    )


def _shard(batch: Batch) -> str:
    return f"{batch.incarnation}-{batch.shard_id}"


def _meet(one: dict[str, tuple[int, int]], other: dict[str, tuple[int, int]]) -> bool:
    return any(
        one[shard][0] <= other[shard][1] and other[shard][0] <= one[shard][1] for shard in one.keys() & other.keys()
    )


def _end(prefix: str) -> datetime | None:
    """When an arrival hour, or for quarantine an arrival date, ended; None if the prefix names none."""
    day, hour = arrival_of(prefix)
    lasts = timedelta(hours=1) if hour else timedelta(days=1)
    try:
        return datetime.fromisoformat(f"{day}T{hour or '00'}:00:00").replace(tzinfo=UTC) + lasts
    except ValueError:
        return None


def _day(prefix: str) -> date | None:
    return arrival_date(prefix) if _end(prefix) else None
