"""Where a command that reads or changes data works: the account, or with --workdir what a local run kept."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from data_governance.alert_comparison import AlertsOfDay, alerts_among, alerts_in_table
from data_governance.control_totals import ControlTotals
from infrastructure.aws.iceberg import tables_of
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget
from infrastructure.errors import PlatformError
from infrastructure.local.kept_state import open_kept_state
from infrastructure.planning.aws_errors import explain
from infrastructure.references import fraud_table_name, warehouse_target
from infrastructure.settings import Settings
from scripts.commands.account import find_account

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table


class ProducerTotals(Protocol):
    """What was produced, as a workdir has recorded it."""

    def produced(self, streamed: dict[str, ControlTotals]) -> ControlTotals: ...

    def put_again(self) -> ControlTotals: ...


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Where a command works, and what it needs besides the lake.

    tables: the lake's Iceberg tables by name. producer: what was produced; None in an account, whose producers keep
    their own totals. data_api: None if there is no warehouse. auditor, loader, admin: the logins for counting, for
    loading and for repairs (in an account, the caller's own). caller: who runs the command. cloudwatch: the client that
    metrics are put with. stream_alerts: those of a date that the fraud stream has raised; None if it is left out.
    run_job: runs the Glue job here; None in an account.
    """

    settings: Settings
    s3: S3Client
    tables: Callable[[str], Table]
    producer: ProducerTotals | None
    data_api: DataApi | None
    auditor: WarehouseTarget
    loader: WarehouseTarget
    admin: WarehouseTarget
    caller: str
    cloudwatch: Any
    stream_alerts: AlertsOfDay | None = None
    run_job: Callable[[], int] | None = None


def open_context(arguments: argparse.Namespace, *, changing: bool = False) -> AbstractContextManager[CommandContext]:
    return _kept(arguments.workdir) if arguments.workdir else _account(arguments, changing)


@contextmanager
def _account(arguments: argparse.Namespace, changing: bool) -> Iterator[CommandContext]:
    account = find_account(arguments, changing=changing)
    settings, clients = account.settings, account.clients
    # An emulator never ends a statement, or answers it with rows of its own.
    data_api = clients("redshift-data") if settings.redshift_enabled and not clients.emulated else None
    try:
        target = warehouse_target(settings)
        tables = tables_of(clients("glue"), clients("s3"), settings.glue_database)
        stream = alerts_in_table(clients("dynamodb"), fraud_table_name(settings)) if settings.stream_alerts else None
        yield CommandContext(
            settings,
            clients("s3"),
            tables,
            None,
            data_api,
            target,
            target,
            target,
            account.caller,
            clients("cloudwatch"),
            stream,
        )
    except (BotoCoreError, ClientError) as error:
        raise explain(error, "AWS") from error


@contextmanager
def _kept(directory: str) -> Iterator[CommandContext]:
    """An embedded stack over the state that a run kept."""
    with open_kept_state(directory) as kept:
        warehouse = kept.warehouse
        yield CommandContext(
            kept.settings,
            kept.s3,
            kept.tables,
            kept.workdir,
            warehouse.data_api,
            warehouse.auditor,
            warehouse.loader,
            warehouse.admin,
            getpass.getuser(),
            kept.cloudwatch,
            alerts_among(kept.workdir.fraud_items()),
            kept.run_job,
        )


def no_warehouse() -> PlatformError:
    return PlatformError(
        "warehouse",
        "is switched off, or this endpoint only emulates one",
        "Set REDSHIFT_ENABLED=true and apply; on this machine, name a --workdir",
    )
