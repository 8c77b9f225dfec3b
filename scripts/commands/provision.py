"""plan, apply and destroy; and apply-file, which applies the declarations of a single file."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from infrastructure.errors import PlatformError
from infrastructure.planning.apply import Outcome, execute
from infrastructure.planning.destroy import plan_destruction
from infrastructure.planning.plan import Plan, make_plan
from infrastructure.provisioning import MODULES, PARTS, gather, plan, select
from scripts.commands.account import Account, find_account
from scripts.commands.console_links import console_links
from scripts.commands.plan_view import PlanView
from scripts.commands.status import unlanded
from scripts.commands.terminal import (
    EXIT_CHANGES,
    EXIT_ERROR,
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    console,
    did_you_mean,
    outcome,
)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add plan, apply and destroy, and the hidden command of a file that runs by itself."""
    planning = commands.add_parser(
        "plan",
        help="what apply would change in the account",
        description="What apply would change in the account. Exit status: 0 no change, 2 changes, 1 error.",
    )
    applying = commands.add_parser(
        "apply",
        help="create and mend what the platform needs in the account",
        description="Create and mend what the platform needs in the account. A second apply changes nothing.",
    )
    destroying = commands.add_parser(
        "destroy",
        help="remove it again; data, keys and warehouse stay",
        description="Remove it again, in reverse order. Data, keys and the warehouse stay.",
    )
    destroying.add_argument("--delete-data", action="store_true", help="data buckets, keys and warehouse too")
    destroying.add_argument("--confirm", metavar="ENVIRONMENT", help="the environment's name; prod asks for it")
    for parser, run in ((planning, run_plan), (applying, run_apply), (destroying, run_destroy)):
        _add_part_options(parser)
        add_account_options(parser)
        add_output_options(parser)
        parser.set_defaults(run=run)
    _add_apply_file(commands)


def _add_apply_file(commands: argparse._SubParsersAction[Parser]) -> None:
    """The command that a file running by itself calls. It is not listed in the help."""
    alone = commands.add_parser("apply-file", usage="%(prog)s [options]", add_help=False)
    alone.add_argument("file", help=argparse.SUPPRESS)
    alone.add_argument("-h", "--help", action="store_true", help="show this help and exit")
    add_account_options(alone)
    add_output_options(alone)
    alone.set_defaults(run=run_apply_file, parser=alone)


def _add_part_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", type=_parts, default=(), metavar="PART[,PART]", help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--except", dest="except_", type=_parts, default=(), metavar="PART[,PART]", help="all but these"
    )


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(
                f"there is no part {name!r}{did_you_mean(name, PARTS)} ({', '.join(PARTS)})"
            )
    return names


def run_plan(arguments: argparse.Namespace) -> int:
    """Print what apply would change; the exit status is 0 if that is nothing, 2 otherwise."""
    account, view = find_account(arguments), _view(arguments)
    planned = _plan_for(account, view, arguments)
    view.show_plan(planned)
    return EXIT_CHANGES if planned.changes else EXIT_OK


def run_apply(arguments: argparse.Namespace) -> int:
    """Print the plan, carry it out, and print the outcome; the exit status is 1 if anything failed. Never prompts."""
    account, view = find_account(arguments, changing=True), _view(arguments)
    return _carry_out(account, view, _plan_for(account, view, arguments))


def _view(arguments: argparse.Namespace) -> PlanView:
    return PlanView(console(arguments), PARTS, outcome(arguments))


def _plan_for(account: Account, view: PlanView, arguments: argparse.Namespace) -> Plan:
    with view.reading():
        return plan(
            account.settings,
            clients=account.clients,
            only=arguments.only,
            except_=arguments.except_,
            embedded=account.embedded,
        )


def _carry_out(account: Account, view: PlanView, planned: Plan) -> int:
    view.show_plan(planned)
    if not planned.changes:
        return EXIT_OK
    started = time.monotonic()
    with view.progress(len(planned.changes)) as on_progress:
        report = execute(planned, emulated=account.clients.emulated, on_progress=on_progress)
    view.show_outcome(report, time.monotonic() - started)
    if report.of(Outcome.FAILED, Outcome.SKIPPED):
        return EXIT_ERROR
    if not account.clients.emulated:
        view.show_links(console_links(account.settings))
    return EXIT_OK


def run_destroy(arguments: argparse.Namespace) -> int:
    """Print what goes and what stays, ask in prod, remove, and print what has to stay until when."""
    account, view = find_account(arguments, changing=True), _view(arguments)
    resources = gather(account.settings, account.clients, account.embedded)
    chosen = select(resources, arguments.only, arguments.except_)
    with view.reading():
        destruction = plan_destruction(resources, chosen, delete_data=arguments.delete_data)
    view.show_destruction(destruction)
    if not destruction.deletions:
        return EXIT_OK
    if any(step.resource.name == account.settings.stream_name for step in destruction.deletions):
        view.show_warning(unlanded(account.settings, account.clients))
    _confirm(account.settings.environment, arguments.confirm)
    started = time.monotonic()
    with view.progress(len(destruction.deletions)) as on_progress:
        report = destruction.carry_out(on_progress)
    view.show_outcome(report, time.monotonic() - started)
    view.show_pending_deletions(report)
    return EXIT_ERROR if report.of(Outcome.FAILED) else EXIT_OK


def _confirm(environment: str, given: str | None) -> None:
    """Raises PlatformError unless the environment was named as it has to be."""
    todo = f"Repeat the command with --confirm {environment}."
    if given is None and environment == "prod":
        if not sys.stdin.isatty():
            raise PlatformError("destroy", "prod is destroyed only by name, and there is no terminal to ask", todo)
        given = input("Name the environment to destroy it: ").strip()
    if given is not None and given != environment:
        raise PlatformError("destroy", f"{given!r} is not this environment; nothing was removed", todo)


def run_apply_file(arguments: argparse.Namespace) -> int:
    """Apply what one file declares. What that refers to must exist already."""
    module = importlib.import_module(_module_name(arguments.file))
    if arguments.help:
        parser: Parser = arguments.parser
        parser.prog, parser.description = arguments.file, module.__doc__
        parser.print_help()
        return EXIT_OK
    account, view = find_account(arguments, changing=True), _view(arguments)
    chosen = {resource.id for resource in module.resources(account.settings, account.clients)}
    if not chosen:
        raise PlatformError("settings", "leave nothing to make here", "See REDSHIFT_ENABLED in .env.")
    resources = gather(account.settings, account.clients, account.embedded)
    return _carry_out(account, view, make_plan(resources, emulated=account.clients.emulated, selected=chosen))


def _module_name(file: str) -> str:
    path = Path(file).resolve()
    for name in MODULES:
        if path.with_suffix("").parts[-2:] == tuple(name.split(".")):
            return name
    raise PlatformError(file, "declares no resources", f"Name one of {', '.join(MODULES)} by its file.")
