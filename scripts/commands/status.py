"""status: what exists and how it is doing. Resources, stream, landing, job, warehouse, queue, alarms. Reads only."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from data_catalog.lake_layout import RAW_TRANSACTIONS_PREFIX, run_of
from data_governance.run_folders import newest_months
from data_governance.token_key_rotation import KeyAge, age_from_tags, key_age
from data_storage.warehouse_loader import ledger
from infrastructure.aws import s3_objects
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget
from infrastructure.aws.tags import tag_dict
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code, is_not_found, unsupported_reason
from infrastructure.planning.plan import read_all
from infrastructure.planning.resource import Clients, Resource, references
from infrastructure.provisioning import gather
from infrastructure.references import fraud_failures_queue_name, fraud_function_name, fraud_queue_name, warehouse_target
from infrastructure.settings import Settings
from scripts.commands.account import find_account
from scripts.commands.terminal import (
    EXIT_ERROR,
    EXIT_OK,
    Parser,
    add_account_options,
    add_output_options,
    console,
    outcome,
    print_json,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# The IAM actions that it needs beside those by which plan reads the resources.
PERMISSIONS = (
    "cloudwatch:DescribeAlarms cloudwatch:GetMetricStatistics glue:GetJobRuns kinesis:DescribeStreamSummary "
    "kms:Decrypt lambda:ListEventSourceMappings redshift-data:DescribeStatement redshift-data:ExecuteStatement "
    "redshift-data:GetStatementResult redshift-serverless:GetCredentials redshift:GetClusterCredentialsWithIAM "
    "s3:GetObject s3:ListBucket sqs:GetQueueAttributes sqs:GetQueueUrl"
)
_AGE_WINDOW = timedelta(minutes=15)
_AGE_PERIOD_SECONDS = 60
_JOB_RUNS = 20  # the newest, among which one has begun


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the status. well: None if there is nothing to judge."""

    subject: str
    text: str
    well: bool | None = None


