"""lineage: OpenLineage events of landing, runs and loads, to a file or a lineage server."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from data_governance.run_folders import month_of, results
from data_governance.run_result import RunResult
from data_storage.warehouse_loader import ledger
from infrastructure.aws import s3_objects
from infrastructure.errors import PlatformError
from scripts.commands.context import CommandContext, open_context
from scripts.commands.terminal import (
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    day,
    outcome,
    print_json,
    program_version,
)

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.transport import Transport

_DEFAULT_DAYS = 31
_API_KEY = "OPENLINEAGE_API_KEY"  # the client's own name for it
# The IAM actions that it needs.
PERMISSIONS = (
    "kms:Decrypt redshift-data:DescribeStatement redshift-data:ExecuteStatement redshift-data:GetStatementResult "
    "redshift-serverless:GetCredentials redshift:GetClusterCredentialsWithIAM s3:GetObject s3:ListBucket"
)

Emit = Callable[["RunEvent"], Any]


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add lineage; it sets run(arguments) -> exit status."""
    parser = commands.add_parser(
        "lineage",
        help="OpenLineage events of landing, runs and loads",
        description="OpenLineage events of what landed, of the job's runs and of their loads, made of the results of "
        "runs and the warehouse's ledger. A run has the same id each time, so that sending twice changes nothing.",
    )
    parser.add_argument(
        "--from", dest="since", type=day, metavar="D",
        help=f"runs planned from that day on, YYYY-MM-DD in UTC (default: {_DEFAULT_DAYS} days before --to)",
    )  # fmt: skip
    parser.add_argument("--to", type=day, metavar="D", help="until the end of that day (default: today)")
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--file", metavar="FILE", help="append the events to a file, one JSON document a line")
    to.add_argument("--url", metavar="URL", help=f"send them to a server; its key is read from {_API_KEY}")
    parser.add_argument("--workdir", metavar="DIR", help="of what `local --workdir DIR` kept, not of an account")
    add_account_options(parser)
    add_output_options(parser, as_json=True)
    parser.set_defaults(run=run_lineage)


def run_lineage(arguments: argparse.Namespace) -> int:
    """Make the events and write or send them; the exit status is 0 where that worked for all."""
    until = arguments.to or datetime.now(UTC).date()
    since = arguments.since or until - timedelta(days=_DEFAULT_DAYS)
    with open_context(arguments) as context, event_target(arguments) as emit:
        runs = sent = 0
        for events in events_of_runs(context, since, until):
            for event in events:
                emit(event)
                sent += 1
            runs += 1
    where = arguments.file or arguments.url
    outcome(arguments).print(f"{sent:,} events of {runs:,} runs planned {since} to {until} -> {where}", soft_wrap=True)
    if arguments.json:
        print_json({"runs": runs, "events": sent, "from": since.isoformat(), "to": until.isoformat()})
    return EXIT_OK


def events_of_runs(context: CommandContext, since: date, until: date) -> Iterator[list[RunEvent]]:
    """The events of each run that was planned on these days, run by run."""
    from data_storage.lineage import LineageNames, events_of  # the client takes a while to import

    names = LineageNames(context.settings, context.auditor, f"urn:banking-data:{program_version()}")
    loaded = {}
    if context.data_api is not None:
        rows = ledger(context.data_api, context.auditor, planned_since=since)
        loaded = {row.run_id: row for row in rows}
    for result, committed in _results(context, since, until):
        yield list(events_of(names, result, committed, loaded.get(result.run_id)))


def _results(context: CommandContext, since: date, until: date) -> Iterator[tuple[RunResult, datetime]]:
    """The runs' results in the order of their keys, and when each was put."""
    bucket = context.settings.bucket("curated")
    found = results(context.s3, bucket, month_of(since), month_of(until))
    put = {each.key: each.modified for each in found}
    for key, body in s3_objects.bodies(context.s3, bucket, list(put)):
        result = RunResult.from_json(body, f"s3://{bucket}/{key}")
        if since <= result.created_at.astimezone(UTC).date() <= until:
            yield result, datetime.fromisoformat(put[key]).replace(tzinfo=UTC)


@contextmanager
def event_target(arguments: argparse.Namespace) -> Iterator[Emit]:
    """Where events go, by OpenLineage's own transports. Raises PlatformError where one is not taken."""
    from requests.exceptions import RequestException

    transport = _to_file(arguments.file) if arguments.file else _to_server(arguments.url)
    try:
        yield transport.emit
    except RequestException as error:
        why = type(error).__name__ if error.response is None else f"status {error.response.status_code}"
        raise PlatformError(arguments.url, f"did not take an event ({why})", "Run the same command again") from None
    except RuntimeError as error:  # the file's transport makes it of an OSError
        why = getattr(error.__cause__, "strerror", None) or str(error)
        raise PlatformError(arguments.file, f"can't be written ({why})", "Name another file") from None


def _to_file(file: str) -> Transport:
    from openlineage.client.transport.file import FileConfig, FileTransport

    return FileTransport(FileConfig(file, append=True))


def _to_server(url: str) -> Transport:
    from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

    key = os.environ.get(_API_KEY)
    try:
        return HttpTransport(HttpConfig(url, auth=ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({})))
    except ValueError:
        raise PlatformError(f"--url {url}", "is no URL", "Write it as https://lineage.bank.example") from None
