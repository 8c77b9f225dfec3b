"""Drift made by hand: plan shows exactly what differs, apply mends it, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.compare import ABSENT
from infrastructure.planning.plan import Action
from infrastructure.settings import Settings
from tests.provisioning.account import CORE, EmulatedAccount

Drift = Callable[[EmulatedAccount], object]


def raw(account: EmulatedAccount) -> str:
    return account.settings.bucket("raw")


def stream(account: EmulatedAccount) -> str:
    return account.settings.stream_name


def mapping_uuid(account: EmulatedAccount) -> str:
    found = account.client("lambda").list_event_source_mappings(FunctionName=account.settings.function_name)
    uuid: str = found["EventSourceMappings"][0]["UUID"]
    return uuid


def queue_url(account: EmulatedAccount) -> str:
    url: str = account.client("sqs").get_queue_url(QueueName=account.settings.on_failure_queue_name)["QueueUrl"]
    return url


def drop_statement(account: EmulatedAccount, sid: str) -> None:
    s3 = account.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=raw(account))["Policy"])
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Sid"] != sid]
    s3.put_bucket_policy(Bucket=raw(account), Policy=json.dumps(policy))


def open_statement(account: EmulatedAccount) -> None:
    s3 = account.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=raw(account))["Policy"])
    hole = {"Sid": "Hole", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    policy["Statement"].append(hole)
    s3.put_bucket_policy(Bucket=raw(account), Policy=json.dumps(policy))


def weaken_key_policy(account: EmulatedAccount) -> None:
    kms = account.client("kms")
    key = kms.describe_key(KeyId=account.settings.key_alias("audit"))["KeyMetadata"]["KeyId"]
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    policy["Statement"] = policy["Statement"][:1]
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


def data_key(account: EmulatedAccount) -> str:
    key: str = account.client("kms").describe_key(KeyId=account.settings.key_alias("data"))["KeyMetadata"]["KeyId"]
    return key


def shorten_lifecycle(account: EmulatedAccount) -> None:
    rule = {"ID": "all-objects", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    account.client("s3").put_bucket_lifecycle_configuration(
        Bucket=raw(account), LifecycleConfiguration={"Rules": [rule]}
    )


def narrow_lifecycle(account: EmulatedAccount) -> None:
    s3 = account.client("s3")
    rules = s3.get_bucket_lifecycle_configuration(Bucket=raw(account))["Rules"]
    rules[0]["Filter"] = {"Tag": {"Key": "moves", "Value": "yes"}}
    s3.put_bucket_lifecycle_configuration(Bucket=raw(account), LifecycleConfiguration={"Rules": rules})


DRIFTS: dict[str, tuple[Drift, str, str, Any, Any]] = {
    # name: (what is done by hand, type of the resource, path that differs, old, new)
    "stream retention lowered": (
        lambda a: a.client("kinesis").decrease_stream_retention_period(StreamName=stream(a), RetentionPeriodHours=24),
        "AWS::Kinesis::Stream",
        "RetentionPeriodHours",
        24,
        168,
    ),
    "stream retention raised": (
        lambda a: a.client("kinesis").increase_stream_retention_period(StreamName=stream(a), RetentionPeriodHours=200),
        "AWS::Kinesis::Stream",
        "RetentionPeriodHours",
        200,
        168,
    ),
    "stream encryption off": (
        lambda a: a.client("kinesis").stop_stream_encryption(
            StreamName=stream(a), EncryptionType="KMS", KeyId=data_key(a)
        ),
        "AWS::Kinesis::Stream",
        "EncryptionKeyId",
        ABSENT,
        ...,
    ),
    "a shard metric off": (
        lambda a: a.client("kinesis").disable_enhanced_monitoring(
            StreamName=stream(a), ShardLevelMetrics=["IteratorAgeMilliseconds"]
        ),
        "AWS::Kinesis::Stream",
        "ShardLevelMetrics",
        ...,
        ...,
    ),
    "a tag of the stream changed": (
        lambda a: a.client("kinesis").add_tags_to_stream(StreamName=stream(a), Tags={"Environment": "prod"}),
        "AWS::Kinesis::Stream",
        "Tags.Environment",
        "prod",
        "dev",
    ),
    "public access block removed": (
        lambda a: a.client("s3").delete_public_access_block(Bucket=raw(a)),
        "AWS::S3::Bucket",
        "PublicAccessBlock",
        ABSENT,
        ...,
    ),
    "one public access flag off": (
        lambda a: a.client("s3").put_public_access_block(
            Bucket=raw(a),
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": False,
                "RestrictPublicBuckets": True,
            },
        ),
        "AWS::S3::Bucket",
        "PublicAccessBlock.BlockPublicPolicy",
        False,
        True,
    ),
    "access logging off": (
        lambda a: a.client("s3").put_bucket_logging(Bucket=raw(a), BucketLoggingStatus={}),
        "AWS::S3::Bucket",
        "Logging",
        ABSENT,
        ...,
    ),
    "bucket encryption weakened": (
        lambda a: a.client("s3").put_bucket_encryption(
            Bucket=raw(a),
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        ),
        "AWS::S3::Bucket",
        "Encryption.SSEAlgorithm",
        "AES256",
        "aws:kms",
    ),
    "lifecycle narrowed to a tag that no object has": (
        narrow_lifecycle,
        "AWS::S3::Bucket",
        "LifecycleRules[all-objects].Filter.Tag",
        {"Key": "moves", "Value": "yes"},
        ABSENT,
    ),
    "lifecycle shortened": (
        shorten_lifecycle,
        "AWS::S3::Bucket",
        "LifecycleRules[all-objects].Expiration.Days",
        1,
        2557,
    ),
    "Object Lock shortened": (
        lambda a: a.client("s3").put_object_lock_configuration(
            Bucket=raw(a),
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}},
            },
        ),
        "AWS::S3::Bucket",
        "ObjectLock.Years",
        ABSENT,
        1,
    ),
    "bucket ownership opened": (
        lambda a: a.client("s3").put_bucket_ownership_controls(
            Bucket=raw(a), OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        ),
        "AWS::S3::Bucket",
        "ObjectOwnership",
        "ObjectWriter",
        "BucketOwnerEnforced",
    ),
    "a statement dropped": (
        lambda a: drop_statement(a, "DenyInsecureTransport"),
        "AWS::S3::BucketPolicy",
        "PolicyDocument.Statement[DenyInsecureTransport]",
        ABSENT,
        ...,
    ),
    "a statement added": (
        open_statement,
        "AWS::S3::BucketPolicy",
        "PolicyDocument.Statement[Hole]",
        ...,
        ABSENT,
    ),
    "bucket policy removed": (
        lambda a: a.client("s3").delete_bucket_policy(Bucket=raw(a)),
        "AWS::S3::BucketPolicy",
        "PolicyDocument",
        ABSENT,
        ...,
    ),
    "key rotation off": (
        lambda a: a.client("kms").disable_key_rotation(KeyId=data_key(a)),
        "AWS::KMS::Key",
        "Rotation.Enabled",
        False,
        True,
    ),
    "key disabled": (
        lambda a: a.client("kms").disable_key(KeyId=data_key(a)),
        "AWS::KMS::Key",
        "KeyState",
        "Disabled",
        "Enabled",
    ),
    "key policy cut": (
        weaken_key_policy,
        "AWS::KMS::Key",
        "KeyPolicy.Statement[CloudWatchLogs]",
        ABSENT,
        ...,
    ),
    "alias moved to another key": (
        lambda a: a.client("kms").update_alias(
            AliasName=a.settings.key_alias("messaging"),
            TargetKeyId=a.client("kms").create_key()["KeyMetadata"]["KeyId"],
        ),
        "AWS::KMS::Alias",
        "TargetKeyId",
        ...,
        ...,
    ),
    "log retention removed": (
        lambda a: a.client("logs").delete_retention_policy(logGroupName=a.settings.function_log_group),
        "AWS::Logs::LogGroup",
        "RetentionInDays",
        ABSENT,
        365,
    ),
    "batch size changed": (
        lambda a: a.client("lambda").update_event_source_mapping(UUID=mapping_uuid(a), BatchSize=10),
        "AWS::Lambda::EventSourceMapping",
        "BatchSize",
        10,
        5000,
    ),
    "mapping disabled": (
        lambda a: a.client("lambda").update_event_source_mapping(UUID=mapping_uuid(a), Enabled=False),
        "AWS::Lambda::EventSourceMapping",
        "Enabled",
        False,
        True,
    ),
    "function memory changed": (
        lambda a: a.client("lambda").update_function_configuration(
            FunctionName=a.settings.function_name, MemorySize=128
        ),
        "AWS::Lambda::Function",
        "MemorySize",
        128,
        512,
    ),
    "function environment changed": (
        lambda a: a.client("lambda").update_function_configuration(
            FunctionName=a.settings.function_name, Environment={"Variables": {"RAW_BUCKET": "elsewhere"}}
        ),
        "AWS::Lambda::Function",
        "Environment.RAW_BUCKET",
        "elsewhere",
        "banking-data-dev-raw-123456789012-eu-central-1",
    ),
    "reserved concurrency removed": (
        lambda a: a.client("lambda").delete_function_concurrency(FunctionName=a.settings.function_name),
        "AWS::Lambda::Function",
        "ReservedConcurrentExecutions",
        ABSENT,
        50,
    ),
    "queue retention lowered": (
        lambda a: a.client("sqs").set_queue_attributes(
            QueueUrl=queue_url(a), Attributes={"MessageRetentionPeriod": "60"}
        ),
        "AWS::SQS::Queue",
        "MessageRetentionPeriod",
        60,
        1_209_600,
    ),
    "secret moved to another key": (
        lambda a: a.client("secretsmanager").update_secret(
            SecretId=a.settings.tokenization_secret_name, KmsKeyId="alias/aws/secretsmanager"
        ),
        "AWS::SecretsManager::Secret",
        "KmsKeyId",
        ABSENT,  # the account's default key is read as none
        ...,
    ),
}


@pytest.fixture(scope="module")
def standing() -> Iterator[EmulatedAccount]:
    """One account for all of these tests; each of them ends with everything as it should be."""
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1", lambda_reserved_concurrency=50), parts=CORE)
        account.apply().raise_for_errors()
        yield account


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_shown_by_plan_and_mended_by_apply(name: str, standing: EmulatedAccount) -> None:
    by_hand, type_, path, old, new = DRIFTS[name]
    by_hand(standing)
    plan = standing.plan()
    found = {
        difference.path: difference
        for step in plan.changes
        if step.resource.type == type_
        for difference in step.differences
    }
    assert path in found
    assert old is ... or found[path].old == old
    assert new is ... or found[path].new == new
    standing.calls.clear()
    assert standing.apply().errors == ()
    assert standing.calls.mutating != []
    assert standing.plan().changes == ()


def test_drift_of_one_property_is_the_only_change(standing: EmulatedAccount) -> None:
    standing.client("kinesis").add_tags_to_stream(StreamName=stream(standing), Tags={"Environment": "prod"})
    plan = standing.plan()
    assert [(step.resource.name, step.action, len(step.differences)) for step in plan.changes] == [
        (stream(standing), Action.UPDATE, 1)
    ]
    standing.calls.clear()
    standing.apply()
    assert standing.calls.mutating == ["kinesis.AddTagsToStream"]


def test_tags_that_others_set_stay(standing: EmulatedAccount) -> None:
    s3 = standing.client("s3")
    tags = s3.get_bucket_tagging(Bucket=raw(standing))["TagSet"]
    s3.put_bucket_tagging(Bucket=raw(standing), Tagging={"TagSet": [*tags[1:], {"Key": "CostCenter", "Value": "42"}]})
    standing.apply().raise_for_errors()
    after = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=raw(standing))["TagSet"]}
    assert after["CostCenter"] == "42"
    assert standing.settings.all_tags.items() <= after.items()


def test_what_was_removed_by_hand_is_made_again(standing: EmulatedAccount) -> None:
    standing.client("lambda").delete_event_source_mapping(UUID=mapping_uuid(standing))
    standing.client("lambda").delete_function(FunctionName=standing.settings.function_name)
    assert {step.action for step in standing.plan().changes} == {Action.CREATE}
    standing.apply().raise_for_errors()
    assert standing.plan().changes == ()


def test_another_smallest_size_of_what_moves_is_drift(applied: EmulatedAccount) -> None:
    """The emulator has one size only, so its answer is changed on its way."""
    sizes = {raw(applied): "varies_by_storage_class"}

    def answer(parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
        for bucket, size in sizes.items():
            if bucket in http_response.url:
                parsed["TransitionDefaultMinimumObjectSize"] = size

    def put(params: dict[str, Any], **_: Any) -> None:
        sizes[params["Bucket"]] = params["TransitionDefaultMinimumObjectSize"]

    events = applied.clients("s3").meta.events
    events.register("after-call.s3.GetBucketLifecycleConfiguration", answer)
    events.register("provide-client-params.s3.PutBucketLifecycleConfiguration", put)
    (step,) = applied.plan().changes
    (difference,) = step.differences
    assert difference.path == "TransitionDefaultMinimumObjectSize"
    assert (difference.old, difference.new) == ("varies_by_storage_class", "all_storage_classes_128K")
    applied.apply().raise_for_errors()
    assert sizes == {raw(applied): "all_storage_classes_128K"}


def test_a_rule_that_ends_on_a_date_is_drift_and_no_crash(applied: EmulatedAccount) -> None:
    moved = {"Date": datetime(2030, 1, 1, tzinfo=UTC), "StorageClass": "GLACIER"}
    rule = {"ID": "others", "Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [moved]}
    applied.client("s3").put_bucket_lifecycle_configuration(
        Bucket=raw(applied), LifecycleConfiguration={"Rules": [rule]}
    )
    assert [step.resource.name for step in applied.plan().changes] == [raw(applied)]
