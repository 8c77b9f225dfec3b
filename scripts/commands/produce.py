"""produce: put transactions on the account's stream."""

from __future__ import annotations

import argparse
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from data_ingestion.transaction_input import check_readable, read_lines
from data_ingestion.transaction_producer import ProduceReport, paced, produce
from infrastructure.planning.aws_errors import explain
from scripts.commands.account import find_account
from scripts.commands.terminal import (
    EXIT_ERROR,
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    console,
    outcome,
    print_json,
)
from scripts.commands.totals_table import totals_table

# The IAM actions that it needs beside sts; the stream is encrypted with a customer key.
PERMISSIONS = "kinesis:PutRecords kms:GenerateDataKey"


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add produce."""
    producing = commands.add_parser(
        "produce",
        help="put transactions on the account's stream",
        description="Put NDJSON of the contract on the account's stream, each record at least once and in order of its "
        "account. Exit status: 0 all acknowledged, 1 an error, or lines that are no records.",
    )
    producing.add_argument("--input", required=True, metavar="FILE", help="NDJSON, plain or .gz; - for standard input")
    producing.add_argument("--rate", type=_rate, metavar="N", help="records a second at most (default: as they go)")
    producing.add_argument(
        "--pack", action="store_true", help="several records in one, as the KPL does: less to pay (docs/cost.md)"
    )
    producing.add_argument("--from-line", type=_line, default=1, metavar="N", help="go on from that line of the input")
    add_account_options(producing)
    add_output_options(producing, as_json=True)
    producing.set_defaults(run=run_produce)


def _rate(text: str) -> float:
    try:
        rate = float(text.replace(",", ""))
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return rate


def _line(text: str) -> int:
    digits = text.replace(",", "")
    if not digits.isdecimal() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no line's number, from 1")
    return int(digits)


def run_produce(arguments: argparse.Namespace) -> int:
    """Put the input, and print what was acknowledged; the exit status is 1 if lines could not be records."""
    account, out = find_account(arguments, changing=True), console(arguments)
    check_readable(arguments.input)
    lines = read_lines(arguments.input, arguments.from_line)
    if arguments.rate:
        lines = paced(lines, arguments.rate)
    report = ProduceReport(next_line=arguments.from_line)
    try:
        with _bar(out) as bar:
            task = bar.add_task("produce", total=None)

            def on_progress(so_far: ProduceReport) -> None:
                nonlocal report
                report = so_far
                bar.update(task, completed=report.records)

            stream = account.settings.stream_name
            kinesis = account.clients("kinesis")
            report = produce(
                lines, kinesis, stream, on_progress, first_line=arguments.from_line, packing=arguments.pack
            )
            bar.update(task, total=max(report.records, 1), completed=max(report.records, 1))
    except (BotoCoreError, ClientError) as error:
        raise explain(error, f"stream {account.settings.stream_name}") from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{report.records:,} records were acknowledged; go on with --from-line {report.next_line}"
        ) from None
    out.print(totals_table({"produced": report.totals}, out.width))
    show(outcome(arguments), report)
    if arguments.json:
        print_json(_as_json(report))
    return EXIT_ERROR if report.refused else EXIT_OK


def _bar(out: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} records"),
        TaskProgressColumn(show_speed=True, text_format_no_percentage=""),
        TimeElapsedColumn(),
        console=out,
    )


def show(out: Console, report: ProduceReport) -> None:
    """How many records were acknowledged, and which lines could not be records."""
    calls = f"{report.calls:,} call" + ("s" if report.calls != 1 else "")
    out.print(f"{report.records:,} records acknowledged in {calls}, {report.retried:,} put again")
    show_refusals(out, report)


def show_refusals(out: Console, report: ProduceReport) -> None:
    """Name the lines of the input that cannot be records."""
    if not report.refused:
        return
    count = report.refused.total()
    out.print(f"[bold yellow]{count:,} line{'s are' if count > 1 else ' is'} no record[/], and not on the stream:")
    for line, fault in report.refusals:
        out.print(f"  line {line:,} is {fault}", soft_wrap=True)
    if count > len(report.refusals):
        out.print(f"  and {count - len(report.refusals):,} more")


def _as_json(report: ProduceReport) -> dict[str, Any]:
    return {
        "records": report.records,
        "calls": report.calls,
        "put_again": report.retried,
        "next_line": report.next_line,
        "refused": dict(report.refused),
        "refusals": [{"line": line, "fault": fault} for line, fault in report.refusals],
        "control_totals": report.totals.rows(),
    }
