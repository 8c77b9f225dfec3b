"""Plan, apply, look at and destroy the platform: what each folder declares, handed to planner and executor.

As a library `apply(settings, on_progress=...)`; as subcommands `add_commands(subparsers)`; for one file alone
`run_alone(resources, description)`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dotenv import load_dotenv
from rich.text import Text

from infrastructure.clients import AwsClients
from infrastructure.console_links import console_links
from infrastructure.destruction import plan_destruction
from infrastructure.errors import PlatformError
from infrastructure.executor import Outcome, Progress, Report, execute
from infrastructure.plan import Plan, make_plan
from infrastructure.plan_console import PlanConsole, plain_console
from infrastructure.remedies import explain
from infrastructure.resource import Clients, Resource
from infrastructure.settings import ENVIRONMENTS, Settings
from infrastructure.settings_source import ENV_FILE, settings_from
from infrastructure.status import collect, collect_kept, show_status, unlanded
from infrastructure.usage import UsageParser

# What --only and --except take: the folders, and what costs money or rights of its own within them.
PARTS = (
    "security",
    "data_storage",
    "data_ingestion",
    "data_catalog",
    "data_processing",
    "data_governance",
    "monitoring",
    "redshift",
    "cloudtrail",
    "athena",
)
FOLDER_OF = {"redshift": "data_storage", "cloudtrail": "data_governance", "athena": "data_catalog"}

# The files that declare resources, each with resources(settings, clients) -> list[Resource].
MODULES = (
    "security.kms_keys",
    "security.iam_roles",
    "security.tokenization_secret",
    "data_storage.s3_bucket_setup",
    "data_ingestion.create_kinesis_stream",
    "data_ingestion.deploy_transaction_lambda",
    "data_catalog.create_glue_catalog_table",
    "data_catalog.create_athena_workgroup",
    "data_processing.create_glue_job",
    "data_storage.redshift_setup",
    "data_governance.enable_cloudtrail_logging",
    "monitoring.setup_cloudwatch_alarms",
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the embedded stack puts in place of what only AWS needs. Never used in an account.

    lambda_zip: the function's code, which is run in process there; stream_incarnation: the id of the workdir's stream.
    """

    lambda_zip: Callable[[], bytes]
    stream_incarnation: str | None = None


def gather(settings: Settings, clients: Clients, embedded: Embedded | None = None) -> list[Resource]:
    """Everything that should exist, as the folders declare it."""
    found: list[Resource] = []
    for name in MODULES:
        module = importlib.import_module(name)
        options = {}
        if embedded and name == "data_ingestion.deploy_transaction_lambda":
            options = {"lambda_zip": embedded.lambda_zip, "incarnation": embedded.stream_incarnation}
        found += module.resources(settings, clients, **options)
    return found


def select(resources: Sequence[Resource], only: Collection[str] = (), except_: Collection[str] = ()) -> frozenset[str]:
    """The ids of the parts that are asked for; a folder's name covers the parts within it.

    Raises PlatformError on a part that does not exist, and where nothing is left.
    """
    for part in (*only, *except_):
        if part not in PARTS:
            raise PlatformError("parts", f"there is no part {part!r}", f"Name one of {', '.join(PARTS)}.")
    chosen = frozenset(
        resource.id
        for resource in resources
        if (not only or _is_named(resource.part, only)) and not _is_named(resource.part, except_)
    )
    if not chosen:
        parts = {resource.part for resource in resources}
        there = sorted(parts | {FOLDER_OF[part] for part in parts & FOLDER_OF.keys()}, key=PARTS.index)
        raise PlatformError("parts", "nothing is left of this selection", f"There are {', '.join(there)}.")
    return chosen


def _is_named(part: str, names: Collection[str]) -> bool:
    return part in names or FOLDER_OF.get(part) in names


def plan(
    settings: Settings,
    *,
    clients: AwsClients | None = None,
    only: Collection[str] = (),
    except_: Collection[str] = (),
    embedded: Embedded | None = None,
) -> Plan:
    """What apply would change. Makes no mutating call."""
    clients = clients or AwsClients(settings.region)
    resources = gather(settings, clients, embedded)
    return make_plan(resources, emulated=clients.emulated, selected=select(resources, only, except_))


