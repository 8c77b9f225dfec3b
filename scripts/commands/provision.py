"""plan, apply and destroy; and apply-file, which applies the declarations of a single file."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable
from pathlib import Path

from infrastructure.errors import PlatformError
from infrastructure.metrics import DRIFT_METRIC, put_count
from infrastructure.planning.apply import Outcome, execute
from infrastructure.planning.destroy import Destruction, plan_destruction
from infrastructure.planning.plan import Plan, make_plan
from infrastructure.planning.plan_document import Change, changes_of, deletions_of, foreign_of, unsupported_of
from infrastructure.provisioning import MODULES, PARTS, gather, plan, select
from infrastructure.references import bucket_id
from scripts.commands.account import Account, find_account
from scripts.commands.confirmation import confirm_apply, confirm_destroy
from scripts.commands.console_links import console_links
from scripts.commands.environment_lock import environment_locked
from scripts.commands.estimate import expected
from scripts.commands.plan_file import document, read_plan, require_same, write_plan
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
    print_json,
)


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add plan, apply and destroy, and the hidden command of a file that runs by itself."""
    planning = commands.add_parser(
        "plan",
        help="what apply would change in the account",
        description="What apply would change in the account. Exit status: 0 no change, 2 changes, 1 error.",
    )
    planning.add_argument("--destroy", action="store_true", help="what destroy would remove instead")
    planning.add_argument(
        "--metric", action="store_true", help=f"put the number of changes as the metric {DRIFT_METRIC}"
    )
    planning.add_argument("--out", metavar="FILE", help="write the plan, to be reviewed and then given to apply")
    applying = commands.add_parser(
        "apply",
        help="create and mend what the platform needs in the account",
        description="Create and mend what the platform needs in the account. A second apply changes nothing. "
        "At a terminal it asks before it changes prod.",
    )
    applying.add_argument(
        "file", nargs="?", metavar="FILE", help="of plan --out: apply exactly that, or nothing if the account moved"
    )
    destroying = commands.add_parser(
        "destroy",
        help="remove it again; data, keys and warehouse stay",
        description="Remove it again, in reverse order. Data, keys and the warehouse stay. plan --destroy shows it.",
    )
    for parser in (planning, destroying):
        parser.add_argument("--delete-data", action="store_true", help="data buckets, keys and warehouse too")
    for parser in (applying, destroying):
        parser.add_argument("--yes", action="store_true", help="ask nothing at a terminal (destroy asks in prod)")
    destroying.add_argument(
        "--confirm", metavar="ENVIRONMENT", help="the environment's name; needed in prod and without a terminal"
    )
    for parser, run in ((planning, run_plan), (applying, run_apply), (destroying, run_destroy)):
        _add_part_options(parser)
        add_account_options(parser)
        add_output_options(parser, as_json=parser is planning)
        parser.set_defaults(run=run)
    _add_apply_file(commands)


def _add_apply_file(commands: argparse._SubParsersAction[Parser]) -> None:
    """The command that a file running by itself calls. It is not listed in the help."""
    alone = commands.add_parser("apply-file", usage="%(prog)s [options]", add_help=False)
    alone.add_argument("file", help=argparse.SUPPRESS)
    alone.add_argument("-h", "--help", action="store_true", help="show this help and exit")
    alone.add_argument("--yes", action="store_true", help="ask nothing at a terminal")
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
    """Print what apply, or destroy, would change; the exit status is 0 if that is nothing, 2 otherwise."""
    if arguments.metric and arguments.destroy:
        raise PlatformError("--metric", "is of what apply would change", "Leave out --destroy")
    account, view = find_account(arguments), _view(arguments)
    if arguments.destroy:
        destruction = _destruction(account, view, arguments)
        view.show_destruction(destruction)
        changes = deletions_of(destruction)
        found = document(account.settings, arguments, changes) | {"kept": destruction.kept}
    else:
        planned = _plan_for(account, view, arguments)
        view.show_plan(planned)
        changes = changes_of(planned)
        found = document(account.settings, arguments, changes)
        found |= {"foreign": foreign_of(planned), "unsupported": unsupported_of(planned)}
        if not (arguments.only or arguments.except_):
            bill = expected(account.settings)
            services = bill.services()
            view.show_bill(bill.total, services, account.settings.expected_tps)
            found["monthly_estimate"] = {
                "currency": "USD",
                "transactions_a_second": account.settings.expected_tps,
                "total": str(bill.total),
                "services": {name: str(cost) for name, cost in services.items()},
            }
    if arguments.out and not arguments.destroy:
        write_plan(arguments.out, found)
    if arguments.metric:
        put_count(account.clients("cloudwatch"), account.settings.metrics_namespace, DRIFT_METRIC, len(changes))
    if arguments.json:
        print_json(found)
    return EXIT_CHANGES if changes else EXIT_OK


