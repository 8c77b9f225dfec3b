"""Measures the lake from totals that were kept, and counts only what is new: days, runs and replays."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from data_catalog.lake_layout import (
    LANDING_QUARANTINE_PREFIX,
    REPLAY_CONTROL_PREFIX,
    arrival_day,
    run_key,
    run_month,
    run_of,
)
from data_governance.arrivals import Arrivals
from data_governance.control_totals import ControlTotals, CuratedTotals
from data_governance.kept_totals import (
    KeptTotals,
    MonthOfRuns,
    ReplayTotals,
    RunTotals,
    curated_total,
    total,
)
from data_governance.lake_measures import LakeMeasures
from data_governance.lake_reader import LakeReader, Position, Row, as_published
from data_governance.run_folders import month_of, months_from
from data_governance.run_result import PublishedFile, RunResult

# What the warehouse holds of runs: asked with the event dates of each.
Loaded = Callable[[Mapping[str, Collection[date]]], Mapping[str, CuratedTotals]]

# How long after a month's end another job may still write a manifest of it.
_LATE_MANIFEST = timedelta(days=2)


class KeptMeasures:
    """Brings the kept totals up to the lake, and sums them. loaded: None if there is no warehouse."""

    def __init__(self, reader: LakeReader, kept: KeptTotals, retention: timedelta, loaded: Loaded | None) -> None:
        self._reader = reader
        self._kept = kept
        self._retention = retention
        self._loaded = loaded
        self._loaded_now = CuratedTotals()
        self.is_kept = True  # whether the caller was allowed to keep what was counted

    def measure(self, now: datetime) -> LakeMeasures:
        """The lake's totals; what was counted for them is kept."""
        Arrivals(self._reader, self._kept.days, self._retention, now).count()
        self._count_runs(now)
        self._count_replays()
        try:
            self._kept.keep()
        except ClientError as error:
            if error.response["Error"]["Code"] != "AccessDenied":
                raise
            self.is_kept = False
        return self._summed()

    def changed_since_sealed(self, now: datetime) -> dict[str, list[str]]:
        """The sealed arrival dates whose objects have changed; the objects that were put since."""
        return Arrivals(self._reader, self._kept.days, self._retention, now).changed_since_sealed()

    def _count_runs(self, now: datetime) -> None:
        months, bucket = self._kept.months, self._reader.settings.bucket("curated")
        for month in months.values():
            if self._loaded and month.closed and not month.closed.loaded:  # closed when there was no warehouse
                month.closed = None
        closed = [month for month, runs in months.items() if runs.closed]
        opened = [month for month, runs in months.items() if not runs.closed]
        unfinished: set[str] = set()
        for prefix in months_from(self._reader.s3, bucket, min(opened, default=max(closed, default=""))):
            documents: dict[str, set[str]] = {}
            for key in self._reader.keys("curated", prefix):
                run_id, name = run_of(key)
                if name in ("manifest.json", "result.json"):
                    documents.setdefault(run_id, set()).add(name)
            for run_id, names in documents.items():
                month = months.setdefault(run_month(run_id), MonthOfRuns())
                if "result.json" in names and not month.closed and run_id not in month.runs:
                    month.runs[run_id] = self._counted_run(run_id)
                elif "result.json" not in names:
                    unfinished.add(run_month(run_id))
        self._see_loaded()
        for name, month in months.items():
            is_loaded = self._loaded is None or all(run.loaded for run in month.runs.values())
            if not month.closed and is_loaded and name not in unfinished and name < month_of(now - _LATE_MANIFEST):
                month.closed = RunTotals(loaded=self._loaded is not None)
                for run in month.runs.values():
                    month.closed.add(run)
                month.runs = {}

    def _counted_run(self, run_id: str) -> RunTotals:
        key = run_key(run_id, "result.json")
        result = RunResult.from_json(self._reader.body("curated", key), key)
        totals = RunTotals(duplicate=result.control_totals["duplicate"], erased=result.erased)
        quarantined = as_published(
            lambda: self._reader.locations("quarantine", result.quarantine),
            lambda: self._reader.files("quarantine", {file.partition_date for file in result.quarantine}),
            lambda files, of_run: list(self._reader.refused_by_the_job(files, of_run)),
            run_id,
        )
        seen: set[str] = set()
        for row in quarantined:
            of = totals.repeated if row.fingerprint in seen else totals.quarantined
            of.add(row.key, Decimal(row.amount))
            if row.fingerprint not in seen:
                totals.reasons[row.reason] = totals.reasons.get(row.reason, 0) + 1
            seen.add(row.fingerprint)
        by_day: dict[date, list[PublishedFile]] = {}
        for file in (*result.curated, *result.pending_transactions):
            by_day.setdefault(file.partition_date, []).append(file)
        for day, files in sorted(by_day.items()):
            totals.curated[day.isoformat()] = as_published(
                partial(self._reader.locations, "curated", files),
                partial(self._reader.curated_files, [day]),
                self._reader.curated,
                run_id,
            )
        return totals

    def _see_loaded(self) -> None:
        """Ask the warehouse for the runs that it was not seen to hold."""
        if self._loaded is None:
            return
        waiting = {
            run_id: run for month in self._kept.months.values() for run_id, run in month.runs.items() if not run.loaded
        }
        dates = {run_id: [date.fromisoformat(day) for day in run.curated] for run_id, run in waiting.items()}
        found = self._loaded(dates) if waiting else {}
        for run_id, run in waiting.items():
            held = found.get(run_id, CuratedTotals())
            run.loaded = held == run.all_curated
            if not run.loaded:
                self._loaded_now = curated_total([self._loaded_now, held])

    def _count_replays(self) -> None:
        for key in self._reader.keys("raw", REPLAY_CONTROL_PREFIX):
            name = key.removeprefix(REPLAY_CONTROL_PREFIX)
            if name not in self._kept.replays:
                control = json.loads(self._reader.body("raw", key))
                if control["raw_key"] in self._reader.keys("raw", control["raw_key"]):  # else it was interrupted
                    self._kept.replays[name] = self._counted_replay(control)

    def _counted_replay(self, control: Mapping[str, Any]) -> ReplayTotals:
        totals = ReplayTotals(replayed=ControlTotals.from_rows(control["landed"]))
        replaced: set[Position] = {tuple(position) for position in control["replay_of"]}
        for row in self._quarantined(control["raw_key"]):
            if row.position not in replaced:
                continue
            replaced.discard(row.position)
            landing = row.stage == "landing"
            (totals.from_landing if landing else totals.from_etl).add(row.key, Decimal(row.amount))
            totals.reasons[row.reason] = totals.reasons.get(row.reason, 0) + 1
            if not replaced:
                break
        return totals

    def _quarantined(self, raw_key: str) -> Iterator[Row]:
        """The rows among which those that a replay stands for are: of the days of their arrival, then of all."""
        lines = gzip.decompress(self._reader.body("raw", raw_key)).splitlines()
        days = sorted({json.loads(line)["arrival_time"][:10] for line in lines})
        for prefix in (*(arrival_day(LANDING_QUARANTINE_PREFIX, day) for day in days), LANDING_QUARANTINE_PREFIX):
            yield from self._reader.rows("quarantine", self._reader.keys("quarantine", prefix))
        for of in (map(date.fromisoformat, days), None):
            yield from self._reader.refused_by_the_job(self._reader.files("quarantine", of))

    def _summed(self) -> LakeMeasures:
        kept, measures = self._kept, LakeMeasures()
        measured = measures.measured
        runs = [run for month in kept.months.values() for run in month.all()]
        days, replays = kept.days.values(), kept.replays.values()
        for day in days:
            for incarnation, streamed in day.streamed.items():
                of = measures.streamed_by_incarnation.setdefault(incarnation, ControlTotals())
                of += streamed
        from_landing, from_etl = (
            total(getattr(each, name) for each in replays) for name in ("from_landing", "from_etl")
        )
        measures.corrections = total(each.replayed for each in replays) - from_landing - from_etl
        measured.streamed = total(measures.streamed_by_incarnation.values()) + measures.corrections
        # What the ETL quarantined and a replay stands for: its raw row is still there.
        measured.landed = total(day.landed + day.replayed for day in days) - from_etl
        measured.quarantined_landing = total(day.quarantined for day in days) - from_landing
        measured.repeated_landing = total(day.repeated for day in days)
        measured.quarantined_etl = total(run.quarantined for run in runs) - from_etl
        measured.repeated_etl = total(run.repeated for run in runs)
        measured.duplicate_etl = total(run.duplicate for run in runs)
        erased = curated_total(each.curated for each in kept.erasures)
        measured.erased = total(each.gone for each in kept.erasures) + total(run.erased for run in runs)
        measured.quarantined_etl += total(each.quarantined - each.refused.quarantined for each in kept.erasures)
        measured.repeated_etl -= total(each.refused.repeated for each in kept.erasures)
        measured.curated = _less(curated_total(run.all_curated for run in runs), erased)
        if self._loaded is not None:
            seen = curated_total(run.all_curated for run in runs if run.loaded)
            measured.loaded = _less(curated_total([seen, self._loaded_now]), erased)
        reasons: Counter[str] = Counter()
        for of_one in (*(day.reasons for day in days), *(run.reasons for run in runs)):
            reasons.update(of_one)
        for gone in (*(each.reasons for each in replays), *(each.refused.reasons for each in kept.erasures)):
            reasons.subtract(gone)
        measured.quarantined_by_reason = dict(+reasons)
        return measures


def _less(totals: CuratedTotals, gone: CuratedTotals) -> CuratedTotals:
    return CuratedTotals(totals.ledger - gone.ledger, totals.pending - gone.pending)
