"""acceptance: proves in an account, or as far as it goes without one, what the platform claims of AWS."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from infrastructure.errors import PlatformError
from infrastructure.settings import Settings
from scripts.acceptance.claims import BY_ID
from scripts.acceptance.verdicts import Prover, Verdict
from scripts.commands.account import find_account
from scripts.commands.environment_lock import environment_locked
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

_ENVIRONMENT = "acceptance"
_MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "dim")}


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add acceptance."""
    parser = commands.add_parser(
        "acceptance",
        help="prove what the platform claims of AWS, in an account",
        description="Makes an environment of its own (acceptance), puts generated transactions through it, tries what "
        "has to be refused, and removes it again. Exit status: 0 no claim failed, 1 otherwise.",
    )
    parser.add_argument(
        "--embedded", action="store_true", help="what can be proven without an account, on this machine"
    )
    parser.add_argument("--report", metavar="FILE", help="write the verdicts with the ids of the requests")
    add_account_options(parser)
    add_output_options(parser, as_json=True)
    parser.set_defaults(run=run_acceptance)


def run_acceptance(arguments: argparse.Namespace) -> int:
    """Prove, print a line for each claim, write the report; the exit status is 1 if a claim failed."""
    if arguments.environment not in (None, _ENVIRONMENT):
        raise PlatformError(
            "acceptance",
            f"has an environment of its own, and leaves {arguments.environment} alone",
            "Leave --environment away.",
        )
    out = outcome(arguments)
    prover = Prover(on_verdict=lambda verdict: _show(out, verdict))
    where, stays = _on_embedded(arguments, prover) if arguments.embedded else _in_account(arguments, prover)
    report = {
        **where,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "claims": [asdict(verdict) | {"text": BY_ID[verdict.claim].text} for verdict in prover.in_order()],
        "stays": stays,
    }
    failed = [verdict for verdict in prover.verdicts if verdict.proven is False]
    for note in stays:
        out.print(f"  {note}", soft_wrap=True)
    out.print(f"\n{_sum(prover.in_order())}")
    if arguments.report:
        _write(arguments.report, report)
    if arguments.json:
        print_json(report)
    return EXIT_ERROR if failed else EXIT_OK


def _on_embedded(arguments: argparse.Namespace, prover: Prover) -> tuple[dict[str, Any], list[str]]:
    from scripts.acceptance.embedded import prove_embedded  # Spark and PostgreSQL take their time

    prove_embedded(prover, console(arguments))
    return {"where": "embedded stack"}, []


def _in_account(arguments: argparse.Namespace, prover: Prover) -> tuple[dict[str, Any], list[str]]:
    from scripts.acceptance.in_account import prove_in_account

    arguments.environment = _ENVIRONMENT
    account = find_account(arguments, changing=True)
    if account.clients.emulated:
        raise PlatformError("acceptance", "needs AWS, and this endpoint emulates it", "Run it with --embedded.")
    settings = _own(account.settings)
    account.clients.on_new_client = prover.watch
    with environment_locked(replace(account, settings=settings), "acceptance", ()):
        stays = prove_in_account(settings, account.clients, prover)
    return {"where": f"account {settings.account_id}", "region": settings.region}, stays


def _own(settings: Settings) -> Settings:
    """The settings with what an environment for an hour needs: locks of a day, a job that nothing else starts."""
    return replace(settings, object_lock_days=1, object_lock_mode="GOVERNANCE", glue_every_minutes=0)


def _show(out: Console, verdict: Verdict) -> None:
    line = Text.assemble("  ", _MARKS[verdict.proven], f" {verdict.claim:<34}", (verdict.detail, "dim"))
    out.print(line, soft_wrap=True)


def _sum(verdicts: list[Verdict]) -> str:
    counts = {proven: sum(verdict.proven is proven for verdict in verdicts) for proven in _MARKS}
    style = "red" if counts[False] else "green"
    return f"[bold {style}]Acceptance:[/] {counts[True]} proven, {counts[False]} failed, {counts[None]} not tried here."


def _write(file: str, report: dict[str, Any]) -> None:
    try:
        Path(file).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise PlatformError(file, f"cannot be written ({error.strerror})", "Name another file with --report.") from None
