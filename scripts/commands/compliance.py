"""verify: the PCI DSS controls, judged on what the account answers."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from data_governance.compliance_controls import ELSEWHERE, Verdict, verdicts
from infrastructure.provisioning import gather
from scripts.commands.account import find_account
from scripts.commands.terminal import (
    EXIT_ERROR,
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    outcome,
    print_json,
)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add verify."""
    verifying = commands.add_parser(
        "verify",
        help="judge the PCI DSS controls on what the account answers",
        description="Judge the PCI DSS controls on what the account answers. Exit status: 0 all met, 1 otherwise.",
    )
    add_account_options(verifying)
    add_output_options(verifying, as_json=True)
    verifying.set_defaults(run=run_verify)


def run_verify(arguments: argparse.Namespace) -> int:
    """Judge the account; the exit status is 1 if a control fails."""
    account = find_account(arguments)
    found = verdicts(gather(account.settings, account.clients, account.embedded))
    show(outcome(arguments), found)
    if arguments.json:
        print_json([_as_json(verdict) for verdict in found])
    return EXIT_ERROR if any(verdict.failed for verdict in found) else EXIT_OK


def _as_json(verdict: Verdict) -> dict[str, object]:
    control = verdict.control
    return {
        "requirement": control.requirement,
        "control": control.what,
        "met": verdict.met,
        "failed": verdict.failed,
        "unknown": verdict.unknown,
    }


def show(console: Console, found: Sequence[Verdict]) -> None:
    """Print a line per control with the resources that fail it, then the controls that are left to the account."""
    for verdict in found:
        mark, style = ("✗", "bold red") if verdict.failed else ("✓", "green") if verdict.met else ("·", "dim")
        asked = len(verdict.met) + len(verdict.failed)
        counted = f"{len(verdict.met)} of {asked}" if asked else "cannot be looked at here"
        control = verdict.control
        console.print(
            Text.assemble("  ", (mark, style), f" {control.requirement:<9}{control.what}: {counted}"), soft_wrap=True
        )
        for name in verdict.failed:
            console.print(f"               not met by {name}", soft_wrap=True, highlight=False)
    for requirement, what in ELSEWHERE.items():
        console.print(Text(f"  - {requirement:<9}{what}: left to the account"), soft_wrap=True)
