"""Stream, function, mapping, queue and secret as they stand after apply, and the requests that moto cannot judge."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from data_governance.token_key_rotation import KEPT_TAGS
from data_governance.tokenization import KEY_BYTES
from data_ingestion.create_kinesis_stream import SHARD_LEVEL_METRICS
from infrastructure.aws.kinesis import Stream, shard_steps
from infrastructure.aws.lambda_ import Function
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from scripts.commands.status import collect
from security.tokenization_secret import first_value
from tests.provisioning.account import CORE, EmulatedAccount


@pytest.fixture(scope="module")
def standing() -> Iterator[EmulatedAccount]:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1", lambda_reserved_concurrency=50), parts=CORE)
        account.apply().raise_for_errors()
        yield account


def test_the_stream_is_on_demand_encrypted_kept_for_a_week_and_measured(standing: EmulatedAccount) -> None:
    settings = standing.settings
    found = standing.client("kinesis").describe_stream_summary(StreamName=settings.stream_name)
    summary = found["StreamDescriptionSummary"]
    key = standing.client("kms").describe_key(KeyId=settings.key_alias("data"))["KeyMetadata"]["Arn"]
    assert summary["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    assert (summary["EncryptionType"], summary["KeyId"]) == ("KMS", key)
    assert summary["RetentionPeriodHours"] == 168
    assert set(summary["EnhancedMonitoring"][0]["ShardLevelMetrics"]) == set(SHARD_LEVEL_METRICS)
    tags = standing.client("kinesis").list_tags_for_stream(StreamName=settings.stream_name)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == settings.all_tags


def test_the_function_has_what_the_handler_reads(standing: EmulatedAccount) -> None:
    settings = standing.settings
    found = standing.client("lambda").get_function(FunctionName=settings.function_name)
    configuration = found["Configuration"]
    created = standing.client("kinesis").describe_stream_summary(StreamName=settings.stream_name)
    creation: datetime = created["StreamDescriptionSummary"]["StreamCreationTimestamp"]
    assert configuration["Environment"]["Variables"] | {"POWERTOOLS_SERVICE_NAME": ""} == {
        "RAW_BUCKET": settings.bucket("raw"),
        "QUARANTINE_BUCKET": settings.bucket("quarantine"),
        "TOKENIZATION_SECRET_ID": settings.tokenization_secret_name,
        "STREAM_INCARNATION": f"{creation.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        "POWERTOOLS_SERVICE_NAME": "",
        "POWERTOOLS_METRICS_NAMESPACE": settings.metrics_namespace,
    }
    assert configuration["Architectures"] == ["arm64"]
    assert configuration["TracingConfig"]["Mode"] == "Active"
    assert found["Concurrency"]["ReservedConcurrentExecutions"] == 50
    group = standing.client("logs").describe_log_groups(logGroupNamePrefix=settings.function_log_group)["logGroups"][0]
    assert group["retentionInDays"] == 365
    assert group["kmsKeyId"].startswith("arn:aws:kms:")


def test_the_mapping_reports_item_failures_never_bisects_and_gives_up_to_the_queue(standing: EmulatedAccount) -> None:
    settings = standing.settings
    (found,) = standing.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert found["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert found["BisectBatchOnFunctionError"] is False
    assert found["StartingPosition"] == "TRIM_HORIZON"
    assert (found["MaximumRetryAttempts"], found["MaximumRecordAgeInSeconds"]) == (-1, 604_800)
    assert found["DestinationConfig"]["OnFailure"]["Destination"] == settings.on_failure_queue_arn


def test_a_second_mapping_of_the_same_pair_is_refused_as_lambda_refuses_it(standing: EmulatedAccount) -> None:
    settings, lambda_ = standing.settings, standing.client("lambda")
    for function in (settings.function_name, settings.function_arn):
        with pytest.raises(lambda_.exceptions.ResourceConflictException, match="already exists"):
            lambda_.create_event_source_mapping(
                FunctionName=function, EventSourceArn=settings.stream_arn, StartingPosition="TRIM_HORIZON"
            )


def test_the_documented_recovery_reads_the_stream_again_beside_the_mapping_and_is_no_drift(
    standing: EmulatedAccount,
) -> None:
    settings, lambda_ = standing.settings, standing.client("lambda")
    version = lambda_.publish_version(FunctionName=settings.function_name)["Version"]
    recovery = lambda_.create_event_source_mapping(
        FunctionName=f"{settings.function_name}:{version}",
        EventSourceArn=settings.stream_arn,
        StartingPosition="AT_TIMESTAMP",
        StartingPositionTimestamp=datetime(2026, 11, 23, 12, 54, tzinfo=UTC),
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    assert standing.plan().changes == ()
    told = {each.subject: each for each in collect(settings, standing.clients, [])}["event source"]
    assert f"also to {settings.function_name}:{version}: Enabled" in told.text
    lambda_.delete_event_source_mapping(UUID=recovery["UUID"])
    assert standing.plan().changes == ()


def test_the_queue_is_encrypted_and_refuses_plain_http(standing: EmulatedAccount) -> None:
    sqs = standing.client("sqs")
    url = sqs.get_queue_url(QueueName=standing.settings.on_failure_queue_name)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    key = standing.client("kms").describe_key(KeyId=standing.settings.key_alias("messaging"))["KeyMetadata"]["Arn"]
    assert found["KmsMasterKeyId"] == key
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_a_new_secret_holds_one_random_key_of_256_bits() -> None:
    value = first_value()
    first, second = json.loads(value.text), json.loads(first_value().text)
    assert first["current"] == 1
    assert len(base64.b64decode(first["keys"]["1"])) == KEY_BYTES == 32
    assert first["keys"] != second["keys"]
    assert value.tags.keys() == KEPT_TAGS and value.tags["TokenKeyVersion"] == "1"
    assert first["keys"]["1"] not in str(value.tags)


class OneClient:
    """Gives one stubbed client."""

    emulated = False

    def __init__(self, client: Any) -> None:
        self._client = client

    def __call__(self, service: str) -> Any:
        return self._client


def summary(status: str, **changed: Any) -> dict[str, Any]:
    plain = {
        "StreamName": "s",
        "StreamARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/s",
        "StreamStatus": status,
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": datetime(2026, 11, 23, tzinfo=UTC),
        "EnhancedMonitoring": [{}],
        "OpenShardCount": 4,
    }
    return {"StreamDescriptionSummary": plain | changed}


def test_each_change_of_a_stream_waits_until_it_is_active_again(no_pauses: list[float]) -> None:
    client = boto3.client("kinesis", "eu-central-1")
    stream = Stream(part="data_ingestion", name="s", clients=OneClient(client), properties={})
    name = {"StreamName": "s"}
    with Stubber(client) as stub:
        stub.add_response("describe_stream_summary", summary("ACTIVE"), name)
        stub.add_response("describe_stream_summary", summary("UPDATING"), name)
        stub.add_response("describe_stream_summary", summary("ACTIVE"), name)
        stub.add_response("increase_stream_retention_period", {}, {"StreamName": "s", "RetentionPeriodHours": 168})
        stub.add_response("describe_stream_summary", summary("UPDATING"), name)
        stub.add_response("describe_stream_summary", summary("ACTIVE"), name)
        stream.update(frozenset({"RetentionPeriodHours"}), {"RetentionPeriodHours": 168})
        stub.assert_no_pending_responses()
    assert len(no_pauses) == 2


def test_a_stream_that_is_being_deleted_does_not_exist(no_pauses: list[float]) -> None:
    client = boto3.client("kinesis", "eu-central-1")
    stream = Stream(part="data_ingestion", name="s", clients=OneClient(client), properties={})
    with Stubber(client) as stub:
        stub.add_response("describe_stream_summary", summary("DELETING"), {"StreamName": "s"})
        assert stream.read() is None


def test_all_tags_of_a_stream_are_read_page_by_page() -> None:
    client = boto3.client("kinesis", "eu-central-1")
    stream = Stream(part="data_ingestion", name="s", clients=OneClient(client), properties={})
    first = {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}], "HasMoreTags": True}
    last = {"Tags": [{"Key": "c", "Value": "3"}], "HasMoreTags": False}
    with Stubber(client) as stub:
        stub.add_response("describe_stream_summary", summary("ACTIVE"), {"StreamName": "s"})
        stub.add_response("list_tags_for_stream", first, {"StreamName": "s"})
        stub.add_response("list_tags_for_stream", last, {"StreamName": "s", "ExclusiveStartTagKey": "b"})
        stub.add_response("list_stream_consumers", {"Consumers": []})
        stub.add_client_error("get_resource_policy", "ResourceNotFoundException")
        found = stream.read()
    assert found is not None
    assert found["Tags"] == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.parametrize(
    ("now", "wanted", "steps"),
    [(4, 8, [8]), (4, 9, [8, 9]), (4, 20, [8, 16, 20]), (9, 2, [5, 3, 2]), (5, 5, []), (8, 5, [5]), (2, 1, [1])],
)
def test_a_stream_is_resized_by_twice_or_half_at_a_time(now: int, wanted: int, steps: list[int]) -> None:
    assert shard_steps(now, wanted) == steps
    for before, after in zip([now, *steps], steps, strict=False):
        assert before / 2 <= after <= before * 2


def test_each_resize_waits_until_the_stream_is_active_again(no_pauses: list[float]) -> None:
    client = boto3.client("kinesis", "eu-central-1")
    stream = Stream(part="data_ingestion", name="s", clients=OneClient(client), properties={})
    name = {"StreamName": "s"}
    with Stubber(client) as stub:
        for _ in range(3):  # before the change: what it is, whether it is active, how many shards there are
            stub.add_response("describe_stream_summary", summary("ACTIVE"), name)
        for count in (8, 10):
            target = {"StreamName": "s", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"}
            stub.add_response("update_shard_count", {}, target)
            stub.add_response("describe_stream_summary", summary("UPDATING", OpenShardCount=4), name)
            stub.add_response("describe_stream_summary", summary("ACTIVE", OpenShardCount=count), name)
        stub.add_response("describe_stream_summary", summary("ACTIVE"), name)
        stream.update(frozenset({"ShardCount"}), {"ShardCount": 10})
        stub.assert_no_pending_responses()
    assert len(no_pauses) == 2


def test_more_resizes_than_kinesis_makes_in_a_day_are_refused_before_the_first(no_pauses: list[float]) -> None:
    client = boto3.client("kinesis", "eu-central-1")
    stream = Stream(part="data_ingestion", name="s", clients=OneClient(client), properties={})
    with Stubber(client) as stub:
        for _ in range(3):
            stub.add_response("describe_stream_summary", summary("ACTIVE", OpenShardCount=1), {"StreamName": "s"})
        with pytest.raises(PlatformError, match="12 resizes") as refused:
            stream.update(frozenset({"ShardCount"}), {"ShardCount": 4000})
    assert refused.value.todo == "Set SHARD_COUNT to 1024 now, and to 4000 tomorrow."


@pytest.mark.parametrize(
    ("changed", "call", "failed"),
    [
        ({"ReservedConcurrentExecutions", "MemorySize"}, "update_function_configuration", "LastUpdateStatus"),
        ({"CodeSha256"}, "update_function_code", "LastUpdateStatus"),
        (set(), "create_function", "State"),
    ],
)
def test_a_function_that_failed_is_not_waited_for(changed: set[str], call: str, failed: str) -> None:
    client = boto3.client("lambda", "eu-central-1")
    with emulated_aws():
        function = next(r for r in EmulatedAccount(Settings()).resources() if r.type == Function.type)
    function.clients = OneClient(client)
    properties = function.properties | {
        "Environment": {"STREAM_INCARNATION": "x"},
        "KMSKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/a",
    }
    with Stubber(client) as stub:
        stub.add_response(call, {})
        told = {failed: "Failed", f"{failed}Reason": "The KMS key is disabled."}
        stub.add_response("get_function_configuration", told, {"FunctionName": function.name})
        with pytest.raises(PlatformError, match=r"has failed: The KMS key is disabled\. Mend that"):
            function.update(frozenset(changed), properties) if changed else function.create(properties)
