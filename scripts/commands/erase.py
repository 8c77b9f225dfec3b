"""erase: take an account out of lake and warehouse, with a certificate (docs/erasure.md)."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rich import box
from rich.markup import escape
from rich.table import Table

from data_governance.kept_measures import KeptMeasures
from data_governance.kept_totals import KeptTotals
from data_governance.lake_measures import Lake
from data_governance.tombstones import masked_form
from data_processing.run_state import RunState
from data_storage.erasure import AccountErasure
from data_storage.warehouse_loader import loaded_by_run, pending_runs
from infrastructure.errors import PlatformError
from scripts.commands.confirmation import confirm_erase
from scripts.commands.context import CommandContext, open_context
from scripts.commands.terminal import (
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    console,
    outcome,
    print_json,
)

_MOST_CHARACTERS = 34


# The IAM actions that it needs: those of an identity of its own (docs/erasure.md), and no part of the deployer's.
PERMISSIONS = (
    "glue:GetTable glue:UpdateTable kms:Decrypt kms:GenerateDataKey redshift-data:BatchExecuteStatement "
    "redshift-data:DescribeStatement redshift-data:ExecuteStatement redshift-data:GetStatementResult "
    "redshift-serverless:GetCredentials redshift:GetClusterCredentialsWithIAM s3:DeleteObject s3:DeleteObjectVersion "
    "s3:GetObject s3:ListBucket s3:ListBucketVersions s3:PutObject"
)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add erase; it sets run(arguments) -> exit status."""
    erasing = commands.add_parser(
        "erase",
        help="take an account out of lake and warehouse, with a certificate",
        description="Take an account out of the lake's tables and their history, the quarantine and the warehouse, "
        "mask it where it is another's counterparty, and keep it from coming back. Raw keeps it until its lifecycle's "
        "end. "
        "A certificate says what went. Killed halfway, the same command completes the work.",
    )
    erasing.add_argument("--account", required=True, type=_account, metavar="ID", help="as transactions name it")
    erasing.add_argument("--dry-run", action="store_true", help="print what would go, by place; change nothing")
    erasing.add_argument("--yes", action="store_true", help="don't ask")
    erasing.add_argument("--workdir", metavar="DIR", help="work on what `local --workdir DIR` kept")
    add_account_options(erasing)
    add_output_options(erasing, as_json=True)
    erasing.set_defaults(run=run_erase)


def _account(text: str) -> str:
    if not 0 < len(text) <= _MOST_CHARACTERS or not all("!" <= character <= "~" for character in text):
        raise argparse.ArgumentTypeError(f"is no account: 1 to {_MOST_CHARACTERS} printable characters without spaces")
    return text


def run_erase(arguments: argparse.Namespace) -> int:
    """Erase, or say what would go; print the certificate's whereabouts."""
    if not arguments.dry_run:
        confirm_erase(arguments.account, arguments.yes)
    with open_context(arguments, changing=not arguments.dry_run) as context:
        erasure = _erasure(context, arguments.account)
        if arguments.dry_run:
            return _dry_run(context, erasure, arguments)
        certificate = erasure.run(context.caller, datetime.now(UTC))
        bucket = context.settings.bucket("curated")
    place = f"{arguments.workdir}/s3/{bucket}" if arguments.workdir else f"s3://{bucket}"
    out = outcome(arguments)
    console(arguments).print(_by_place(certificate.removed, certificate.masked))
    out.print(f"[bold green]Erased[/] {escape(certificate.account)}; raw keeps it until {certificate.raw.until}")
    whereabouts = [f"{place}/{key}" for key in (certificate.key, certificate.page_key)]
    for where in whereabouts:
        out.print(f"certificate: {escape(where)}", soft_wrap=True)
    if arguments.json:
        print_json(
            {
                "id": certificate.id,
                "account": certificate.account,
                "removed": certificate.removed,
                "masked": certificate.masked,
                "raw_kept_until": certificate.raw.until,
                "certificate": whereabouts,
            }
        )
    return EXIT_OK


def _dry_run(context: CommandContext, erasure: AccountErasure, arguments: argparse.Namespace) -> int:
    found = erasure.dry_run()
    refusal = ""
    try:
        _refuse_unsettled(context)
    except PlatformError as error:
        refusal = str(error)
    out = outcome(arguments)
    console(arguments).print(_by_place(found.removed, found.masked))
    out.print(f"Nothing was changed. This is what goes of {escape(masked_form(arguments.account))}")
    if refusal:
        out.print(f"[bold yellow]It would be refused now:[/] {escape(refusal)}", soft_wrap=True)
    if arguments.json:
        print_json({"removed": found.removed, "masked": found.masked, "refused": refusal or None})
    return EXIT_OK


def _by_place(removed: Mapping[str, int], masked: Mapping[str, int]) -> Table:
    table = Table(header_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("place")
    table.add_column("removed", justify="right")
    table.add_column("masked", justify="right")
    for place in dict.fromkeys((*removed, *masked)):
        cells = (f"{counts[place]:,}" if place in counts else "-" for counts in (removed, masked))
        table.add_row(place, *cells)
    return table


def _erasure(context: CommandContext, account: str) -> AccountErasure:
    lake = Lake(context.s3, context.settings, context.tables)
    warehouse = None if context.data_api is None else (context.data_api, context.admin)
    return AccountErasure(
        lake,
        account,
        warehouse,
        refuse_unsettled=lambda: _refuse_unsettled(context),
        bring_up=lambda: _bring_up(lake, context),
    )


def _refuse_unsettled(context: CommandContext) -> None:
    """Raises PlatformError while a run is open, or finished and not loaded: its files are still needed."""
    curated = context.settings.bucket("curated")
    opened = [run_id for run_id, listed in RunState(context.s3, curated).runs().items() if not listed.finished]
    if opened:
        raise PlatformError(
            f"run {opened[0]}", "is open", "Erase after the ETL job has finished it; start the job again"
        )
    if context.data_api is None:
        return
    waiting = pending_runs(context.data_api, context.s3, context.admin, curated)
    if waiting:
        raise PlatformError(
            f"run {waiting[0].run_id}", "is not in the warehouse yet", "Load it first: banking-data load"
        )


def _bring_up(lake: Lake, context: CommandContext) -> None:
    """Count what is not counted yet, while it is as it was."""
    data_api, now = context.data_api, datetime.now(UTC)
    loaded = None if data_api is None else lambda runs: loaded_by_run(data_api, context.auditor, runs)
    kept = KeptTotals(context.s3, context.settings.bucket("curated"))
    retention = timedelta(hours=context.settings.stream_retention_hours)
    measures = KeptMeasures(lake, kept, retention, loaded)
    measures.measure(now)
    if not measures.is_kept:
        raise PlatformError(
            "reconciliation/ (curated bucket)", "may not be written", "Allow s3:PutObject there; erasures are entered"
        )
