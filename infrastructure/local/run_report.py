"""What a run of the embedded stack tells: run.json, and the same for people."""

from __future__ import annotations

import platform
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_governance.reconciliation import Imbalance, Measured, control_total_rows, imbalances
from data_governance.totals_table import totals_table

_PERCENTILES = (50, 95, 99)
_VERSIONED = ("boto3", "moto", "pyspark", "msgspec", "pyarrow", "psycopg")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage's wall time and how many records passed it."""

    seconds: float
    records: int

    def as_json(self) -> dict[str, float]:
        rate = self.records / self.seconds if self.seconds else 0.0
        return {"seconds": round(self.seconds, 3), "records_per_second": round(rate, 1)}


@dataclass(slots=True)
class RunReport:
    """All that a run found out."""

    run_ids: list[str] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)
    stages: dict[str, Stage] = field(default_factory=dict)
    landing_ms: array[float] = field(default_factory=lambda: array("f"))
    put_again: int = 0
    given_up: int = 0
    java: str = ""
    faults: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    restored_objects: int = 0

    @property
    def imbalances(self) -> list[Imbalance]:
        return imbalances(self.measured)

    @property
    def balanced(self) -> bool:
        return not self.imbalances and self.given_up == 0

    def as_json(self) -> dict[str, Any]:
        """The content of run.json."""
        hops = self.measured.hops()
        return {
            "run_id": self.run_ids[-1] if self.run_ids else None,
            "balanced": self.balanced,
            "imbalances": [str(imbalance) for imbalance in self.imbalances],
            "control_totals": control_total_rows(self.measured),
            "records": {
                "produced": hops["produced"].records,
                "duplicates": hops["duplicate"].records,
                "quarantined": dict(sorted(self.measured.quarantined_by_reason.items())),
                "curated": hops["curated"].records,
                "loaded": hops["loaded"].records,
            },
            "stages": {name: stage.as_json() for name, stage in self.stages.items()},
            "landing_latency_ms": percentiles(self.landing_ms),
            "faults": dict(sorted(self.faults.items())),
            "versions": {"python": platform.python_version(), "java": self.java}
            | {name: version(name) for name in _VERSIONED},
        }


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """{"p50": …, "p95": …, "p99": …} by nearest rank; None where there are no values."""
    ordered = sorted(values)
    return {
        f"p{percent}": round(ordered[-(-len(ordered) * percent // 100) - 1], 1) if ordered else None
        for percent in _PERCENTILES
    }


def show(report: RunReport, console: Console, whereabouts: dict[str, str]) -> None:
    """Print the report for people; whereabouts: what -> where to look next."""
    console.print()
    console.print(totals_table(report.measured.hops()))
    console.print(_endings(report.measured))
    console.print(_stages_table(report))
    latency = percentiles(report.landing_ms)
    if latency["p50"] is not None:
        console.print(
            "Landing latency (arrival in the stream to object in S3): "
            + ", ".join(f"{name} {value:,.0f} ms" for name, value in latency.items())
        )
    if report.faults:
        console.print()
        console.print("Injected faults, and how often each happened:")
        for what, count in sorted(report.faults.items()):
            console.print(f"  {count:>6,}  {what}", highlight=False)
    if report.left_out:
        console.print()
        console.print("Left out on this machine:")
        for what, why in report.left_out.items():
            console.print(Text(f"  {what}: {why}", style="dim"), soft_wrap=True)
    console.print()
    for what, where in whereabouts.items():
        console.print(Text.assemble((f"{what:<14}", "bold"), where), soft_wrap=True)
    console.print()
    _show_verdict(report, console)


def _show_verdict(report: RunReport, console: Console) -> None:
    if report.balanced:
        records = report.measured.hops()["produced"].records
        console.print(f"[bold green]Balanced:[/] every one of {records:,} records is accounted for at every hop.")
        return
    if report.given_up:
        console.print(f"[bold red]Given up:[/] {report.given_up:,} records are named in the on-failure queue.")
    for imbalance in report.imbalances[:1]:
        console.print(f"[bold red]Not balanced:[/] {imbalance}", soft_wrap=True)
    if len(report.imbalances) > 1:
        console.print(f"{len(report.imbalances) - 1} more differences stand in run.json under imbalances.")


def _endings(measured: Measured) -> Table:
    lines = Table(title="Where each record ended", title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    lines.add_column()
    lines.add_column(justify="right")
    hops = measured.hops()
    for label, hop in (
        ("curated and loaded", "curated"),
        ("duplicate, dropped", "duplicate"),
        ("quarantined", "quarantined"),
    ):
        lines.add_row(label, f"{hops[hop].records:,}")
    for reason, count in sorted(measured.quarantined_by_reason.items(), key=lambda item: -item[1]):
        lines.add_row(f"  {reason}", f"{count:,}", style="dim")
    return lines


def _stages_table(report: RunReport) -> Table:
    table = Table(title="Stages", title_justify="left", header_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("Stage")
    table.add_column("Seconds", justify="right")
    table.add_column("Records", justify="right")
    table.add_column("Records/s", justify="right")
    for name, stage in report.stages.items():
        rate = stage.as_json()["records_per_second"]
        records = f"{stage.records:,}" if stage.records else "-"
        table.add_row(name, f"{stage.seconds:.1f}", records, f"{rate:,.0f}" if stage.records else "-")
    return table
