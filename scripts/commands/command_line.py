"""All commands under one parser."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

import shtab

from scripts.commands.terminal import Parser, program_version, run_parsed

# The modules and their commands, in the order in which the help lists them.
COMMANDS_OF: dict[str, tuple[str, ...]] = {
    "local": ("local", "sample"),
    "produce": ("produce",),
    "provision": ("plan", "apply", "destroy", "apply-file"),
    "status": ("status",),
    "lake": ("reconcile", "replay", "load"),
    "quarantine": ("quarantine",),
    "query": ("query",),
    "trace": ("trace",),
    "backtest": ("backtest",),
    "lineage": ("lineage",),
    "maintain": ("maintain", "rebuild"),
    "erase": ("erase",),
    "token_key": ("rotate-token-key",),
    "schema": ("schema",),
    "verify": ("verify",),
    "estimate": ("estimate",),
    "acceptance": ("acceptance",),
}


def run(argv: Sequence[str] | None, description: str | None, epilog: str) -> int:
    """Parse and run; the exit status."""
    given = sys.argv[1:] if argv is None else argv
    return run_parsed(parser(description, epilog, _needed(given[:1])), argv)


def _needed(command: Sequence[str]) -> Iterable[str]:
    """The module of the command; all where it is none, for the help. All of them take a second to import."""
    return [module for module, commands in COMMANDS_OF.items() if {*command} & {*commands}] or COMMANDS_OF


def parser(
    description: str | None = None, epilog: str | None = None, modules: Iterable[str] = tuple(COMMANDS_OF)
) -> Parser:
    """The command line's parser, with these modules' commands."""
    top = Parser(prog="banking-data", description=description, epilog=epilog)
    top.add_argument("--version", action="version", version=f"%(prog)s {program_version()}")
    shtab.add_argument_to(top, "--print-completion", help="print the completion script of a shell")
    commands: argparse._SubParsersAction[Parser] = top.add_subparsers(title="commands", metavar="COMMAND")
    for module in modules:
        import_module(f"scripts.commands.{module}").add_commands(commands)
    return top
