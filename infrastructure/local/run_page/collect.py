"""Makes the document of a run's page out of what the run found. Pure, but for the clock."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from data_catalog.transaction_contract import QUARANTINE_REASONS
from data_governance.control_totals import ControlTotals, amount_text
from data_governance.quarantine_remedies import QUARANTINE_REMEDIES
from data_governance.reconciliation import Measured
from data_storage.transaction_trail import Trail
from infrastructure.local.run_page.document import (
    Alarm,
    Document,
    HopCount,
    LandingMoment,
    Leaving,
    Refusal,
    StageCourse,
    TotalsLine,
)
from infrastructure.local.run_page.figures import Figures
from infrastructure.local.run_report import RunReport, percentiles
from infrastructure.local.stages import Stage, Stages

_MOMENTS = 60  # of the landing, at most


def live_document(stages: Stages, source: str) -> Document:
    """While the run goes on: its stages."""
    return Document(
        generated_at=datetime.now(UTC),
        started_at=stages.started_at,
        seconds=round(stages.elapsed, 1),
        source=source,
        is_live=True,
        stages=_courses(stages.begun, stages.elapsed),
    )


def document(
    report: RunReport, figures: Figures, alarms: list[Alarm], earlier_runs: int, trail: Trail | None = None
) -> Document:
    """Of a run that has ended. trail: of one transaction, as an example."""
    ended_at = max((stage.began + (stage.seconds or 0.0) for stage in report.stages.values()), default=0.0)
    hops = report.measured.hops()
    return Document(
        generated_at=datetime.now(UTC),
        started_at=report.started_at,
        seconds=round(ended_at, 1),
        source=report.source,
        is_live=False,
        stages=_courses(report.stages, ended_at),
        run_ids=report.run_ids,
        earlier_runs=earlier_runs,
        balanced=report.balanced,
        findings=[*_given_up(report), *map(str, report.imbalances)],
        hops=[
            HopCount(hop, totals.records, report.this_run.get(hop, ControlTotals()).records)
            for hop, totals in hops.items()
        ],
        leaving=_leaving(report.measured),
        totals=_lines(hops, report.this_run),
        latency=percentiles(report.landing_ms),
        landing=_landing(report),
        refusals=_refusals(report.measured.quarantined_by_reason, figures),
        by_hour=figures.by_hour,
        by_type=figures.by_type,
        alerts=figures.alerts,
        alerts_by_rule=figures.alerts_by_rule,
        trail=trail,
        alarms=alarms,
        refused_lines=dict(report.produced.refused),
        faults=dict(sorted(report.faults.items())),
        left_out=dict(report.left_out),
        versions=report.versions,
    )


def _given_up(report: RunReport) -> list[str]:
    return [f"{report.given_up:,} records were given up; the on-failure queue names them"] if report.given_up else []


def _leaving(measured: Measured) -> list[Leaving]:
    """What the landing and the job let go, in this order."""
    found = [
        Leaving("streamed", "quarantined", measured.quarantined_landing.records),
        Leaving("streamed", "duplicate", measured.repeated_landing.records),
        Leaving("landed", "quarantined", measured.quarantined_etl.records),
        Leaving("landed", "duplicate", measured.duplicate_etl.records + measured.repeated_etl.records),
        Leaving("landed", "erased", measured.erased.records),
    ]
    return [each for each in found if each.records]


def _courses(stages: Mapping[str, Stage], now: float) -> list[StageCourse]:
    return [
        StageCourse(
            name=stage.name,
            began=round(stage.began, 2),
            seconds=round(now - stage.began if stage.seconds is None else stage.seconds, 2),
            ended=stage.seconds is not None,
            records=stage.records,
            total=stage.total,
            note=stage.note,
            course=[(round(at, 2), records) for at, records in stage.course],
        )
        for stage in stages.values()
    ]


def _lines(held: Mapping[str, ControlTotals], new: Mapping[str, ControlTotals]) -> list[TotalsLine]:
    cells: dict[tuple[str | None, str | None], tuple[dict[str, tuple[int, str]], dict[str, tuple[int, str]]]] = {}
    for place, hops in enumerate((held, new)):
        for hop, totals in hops.items():
            for key, records, amount in totals.lines():
                of_key = cells.setdefault((key.currency, key.credit_debit_indicator), ({}, {}))
                of_key[place][hop] = (records, amount_text(amount, key.currency))
    ordered = sorted(cells, key=lambda key: (key[0] is None, key[0] or "", key[1] or ""))
    return [TotalsLine(*key, *cells[key]) for key in ordered]


def _landing(report: RunReport) -> list[LandingMoment]:
    """Throughput and latency of the landing, in spans of equal length."""
    batches = [((at - report.started_at).total_seconds(), records) for at, records in report.landed_batches]
    if not batches:
        return []
    began = report.stages["land"].began
    span = max(0.5, (batches[-1][0] - began) / _MOMENTS)
    gathered: dict[int, array[float]] = {}
    first = 0
    for at, records in batches:
        latencies = report.landing_ms[first : first + records]
        first += records
        gathered.setdefault(max(0, int((at - began) / span)), array("f")).extend(latencies)
    moments = []
    for number in range(max(gathered) + 1):
        values = gathered.get(number)
        if values:
            ranks = percentiles(values)
            moments.append(
                LandingMoment(
                    began=round(began + number * span, 2),
                    ended=round(began + (number + 1) * span, 2),
                    records=len(values),
                    records_per_second=round(len(values) / span, 1),
                    p50=ranks["p50"] or 0.0,
                    p95=ranks["p95"] or 0.0,
                )
            )
    return moments


def _refusals(by_reason: Mapping[str, int], figures: Figures) -> list[Refusal]:
    ordered: Sequence[tuple[str, int]] = sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))
    return [
        Refusal(
            reason,
            records,
            QUARANTINE_REASONS.get(reason, reason),
            QUARANTINE_REMEDIES.get(reason, ""),
            figures.samples.get(reason, []),
        )
        for reason, records in ordered
    ]
