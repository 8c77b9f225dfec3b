"""Counts the lake's control totals from what it holds, independently of what each stage reports.

Landed is counted from the rows in raw, quarantined from those in quarantine, curated from the Parquet files. Streamed
comes from the control object that the Lambda writes per batch, duplicates from the results of the ETL runs. Positions
that landed twice, because a batch was retried with other boundaries, count once.

A replay moves a record from quarantined to landed; totals upstream (produced, streamed, and landed if the ETL
quarantined the record) change by new minus old amount.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date as day_of
from decimal import Decimal
from itertools import chain

from data_catalog.lake_layout import (
    LANDING_QUARANTINE_PREFIX,
    RAW_CONTROL_PREFIX,
    RAW_TRANSACTIONS_PREFIX,
    RUNS_PREFIX,
    Batch,
    arrival_day,
    arrival_of,
    batch_of,
    run_key,
    run_of,
)
from data_governance.control_totals import ControlTotals
from data_governance.kept_totals import KeptTotals, total
from data_governance.lake_reader import BatchObject, LakeReader, Position, Row, as_published, counted, overlapping
from data_governance.reconciliation import Measured
from data_governance.run_result import RunResult
from infrastructure.errors import PlatformError


@dataclass(slots=True)
class LakeMeasures:
    """What the lake holds: the measured totals, streamed by stream incarnation, and the corrections by replays.

    corrections are already in measured.streamed; whoever knows the totals of produced adds them there too.
    """

    measured: Measured = field(default_factory=Measured)
    streamed_by_incarnation: dict[str, ControlTotals] = field(default_factory=dict)
    corrections: ControlTotals = field(default_factory=ControlTotals)


@dataclass(slots=True)
class _Controls:
    """What the control objects say."""

    streamed: dict[str, ControlTotals] = field(default_factory=dict)
    replayed: ControlTotals = field(default_factory=ControlTotals)
    replaced: set[Position] = field(default_factory=set)


class Lake(LakeReader):
    """Measures the lake."""

    def measure_run(self, run_id: str) -> Measured:
        """One ETL run: what its manifest's objects hold (landed), and what became of it (duplicate, quarantined,
        curated).

        Raises PlatformError if there is no such run, or it has not finished.
        """
        result = RunResult.from_json(self._run_file(run_id, "result.json"), f"run {run_id}")
        manifest = json.loads(self._run_file(run_id, "manifest.json"))
        measured = Measured()
        earlier = {row.position for row in self.rows("raw", (entry["key"] for entry in manifest.get("earlier", [])))}
        for row in self._distinct(entry["key"] for entry in manifest["objects"]):
            if row.position not in earlier:
                measured.landed.add(row.key, Decimal(row.amount))
        measured.quarantined_etl = as_published(
            lambda: self.locations("quarantine", result.quarantine),
            lambda: self.files("quarantine", {file.partition_date for file in result.quarantine}),
            lambda files, of_run: counted(self.refused_by_the_job(files, of_run)),
            run_id,
        )
        measured.duplicate_etl = result.control_totals["duplicate"]
        curated = (*result.curated, *result.pending_transactions)
        measured.curated = as_published(
            lambda: self.locations("curated", curated),
            lambda: self.curated_files({file.partition_date for file in curated}),
            self.curated,
            run_id,
        )
        kept = KeptTotals(self.s3, self.settings.bucket("curated"))
        measured.erased = result.erased + total(each.runs.get(run_id, ControlTotals()) for each in kept.erasures)
        return measured

    def measure_date(self, date: str) -> Measured:
        """One day (UTC): streamed, landed and quarantined of what arrived on it; curated of what happened on it."""
        measured = Measured()
        controls = self._controls(arrival_day(RAW_CONTROL_PREFIX, date))
        for totals in controls.streamed.values():
            measured.streamed += totals
        for row in self._distinct(self.keys("raw", arrival_day(RAW_TRANSACTIONS_PREFIX, date))):
            if not row.stream_incarnation.startswith("replay-"):
                measured.landed.add(row.key, Decimal(row.amount))
        landed = self.rows("quarantine", self.keys("quarantine", arrival_day(LANDING_QUARANTINE_PREFIX, date)))
        self._measure_quarantine(measured, set(), landed)
        measured.curated = self.curated(self.curated_files([day_of.fromisoformat(date)]))
        return measured

    def _run_file(self, run_id: str, name: str) -> bytes:
        key = run_key(run_id, name)
        if key not in self.keys("curated", key):
            raise PlatformError(
                f"run {run_id}",
                f"has no {name}",
                "See the runs under runs/ in the curated bucket; unfinished ones rerun",
            )
        return self.body("curated", key)

    def measure(self) -> LakeMeasures:
        """All of the lake's totals. Only a few objects are held at a time, so memory stays flat."""
        measures = LakeMeasures()
        measured = measures.measured
        controls = self._controls()
        measures.streamed_by_incarnation = controls.streamed
        for totals in controls.streamed.values():
            measured.streamed += totals
        for row in self._distinct(self.keys("raw", RAW_TRANSACTIONS_PREFIX)):
            measured.landed.add(row.key, Decimal(row.amount))
        measures.corrections += controls.replayed
        refused = self.refused_by_the_job(self.files("quarantine"))
        rows = chain(self.rows("quarantine", self.keys("quarantine", LANDING_QUARANTINE_PREFIX)), refused)
        measures.corrections -= self._measure_quarantine(measured, controls.replaced, rows)
        measured.streamed += measures.corrections
        kept = KeptTotals(self.s3, self.settings.bucket("curated"))
        for erasure in kept.erasures:
            measured.erased += erasure.gone
            # What a replay stands for was taken off where it stood in quarantine, and is no longer found there.
            replaced = erasure.refused.replaced
            measures.corrections -= replaced
            measured.streamed -= replaced
            measured.landed -= replaced
        for result in self._results():
            measured.duplicate_etl += result.control_totals["duplicate"]
            measured.erased += result.erased
        measured.curated = self.curated(self.curated_files())
        return measures

    def _controls(self, prefix: str = RAW_CONTROL_PREFIX) -> _Controls:
        """Streamed by incarnation, positions of overlapping batches counted once; what replays added and replaced."""
        controls = _Controls()
        committed: list[BatchObject] = []
        for key, body in self.bodies("raw", self.keys("raw", prefix)):
            control = json.loads(body)
            if "replay_of" in control:
                controls.replayed += ControlTotals.from_rows(control["landed"])
                controls.replaced.update((name, shard, seq, sub) for name, shard, seq, sub in control["replay_of"])
                continue
            totals = controls.streamed.setdefault(control["stream_incarnation"], ControlTotals())
            totals += ControlTotals.from_rows(control["streamed"])
            if (batch := batch_of(key)) is not None:
                committed.append(BatchObject(batch, key))
        clusters = overlapping(committed)
        objects = self._objects_of([one for cluster in clusters for one in cluster])
        for cluster in clusters:
            controls.streamed[cluster[0][0].incarnation] -= self._landed_again(cluster, objects)
        return controls

    def _objects_of(self, committed: list[BatchObject]) -> dict[str, dict[Batch, str]]:
        """The keys of the objects that batches landed, by bucket and batch. Each day's objects are listed once."""
        wanted = {batch for batch, _ in committed}
        objects: dict[str, dict[Batch, str]] = {"raw": {}, "quarantine": {}}
        for day in sorted({arrival_of(key)[0] for _, key in committed}):
            prefixes = {"raw": RAW_TRANSACTIONS_PREFIX, "quarantine": LANDING_QUARANTINE_PREFIX}
            for purpose, prefix in prefixes.items():
                for key in self.keys(purpose, arrival_day(prefix, day)):
                    if (batch := batch_of(key)) in wanted and batch is not None:
                        objects[purpose][batch] = key
        return objects

    def _landed_again(self, cluster: list[BatchObject], objects: dict[str, dict[Batch, str]]) -> ControlTotals:
        """What overlapping committed batches contain a second time, by the positions of their rows."""
        again = ControlTotals()
        seen: set[Position] = set()
        for purpose, keys in objects.items():
            for row in self.rows(purpose, [keys[batch] for batch, _ in cluster if batch in keys]):
                if row.position in seen:
                    again.add(row.key, Decimal(row.amount))
                seen.add(row.position)
        return again

    def _distinct(self, keys: Iterable[str]) -> Iterator[Row]:
        """The rows of raw objects, each position once. Only overlapping objects are compared row by row."""
        batches: list[BatchObject] = []
        others: list[str] = []
        for key in keys:
            if (batch := batch_of(key)) is None:
                others.append(key)
            else:
                batches.append(BatchObject(batch, key))
        clusters = overlapping(batches)
        alone = set(batches).difference(*clusters)
        yield from self.rows("raw", [*others, *(key for _, key in sorted(alone))])
        for cluster in clusters:
            seen: set[Position] = set()
            for row in self.rows("raw", [key for _, key in cluster]):
                if row.position not in seen:
                    seen.add(row.position)
                    yield row

    def _measure_quarantine(self, measured: Measured, replaced: set[Position], rows: Iterable[Row]) -> ControlTotals:
        """Count the quarantine into measured; returns the totals of the rows that a replay replaced."""
        gone = ControlTotals()
        seen_positions: set[Position] = set()
        seen_content: set[tuple[str, str]] = set()
        for row in rows:
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

    def _results(self) -> Iterator[RunResult]:
        keys = (key for key in self.keys("curated", RUNS_PREFIX) if run_of(key)[1] == "result.json")
        for key, body in self.bodies("curated", keys):
            yield RunResult.from_json(body, key)