Probe = Callable[[Settings, Clients], Finding]


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add status."""
    status = commands.add_parser(
        "status",
        help="what exists, and how it is doing",
        description="What exists, and how it is doing. Reads only. Exit status: 0 nothing is wrong, 1 otherwise.",
    )
    status.add_argument("--workdir", metavar="DIR", help="of a local run's kept state instead of an account")
    add_account_options(status)
    add_output_options(status, as_json=True)
    status.set_defaults(run=run_status)


def run_status(arguments: argparse.Namespace) -> int:
    """Print what exists and how it is doing; the exit status is 1 if anything is not well, or cannot be told."""
    if arguments.workdir:
        found = collect_kept(arguments.workdir)
    else:
        account = find_account(arguments)
        with console(arguments).status("reading what exists"):
            resources = gather(account.settings, account.clients, account.embedded)
            found = collect(account.settings, account.clients, resources)
    show_status(outcome(arguments), found)
    if arguments.json:
        print_json([asdict(finding) for finding in found])
    return EXIT_ERROR if any(finding.well is False for finding in found) else EXIT_OK


def collect(settings: Settings, clients: Clients, resources: Sequence[Resource]) -> list[Finding]:
    """Every finding. If a probe is not allowed to look, or finds nothing, its line says so."""
    findings = [_existing(resources)]
    for subject, probe in _PROBES.items():
        try:
            findings.append(probe(settings, clients))
        except Exception as error:
            findings.append(Finding(subject, _reason(error, clients), None if is_not_found(error) else False))
    return findings


def collect_kept(directory: str) -> list[Finding]:
    """The findings of a workdir: landing, runs and ledger. Nothing is kept of the rest."""
    from infrastructure.local.kept_state import open_kept_state

    with open_kept_state(directory) as kept:
        return [
            _kept_token_key(kept.workdir.secret(), kept.settings),
            _landed(kept.s3, kept.settings),
            _curated(kept.s3, kept.settings),
            _loaded(kept.warehouse.data_api, kept.warehouse.auditor),
        ]


def show_status(console: Console, findings: Sequence[Finding]) -> None:
    """Print the findings, one line each."""
    marks = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("·", "dim")}
    for finding in findings:
        line = Text.assemble("  ", marks[finding.well], f" {finding.subject:<16}", finding.text)
        console.print(line, soft_wrap=True)


def _reason(error: Exception, clients: Clients) -> str:
    unsupported = unsupported_reason(error, clients.emulated)
    if unsupported:
        return f"not supported by this endpoint ({unsupported})"
    if is_not_found(error):
        return "does not exist"
    if isinstance(error, PlatformError):
        return f"cannot tell: {error.what}. {error.todo}"
    return f"cannot tell: {error_code(error) or type(error).__name__}"


def _existing(resources: Sequence[Resource]) -> Finding:
    wanted = [resource for resource in resources if resource.wanted]
    readings = read_all(wanted)
    unsupported = _unsupported(wanted, {id_ for id_, reading in readings.items() if reading.unsupported})
    missing = [
        f"{resource.type.removeprefix('AWS::')} {resource.name}"
        for resource in wanted
        if readings[resource.id].actual is None and resource.id not in unsupported
    ]
    text = f"{len(wanted) - len(missing) - len(unsupported)} of {len(wanted)} exist"
    if unsupported:
        text += f", {len(unsupported)} not supported by this endpoint"
    if missing:
        text += f"; missing: {', '.join(missing)}"
    return Finding("resources", text, not missing)


def _unsupported(resources: Sequence[Resource], found: set[str]) -> set[str]:
    """The ids in found, and those of all resources that refer to one of them."""
    more = {resource.id for resource in resources if references(resource.properties) & found} | found
    return found if more == found else _unsupported(resources, more)


def _stream(settings: Settings, clients: Clients) -> Finding:
    found = clients("kinesis").describe_stream_summary(StreamName=settings.stream_name)["StreamDescriptionSummary"]
    mode = found.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED")
    text = (
        f"{settings.stream_name} is {found['StreamStatus']}: {found['OpenShardCount']} shards, {mode}, "
        f"keeps {found['RetentionPeriodHours']} h"
    )
    return Finding("stream", text, found["StreamStatus"] in ("ACTIVE", "UPDATING"))


def _iterator_age(settings: Settings, clients: Clients) -> Finding:
    seconds = _oldest_unlanded(settings, clients)
    if seconds is None:
        return Finding("iterator age", f"no batch in the last {_AGE_WINDOW.seconds // 60} minutes")
    return Finding("iterator age", f"{seconds:,.1f} s", seconds < settings.alarm_iterator_age_seconds)


def unlanded(settings: Settings, clients: Clients) -> str:
    """What would be lost with the stream, as far as CloudWatch knows, for whoever is about to remove it."""
    try:
        seconds = _oldest_unlanded(settings, clients)
    except Exception as error:
        told = _reason(error, clients)
    else:
        told = "no batch was read lately" if seconds is None else f"the last batch waited {seconds:,.1f} s"
    return f"What has not landed is lost with the stream (iterator age: {told}): stop the producers first."


def _oldest_unlanded(settings: Settings, clients: Clients) -> float | None:
    """How many seconds the oldest record of the last batch had waited; None if no batch was read lately."""
    now = datetime.now(UTC)
    points = clients("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="IteratorAge",
        Dimensions=[{"Name": "FunctionName", "Value": settings.function_name}],
        StartTime=now - _AGE_WINDOW,
        EndTime=now,
        Period=_AGE_PERIOD_SECONDS,
        Statistics=["Maximum"],
    )["Datapoints"]
    if not points:
        return None
    return float(max(points, key=lambda point: point["Timestamp"])["Maximum"]) / 1000


def _mapping(settings: Settings, clients: Clients) -> Finding:
    pages = clients("lambda").get_paginator("list_event_source_mappings").paginate(EventSourceArn=settings.stream_arn)
    found = {mapping["FunctionArn"]: mapping for page in pages for mapping in page["EventSourceMappings"]}
    if settings.function_arn not in found:
        return Finding("event source", "no mapping feeds the function", False)
    own = found.pop(settings.function_arn)
    told = [_told(own), *(f"also to {arn.rpartition(':function:')[2]}: {_told(each)}" for arn, each in found.items())]
    return Finding("event source", "; ".join(told), all(_works(each) for each in (own, *found.values())))


def _told(mapping: dict[str, Any]) -> str:
    last = mapping.get("LastProcessingResult")
    return str(mapping["State"]) + (f", last result: {last}" if last else "")


def _works(mapping: dict[str, Any]) -> bool:
    """Lambda says "PROBLEM: ..." where it cannot read the stream or call the function; the state stays Enabled."""
    return mapping["State"] == "Enabled" and not str(mapping.get("LastProcessingResult", "")).startswith("PROBLEM")


def _token_key(settings: Settings, clients: Clients) -> Finding:
    found = clients("secretsmanager").describe_secret(SecretId=settings.tokenization_secret_name)
    return _of_age(age_from_tags(tag_dict(found.get("Tags", [])), found["CreatedDate"]), settings)


def _kept_token_key(secret: str | None, settings: Settings) -> Finding:
    if secret is None:
        return Finding("token key", "none yet")
    return _of_age(key_age(secret, datetime.now(UTC)), settings)


def _of_age(age: KeyAge, settings: Settings) -> Finding:
    days = age.days(datetime.now(UTC))
    text = f"version {age.current}, {days} days old"
    if days >= settings.token_key_max_age_days:
        text += f" (TOKEN_KEY_MAX_AGE_DAYS is {settings.token_key_max_age_days}): rotate-token-key"
    is_overdue = age.former is not None and days >= settings.token_key_overlap_days
    if age.former is not None:
        text += f"; version {age.former} overlaps"
        text += f": rotate-token-key --retire {age.former}" if is_overdue else ""
    return Finding("token key", text, days < settings.token_key_max_age_days and not is_overdue)


def _last_landed(settings: Settings, clients: Clients) -> Finding:
    return _landed(clients("s3"), settings)


def _landed(s3: S3Client, settings: Settings) -> Finding:
    bucket = settings.bucket("raw")
    prefix = RAW_TRANSACTIONS_PREFIX
    for _ in ("arrival_date", "arrival_hour"):
        folders = s3_objects.folders(s3, bucket, prefix)
        if not folders:
            return Finding("last landed", f"nothing under {prefix} yet")
        prefix = max(folders)
    newest = max(s3_objects.entries(s3, bucket, prefix), key=lambda entry: entry["LastModified"])
    return Finding("last landed", f"{newest['LastModified']:%Y-%m-%d %H:%M:%S} UTC  {newest['Key']}", True)


def _last_job_run(settings: Settings, clients: Clients) -> Finding:
    runs = clients("glue").get_job_runs(JobName=settings.glue_job_name, MaxResults=_JOB_RUNS)["JobRuns"]
    begun = [run for run in runs if not _never_began(run)]
    if not begun:
        return Finding("last job run", "none yet")
    run = begun[0]
    text = f"{run['JobRunState']}, started {run['StartedOn']:%Y-%m-%d %H:%M} UTC"
    if run.get("ErrorMessage"):
        text += f": {run['ErrorMessage']}"
    return Finding("last job run", text, run["JobRunState"] in ("SUCCEEDED", "RUNNING", "STARTING"))


def _never_began(run: dict[str, Any]) -> bool:
    """It waits for the run that is at work, or was refused because of it: nothing to judge the job by."""
    refused = run["JobRunState"] == "FAILED" and "concurrent runs" in run.get("ErrorMessage", "").lower()
    return refused or run["JobRunState"] == "WAITING"


def _last_curated(settings: Settings, clients: Clients) -> Finding:
    return _curated(clients("s3"), settings)


def _curated(s3: S3Client, settings: Settings) -> Finding:
    """The newest run that has a result, since that object is a run's commit."""
    bucket = settings.bucket("curated")
    for prefix in newest_months(s3, bucket):
        results = [
            entry for entry in s3_objects.entries(s3, bucket, prefix) if run_of(entry["Key"])[1] == "result.json"
        ]
        if results:
            break
    else:
        return Finding("last curated", "no run yet")
    newest = max(results, key=lambda entry: entry["LastModified"])
    run_id, _ = run_of(newest["Key"])
    return Finding("last curated", f"run {run_id}, {newest['LastModified']:%Y-%m-%d %H:%M:%S} UTC", True)


