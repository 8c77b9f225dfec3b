"""reconcile, replay and load: the commands that read the lake's data or move it on.

All work on the account, or with --workdir on what a local run kept there.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError
from pyiceberg.exceptions import NoSuchTableError
from rich.markup import escape

from data_governance.alert_comparison import AlertComparison, compare_alerts, curated_dates, recent_dates
from data_governance.kept_measures import KeptMeasures
from data_governance.kept_totals import KeptTotals
from data_governance.lake_measures import Lake
from data_governance.lake_reader import LakeReader
from data_governance.reconciliation import HOPS, Imbalance, Measured, control_total_rows, differences, imbalances
from data_governance.tombstones import read_tombstones
from data_ingestion.replay import Replay
from data_processing.fraud_rule_file import left_to_job, rules_in_use
from data_storage.repeated_ids import MOST_AT_ONCE, REASON, repeated_finals
from data_storage.repeated_ids_repair import repair
from data_storage.warehouse_loader import LoadReport, load_pending, loaded_by_run, loaded_totals
from infrastructure.errors import PlatformError
from infrastructure.metrics import TOTALS_OFF_METRIC, put_count
from infrastructure.planning.aws_errors import is_not_found
from scripts.commands.context import CommandContext, no_warehouse, open_context
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

if TYPE_CHECKING:
    pass


class _Scope(NamedTuple):
    """The hops that are shown, and those of them that are compared with the one before."""

    shown: tuple[str, ...]
    compared: tuple[str, ...]


_NAMED = 10  # objects of a day
_ALERT_DAYS = 7  # whose alerts are compared where nothing else is asked for

_ALL = _Scope(HOPS, HOPS)
_RUN = _Scope(
    ("landed", "quarantined", "duplicate", "erased", "curated", "loaded", "ledger", "pending"), ("curated", "loaded")
)
_DATE = _Scope(("streamed", "landed", "quarantined", "curated", "loaded", "ledger", "pending"), ("landed", "loaded"))


# The IAM actions that reconcile, replay and load need.
PERMISSIONS = (
    "cloudwatch:PutMetricData dynamodb:Query glue:GetTable kms:Decrypt kms:GenerateDataKey "
    "redshift-data:BatchExecuteStatement redshift-data:DescribeStatement redshift-data:ExecuteStatement "
    "redshift-data:GetStatementResult redshift-data:ListStatements redshift-serverless:GetCredentials "
    "redshift:GetClusterCredentialsWithIAM s3:GetObject s3:ListBucket s3:PutObject"
)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add reconcile, replay and load; each sets run(arguments) -> exit status."""
    reconciling = commands.add_parser(
        "reconcile",
        help="compare control totals at every hop, from what each place holds",
        description="Compare the control totals at every hop, measured on what each place holds. Exit status: 0 where "
        "every hop balances, 1 otherwise, or where nothing was found. What was verified is kept beside the curated "
        "tables, and only what is new is counted, but with --deep.",
    )
    scope = reconciling.add_mutually_exclusive_group()
    scope.add_argument("--run", dest="run_id", metavar="ID", help="one ETL run: landed, curated, loaded")
    scope.add_argument(
        "--date", type=_date, metavar="D", help="one day, YYYY-MM-DD in UTC: what arrived on it, what happened on it"
    )
    scope.add_argument(
        "--deep", action="store_true", help="read everything again, and compare it with what was verified before"
    )
    scope.add_argument(
        "--ids", action="store_true", help="look for transaction ids that are final twice in the warehouse"
    )
    reconciling.add_argument(
        "--repair", action="store_true", help="with --ids: move the later ones to quarantine, as an administrator"
    )
    reconciling.add_argument(
        "--metric",
        action="store_true",
        help=f"put the number of findings as the metric {TOTALS_OFF_METRIC}, without what may wait for the next run",
    )
    reconciling.set_defaults(run=run_reconcile)
    replaying = commands.add_parser(
        "replay",
        help="put corrected quarantine records into raw again, once",
        description="Put corrected quarantine records into raw again, each once. Corrected records are lines of the "
        "landed schema that keep the position fields they were quarantined with. The next ETL run takes them up.",
    )
    replaying.add_argument(
        "--from", dest="prefix", required=True, metavar="PREFIX", help="where they lie in the quarantine bucket"
    )
    replaying.set_defaults(run=run_replay)
    loading = commands.add_parser(
        "load",
        help="load the results of ETL runs that the warehouse does not hold yet",
        description="Load the results of ETL runs that the warehouse does not hold yet. The Glue job does this at its "
        "end. What is loaded already, or by somebody else meanwhile, is loaded once.",
    )
    loading.add_argument(
        "--from-snapshot",
        action="store_true",
        help="read the tables as they are now: where a run's own files were merged into others and removed",
    )
    loading.set_defaults(run=run_load)
    for parser in (reconciling, replaying, loading):
        parser.add_argument("--workdir", metavar="DIR", help="work on what `local --workdir DIR` kept")
        add_account_options(parser)
        add_output_options(parser, as_json=True)


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form YYYY-MM-DD") from None


