"""The commands that look at the lake's data: reconcile, and replay.

Both work on the account, or with --workdir on what an embedded stack kept there.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from rich.console import Console

from data_governance.control_totals import ControlTotals
from data_governance.lake_measures import Lake
from data_governance.reconciliation import HOPS, Measured, imbalances
from data_governance.replay import Replay
from data_governance.totals_table import totals_table
from infrastructure.settings import ENVIRONMENTS, Settings


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

    books: the producer's; None in an account, whose producers keep their own. loaded: totals of a run, of an event
    date, or of all (None, None); None where there is no warehouse.
    """

    settings: Settings
    s3: Any
    books: ProducersBooks | None
    loaded: Callable[[str | None, str | None], ControlTotals] | None


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add reconcile and replay; each sets run(arguments) -> exit status."""
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
    for parser in (reconciling, replaying):
        parser.add_argument("--workdir", metavar="DIR", help="work on what `local --workdir DIR` kept")
        parser.add_argument("--environment", choices=ENVIRONMENTS, help="default: ENVIRONMENT of .env, else dev")
        parser.add_argument("--region", help="default: AWS_REGION, else the profile's")
        parser.add_argument("--profile", help="of ~/.aws/config; default: AWS_PROFILE")


def _date(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form YYYY-MM-DD")
    return text


def run_reconcile(arguments: argparse.Namespace) -> int:
    """Measure, compare, print; 1 where a hop is off."""
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    with _place(arguments) as place:
        measured, scope = _measure(Lake(place.s3, place.settings), place, arguments)
        if place.loaded:
            measured.loaded = place.loaded(arguments.run_id, arguments.date)
    findings = imbalances(measured, scope.compared)
    console.print(totals_table({hop: totals for hop, totals in measured.hops().items() if hop in scope.shown}))
    for finding in findings:
        console.print(f"[bold red]Not balanced:[/] {finding}", soft_wrap=True)
    if not findings:
        compared = (hop for hop in measured.hops() if hop in scope.compared)
        console.print(f"[bold green]Balanced[/] at {', '.join(compared)}.")
    return 1 if findings else 0


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
    with _place(arguments) as place:
        settings = place.settings
        report = Replay(place.s3, settings.bucket("raw"), settings.bucket("quarantine")).run(arguments.prefix)
    print(f"{report.read:,} corrected records read, {report.replayed:,} put into raw")
    if report.replayed_before:
        print(f"{report.replayed_before:,} had been replayed before and were left alone")
    if report.replayed:
        print("The next ETL run curates them" + (": run `local` with this --workdir" if arguments.workdir else ""))
    return 0


def _place(arguments: argparse.Namespace) -> AbstractContextManager[Place]:
    return _kept(arguments.workdir) if arguments.workdir else _account(arguments)


@contextmanager
def _account(arguments: argparse.Namespace) -> Iterator[Place]:
    from data_storage.redshift_setup import data_api_target
    from data_storage.warehouse_loader import loaded_totals
    from infrastructure.provisioning import find_target

    found = find_target(arguments)
    target = data_api_target(found.settings)

    def loaded(run_id: str | None, date: str | None) -> ControlTotals:
        return loaded_totals(found.clients("redshift-data"), target, run_id, date)

    yield Place(found.settings, found.clients("s3"), None, loaded)


@contextmanager
def _kept(directory: str) -> Iterator[Place]:
    """An embedded stack over the state that a run kept."""
    from data_storage.warehouse_loader import loaded_totals
    from infrastructure.local.kept_state import open_kept_state

    with open_kept_state(directory) as kept:

        def loaded(run_id: str | None, date: str | None) -> ControlTotals:
            return loaded_totals(kept.data_api, kept.target, run_id, date)

        yield Place(kept.settings, kept.s3, kept.workdir, loaded)
