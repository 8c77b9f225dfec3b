"""Prints the outcome of a run of the embedded stack. run.json holds the same figures."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infrastructure.local.run_report import RunReport, percentiles
from scripts.commands.produce import show_refusals
from scripts.commands.totals_table import totals_table


def show(report: RunReport, console: Console) -> None:
    """Print the report."""
    console.print()
    console.print(totals_table(report.measured.hops(), console.width))
    console.print(_endings(report))
    if report.alerts:
        told = ", ".join(f"{count:,} {rule}" for rule, count in sorted(report.alerts.items()))
        console.print(f"Fraud alerts raised: {told}", soft_wrap=True)
    if report.alert_comparison:
        console.print(str(report.alert_comparison), soft_wrap=True)
        console.print()
    show_refusals(console, report.produced)
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


def show_verdict(report: RunReport, console: Console) -> None:
    """Whether every record is accounted for; if not, the first hop that is off."""
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


def _endings(report: RunReport) -> Table:
    """Of all that is held; and of this run, where more is held."""
    measured, hops, new = report.measured, report.measured.hops(), report.this_run
    adds = "produced" in new and new["produced"].records != hops["produced"].records
    lines = Table(
        title="Where each record ended",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_header=adds,
        header_style="bold",
    )
    lines.add_column()
    lines.add_column("all held" if adds else "", justify="right", no_wrap=True)
    if adds:
        lines.add_column("this run", justify="right", no_wrap=True)
    shown = (
        ("produced", "produced"),
        ("curated and loaded, final", "ledger"),
        ("curated and loaded, pending", "pending"),
        ("duplicate, dropped", "duplicate"),
        ("quarantined", "quarantined"),
        ("of an erased account", "erased"),
    )
    for label, hop in shown if adds else shown[1:]:
        if hop in hops:
            of_run = [f"{new[hop].records:,}" if hop in new else "-"] if adds else []
            lines.add_row(label, f"{hops[hop].records:,}", *of_run)
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
        records = f"{stage.records:,}" if stage.records else "-"
        rate = f"{stage.records_per_second:,.0f}" if stage.records else "-"
        table.add_row(name, f"{stage.seconds or 0:.1f}", records, rate)
    return table
