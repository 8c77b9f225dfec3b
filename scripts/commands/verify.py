"""verify: the PCI DSS controls, judged on what the account answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from data_governance.controls import ELSEWHERE
from data_governance.controls.verdicts import Status, Verdict, verdicts
from infrastructure.errors import PlatformError
from infrastructure.planning.plan import read_all
from infrastructure.provisioning import gather
from scripts.commands.account import Account, find_account
from scripts.commands.terminal import (
    EXIT_CHANGES,
    EXIT_ERROR,
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    console,
    outcome,
    print_json,
)
from scripts.commands.verify_report import report_page

# In the order in which they are printed.
_MARKS = {
    Status.MET: ("✓", "green"),
    Status.NOT_ASKED: ("·", "dim"),
    Status.UNKNOWN: ("?", "yellow"),
    Status.FAILED: ("✗", "bold red"),
}


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add verify."""
    verifying = commands.add_parser(
        "verify",
        help="judge the PCI DSS controls on what the account answers",
        description="Judge the PCI DSS controls on what the account answers; changes nothing. Exit status: 0 all met, "
        "1 one failed, 2 none failed, but some could not be evaluated.",
    )
    verifying.add_argument("--report", metavar="FILE", help="write a page with the evidence, to be kept (HTML)")
    add_account_options(verifying)
    add_output_options(verifying, as_json=True)
    verifying.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> int:
    """Judge the account, print what fails, write the report; the exit status can gate a job."""
    account = find_account(arguments)
    resources = gather(account.settings, account.clients, account.embedded)
    found = verdicts(account.settings, resources, read_all(resources))
    document = document_of(account, found, datetime.now(UTC))
    show(console(arguments), outcome(arguments), found)
    if arguments.report:
        _write(arguments.report, report_page(document))
    if arguments.json:
        print_json(document)
    return exit_status(found)


def exit_status(found: Sequence[Verdict]) -> int:
    """0 if every control that the settings ask for is met, 1 if one fails, 2 if one could not be evaluated."""
    statuses = {verdict.status for verdict in found}
    if Status.FAILED in statuses:
        return EXIT_ERROR
    return EXIT_CHANGES if Status.UNKNOWN in statuses else EXIT_OK


def document_of(account: Account, found: Sequence[Verdict], at: datetime) -> dict[str, Any]:
    """What was found, for programs and for the report."""
    settings = account.settings
    return {
        "account": settings.account_id,
        "region": settings.region,
        "environment": settings.environment,
        "emulated": account.clients.emulated,
        "caller": account.caller,
        "at": at.isoformat(timespec="seconds"),
        "standard": "PCI DSS v4.0.1",
        "summary": {status.value: sum(verdict.status is status for verdict in found) for status in Status},
        "controls": [_control(verdict) for verdict in found],
        "elsewhere": [{"requirement": requirement, "what": what} for requirement, what in ELSEWHERE.items()],
    }


def _control(verdict: Verdict) -> dict[str, Any]:
    control = verdict.control
    return {
        "id": control.id,
        "requirement": control.requirement,
        "standards": list(control.standards),
        "what": control.what,
        "severity": control.severity.value,
        "status": verdict.status.value,
        "remedy": control.todo,
        "evidence_command": control.evidence,
        "exempt": dict(control.exempt),
        "resources": [
            {
                "name": finding.resource,
                "status": finding.status.value,
                "faults": list(finding.faults),
                "looked_at": _plain(finding.looked_at),
            }
            for finding in verdict.findings
        ],
    }


def _plain(value: Any) -> Any:
    """A value as AWS answered it, in JSON's types."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def show(lines: Console, end: Console, found: Sequence[Verdict]) -> None:
    """Print a line per control, those last that need somebody, with what fails them; and the sum."""
    for requirement, what in ELSEWHERE.items():
        lines.print(Text(f"  - {requirement:<14}{what}: left to the account"), soft_wrap=True)
    for verdict in sorted(found, key=lambda each: list(_MARKS).index(each.status)):
        control = verdict.control
        mark, style = _MARKS[verdict.status]
        bad = verdict.of(Status.FAILED) or verdict.of(Status.UNKNOWN)
        out = end if verdict.status is Status.FAILED else lines
        out.print(
            Text.assemble("  ", (mark, style), f" {control.requirement:<14}{control.what}{_counted(verdict)}"),
            soft_wrap=True,
        )
        for finding in bad:
            for fault in finding.faults:
                out.print(f"      {finding.resource} {fault}", soft_wrap=True, highlight=False, markup=False)
        if verdict.status is Status.FAILED:
            out.print(Text(f"      {control.severity.value}: {control.todo}", style="dim"), soft_wrap=True)
    end.print(_sum(found))


def _counted(verdict: Verdict) -> str:
    if verdict.status is Status.NOT_ASKED:
        return ": the settings make none"
    return f": {len(verdict.of(Status.MET))} of {len(verdict.findings)}"


def _sum(found: Sequence[Verdict]) -> Text:
    counts = {status: sum(verdict.status is status for verdict in found) for status in Status}
    parts = [f"{counts[status]} {status.value}" for status in Status if counts[status] or status is Status.FAILED]
    style = "bold red" if counts[Status.FAILED] else "bold yellow" if counts[Status.UNKNOWN] else "bold green"
    return Text.assemble(("Controls: ", style), f"{', '.join(parts)}.")


def _write(file: str, page: str) -> None:
    try:
        Path(file).write_text(page, encoding="utf-8")
    except OSError as error:
        raise PlatformError(file, f"cannot be written ({error.strerror})", "Name another file with --report.") from None
