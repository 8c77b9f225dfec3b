"""Takes the control totals of the lake from what it holds, independently of what each stage says of itself.

Landed is counted from the rows in raw, quarantined from those in quarantine, curated from the Parquet files. Streamed
comes from the control object that the Lambda writes per batch, duplicates from the results of the ETL runs. A batch
that was retried with other boundaries has landed some positions twice: they count once.

A replayed record stands for the quarantined one that it replaces: that one leaves the quarantine's totals, and what it
counted for where it came from (produced and streamed; landed too, if the ETL quarantined it) is corrected to what the
replayed one counts for.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pyarrow.parquet

from data_governance import lake_objects
from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.reconciliation import Measured
from infrastructure.errors import PlatformError
from infrastructure.settings import (
    CURATED_TRANSACTIONS_PREFIX,
    QUARANTINE_PREFIX,
    RAW_CONTROL_PREFIX,
    RAW_TRANSACTIONS_PREFIX,
    RUNS_PREFIX,
    Settings,
)

Position = tuple[str, str, str, int]
_Part = tuple[str, str, int, int]

_BATCH_NAME = re.compile(
    r"(?P<incarnation>[^/]+)-(?P<shard>shardId-\d+)-(?P<first>\d+)-(?P<last>\d+)\.(?:ndjson\.gz|json)$"
)


class _Row(msgspec.Struct):
    """What a raw or quarantine row counts for, and where it stood in the stream."""

    stream_incarnation: str
    shard_id: str
    sequence_number: str
    sub_sequence_number: int
    amount: str
    currency: str | None = None
    credit_debit_indicator: str | None = None
    fingerprint: str = ""
    reason: str = ""
    stage: str = ""

    @property
    def key(self) -> ControlKey:
        return ControlKey(self.currency, self.credit_debit_indicator)

    @property
    def position(self) -> Position:
        return (self.stream_incarnation, self.shard_id, self.sequence_number, self.sub_sequence_number)


_row_decoder = msgspec.json.Decoder(_Row)


class BatchObject(NamedTuple):
    """An object that a batch wrote: which part of which shard it covers."""

    incarnation: str
    shard: str
    first: int
    last: int
    key: str

    @property
    def part(self) -> _Part:
        """The part of the shard: what the objects of one batch have in common."""
        return self[:4]


def batch_object(key: str) -> BatchObject | None:
    """The range that a key's name tells, or None for a key that no batch wrote (a replay's)."""
    match = _BATCH_NAME.search(key)
    if match is None:
        return None
    return BatchObject(match["incarnation"], match["shard"], int(match["first"]), int(match["last"]), key)


@dataclass(slots=True)
class LakeMeasures:
    """What the lake holds: the measured totals, streamed by stream incarnation, and what replays corrected.

    corrections are in measured.streamed; whoever knows what was produced adds them there too.
    """

    measured: Measured = field(default_factory=Measured)
    streamed_by_incarnation: dict[str, ControlTotals] = field(default_factory=dict)
    corrections: ControlTotals = field(default_factory=ControlTotals)


@dataclass(slots=True)
class _Controls:
    """What the control objects tell."""

    streamed: dict[str, ControlTotals] = field(default_factory=dict)
    replayed: ControlTotals = field(default_factory=ControlTotals)
    replaced: set[Position] = field(default_factory=set)


class Lake:
    """Reads the lake's objects through an S3 client."""

    def __init__(self, s3: Any, settings: Settings) -> None:
        self._s3 = s3
        self._settings = settings

    def measure_run(self, run_id: str) -> Measured:
        """One ETL run: what its manifest's objects hold, and what became of it (landed, duplicate, curated).

        Raises PlatformError where there is no such run, or it has not finished.
        """
        result, manifest = (self._run_file(run_id, name) for name in ("result.json", "manifest.json"))
        measured = Measured()
        earlier = {row.position for row in self._rows("raw", (entry["key"] for entry in manifest.get("earlier", [])))}
        for row in self._distinct(entry["key"] for entry in manifest["objects"]):
            if row.position not in earlier:
                measured.landed.add(row.key, Decimal(row.amount))
        for row in self._rows("quarantine", (file["key"] for file in result["quarantine"]["files"])):
            measured.quarantined_etl.add(row.key, Decimal(row.amount))
        measured.duplicate_etl = ControlTotals.from_rows(result["control_totals"]["duplicate"])
        measured.curated = self._curated(file["key"] for file in result["curated"]["files"])
        return measured

    def measure_date(self, date: str) -> Measured:
        """One day (UTC): what arrived on it, streamed against landed and quarantined; what happened on it, curated."""
        measured = Measured()
        controls = self._controls(f"{RAW_CONTROL_PREFIX}arrival_date={date}/")
        for totals in controls.streamed.values():
            measured.streamed += totals
        for row in self._distinct(self._keys("raw", f"{RAW_TRANSACTIONS_PREFIX}arrival_date={date}/")):
            if not row.stream_incarnation.startswith("replay-"):
                measured.landed.add(row.key, Decimal(row.amount))
        self._measure_quarantine(measured, set(), f"{QUARANTINE_PREFIX}stage=landing/arrival_date={date}/")
        measured.curated = self._curated(self._keys("curated", f"{CURATED_TRANSACTIONS_PREFIX}event_date={date}/"))
        return measured

    def _run_file(self, run_id: str, name: str) -> dict[str, Any]:
        key = f"{RUNS_PREFIX}{run_id}/{name}"
        if key not in self._keys("curated", key):
            raise PlatformError(
                f"run {run_id}",
                f"has no {name}",
                "See the runs under runs/ in the curated bucket; unfinished ones rerun",
            )
        content: dict[str, Any] = json.loads(lake_objects.body(self._s3, self._settings.bucket("curated"), key))
        return content

    def measure(self) -> LakeMeasures:
        """All the lake's totals. Memory stays flat: of its objects, a few are held at a time."""
        measures = LakeMeasures()
        measured = measures.measured
        controls = self._controls()
        measures.streamed_by_incarnation = controls.streamed
        for totals in controls.streamed.values():
            measured.streamed += totals
        for row in self._distinct(self._keys("raw", RAW_TRANSACTIONS_PREFIX)):
            measured.landed.add(row.key, Decimal(row.amount))
        measures.corrections += controls.replayed
        measures.corrections -= self._measure_quarantine(measured, controls.replaced)
        measured.streamed += measures.corrections
        for result in self._results():
            measured.duplicate_etl += ControlTotals.from_rows(result["control_totals"]["duplicate"])
        measured.curated = self._curated(self._keys("curated", CURATED_TRANSACTIONS_PREFIX))
        return measures

    def _controls(self, prefix: str = RAW_CONTROL_PREFIX) -> _Controls:
        """Streamed by incarnation, positions of overlapping batches counted once; what was replayed, and for what."""
        controls = _Controls()
        committed: list[BatchObject] = []
        for key, body in self._bodies("raw", self._keys("raw", prefix)):
            control = json.loads(body)
            if "replay_of" in control:
                controls.replayed += ControlTotals.from_rows(control["landed"])
                controls.replaced.update((name, shard, seq, sub) for name, shard, seq, sub in control["replay_of"])
                continue
            totals = controls.streamed.setdefault(control["stream_incarnation"], ControlTotals())
            totals += ControlTotals.from_rows(control["streamed"])
            if (batch := batch_object(key)) is not None:
                committed.append(batch)
        overlapping = _overlapping(committed)
        objects = self._objects_of([batch for cluster in overlapping for batch in cluster])
        for cluster in overlapping:
            controls.streamed[cluster[0].incarnation] -= self._landed_again(cluster, objects)
        return controls

    def _objects_of(self, committed: list[BatchObject]) -> dict[str, dict[_Part, str]]:
        """What batches landed: their keys by the bucket's purpose and by part. A day's objects are listed once."""
        wanted = {batch.part for batch in committed}
        objects: dict[str, dict[_Part, str]] = {"raw": {}, "quarantine": {}}
        for date in sorted({batch.key.removeprefix(RAW_CONTROL_PREFIX).split("/", 1)[0] for batch in committed}):
            prefixes = {"raw": RAW_TRANSACTIONS_PREFIX, "quarantine": f"{QUARANTINE_PREFIX}stage=landing/"}
            for purpose, prefix in prefixes.items():
                for key in self._keys(purpose, f"{prefix}{date}/"):
                    if (batch := batch_object(key)) is not None and batch.part in wanted:
                        objects[purpose][batch.part] = key
        return objects

    def _landed_again(self, cluster: list[BatchObject], objects: dict[str, dict[_Part, str]]) -> ControlTotals:
        """What overlapping committed batches received a second time, by the positions of their rows."""
        again = ControlTotals()
        seen: set[Position] = set()
        for purpose, keys in objects.items():
            for row in self._rows(purpose, [keys[batch.part] for batch in cluster if batch.part in keys]):
                if row.position in seen:
                    again.add(row.key, Decimal(row.amount))
                seen.add(row.position)
        return again

    def _distinct(self, keys: Iterable[str]) -> Iterator[_Row]:
        """The rows of raw objects, each position once. Only overlapping objects are compared row by row."""
        batches: list[BatchObject] = []
        others: list[str] = []
        for key in keys:
            if (batch := batch_object(key)) is None:
                others.append(key)
            else:
                batches.append(batch)
        overlapping = _overlapping(batches)
        alone = set(batches).difference(*overlapping)
        yield from self._rows("raw", [*others, *(batch.key for batch in sorted(alone))])
        for cluster in overlapping:
            seen: set[Position] = set()
            for row in self._rows("raw", [batch.key for batch in cluster]):
                if row.position not in seen:
                    seen.add(row.position)
                    yield row

    def _measure_quarantine(
        self, measured: Measured, replaced: set[Position], prefix: str = QUARANTINE_PREFIX
    ) -> ControlTotals:
        """Count the quarantine into measured; the totals of the rows that a replay replaced."""
        gone = ControlTotals()
        seen_positions: set[Position] = set()
        seen_content: set[tuple[str, str]] = set()
        for row in self._rows("quarantine", self._keys("quarantine", prefix)):
            if row.position in seen_positions:
                continue
            seen_positions.add(row.position)
            amount = Decimal(row.amount)
            landing = row.stage == "landing"
            if row.position in replaced:
                gone.add(row.key, amount)
                if not landing:  # its raw row is still there
                    measured.landed.add(row.key, -amount, -1)
                continue
            repeated = (row.stage, row.fingerprint) in seen_content
            seen_content.add((row.stage, row.fingerprint))
            if repeated:
                totals = measured.repeated_landing if landing else measured.repeated_etl
            else:
                totals = measured.quarantined_landing if landing else measured.quarantined_etl
                reasons = measured.quarantined_by_reason
                reasons[row.reason] = reasons.get(row.reason, 0) + 1
            totals.add(row.key, amount)
        return gone

    def _curated(self, files: Iterable[str]) -> ControlTotals:
        totals = ControlTotals()
        keys = ["currency", "credit_debit_indicator"]
        for key in files:
            file = io.BytesIO(lake_objects.body(self._s3, self._settings.bucket("curated"), key))
            table = pyarrow.parquet.read_table(file, columns=[*keys, "amount"])
            grouped = table.group_by(keys).aggregate([("amount", "sum"), ("amount", "count")])
            for row in grouped.to_pylist():
                key_ = ControlKey(row["currency"], row["credit_debit_indicator"])
                totals.add(key_, row["amount_sum"], row["amount_count"])
        return totals

    def _results(self) -> Iterator[dict[str, Any]]:
        keys = (key for key in self._keys("curated", RUNS_PREFIX) if key.endswith("/result.json"))
        for _, body in self._bodies("curated", keys):
            yield json.loads(body)

    def _keys(self, purpose: str, prefix: str) -> Iterator[str]:
        return lake_objects.keys(self._s3, self._settings.bucket(purpose), prefix)

    def _bodies(self, purpose: str, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return lake_objects.bodies(self._s3, self._settings.bucket(purpose), keys)

    def _rows(self, purpose: str, keys: Iterable[str]) -> Iterator[_Row]:
        for key, body in self._bodies(purpose, keys):
            try:
                yield from map(_row_decoder.decode, gzip.decompress(body).splitlines())
            except (msgspec.MsgspecError, OSError, EOFError) as error:
                raise PlatformError(
                    f"s3://{self._settings.bucket(purpose)}/{key}",
                    f"is not what the pipeline writes ({type(error).__name__})",
                    "Restore the object's earlier version; versioning keeps it",
                ) from None


def _overlapping(batches: list[BatchObject]) -> list[list[BatchObject]]:
    """Groups of two or more batches of one shard whose ranges overlap, in the order of their first records."""
    clusters: list[list[BatchObject]] = []
    current: list[BatchObject] = []
    last = -1
    for batch in sorted(batches):
        same_shard = current and (current[-1].incarnation, current[-1].shard) == (batch.incarnation, batch.shard)
        if same_shard and batch.first <= last:
            current.append(batch)
            last = max(last, batch.last)
            continue
        if len(current) > 1:
            clusters.append(current)
        current, last = [batch], batch.last
    if len(current) > 1:
        clusters.append(current)
    return clusters