def apply(
    settings: Settings,
    *,
    clients: AwsClients | None = None,
    only: Collection[str] = (),
    except_: Collection[str] = (),
    embedded: Embedded | None = None,
    on_progress: Progress | None = None,
) -> Report:
    """Make the account what the settings say; what is so already is left alone.

    Raises PlatformError where reading fails; the failures of single resources are in the report (raise_for_errors).
    """
    clients = clients or AwsClients(settings.region)
    planned = plan(settings, clients=clients, only=only, except_=except_, embedded=embedded)
    return execute(planned, emulated=clients.emulated, on_progress=on_progress)


def destroy(
    settings: Settings,
    *,
    clients: AwsClients | None = None,
    only: Collection[str] = (),
    except_: Collection[str] = (),
    delete_data: bool = False,
    on_progress: Progress | None = None,
) -> Report:
    """Remove what apply made, in reverse order. Data, keys and the warehouse stay unless delete_data."""
    clients = clients or AwsClients(settings.region)
    resources = gather(settings, clients)
    destruction = plan_destruction(resources, select(resources, only, except_), delete_data=delete_data)
    return destruction.carry_out(on_progress)


# --- Command line ---------------------------------------------------------------------------------------------------

EXIT_OK, EXIT_ERROR, EXIT_CHANGES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command works: settings with the account's own id, the clients, and what prints."""

    settings: Settings
    clients: AwsClients
    console: PlanConsole

    @property
    def embedded(self) -> Embedded | None:
        from data_ingestion.deploy_transaction_lambda import placeholder_zip

        return Embedded(placeholder_zip) if self.clients.emulated else None


