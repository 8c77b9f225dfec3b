"""maintain and rebuild: the commands that keep the lake in order, and that make it anew from raw."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, datetime

from data_catalog.lake_tables import BY_KIND
from data_governance.lake_reader import LakeReader
from data_processing.run_state import RunState
from data_storage.lake_maintenance import Upkeep, drop_from_warehouse, first_day_kept, maintain
from data_storage.lake_rebuild import forget_runs, forget_warehouse
from data_storage.warehouse_loader import load_pending, pending_runs
from infrastructure.errors import PlatformError
from scripts.commands.confirmation import confirm_rebuild
from scripts.commands.context import CommandContext, open_context
from scripts.commands.terminal import EXIT_OK, Parser, add_account_options, add_output_options, outcome, print_json

# The IAM actions that maintain and rebuild need.
PERMISSIONS = (
    "glue:GetTable glue:UpdateTable kms:Decrypt kms:GenerateDataKey redshift-data:BatchExecuteStatement "
    "redshift-data:DescribeStatement redshift-serverless:GetCredentials redshift:GetClusterCredentialsWithIAM "
    "s3:DeleteObject s3:GetObject s3:ListBucket s3:PutObject"
)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add maintain and rebuild; each sets run(arguments) -> exit status."""
    maintaining = commands.add_parser(
        "maintain",
        help="tag month ends, drop what is past the retention; on the laptop also merge, expire and clear",
        description="Tag the last snapshot of each past month, and drop dates past DATA_RETENTION_YEARS from lake and "
        "warehouse. With --workdir also merge small files, expire snapshots older than SNAPSHOT_RETENTION_DAYS and "
        "remove files that none names: in an account Glue's table optimizers do that. Run it daily.",
    )
    maintaining.set_defaults(run=run_maintain)
    rebuilding = commands.add_parser(
        "rebuild",
        help="empty the lake's tables and the warehouse, to be made anew from raw",
        description="Empty the lake's tables and the warehouse and forget all runs, so that the next runs of the Glue "
        "job make everything anew from raw. Raw, its quarantine and the tombstones of erased accounts stay. What was "
        "there is gone; the buckets' object versions are the way back.",
    )
    rebuilding.add_argument("--confirm", metavar="ENVIRONMENT", help="the environment, where there is no terminal")
    rebuilding.set_defaults(run=run_rebuild)
    for parser in (maintaining, rebuilding):
        parser.add_argument("--workdir", metavar="DIR", help="work on what `local --workdir DIR` kept")
        add_account_options(parser)
        add_output_options(parser, as_json=True)


def run_maintain(arguments: argparse.Namespace) -> int:
    """Maintain, and print what was done to each table."""
    now = datetime.now(UTC)
    with open_context(arguments, changing=True) as context:
        lake = LakeReader(context.s3, context.settings, context.tables)
        done = maintain(lake, now, _needed(context), bool(arguments.workdir), _uncommitted(context))
        if context.data_api is not None and any(upkeep.dropped for upkeep in done):
            oldest = first_day_kept(context.settings.data_retention_years, now)
            drop_from_warehouse(context.data_api, context.admin, oldest, context.settings)
    out = outcome(arguments)
    for upkeep in done:
        out.print(f"{upkeep.table}: {_told(upkeep)}", soft_wrap=True, highlight=False)
    if arguments.json:
        print_json([asdict(upkeep) for upkeep in done])
    return EXIT_OK


def _told(upkeep: Upkeep) -> str:
    many, few = upkeep.merged
    told = [
        f"{many:,} files merged into {few:,}" if many else "",
        f"tagged {', '.join(upkeep.tags)}" if upkeep.tags else "",
        f"{upkeep.dropped:,} files past the retention dropped" if upkeep.dropped else "",
        f"{upkeep.expired:,} snapshots expired" if upkeep.expired else "",
        f"{upkeep.removed:,} files removed" if upkeep.removed else "",
    ]
    return ", ".join(filter(None, told)) or "in order"


def _needed(context: CommandContext) -> set[int]:
    """The snapshots of runs that are not loaded yet."""
    if context.data_api is None:
        return set()
    waiting = pending_runs(context.data_api, context.s3, context.auditor, context.settings.bucket("curated"))
    return {snapshot for run in waiting for snapshot in run.snapshots.values()}


def _made_anew(context: CommandContext) -> int:
    """Run the job here until nothing is pending, and load; how many runs that were."""
    runs = 0
    while context.run_job is not None and (ended := context.run_job()):
        runs += ended
    if runs and context.data_api is not None:
        load_pending(context.data_api, context.s3, context.loader, context.settings.bucket("curated"))
    return runs


def _uncommitted(context: CommandContext) -> set[str]:
    """Where the files lie that open runs are about to commit."""
    state = RunState(context.s3, context.settings.bucket("curated"))
    waiting = [state.publication(run_id) for run_id, listed in state.runs().items() if not listed.finished]
    return {
        f"s3://{context.settings.bucket(BY_KIND[row['kind']].bucket)}/{row['key']}"
        for publication in waiting
        for row in (publication or {"files": []})["files"]
    }


def run_rebuild(arguments: argparse.Namespace) -> int:
    """Empty tables and warehouse, forget the runs."""
    with open_context(arguments, changing=True) as context:
        settings = context.settings
        confirm_rebuild(settings.environment, arguments.confirm)
        open_runs = [
            run
            for run, listed in RunState(context.s3, settings.bucket("curated")).runs().items()
            if not listed.finished
        ]
        if open_runs:
            raise PlatformError(f"run {open_runs[0]}", "is not finished", "Let the job finish it, then rebuild")
        if context.data_api is not None:
            forget_warehouse(context.data_api, context.admin)
        forgotten = forget_runs(LakeReader(context.s3, settings, context.tables))
        runs = _made_anew(context)
    out = outcome(arguments)
    out.print(f"{forgotten:,} documents of former runs forgotten", highlight=False)
    if context.run_job is None:
        out.print("Tables and warehouse are empty. Now start the Glue job, until nothing is pending.", soft_wrap=True)
    else:
        out.print(
            f"Tables and warehouse made anew by {runs:,} runs: reconcile says whether they balance", highlight=False
        )
    if arguments.json:
        print_json({"forgotten": forgotten, "runs": runs})
    return EXIT_OK