def _last_loaded(settings: Settings, clients: Clients) -> Finding:
    if clients.emulated:
        return Finding("last loaded", "not asked: emulators answer any SQL with rows of their own")
    return _loaded(clients("redshift-data"), warehouse_target(settings))


def _loaded(data_api: DataApi, target: WarehouseTarget) -> Finding:
    rows = ledger(data_api, target)
    if not rows:
        return Finding("last loaded", "no run yet")
    last = max(rows, key=lambda row: row.loaded_at)
    rows_loaded = last.rows_loaded + last.pending_loaded
    return Finding("last loaded", f"run {last.run_id}, {last.loaded_at} UTC, {rows_loaded:,} rows", True)


def _messages(queue_name: str, clients: Clients) -> int:
    sqs = clients("sqs")
    url = sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in found.values())


def _fraud(settings: Settings, clients: Clients) -> Finding:
    if not settings.stream_alerts:
        return Finding("fraud alerts", "left to the job (STREAM_ALERTS=false)")
    function = fraud_function_name(settings)
    found = clients("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    if not found:
        return Finding("fraud alerts", f"no mapping feeds {function}", False)
    waiting = _messages(fraud_queue_name(settings), clients)
    failures = _messages(fraud_failures_queue_name(settings), clients)
    text = f"{_told(found[0])}; {waiting} objects wait, {failures} in {fraud_failures_queue_name(settings)}"
    return Finding("fraud alerts", text, _works(found[0]) and not failures)


def _queue(settings: Settings, clients: Clients) -> Finding:
    waiting = _messages(settings.on_failure_queue_name, clients)
    return Finding(
        "given up", f"{waiting} batch{'' if waiting == 1 else 'es'} in {settings.on_failure_queue_name}", waiting == 0
    )


def _alarms(settings: Settings, clients: Clients) -> Finding:
    pages = clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{settings.prefix}-")
    alarms: list[dict[str, Any]] = [alarm for page in pages for alarm in page["MetricAlarms"]]
    raised = [alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM"]
    if not alarms:
        return Finding("alarms", "none exist", False)
    text = f"{len(raised)} of {len(alarms)} raised" + (f": {', '.join(raised)}" if raised else "")
    return Finding("alarms", text, not raised)


_PROBES: dict[str, Probe] = {
    "stream": _stream,
    "event source": _mapping,
    "token key": _token_key,
    "iterator age": _iterator_age,
    "last landed": _last_landed,
    "given up": _queue,
    "fraud alerts": _fraud,
    "last job run": _last_job_run,
    "last curated": _last_curated,
    "last loaded": _last_loaded,
    "alarms": _alarms,
}