def run_reconcile(arguments: argparse.Namespace) -> int:
    """Measure, compare, print; the exit status is 1 if a hop is off."""
    if arguments.repair and not arguments.ids:
        raise PlatformError("--repair", "is for --ids", "Name both, or look for ids without it first")
    if arguments.ids:
        return _run_ids(arguments)
    if arguments.metric and (arguments.run_id or arguments.date):
        raise PlatformError("--metric", "is of all that is held, not of a run or a day", "Leave out --run and --date")
    with open_context(arguments) as context:
        measured, scope, again = _measure(context, arguments)
        off = [*imbalances(measured, scope.compared), *again.differences]
        changed = [_changed(day, keys) for day, keys in again.changed.items()]
        if arguments.metric:
            certain = len([each for each in off if not _may_be_waiting(each)]) + len(changed)
            put_count(context.cloudwatch, context.settings.metrics_namespace, TOTALS_OFF_METRIC, certain)
        alerts = _compare_alerts(context, arguments)
    findings = [*map(str, off), *changed]
    if not again.is_kept:
        console(arguments).print("What was counted is not kept: you may not write to reconciliation/ (curated)")
    shown = {hop: totals for hop, totals in measured.hops().items() if hop in scope.shown}
    console(arguments).print(totals_table(shown, console(arguments).width))
    if alerts:
        console(arguments).print(str(alerts), soft_wrap=True)
    found = any(totals.records for totals in shown.values())
    out = outcome(arguments)
    for finding in findings:
        out.print(f"[bold red]Not balanced:[/] {finding}", soft_wrap=True)
    if findings:
        out.print("docs/operations.md says where to look. What landed after the last ETL run is not curated yet.")
    elif not found:
        out.print("[bold red]Nothing was found[/], so nothing balances: is it the right account, day or run?")
    else:
        out.print(f"[bold green]Balanced[/] at {', '.join(hop for hop in shown if hop in scope.compared)}.")
    if arguments.json:
        rows = [row for row in control_total_rows(measured) if row["hop"] in shown]
        report = {"balanced": found and not findings, "imbalances": findings, "control_totals": rows}
        print_json(report | ({"fraud_alerts": alerts.as_json()} if alerts else {}))
    return EXIT_ERROR if findings or not found else EXIT_OK


def _may_be_waiting(imbalance: Imbalance) -> bool:
    """Whether it may be no more than records that the next run of the job takes up."""
    return imbalance.hop == "curated" and imbalance.records < 0


def _run_ids(arguments: argparse.Namespace) -> int:
    """Print the ids that are final twice, and move the later ones to quarantine if told to."""
    out = outcome(arguments)
    with open_context(arguments, changing=arguments.repair) as context:
        if context.data_api is None:
            raise no_warehouse()
        found = repeated_finals(context.data_api, context.auditor)
        for row in found:
            out.print(
                f"[bold red]Final twice:[/] {escape(row.transaction_id)}, on {row.first_date} (run {row.first_run}) "
                f"and again on {row.event_date} (run {row.run_id})",
                soft_wrap=True,
            )
        if found and arguments.repair:
            lake = Lake(context.s3, context.settings, context.tables)
            _kept_measures(lake, context).measure(datetime.now(UTC))
            for begin in range(0, len(found), MOST_AT_ONCE):
                warehouse = context.data_api, context.admin
                rows = found[begin : begin + MOST_AT_ONCE]
                repair(context.s3, context.settings, context.tables, warehouse, rows)
            out.print(f"[bold green]{len(found):,} moved to quarantine[/] as {REASON}")
    if not found:
        out.print("[bold green]No transaction id is final twice.[/]")
    if arguments.json:
        named = ("transaction_id", "first_date", "first_run", "event_date", "run_id")
        print_json([{name: str(getattr(row, name)) for name in named} | {"moved": arguments.repair} for row in found])
    return EXIT_ERROR if found and not arguments.repair else EXIT_OK


class _Again(NamedTuple):
    """What a deep reconciliation has found beside imbalances; is_kept: whether what was counted could be kept."""

    differences: list[Imbalance]
    changed: dict[str, list[str]]
    is_kept: bool = True


