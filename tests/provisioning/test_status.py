"""What status reports of an account, in each state."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from rich.console import Console

from scripts.commands.status import Finding, collect, show_status, unlanded
from tests.provisioning.account import EmulatedAccount, service_error


def findings(account: EmulatedAccount) -> dict[str, Finding]:
    return {finding.subject: finding for finding in collect(account.settings, account.clients, account.resources())}


def test_an_empty_account_is_told_as_such_without_an_error(account: EmulatedAccount) -> None:
    found = findings(account)
    assert found["resources"].well is False
    assert found["resources"].text.startswith("0 of ")
    assert account.settings.stream_name in found["resources"].text
    for subject in ("stream", "last landed", "given up"):
        assert found[subject].text == "does not exist", subject
        assert found[subject].well is None


def test_an_applied_account_is_well(applied: EmulatedAccount) -> None:
    found = findings(applied)
    assert found["resources"].well is True
    assert found["stream"].text.endswith("is ACTIVE: 4 shards, ON_DEMAND, keeps 168 h")
    assert found["event source"].text == "Enabled"
    assert found["given up"].well is True
    assert found["last landed"].text == "nothing under raw/transactions/ yet"
    assert found["last curated"].text == "no run yet"


def test_the_last_landed_object_is_the_newest_of_the_last_hour(applied: EmulatedAccount) -> None:
    s3, raw = applied.client("s3"), applied.settings.bucket("raw")
    s3.delete_bucket_policy(Bucket=raw)  # moto refuses every object call under a Deny
    for hour in ("arrival_date=2026-11-22/arrival_hour=23", "arrival_date=2026-11-23/arrival_hour=09"):
        s3.put_object(Bucket=raw, Key=f"raw/transactions/{hour}/a.ndjson.gz", Body=b"")
    assert findings(applied)["last landed"].text.endswith(
        "raw/transactions/arrival_date=2026-11-23/arrival_hour=09/a.ndjson.gz"
    )


def test_batches_that_were_given_up_are_not_well(applied: EmulatedAccount) -> None:
    sqs = applied.client("sqs")
    url = sqs.get_queue_url(QueueName=applied.settings.on_failure_queue_name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    found = findings(applied)["given up"]
    assert (found.text.split(" in ")[0], found.well) == ("1 batch", False)


def test_whoever_removes_the_stream_is_told_how_long_its_records_have_waited(applied: EmulatedAccount) -> None:
    assert "no batch was read lately" in unlanded(applied.settings, applied.clients)
    put_iterator_age(applied, 90_000)
    told = unlanded(applied.settings, applied.clients)
    assert told.startswith("What has not landed is lost with the stream")
    assert "waited 90.0 s" in told


def test_what_is_missing_is_named_once_each_with_its_kind(account: EmulatedAccount) -> None:
    account.apply()
    raw = account.settings.bucket("raw")
    account.client("s3").delete_bucket_policy(Bucket=raw)
    told = findings(account)["resources"].text
    assert told.endswith(f"missing: S3::BucketPolicy {raw}")


@pytest.mark.parametrize(("milliseconds", "well"), [(2_000, True), (301_000, False), (80_000_000, False)])
def test_the_iterator_age_is_judged_as_its_alarm_does(milliseconds: int, well: bool, applied: EmulatedAccount) -> None:
    put_iterator_age(applied, milliseconds)
    found = findings(applied)["iterator age"]
    assert (found.text, found.well) == (f"{milliseconds / 1000:,.1f} s", well)


def put_iterator_age(account: EmulatedAccount, milliseconds: int) -> None:
    account.client("cloudwatch").put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "IteratorAge",
                "Dimensions": [{"Name": "FunctionName", "Value": account.settings.function_name}],
                "Timestamp": datetime.now(UTC) - timedelta(minutes=1),
                "Value": milliseconds,
                "Unit": "Milliseconds",
            }
        ],
    )


def test_a_mapping_that_cannot_read_is_not_well_though_it_is_enabled(applied: EmulatedAccount) -> None:
    def with_a_problem(parsed: dict[str, Any], **_: Any) -> None:
        parsed["EventSourceMappings"][0]["LastProcessingResult"] = "PROBLEM: Cannot access stream arn"

    applied.client("lambda").meta.events.register("after-call.lambda.ListEventSourceMappings", with_a_problem)
    found = findings(applied)["event source"]
    assert found.text.startswith("Enabled, last result: PROBLEM: Cannot access stream")
    assert found.well is False


def test_a_disabled_mapping_is_not_well(applied: EmulatedAccount) -> None:
    lambda_ = applied.client("lambda")
    (mapping,) = lambda_.list_event_source_mappings()["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    assert findings(applied)["event source"].well is False


def test_a_raised_alarm_is_named(applied: EmulatedAccount) -> None:
    name = f"{applied.settings.prefix}-test"
    cloudwatch = applied.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        MetricName="Errors",
        Namespace="AWS/Lambda",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    found = findings(applied)["alarms"]
    assert found.well is False
    assert found.text.endswith(f"raised: {name}")


def test_what_may_not_be_looked_at_says_so_and_the_rest_is_told(applied: EmulatedAccount) -> None:
    def refuse(**_: Any) -> None:
        raise service_error("AccessDeniedException", "ListEventSourceMappings")

    applied.clients("sqs").meta.events.register_first("before-send.sqs.GetQueueAttributes", refuse)
    resources = [resource for resource in applied.resources() if resource.type != "AWS::SQS::Queue"]
    found = {finding.subject: finding for finding in collect(applied.settings, applied.clients, resources)}
    assert found["given up"].text == "cannot tell: AccessDeniedException"
    assert found["stream"].well is True


def test_status_changes_nothing(applied: EmulatedAccount) -> None:
    findings(applied)
    assert applied.calls.mutating == []


def test_each_finding_is_one_line() -> None:
    output = io.StringIO()
    console = Console(file=output, width=40)
    show_status(console, [Finding("stream", "long " * 30, True), Finding("alarms", "1 raised", False)])
    assert len(output.getvalue().splitlines()) == 2


_STARTED = datetime(2026, 11, 24, 9, 15, tzinfo=UTC)
_RUNNING = {"JobRunState": "RUNNING", "StartedOn": _STARTED}
_REFUSED = {
    "JobRunState": "FAILED",
    "StartedOn": _STARTED,
    "ErrorMessage": "Job exceeded its maximum concurrent runs: 1",
}
_QUEUED = {"JobRunState": "WAITING", "StartedOn": _STARTED}
_BROKEN = {"JobRunState": "FAILED", "StartedOn": _STARTED, "ErrorMessage": "out of memory"}


@pytest.mark.parametrize(
    ("runs", "text", "well"),
    [
        ([_QUEUED, _REFUSED, _RUNNING], "RUNNING, started 2026-11-24 09:15 UTC", True),
        ([_QUEUED, _BROKEN, _RUNNING], "FAILED, started 2026-11-24 09:15 UTC: out of memory", False),
        ([_QUEUED], "none yet", None),
    ],
    ids=["at work", "broken", "waiting for its first"],
)
def test_the_job_is_judged_by_the_last_run_that_began(
    applied: EmulatedAccount, runs: list[dict[str, Any]], text: str, well: bool | None
) -> None:
    answer = AWSResponse("", 200, HTTPHeaders(), None), {"JobRuns": runs}
    applied.clients("glue").meta.events.register("before-call.glue.GetJobRuns", lambda **_: answer)
    found = findings(applied)["last job run"]
    assert (found.text, found.well) == (text, well)
