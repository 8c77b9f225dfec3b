"""All commands under one parser."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import shtab

from scripts.commands import (
    acceptance,
    backtest,
    erase,
    estimate,
    lake,
    lineage,
    local,
    maintain,
    produce,
    provision,
    quarantine,
    query,
    schema,
    status,
    token_key,
    trace,
    verify,
)
from scripts.commands.terminal import Parser, program_version, run_parsed

# In the order in which the help lists their commands.
_MODULES = (
    local, produce, provision, status, lake, quarantine, query, trace, backtest, lineage, maintain, erase, token_key,
    schema, verify, estimate, acceptance,
)  # fmt: skip


def run(argv: Sequence[str] | None, description: str | None, epilog: str) -> int:
    """Parse and run; the exit status."""
    return run_parsed(parser(description, epilog), argv)


def parser(description: str | None = None, epilog: str | None = None) -> Parser:
    """The command line's parser."""
    top = Parser(prog="banking-data", description=description, epilog=epilog)
    top.add_argument("--version", action="version", version=f"%(prog)s {program_version()}")
    shtab.add_argument_to(top, "--print-completion", help="print the completion script of a shell")
    commands: argparse._SubParsersAction[Parser] = top.add_subparsers(title="commands", metavar="COMMAND")
    for module in _MODULES:
        module.add_commands(commands)
    return top
