"""The objects that a trace goes to: raw objects by position and arrival, runs by id, curated files by event date."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import pyarrow.compute as pc
from botocore.exceptions import ClientError

from data_catalog.lake_layout import (
    EARLIEST_ARRIVAL,
    LANDING_QUARANTINE_PREFIX,
    RAW_TRANSACTIONS_PREFIX,
    REPLAY_CONTROL_PREFIX,
    arrival_day,
    batch_of,
    run_key,
    run_of,
)
from data_catalog.lake_tables import BY_KIND
from data_catalog.transaction_contract import POSITION
from data_governance.lake_reader import LakeReader
from data_governance.run_folders import newest_months
from data_governance.run_result import RunResult
from data_governance.tombstones import read_tombstones
from data_storage.transaction_trail import Place
from infrastructure.aws import s3_objects

Purpose = Literal["raw", "quarantine"]
_LANDED: dict[Purpose, str] = {"raw": RAW_TRANSACTIONS_PREFIX, "quarantine": LANDING_QUARANTINE_PREFIX}
_HOUR = timedelta(hours=1)
MOST_OBJECTS = 200  # that are read in search of copies
_NEWEST = 20  # objects that were restored together have the same time
REPLAY = "replay-"  # begins the incarnation of a replay
# A run that did not end for longer leaves more unsearched than a trace should read.
_MOST_DAYS_WAITING = 7


@dataclass(frozen=True, slots=True)
class LandedRow:
    """A row of a raw object. line: its number there, from 1; row: its fields."""

    bucket: str
    key: str
    line: int
    place: Place
    row: dict[str, Any]

    @property
    def address(self) -> str:
        return f"s3://{self.bucket}/{self.key} line {self.line}"


class TracedObjects:
    """Finds them in a lake, each object read once."""

    def __init__(self, lake: LakeReader) -> None:
        self._lake = lake
        self._bodies: dict[str, list[bytes]] = {}
        self._runs: dict[str, RunResult | None] = {}

    def landed(self, place: Place, arrival: datetime) -> LandedRow | None:
        """The row at a position. A batch is filed under the arrival of its first record, so an hour earlier too."""
        if place.incarnation.startswith(REPLAY):
            return self._at("raw", self._replayed(place), place)
        return self._at("raw", self._near(place, arrival), place)

    def refused(self, place: Place, arrival: datetime) -> str:
        """The address of the landing's quarantined row at a position."""
        days = sorted({(arrival - _HOUR).date(), arrival.date()})
        prefixes = [f"{arrival_day(LANDING_QUARANTINE_PREFIX, day)}{place.incarnation}-{place.shard}-" for day in days]
        keys = (key for prefix in prefixes for key in self._lake.keys("quarantine", prefix))
        found = self._at("quarantine", keys, place)
        return found.address if found else "the object is gone: its retention has ended, or it was erased"

    def copies(self, transaction_id: str, near: Place, arrival: datetime, searched: list[str]) -> Iterator[LandedRow]:
        """Rows of the id in the same shard within an hour of an arrival, in at most MOST_OBJECTS that are nearest to a
        position. Where these are goes to searched."""
        hours = [f"{arrival + n * _HOUR:arrival_date=%Y-%m-%d/arrival_hour=%H}/" for n in (-1, 0, 1)]
        batches = []
        for hour in hours:
            for key in self._lake.keys("raw", f"{RAW_TRANSACTIONS_PREFIX}{hour}"):
                batch = batch_of(key)
                if batch is not None and batch.shard_id == near.shard:
                    batches.append((batch, key))
        batches.sort()
        behind = sum((batch.incarnation, batch.first) <= (near.incarnation, int(near.sequence)) for batch, _ in batches)
        chosen = batches[max(0, behind - MOST_OBJECTS // 2) :][:MOST_OBJECTS]
        told = f"{len(chosen):,} of {len(batches):,} raw objects of {near.shard} around {arrival:%Y-%m-%d %H:%M} UTC"
        if told not in searched:
            searched.append(told)
            for _, key in chosen:
                yield from self._naming("raw", key, transaction_id)

    def waiting(self, purpose: Purpose, transaction_id: str, searched: list[str]) -> list[LandedRow]:
        """Rows of the id in what the function landed, or refused, since the newest run was planned."""
        planned, taken = self._newest_run()
        today = datetime.now(UTC).date()
        begin = max(planned.date(), today - timedelta(days=_MOST_DAYS_WAITING))
        searched.append(f"{purpose} objects since the newest run's plan, at the earliest of {begin}")
        found: list[LandedRow] = []
        for number in range((today - begin).days + 1):
            prefix = arrival_day(_LANDED[purpose], begin + timedelta(days=number))
            for entry in s3_objects.entries(self._lake.s3, self._lake.settings.bucket(purpose), prefix):
                if entry["LastModified"] >= planned and entry["Key"] not in taken:
                    found += self._naming(purpose, entry["Key"], transaction_id)
        return found

    def run(self, run_id: str) -> RunResult | None:
        """A run's result; None if it is gone."""
        if run_id not in self._runs:
            try:
                body = self._lake.body("curated", run_key(run_id, "result.json"))
                self._runs[run_id] = RunResult.from_json(body, f"run {run_id}")
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchKey":
                    raise
                self._runs[run_id] = None
        return self._runs[run_id]

    def curated_file(self, run: RunResult, kind: str, day: date, place: Place) -> str:
        """The run's file of that date in which the record stands, as an address."""
        bucket = self._lake.settings.bucket("curated")
        for file in getattr(run, kind):
            if file.partition_date == day:
                location = f"s3://{bucket}/{file.key}"
                try:
                    if self._holds(location, place):
                        return location
                except ClientError as error:
                    if error.response["Error"]["Code"] != "NoSuchKey":
                        raise
        return f"table {BY_KIND[kind].name}, {day}; the run's own file was merged into others since"

    def has_tombstones(self) -> bool:
        """Whether an account was ever erased."""
        return read_tombstones(self._lake.s3, self._lake.settings.bucket("curated")) is not None

    def _holds(self, location: str, place: Place) -> bool:
        values = (place.incarnation, place.shard, place.sequence, place.sub_sequence)
        (rows,) = self._lake.parquet([location], list(POSITION))
        for column, value in zip(POSITION, values, strict=True):
            rows = rows.filter(pc.equal(rows[column], value))
        return bool(rows.num_rows)

    def _at(self, purpose: Purpose, keys: Iterable[str], place: Place) -> LandedRow | None:
        """The row at a position, in the first of these objects that has it."""
        for key in keys:
            batch = batch_of(key)
            if batch and batch.first <= int(place.sequence) <= batch.last:
                for row in self._rows(purpose, key):
                    if row.place == place:
                        return row
        return None

    def _near(self, place: Place, arrival: datetime) -> Iterable[str]:
        for hour in (arrival - _HOUR, arrival):
            prefix = f"{RAW_TRANSACTIONS_PREFIX}{hour:arrival_date=%Y-%m-%d/arrival_hour=%H}/"
            prefix += f"{place.incarnation}-{place.shard}-"
            yield from self._lake.keys("raw", prefix)

    def _replayed(self, place: Place) -> list[str]:
        """The raw object of a replay, which its control object names."""
        controls = self._lake.keys("raw", f"{REPLAY_CONTROL_PREFIX}{place.incarnation}-")
        return [json.loads(body)["raw_key"] for _, body in self._lake.bodies("raw", controls)][:1]

    def _naming(self, purpose: str, key: str, transaction_id: str) -> Iterator[LandedRow]:
        found = self._rows(purpose, key, transaction_id.encode())
        return (row for row in found if row.row.get("transaction_id") == transaction_id)

    def _rows(self, purpose: str, key: str, naming: bytes = b"") -> Iterator[LandedRow]:
        """The rows of an object whose text holds some bytes."""
        if key not in self._bodies:
            self._bodies[key] = gzip.decompress(self._lake.body(purpose, key)).splitlines()
        bucket = self._lake.settings.bucket(purpose)
        for number, line in enumerate(self._bodies[key], 1):
            if naming in line:
                row = json.loads(line)
                yield LandedRow(bucket, key, number, Place(*(row[name] for name in POSITION)), row)

    def _newest_run(self) -> tuple[datetime, set[str]]:
        """When the newest run was planned, and what it has taken. Without a run, the beginning of time."""
        bucket = self._lake.settings.bucket("curated")
        for prefix in newest_months(self._lake.s3, bucket):
            entries = [
                entry
                for entry in s3_objects.entries(self._lake.s3, bucket, prefix)
                if run_of(entry["Key"])[1] == "manifest.json"
            ]
            newest = sorted(entries, key=lambda entry: entry["LastModified"])[-_NEWEST:]
            bodies = self._lake.bodies("curated", [entry["Key"] for entry in newest])
            manifests = [json.loads(body) for _, body in bodies]
            if manifests:
                last = max(manifests, key=lambda manifest: str(manifest["created_at"]))
                taken = {entry["key"] for entry in (*last["objects"], *last.get("quarantined", []))}
                return datetime.fromisoformat(last["created_at"]), taken
        return datetime.combine(EARLIEST_ARRIVAL, time(), UTC), set()
