"""Where everything lies in the lake: every object name is written and parsed here. Pure; standard library only.

    raw          raw/transactions/arrival_date=D/arrival_hour=H/BATCH.ndjson.gz   what a batch landed
                 raw/control/arrival_date=D/BATCH.json                            its control totals: its commit
                 raw/control/replay/BATCH.json                                    the same of a replay
    quarantine   quarantine/stage=landing/arrival_date=D/BATCH.ndjson.gz          what the landing refused
                 quarantine_table/                                                the Iceberg table of both stages
    curated      curated/TABLE/                                                   the other Iceberg tables
                 (all of them: data_catalog/lake_tables.py)
                 runs/month=M/RUN/manifest.json, publish.json, result.json, COPY manifests
                 runs/taken.json                                                  what runs have taken, by hour
                 runs/repeated_ids.json                                           when ids were looked for, how many
                 reconciliation/                                                  totals that were verified
                 governance/tombstones.json                                       which accounts were erased
                 governance/erasures/ID.json, ID.html                             the certificate of each erasure
                 staging/RUN/                                                     scratch of a run

BATCH is {stream incarnation}-{shard}-{first}-{last sequence number}, D a date in UTC, M a month, RUN the run id, which
begins with the month: 2026-03-0123456789abcdef. Runs of before 0.2 have ids without a month and lie in runs/RUN/.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

RAW_TRANSACTIONS_PREFIX = "raw/transactions/"
RAW_CONTROL_PREFIX = "raw/control/"
REPLAY_CONTROL_PREFIX = f"{RAW_CONTROL_PREFIX}replay/"
QUARANTINE_PREFIX = "quarantine/"
APPROVED_PREFIX = "approved/"  # which quarantined identifiers are no card numbers
CORRECTED_PREFIX = "corrected/"  # of the quarantine bucket: where people put records for a replay
LANDING_QUARANTINE_PREFIX = f"{QUARANTINE_PREFIX}stage=landing/"
RUNS_PREFIX = "runs/"
RUNS_MONTH_PREFIX = f"{RUNS_PREFIX}month="
TAKEN_KEY = f"{RUNS_PREFIX}taken.json"
REPEATED_IDS_KEY = f"{RUNS_PREFIX}repeated_ids.json"
RECONCILIATION_PREFIX = "reconciliation/"
TOMBSTONES_KEY = "governance/tombstones.json"
ERASURES_PREFIX = "governance/erasures/"
STAGING_PREFIX = "staging/"  # a lifecycle rule expires it
EARLIEST_ARRIVAL = date(2024, 1, 1)  # earlier than any stream of the platform
DAYS_AHEAD = 2  # how far ahead an arrival date may be, because clocks differ

_BATCH_SUFFIXES = (".ndjson.gz", ".json")
_RUN_MONTH = re.compile(r"(\d{4}-\d{2})-")
_ARRIVAL = re.compile(r"arrival_date=(\d{4}-\d{2}-\d{2})/(?:arrival_hour=(\d{2})/)?")


class Batch(NamedTuple):
    """The records that an object holds: first to last sequence number in one shard of a stream incarnation."""

    incarnation: str
    shard_id: str
    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{self.incarnation}-{self.shard_id}-{self.first}-{self.last}"

    def raw_key(self, arrival: datetime) -> str:
        """arrival: when its first record arrived, in UTC."""
        return f"{RAW_TRANSACTIONS_PREFIX}{arrival:arrival_date=%Y-%m-%d/arrival_hour=%H}/{self.name}.ndjson.gz"

    def quarantine_key(self, arrival: datetime) -> str:
        return f"{arrival_day(LANDING_QUARANTINE_PREFIX, arrival.date())}{self.name}.ndjson.gz"

    def control_key(self, arrival: datetime) -> str:
        return f"{arrival_day(RAW_CONTROL_PREFIX, arrival.date())}{self.name}.json"

    def replay_control_key(self) -> str:
        return f"{REPLAY_CONTROL_PREFIX}{self.name}.json"


def batch_of(key: str) -> Batch | None:
    """The batch that a raw, control or landing quarantine object is named after; None if no batch wrote it.

    Cuts in place of a pattern: a plan asks this of every object that it takes.
    """
    name = key.rpartition("/")[2]
    stem = next((name.removesuffix(suffix) for suffix in _BATCH_SUFFIXES if name.endswith(suffix)), "")
    parts = stem.rsplit("-", 4)
    if len(parts) < 5:
        return None
    incarnation, word, shard, first, last = parts
    numbers = f"{shard}{first}{last}"
    if not (incarnation and shard and first and last) or word != "shardId" or not numbers.isascii():
        return None
    return Batch(incarnation, f"{word}-{shard}", int(first), int(last)) if numbers.isdigit() else None


def arrival_of(key: str) -> tuple[str, str]:
    """(date, hour) of arrival from a raw object's partitions, e.g. ("2026-03-02", "09"); "" for those it lacks."""
    match = _ARRIVAL.search(key)
    return (match[1], match[2] or "") if match else ("", "")


def arrival_date(key: str) -> date | None:
    """The arrival date in a key or prefix; None if it has none."""
    day, _ = arrival_of(key)
    return date.fromisoformat(day) if day else None


def arrival_day(prefix: str, day: date | str) -> str:
    """The prefix of one arrival date. day: a date, or text such as 2026-03-02."""
    return f"{prefix}arrival_date={day}/"


def run_month(run_id: str) -> str:
    """The month in which a run was planned, e.g. 2026-03; "" for runs of before 0.2."""
    found = _RUN_MONTH.match(run_id)
    return found[1] if found else ""


def run_key(run_id: str, name: str) -> str:
    """The key of one of a run's documents, e.g. result.json."""
    month = run_month(run_id)
    return f"{runs_of_month(month) if month else RUNS_PREFIX}{run_id}/{name}"


def run_of(key: str) -> tuple[str, str]:
    """(run id, name) of a key that run_key made."""
    folder, _, name = key.rpartition("/")
    return folder.rpartition("/")[2], name


def runs_of_month(month: str) -> str:
    """The prefix of the runs that were planned in a month, e.g. 2026-03."""
    return f"{RUNS_MONTH_PREFIX}{month}/"


class Coverage:
    """The sequence numbers that some batches cover: disjoint ranges, by incarnation and shard."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._ranges: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for batch in sorted(batches):
            ranges = self._ranges.setdefault(batch[:2], [])
            if ranges and batch.first <= ranges[-1][1]:
                ranges[-1] = (ranges[-1][0], max(ranges[-1][1], batch.last))
            else:
                ranges.append((batch.first, batch.last))

    def met_by(self, batch: Batch) -> tuple[int, int] | None:
        """The last range that overlaps the batch; None if none does."""
        ranges = self._ranges.get(batch[:2], [])
        begun = bisect_right(ranges, batch.last, key=lambda covered: covered[0])
        return ranges[begun - 1] if begun and ranges[begun - 1][1] >= batch.first else None
