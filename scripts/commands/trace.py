"""trace: what became of one transaction, from the fact back to its position in the stream, or why it is absent."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from rich.console import Console
from rich.text import Text

from data_storage.trace import Tracer
from data_storage.transaction_trail import CURATED, Trail
from scripts.commands.context import open_context
from scripts.commands.terminal import (
    EXIT_ERROR,
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    outcome,
    print_json,
)

_COLORS = {"curated": "green", "waiting": "cyan", "quarantined": "yellow", "duplicate": "dim"}


# The IAM actions that it needs.
PERMISSIONS = (
    "glue:GetTable kms:Decrypt redshift-data:DescribeStatement redshift-data:ExecuteStatement "
    "redshift-data:GetStatementResult redshift-serverless:GetCredentials redshift:GetClusterCredentialsWithIAM "
    "s3:GetObject s3:ListBucket"
)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add trace; it sets run(arguments) -> exit status."""
    parser = commands.add_parser(
        "trace",
        help="what became of one transaction, hop by hop, or why it is absent",
        description="What became of one transaction: every record of its id, from the warehouse's row back to run, "
        "file, raw object and position in the stream, with duplicates, quarantine and alerts; or why it is absent. "
        "Reads only, and only the objects that the row names. Exit status: 0 where the id is known, 1 otherwise.",
    )
    parser.add_argument("transaction_id", metavar="TRANSACTION_ID")
    parser.add_argument("--workdir", metavar="DIR", help="in what `local --workdir DIR` kept, not in an account")
    add_account_options(parser)
    add_output_options(parser, as_json=True)
    parser.set_defaults(run=run_trace)


def run_trace(arguments: argparse.Namespace) -> int:
    """Trace, and print the trail."""
    with open_context(arguments) as context:
        tracer = Tracer(context.s3, context.settings, context.tables, context.data_api, context.auditor)
        trail = tracer.trace(arguments.transaction_id)
    if arguments.json:
        print_json(asdict(trail))
    else:
        show_trail(trail, outcome(arguments), verbose=arguments.verbose)
    return EXIT_OK if trail.records else EXIT_ERROR


def show_trail(trail: Trail, console: Console, verbose: bool = False) -> None:
    """Print it. verbose: also what was looked through."""
    console.print(Text.assemble((trail.transaction_id, "bold"), f"  {trail.state}"))
    for how, other in trail.links:
        console.print(Text(f"  {how} {other}"), soft_wrap=True)
    for record in trail.records:
        title = " ".join(part for part in (record.status, record.amount, record.currency) if part)
        ending = "" if record.ending == CURATED else f"  {record.ending}"
        console.print()
        console.print(Text.assemble((title or "unreadable", "bold"), (ending, _COLORS[record.ending])))
        for step in record.steps:
            line = Text.assemble(
                "  ", ("● ", _COLORS[record.ending]), f"{step.hop:<12}", f"{step.at or '-':<24}", step.what
            )
            console.print(line, soft_wrap=True)
            if step.where:
                console.print(Text(f"    {'':<12}{step.where}", style="dim"), soft_wrap=True)
    if trail.alerts:
        console.print()
        console.print(Text("Alerts that rest on it", style="bold"))
    for alert in trail.alerts:
        others = f", on {alert.others} more" if alert.others else ""
        console.print(f"  {alert.rule}  {alert.severity}  {alert.state}  {alert.bucket_start}{others}", soft_wrap=True)
    for reason in trail.absent_because:
        console.print(Text(f"  {reason}"), soft_wrap=True)
    if trail.searched and (verbose or not trail.records):
        console.print()
        console.print(Text("Looked through: " + "; ".join(trail.searched), style="dim"), soft_wrap=True)