def _measure(context: CommandContext, arguments: argparse.Namespace) -> tuple[Measured, _Scope, _Again]:
    """The measured totals, the hops that the chosen scope covers, and what is not as it was verified."""
    lake, again = Lake(context.s3, context.settings, context.tables), _Again([], {})
    if arguments.run_id or arguments.date:
        measured = lake.measure_run(arguments.run_id) if arguments.run_id else lake.measure_date(arguments.date)
        if context.data_api is not None:
            measured.loaded = loaded_totals(context.data_api, context.auditor, arguments.run_id, arguments.date)
        return measured, _RUN if arguments.run_id else _DATE, again
    now, kept = datetime.now(UTC), _kept_measures(lake, context)
    measures = kept.measure(now)
    if arguments.deep:
        verified, measures = measures.measured, lake.measure()
        if context.data_api is not None:
            measures.measured.loaded = loaded_totals(context.data_api, context.auditor)
        again = _Again(differences(verified, measures.measured), kept.changed_since_sealed(now))
    again = again._replace(is_kept=kept.is_kept)
    if context.producer:
        measures.measured.produced = context.producer.produced(measures.streamed_by_incarnation) + measures.corrections
        measures.measured.put_again = context.producer.put_again()
    return measures.measured, _ALL, again


def _compare_alerts(context: CommandContext, arguments: argparse.Namespace) -> AlertComparison | None:
    """What job and stream have raised: on the event date that is asked for, on those of a run, or in the last days."""
    if context.stream_alerts is None:
        return None
    if arguments.date:
        dates = [date.fromisoformat(arguments.date)]
    elif arguments.run_id:
        dates = curated_dates(LakeReader(context.s3, context.settings, context.tables), [arguments.run_id])
    else:
        dates = recent_dates(datetime.now(UTC).date(), _ALERT_DAYS)
    if not dates:
        return None
    left = left_to_job(rules_in_use(context.settings.fraud_rules_file))
    try:
        return compare_alerts(dates, context.tables, context.stream_alerts, left)
    except NoSuchTableError:  # provisioned in part
        return None
    except ClientError as error:
        if is_not_found(error):  # provisioned before there was a fraud stream
            return None
        raise


def _kept_measures(lake: Lake, context: CommandContext) -> KeptMeasures:
    settings, data_api = context.settings, context.data_api
    loaded = None if data_api is None else lambda runs: loaded_by_run(data_api, context.auditor, runs)
    kept = KeptTotals(context.s3, settings.bucket("curated"))
    return KeptMeasures(lake, kept, timedelta(hours=settings.stream_retention_hours), loaded)


def _changed(day: str, keys: list[str]) -> str:
    named = f", put since: {', '.join(keys[:_NAMED])}" if keys else ""
    more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
    return f"what arrived on {day} is not what was verified{named}{more}"


def run_replay(arguments: argparse.Namespace) -> int:
    """Replay, and print what was put in."""
    with open_context(arguments, changing=True) as context:
        settings = context.settings
        raw, quarantine = settings.bucket("raw"), settings.bucket("quarantine")
        tombstones = read_tombstones(context.s3, settings.bucket("curated"))
        report = Replay(context.s3, raw, quarantine, context.tables, tombstones).run(arguments.prefix)
    out = outcome(arguments)
    out.print(f"{report.read:,} corrected records read, {report.replayed:,} put into raw")
    if report.repeated:
        out.print(f"{report.repeated:,} were equal to another one and count once")
    if report.replayed_before:
        out.print(f"{report.replayed_before:,} had been replayed before and were left alone")
    if report.erased:
        out.print(f"{report.erased:,} are of accounts that were erased and were left out")
    if report.replayed:
        out.print("The next ETL run curates them" + (": run `local` with this --workdir" if arguments.workdir else ""))
    if arguments.json:
        print_json(
            {
                "read": report.read,
                "replayed": report.replayed,
                "repeated": report.repeated,
                "replayed_before": report.replayed_before,
                "erased": report.erased,
                "control_totals": report.totals.rows(),
            }
        )
    return EXIT_OK


def run_load(arguments: argparse.Namespace) -> int:
    """Load what is pending, and print each run."""
    out = outcome(arguments)

    def tell(load: LoadReport, left: int) -> None:
        out.print(
            f"run {load.run_id}: {load.rows_loaded + load.pending_loaded:,} of {load.rows_staged:,} rows were new, "
            f"{load.pending_loaded:,} of them pending, "
            f"{load.fraud_alerts:,} fraud alerts" + (f"; {left:,} more to load" if left else ""),
            soft_wrap=True,
        )

    with open_context(arguments, changing=True) as context:
        if context.data_api is None:
            raise no_warehouse()
        tables = context.tables if arguments.from_snapshot else None
        bucket = context.settings.bucket("curated")
        loads = load_pending(context.data_api, context.s3, context.loader, bucket, tell, tables)
    if not loads:
        out.print("Nothing to load: the warehouse holds every run that has a result")
    if arguments.json:
        print_json([asdict(load) for load in loads])
    return EXIT_OK