def add_commands(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add plan, apply, status and destroy; each sets run(arguments) -> exit status."""
    planning = subparsers.add_parser(
        "plan",
        help="what apply would change in the account",
        description="Exit status: 0 no change, 2 changes, 1 error.",
    )
    applying = subparsers.add_parser("apply", help="create and mend what the platform needs in the account")
    looking = subparsers.add_parser("status", help="what exists, and how it is doing")
    destroying = subparsers.add_parser(
        "destroy", help="remove it again; data, keys and warehouse stay", description="Removes in reverse order."
    )
    destroying.add_argument("--delete-data", action="store_true", help="data buckets, keys and warehouse too")
    destroying.add_argument("--confirm", metavar="ENVIRONMENT", help="the environment's name; prod asks for it")
    looking.add_argument("--workdir", metavar="DIR", help="of a local run's kept state instead of an account")
    for parser, run in ((planning, run_plan), (applying, run_apply), (looking, run_status), (destroying, run_destroy)):
        _add_target_options(parser)
        if parser is not looking:
            _add_part_options(parser)
        parser.set_defaults(run=run)


def _add_target_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--environment", choices=ENVIRONMENTS, help="default: ENVIRONMENT of .env, else dev")
    parser.add_argument("--region", help="default: AWS_REGION, else the profile's")
    parser.add_argument("--profile", help="of ~/.aws/config; default: AWS_PROFILE")


def _add_part_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", type=_parts, default=(), metavar="PART[,PART]", help=f"of {', '.join(PARTS)}")
    parser.add_argument(
        "--except", dest="except_", type=_parts, default=(), metavar="PART[,PART]", help="all but these"
    )


def _parts(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"there is no part {name!r}; parts are {', '.join(PARTS)}")
    return names


def find_target(arguments: argparse.Namespace, *, changing: bool = False) -> Target:
    """Settings, account and clients of a command; prints them. changing: refuse any account but EXPECTED_ACCOUNT_ID."""
    load_dotenv(ENV_FILE)
    settings = settings_from(os.environ, environment=arguments.environment, region=arguments.region)
    where = "AWS"
    try:
        clients = AwsClients(arguments.region or _region_of(arguments.profile, settings), arguments.profile)
        identity = clients("sts").get_caller_identity()
        region = clients("sts").meta.region_name
    except Exception as error:
        raise explain(error, where) from error
    settings = replace(settings, account_id=identity["Account"], region=region)
    target = Target(settings, clients, PlanConsole(plain_console(), PARTS))
    endpoint = clients("sts").meta.endpoint_url if clients.emulated else None
    target.console.show_target(settings.account_id, settings.region, settings.environment, endpoint)
    if changing and settings.expected_account_id not in ("", settings.account_id):
        raise PlatformError(
            f"account {settings.account_id}",
            f"is not EXPECTED_ACCOUNT_ID ({settings.expected_account_id}); nothing was changed",
            "Name the right --profile, or correct EXPECTED_ACCOUNT_ID in .env.",
        )
    return target


def _region_of(profile: str | None, settings: Settings) -> str:
    """The region of the environment, else of the profile."""
    from infrastructure import aws

    if os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or os.environ.get("REGION"):
        return settings.region
    region: str | None = aws.session(None, profile).region_name
    if not region:
        raise PlatformError("AWS", "no region was given", "Name it with --region or set AWS_REGION in .env.")
    return region


def run_plan(arguments: argparse.Namespace) -> int:
    """Print what apply would change; 0 where that is nothing, 2 otherwise."""
    target = find_target(arguments)
    planned = _plan_for(target, arguments)
    target.console.show_plan(planned)
    return EXIT_CHANGES if planned.changes else EXIT_OK


def _plan_for(target: Target, arguments: argparse.Namespace) -> Plan:
    with target.console.reading():
        return plan(
            target.settings,
            clients=target.clients,
            only=arguments.only,
            except_=arguments.except_,
            embedded=target.embedded,
        )


def run_apply(arguments: argparse.Namespace) -> int:
    """Print the plan, carry it out, and tell what was done; 1 where anything failed. Never prompts."""
    target = find_target(arguments, changing=True)
    planned = _plan_for(target, arguments)
    return _carry_out(target, planned)


def _carry_out(target: Target, planned: Plan) -> int:
    target.console.show_plan(planned)
    if not planned.changes:
        return EXIT_OK
    started = time.monotonic()
    with target.console.progress(len(planned.changes)) as on_progress:
        report = execute(planned, emulated=target.clients.emulated, on_progress=on_progress)
    target.console.show_outcome(report, time.monotonic() - started)
    if report.of(Outcome.FAILED, Outcome.SKIPPED):
        return EXIT_ERROR
    if not target.clients.emulated:
        target.console.show_links(console_links(target.settings))
    return EXIT_OK


def run_status(arguments: argparse.Namespace) -> int:
    """Print what exists and how it is doing."""
    if arguments.workdir:
        show_status(plain_console(), collect_kept(arguments.workdir))
        return EXIT_OK
    target = find_target(arguments)
    with target.console.reading():
        found = collect(target.settings, target.clients, gather(target.settings, target.clients, target.embedded))
    show_status(plain_console(), found)
    return EXIT_OK


def run_destroy(arguments: argparse.Namespace) -> int:
    """Print what goes and what stays, ask in prod, remove, and tell what must stay until when."""
    target = find_target(arguments, changing=True)
    resources = gather(target.settings, target.clients, target.embedded)
    chosen = select(resources, arguments.only, arguments.except_)
    with target.console.reading():
        destruction = plan_destruction(resources, chosen, delete_data=arguments.delete_data)
    target.console.show_destruction(destruction)
    if not destruction.deletions:
        return EXIT_OK
    if any(step.resource.name == target.settings.stream_name for step in destruction.deletions):
        target.console.show_warning(unlanded(target.settings, target.clients))
    _confirm(target.settings.environment, arguments.confirm)
    started = time.monotonic()
    with target.console.progress(len(destruction.deletions)) as on_progress:
        report = destruction.carry_out(on_progress)
    target.console.show_outcome(report, time.monotonic() - started)
    target.console.show_remains(report)
    return EXIT_ERROR if report.of(Outcome.FAILED) else EXIT_OK


def _confirm(environment: str, given: str | None) -> None:
    """Raises PlatformError unless the environment was named where it must be."""
    todo = f"Repeat the command with --confirm {environment}."
    if given is None and environment == "prod":
        if not sys.stdin.isatty():
            raise PlatformError("destroy", "prod is destroyed only by name, and there is no terminal to ask", todo)
        given = input("Name the environment to destroy it: ").strip()
    if given is not None and given != environment:
        raise PlatformError("destroy", f"{given!r} is not this environment; nothing was removed", todo)


def run_alone(
    declare: Callable[..., list[Resource]], description: str | None, argv: Sequence[str] | None = None
) -> int:
    """Apply what one file declares (its __main__); what that refers to must exist. The exit status."""
    parser = UsageParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_target_options(parser)
    arguments = parser.parse_args(argv)
    try:
        target = find_target(arguments, changing=True)
        chosen = {resource.id for resource in declare(target.settings, target.clients)}
        if not chosen:
            raise PlatformError("settings", "leave nothing to make here", "See REDSHIFT_ENABLED in .env.")
        resources = gather(target.settings, target.clients, target.embedded)
        planned = make_plan(resources, emulated=target.clients.emulated, selected=chosen)
        return _carry_out(target, planned)
    except PlatformError as error:
        plain_console(stderr=True).print(Text.assemble(("error: ", "bold red"), str(error)), soft_wrap=True)
        return EXIT_ERROR
