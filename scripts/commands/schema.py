"""schema: the data contract in the forms that others read, the data dictionary, and whether a change is compatible."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from data_catalog import currencies, transaction_contract
from data_catalog.contract_compatibility import PROMISED, Contract, changes, is_new_major
from data_catalog.contract_formats import avro_schema, odcs
from data_catalog.contract_markdown import contract_page
from infrastructure.errors import PlatformError
from scripts.commands.data_dictionary import dictionary
from scripts.commands.terminal import EXIT_ERROR, EXIT_OK, Parser, add_output_options, console, print_json

# Form -> what it is, and what makes it.
_FORMS: dict[str, tuple[str, Callable[[], Any]]] = {
    "json-schema": ("what producers send, as JSON Schema (draft 2020-12)", transaction_contract.json_schema),
    "avro": ("what producers send, as an Avro record", avro_schema),
    "odcs": ("the contract by the Open Data Contract Standard 3.1, as JSON, which is YAML too", odcs),
    "markdown": ("what producers send, as a page for people", contract_page),
    "dictionary": ("every table, view and column of warehouse and lake: docs/data_dictionary.md", dictionary),
}
_ROOT = Path(__file__).resolve().parents[2]
# The contract's files, each behind what it imports.
_MODULES = ("data_catalog.currencies", "data_catalog.transaction_contract")


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add schema; sets run(arguments) -> exit status."""
    schema = commands.add_parser("schema", help="print the data contract, or compare it with that of another commit")
    actions: argparse._SubParsersAction[Parser] = schema.add_subparsers(
        title="actions", metavar="ACTION", dest="action", required=True
    )
    for name, (told, _) in _FORMS.items():
        printing = actions.add_parser(name, help=f"print {told}", description=f"Print {told}.")
        printing.set_defaults(run=run_print, form=name)
    checking = actions.add_parser(
        "check",
        help="refuse a change that readers or producers can't live with",
        description="Compatible is an optional field more, with an id of its own, in a new minor version. "
        "Exit status: 0 where all changes are compatible, 1 otherwise.",
    )
    checking.add_argument(
        "--against", required=True, metavar="REF", help="the git commit, branch or tag to compare with"
    )
    add_output_options(checking, as_json=True)
    checking.set_defaults(run=run_check)


def run_print(arguments: argparse.Namespace) -> int:
    """Print the contract in a form."""
    _, made = _FORMS[arguments.form]
    document = made()
    print(document if isinstance(document, str) else json.dumps(document, indent=2, ensure_ascii=False))
    return EXIT_OK


def run_check(arguments: argparse.Namespace) -> int:
    """Compare, print; the exit status is 1 if a change breaks the contract."""
    former, present = contract_at(arguments.against), _contract(transaction_contract, currencies)
    found = changes(former, present)
    breaking = [change for change in found if change.breaks]
    refused = bool(breaking) and not is_new_major(former, present)
    out = console(arguments)
    out.print(f"Contract {present.version} against {former.version} at {arguments.against}", highlight=False)
    for change in found:
        mark = "[red]breaks[/]" if change.breaks else "[green]adds[/]  "
        out.print(f"  {mark} {change.where}: {change.what}", highlight=False, soft_wrap=True)
    if refused:
        out.print("[bold red]Not compatible.[/] Take these changes back, or begin a new major version.")
    elif breaking:
        out.print("[bold yellow]A new major version:[/] it needs tables of its own.")
    else:
        out.print("[bold green]Compatible.[/]")
    if arguments.json:
        rows = [{"where": one.where, "what": one.what, "breaks": one.breaks} for one in found]
        print_json({"compatible": not refused, "version": present.version, "former": former.version, "changes": rows})
    return EXIT_ERROR if refused else EXIT_OK


def contract_at(ref: str) -> Contract:
    """The contract as it stood at a git commit. PlatformError where there is no such commit, or no contract in it."""
    before = {name: sys.modules.get(name) for name in _MODULES}
    loaded = {}
    try:
        for name in _MODULES:
            text = _file_at(ref, f"{name.replace('.', '/')}.py")
            if text is None:
                continue  # contract 1.0 was one file
            sys.modules[name] = loaded[name] = module = ModuleType(name)
            exec(compile(text, f"{ref}:{name}", "exec"), module.__dict__)  # nosec B102 # the contract of our own repository
    finally:
        for name, module_before in before.items():
            if module_before is not None:
                sys.modules[name] = module_before
    contract = loaded.get("data_catalog.transaction_contract")
    if contract is None:
        raise PlatformError(f"commit {ref}", "holds no data contract", "Name a commit of this project with --against")
    return _contract(contract, loaded.get("data_catalog.currencies", contract))


def _contract(module: ModuleType, of_currencies: ModuleType) -> Contract:
    tables = {name: getattr(module, name) for name in PROMISED}
    return Contract(module.SCHEMA_VERSION, tables, of_currencies.CURRENCY_MINOR_UNITS)


def _file_at(ref: str, path: str) -> str | None:
    """The text of a file at a commit; None where the commit has no such file."""
    if _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}") is None:
        raise PlatformError(
            f"commit {ref}", "is not in this checkout's history", "Name another with --against, or fetch it first"
        )
    return _git("show", f"{ref}:{path}")


def _git(*arguments: str) -> str | None:
    """What git prints; None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=False)  # nosec B607 # the git of whoever runs it
    except FileNotFoundError:
        raise PlatformError("git", "is not installed", "Install it; the former contract is read from history") from None
    return done.stdout if done.returncode == 0 else None