def run_apply(arguments: argparse.Namespace) -> int:
    """Print the plan, carry it out, and print the outcome; the exit status is 1 if anything failed."""
    account, view = find_account(arguments, changing=True), _view(arguments)
    reviewed = read_plan(arguments.file, account.settings) if arguments.file else None
    if reviewed:
        if arguments.only or arguments.except_:
            raise PlatformError("apply", "takes no --only and no --except with a plan", "Plan these parts alone.")
        arguments.only, arguments.except_ = reviewed.only, reviewed.except_
    planned = _plan_for(account, view, arguments)
    if reviewed:
        reviewed.require_unmoved(changes_of(planned))
    view.show_plan(planned)
    if not planned.changes:
        return EXIT_OK
    if not reviewed:
        confirm_apply(account.settings.environment, arguments.yes)
    return _carry_out(account, view, planned, lambda: _plan_for(account, view, arguments))


def _view(arguments: argparse.Namespace) -> PlanView:
    return PlanView(console(arguments), PARTS, outcome(arguments), arguments.verbose)


def _plan_for(account: Account, view: PlanView, arguments: argparse.Namespace) -> Plan:
    with view.reading():
        return plan(
            account.settings,
            clients=account.clients,
            only=arguments.only,
            except_=arguments.except_,
            embedded=account.embedded,
        )


def _carry_out(account: Account, view: PlanView, shown: Plan, plan_again: Callable[[], Plan]) -> int:
    """Make the changes that were shown, with the environment locked. The account is read again under the lock, because
    somebody else may have changed it before; then nothing is changed.
    """
    with environment_locked(account, "apply", shown.steps) as locked:
        if not locked:
            view.show_warning("Not locked: the artifacts bucket, in which the lock lies, does not exist yet.")
        planned = plan_again()
        require_same(_but_the_locks_bucket(account, shown), _but_the_locks_bucket(account, planned), "was shown")
        started = time.monotonic()
        with view.progress(len(planned.changes)) as on_progress:
            report = execute(planned, emulated=account.clients.emulated, on_progress=on_progress)
    view.show_outcome(report, time.monotonic() - started)
    if report.of(Outcome.FAILED, Outcome.SKIPPED):
        return EXIT_ERROR
    if not account.clients.emulated:
        view.show_links(console_links(account.settings))
    return EXIT_OK


def _but_the_locks_bucket(account: Account, planned: Plan) -> list[Change]:
    """The changes without that of the bucket which may have been made for the lock."""
    made = bucket_id(account.settings, "artifacts")
    return [change for change in changes_of(planned) if change["id"] != made]


def run_destroy(arguments: argparse.Namespace) -> int:
    """Print what goes and what stays, ask, remove, and print what has to stay until when."""
    account, view = find_account(arguments, changing=True), _view(arguments)
    destruction = _destruction(account, view, arguments)
    view.show_destruction(destruction)
    if not destruction.deletions:
        return EXIT_OK
    if any(step.resource.name == account.settings.stream_name for step in destruction.deletions):
        view.show_warning(unlanded(account.settings, account.clients))
    confirm_destroy(account.settings.environment, arguments.confirm, arguments.yes)
    with environment_locked(account, "destroy", ()):
        now = _destruction(account, view, arguments)
        require_same(deletions_of(destruction), deletions_of(now), "was shown")
        started = time.monotonic()
        with view.progress(len(now.deletions)) as on_progress:
            report = now.carry_out(on_progress)
    view.show_outcome(report, time.monotonic() - started)
    view.show_pending_deletions(report)
    return EXIT_ERROR if report.of(Outcome.FAILED) else EXIT_OK


def _destruction(account: Account, view: PlanView, arguments: argparse.Namespace) -> Destruction:
    resources = gather(account.settings, account.clients, account.embedded)
    chosen = select(resources, arguments.only, arguments.except_)
    with view.reading():
        return plan_destruction(resources, chosen, delete_data=arguments.delete_data)


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

    def planned() -> Plan:
        resources = gather(account.settings, account.clients, account.embedded)
        return make_plan(resources, emulated=account.clients.emulated, selected=chosen)

    shown = planned()
    view.show_plan(shown)
    if not shown.changes:
        return EXIT_OK
    confirm_apply(account.settings.environment, arguments.yes)
    return _carry_out(account, view, shown, planned)


def _module_name(file: str) -> str:
    path = Path(file).resolve()
    for name in MODULES:
        if path.with_suffix("").parts[-2:] == tuple(name.split(".")):
            return name
    raise PlatformError(file, "declares no resources", f"Name one of {', '.join(MODULES)} by its file.")
