"""The commands that look at the lake's data and move it on: reconcile, replay, load.

All work on the account, or with --workdir on what an embedded stack kept there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rich.console import Console

from data_governance.control_totals import ControlTotals
from data_governance.lake_measures import Lake
from data_governance.reconciliation import HOPS, Measured, imbalances
from data_governance.replay import Replay
from data_governance.totals_table import totals_table
from infrastructure.errors import PlatformError
from infrastructure.settings import ENVIRONMENTS, Settings

if TYPE_CHECKING:
    from data_storage.data_api import WarehouseTarget
    from data_storage.warehouse_loader import LoadReport


class _Scope(NamedTuple):
    """The hops that are shown, and those of them that are held to the one before."""

    shown: tuple[str, ...]
    compared: tuple[str, ...]


_ALL = _Scope(HOPS, HOPS)
_RUN = _Scope(("landed", "quarantined", "duplicate", "curated", "loaded"), ("curated", "loaded"))
_DATE = _Scope(("streamed", "landed", "quarantined", "curated", "loaded"), ("landed", "loaded"))
_PIPED_WIDTH = 140  # where there is no terminal to fold for


class ProducersBooks(Protocol):
    """What was produced, as a workdir keeps it."""

    def produced(self, streamed: dict[str, ControlTotals]) -> ControlTotals: ...

    def put_again(self) -> ControlTotals: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works, and what is known there besides the lake.

    books: the producer's; None in an account, whose producers keep their own. data_api and warehouse: how to reach the
    warehouse; data_api is None where there is none.
    """

    settings: Settings
    s3: Any
    books: ProducersBooks | None
    data_api: Any
    warehouse: WarehouseTarget


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add reconcile, replay and load; each sets run(arguments) -> exit status."""
    reconciling = subparsers.add_parser(
        "reconcile",
        help="compare control totals at every hop, from what each place holds",
        description="Exit status: 0 where every hop balances, 1 otherwise.",
    )
    scope = reconciling.add_mutually_exclusive_group()
    scope.add_argument("--run", dest="run_id", metavar="ID", help="one ETL run: landed, curated, loaded")
    scope.add_argument(
        "--date", type=_date, metavar="D", help="one day, YYYY-MM-DD in UTC: what arrived on it, what happened on it"
    )
    reconciling.set_defaults(run=run_reconcile)
    replaying = subparsers.add_parser(
        "replay",
        help="put corrected quarantine records into raw again, once",
        description="Corrected records are lines of the landed schema that keep the position fields they were "
        "quarantined with. The next ETL run takes them up.",
    )
    replaying.add_argument(
        "--from", dest="prefix", required=True, metavar="PREFIX", help="where they lie in the quarantine bucket"
    )
    replaying.set_defaults(run=run_replay)
    loading = subparsers.add_parser(
        "load",
        help="load the results of ETL runs that the warehouse does not hold yet",
        description="The Glue job does this at its end. What is loaded already, or by somebody else meanwhile, is "
        "loaded once.",
    )
    loading.set_defaults(run=run_load)
    for parser in (reconciling, replaying, loading):
        parser.add_argument("--workdir", metavar="DIR", help="work on what `local --workdir DIR` kept")
        parser.add_argument("--environment", choices=ENVIRONMENTS, help="default: ENVIRONMENT of .env, else dev")
        parser.add_argument("--region", help="default: AWS_REGION, else the profile's")
        parser.add_argument("--profile", help="of ~/.aws/config; default: AWS_PROFILE")


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form YYYY-MM-DD") from None


def run_reconcile(arguments: argparse.Namespace) -> int:
    """Measure, compare, print; 1 where a hop is off."""
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    from data_storage.warehouse_loader import loaded_totals

    with _place(arguments) as place:
        measured, scope = _measure(Lake(place.s3, place.settings), place, arguments)
        if place.data_api is not None:
            measured.loaded = loaded_totals(place.data_api, place.warehouse, arguments.run_id, arguments.date)
    findings = imbalances(measured, scope.compared)
    shown = {hop: totals for hop, totals in measured.hops().items() if hop in scope.shown}
    console.print(totals_table(shown))
    for finding in findings:
        console.print(f"[bold red]Not balanced:[/] {finding}", soft_wrap=True)
    if findings:
        console.print("docs/operations.md says where to look. What landed after the last ETL run is not curated yet.")
        return 1
    if not any(totals.records for totals in shown.values()):
        console.print("[bold yellow]Nothing was found.[/]")
    else:
        console.print(f"[bold green]Balanced[/] at {', '.join(hop for hop in shown if hop in scope.compared)}.")
    return 0


def _measure(lake: Lake, place: Place, arguments: argparse.Namespace) -> tuple[Measured, _Scope]:
    """What was asked for, and which hops it covers."""
    if arguments.run_id:
        return lake.measure_run(arguments.run_id), _RUN
    if arguments.date:
        return lake.measure_date(arguments.date), _DATE
    measures = lake.measure()
    if place.books:
        measures.measured.produced = place.books.produced(measures.streamed_by_incarnation) + measures.corrections
        measures.measured.put_again = place.books.put_again()
    return measures.measured, _ALL


def run_replay(arguments: argparse.Namespace) -> int:
    """Replay, and tell what went in."""
    with _place(arguments, changing=True) as place:
        settings = place.settings
        report = Replay(place.s3, settings.bucket("raw"), settings.bucket("quarantine")).run(arguments.prefix)
    print(f"{report.read:,} corrected records read, {report.replayed:,} put into raw")
    if report.repeated:
        print(f"{report.repeated:,} were equal to another one and count once")
    if report.replayed_before:
        print(f"{report.replayed_before:,} had been replayed before and were left alone")
    if report.replayed:
        print("The next ETL run curates them" + (": run `local` with this --workdir" if arguments.workdir else ""))
    return 0


def run_load(arguments: argparse.Namespace) -> int:
    """Load what is pending, and tell of each run."""
    from data_storage.warehouse_loader import load_pending

    def tell(load: LoadReport, left: int) -> None:
        print(
            f"run {load.run_id}: {load.rows_loaded:,} of {load.rows_staged:,} rows were new, "
            f"{load.fraud_alerts:,} fraud alerts" + (f"; {left:,} more to load" if left else "")
        )

    with _place(arguments, changing=True) as place:
        if place.data_api is None:
            raise PlatformError("warehouse", "is switched off", "Set REDSHIFT_ENABLED=true and apply")
        loads = load_pending(place.data_api, place.s3, place.warehouse, place.settings.bucket("curated"), tell)
    if not loads:
        print("Nothing to load: the warehouse holds every run that has a result")
    return 0


def _place(arguments: argparse.Namespace, *, changing: bool = False) -> AbstractContextManager[Place]:
    return _kept(arguments.workdir) if arguments.workdir else _account(arguments, changing)


@contextmanager
def _account(arguments: argparse.Namespace, changing: bool) -> Iterator[Place]:
    from botocore.exceptions import BotoCoreError, ClientError

    from data_storage.redshift_setup import data_api_target
    from infrastructure.provisioning import find_target
    from infrastructure.remedies import explain
    from infrastructure.service_settings import service_settings

    found = find_target(arguments, changing=changing)
    services = service_settings()
    data_api = found.clients("redshift-data") if services.redshift_enabled else None
    try:
        yield Place(found.settings, found.clients("s3"), None, data_api, data_api_target(found.settings, services))
    except (BotoCoreError, ClientError) as error:
        raise explain(error, "AWS") from error


@contextmanager
def _kept(directory: str) -> Iterator[Place]:
    """An embedded stack over the state that a run kept."""
    from infrastructure.local.kept_state import open_kept_state

    with open_kept_state(directory) as kept:
        yield Place(kept.settings, kept.s3, kept.workdir, kept.data_api, kept.target)
