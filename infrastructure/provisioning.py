"""Plan, apply and destroy the platform: what each folder declares, handed to the planner.

scripts/commands/provision.py is its command line.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from infrastructure.aws.clients import AwsClients
from infrastructure.errors import PlatformError
from infrastructure.planning.apply import Progress, Report, execute
from infrastructure.planning.destroy import plan_destruction
from infrastructure.planning.plan import Plan, make_plan
from infrastructure.planning.resource import Clients, Resource
from infrastructure.settings import Settings

# What --only and --except take: the folders, and the parts of them that need money or rights of their own.
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
    "security.webhook_secret",
    "data_storage.s3_bucket_setup",
    "data_ingestion.create_kinesis_stream",
    "data_ingestion.deploy_transaction_lambda",
    "data_catalog.create_glue_catalog_table",
    "data_catalog.table_optimizers",
    "data_catalog.create_athena_workgroup",
    "data_processing.create_glue_job",
    "data_processing.deploy_detect_fraud",
    "data_processing.deploy_deliver_alerts",
    "data_storage.redshift_setup",
    "data_governance.enable_cloudtrail_logging",
    "monitoring.setup_cloudwatch_alarms",
)


# An empty zip archive, for emulators that store the function's code and never run it.
PLACEHOLDER_ZIP = b"PK\x05\x06" + bytes(18)


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the embedded stack uses in place of what only AWS has. Never used in an account.

    lambda_zip: the function's code, and the job's libraries: a placeholder, because handler and job run here;
    stream_incarnation: the id of the workdir's stream.
    """

    lambda_zip: Callable[[], bytes]
    stream_incarnation: str | None = None


def gather(settings: Settings, clients: Clients, embedded: Embedded | None = None) -> list[Resource]:
    """Everything that should exist, as the folders declare it."""
    found: list[Resource] = []
    for name in MODULES:
        module = importlib.import_module(name)
        options: dict[str, Any] = {}
        if embedded and name == "data_ingestion.deploy_transaction_lambda":
            options = {"lambda_zip": embedded.lambda_zip, "incarnation": embedded.stream_incarnation}
        if embedded and name in ("data_processing.deploy_detect_fraud", "data_processing.deploy_deliver_alerts"):
            options = {"lambda_zip": embedded.lambda_zip}
        if embedded and name == "data_processing.create_glue_job":
            options = {"wheels": embedded.lambda_zip}
        found += module.resources(settings, clients, **options)
    return found


def select(resources: Sequence[Resource], only: Collection[str] = (), except_: Collection[str] = ()) -> frozenset[str]:
    """The ids of the selected resources; a folder's name covers the parts within it.

    Raises PlatformError on an unknown part, and if nothing is left.
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
    """Bring the account to what the settings say; what is already right is left alone.

    Raises PlatformError if reading fails; failures of single resources are in the report (raise_for_errors).
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
