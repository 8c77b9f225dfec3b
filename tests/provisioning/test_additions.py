"""What others set beside the platform's own is drift: shown and taken off. What they may need is shown only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.resource import UNSUPPORTED, Resource
from infrastructure.settings import Settings
from tests.provisioning.account import CORE, EmulatedAccount

OTHER = "arn:aws:iam::210987654321:root"
ADDRESS = "oncall@bank.example"


@pytest.fixture(scope="module")
def standing() -> Iterator[EmulatedAccount]:
    """One account for all of these tests; each of them ends with everything as it should be."""
    with emulated_aws():
        settings = Settings(region="eu-central-1", alarm_emails=(ADDRESS,))
        account = EmulatedAccount(settings, parts=(*CORE, "monitoring", "cloudtrail"))
        account.apply().raise_for_errors()
        yield account


def raw(account: EmulatedAccount) -> str:
    return account.settings.bucket("raw")


def stubbed(standing: EmulatedAccount, type_: str, name: str, service: str) -> tuple[Resource, Stubber]:
    """A resource whose client answers as a stub is told, for what moto does not keep."""
    found = next(each for each in standing.resources() if each.type == type_ and each.name == name)
    client = boto3.client(service, "eu-central-1")
    found.clients = AwsClient(client)
    return found, Stubber(client)


class AwsClient:
    """Gives one client, which is AWS's own to the code."""

    emulated = False

    def __init__(self, client: Any) -> None:
        self._client = client

    def __call__(self, service: str) -> Any:
        return self._client


def test_an_inventory_is_taken_off_by_its_id(standing: EmulatedAccount) -> None:
    bucket, stub = stubbed(standing, "AWS::S3::Bucket", raw(standing), "s3")
    listed = {"InventoryConfigurationList": [INVENTORY]}
    with stub:
        stub.add_response("list_bucket_inventory_configurations", listed, {"Bucket": raw(standing)})
        stub.add_response("delete_bucket_inventory_configuration", {}, {"Bucket": raw(standing), "Id": "names"})
        bucket.update(frozenset({"Inventories"}), bucket.unset)
        stub.assert_no_pending_responses()


INVENTORY = {
    "Id": "names",
    "IsEnabled": True,
    "IncludedObjectVersions": "All",
    "Schedule": {"Frequency": "Daily"},
    "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::elsewhere", "Format": "CSV"}},
}
# What moto does not keep when it is set: how Lambda answers it, and the request that takes it off.
CONFIGURED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "DeadLetterConfig": (
        {"DeadLetterConfig": {"TargetArn": "arn:aws:sqs:eu-central-1:1:q"}},
        {"DeadLetterConfig": {"TargetArn": ""}},
    ),
    "EphemeralStorage": ({"EphemeralStorage": {"Size": 4096}}, {"EphemeralStorage": {"Size": 512}}),
    "FileSystemConfigs": (
        {
            "FileSystemConfigs": [
                {
                    "Arn": "arn:aws:elasticfilesystem:eu-central-1:123456789012:access-point/fsap-01234567890123456",
                    "LocalMountPath": "/mnt/x",
                }
            ]
        },
        {"FileSystemConfigs": []},
    ),
    "SnapStart": ({"SnapStart": {"ApplyOn": "PublishedVersions"}}, {"SnapStart": {"ApplyOn": "None"}}),
    "VpcConfig": (
        {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": "vpc-1"}},
        {"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}},
    ),
    "LoggingConfig": (
        {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/elsewhere"}},
        {
            "LoggingConfig": {
                "LogFormat": "Text",
                "LogGroup": "/aws/lambda/banking-data-dev-process-transaction",
            }
        },
    ),
}
# What Lambda answers if nobody has set any of it.
PLAIN = {
    "FunctionArn": "arn:aws:lambda:eu-central-1:123456789012:function:banking-data-dev-process-transaction",
    "CodeSha256": "x",
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""},
    "EphemeralStorage": {"Size": 512},
    "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
    "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/banking-data-dev-process-transaction"},
}


def read_function(standing: EmulatedAccount, **answered: Any) -> tuple[Resource, Stubber, set[str]]:
    """The function as Lambda answers it, and what of it is not as it has to stay."""
    name = standing.settings.function_name
    found, stub = stubbed(standing, "AWS::Lambda::Function", name, "lambda")
    stub.activate()
    stub.add_response("get_function", {"Configuration": PLAIN | answered}, {"FunctionName": name})
    stub.add_client_error("get_policy", "ResourceNotFoundException")
    stub.add_response("list_function_url_configs", {"FunctionUrlConfigs": []})
    actual = found.read()
    assert actual is not None
    return found, stub, {each for each, value in found.unset.items() if actual[each] != value}


def test_a_function_as_lambda_answers_it_shows_nothing_that_others_set(standing: EmulatedAccount) -> None:
    assert read_function(standing)[2] == set()


@pytest.mark.parametrize("name", CONFIGURED)
def test_what_others_configure_on_the_function_is_shown_and_taken_off(name: str, standing: EmulatedAccount) -> None:
    answered, request = CONFIGURED[name]
    found, stub, shown = read_function(standing, **answered)
    assert shown == {name}
    sent: dict[str, Any] = {}
    found.clients("lambda").meta.events.register(
        "provide-client-params.lambda.UpdateFunctionConfiguration", lambda params, **_: sent.update(params)
    )
    stub.add_response("update_function_configuration", {})
    stub.add_response("get_function_configuration", {"LastUpdateStatus": "Successful"})
    declared = found.properties | {"Environment": {}, "KMSKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/a"}
    found.update(frozenset({name}), found.unset | declared)
    assert request.items() <= sent.items()
    assert not {each for each in CONFIGURED if each in sent} - {name}


@pytest.mark.parametrize(
    ("answered", "path"),
    [
        ({"metricTransformations": [{"unit": "Seconds"}]}, "Unit"),
        ({"metricTransformations": [{"defaultValue": 1.0}]}, "DefaultValue"),
        ({"metricTransformations": [{"dimensions": {"who": "$.userIdentity.arn"}}]}, "Dimensions"),
        ({"metricTransformations": [{}, {}]}, "FurtherMetrics"),
        ({"metricTransformations": [{}], "applyOnTransformedLogs": True}, "OnTransformedLogs"),
        ({"metricTransformations": [{}], "fieldSelectionCriteria": "x"}, "FieldSelection"),
        ({"metricTransformations": [{"unit": "None"}]}, ""),
    ],
)
def test_a_metric_that_is_counted_otherwise_is_shown(
    answered: dict[str, Any], path: str, standing: EmulatedAccount
) -> None:
    name = f"{standing.settings.prefix}-stream-reads-by-others"
    found, stub = stubbed(standing, "AWS::Logs::MetricFilter", name, "logs")
    plain = {"metricName": "x", "metricNamespace": "y", "metricValue": "1"}
    metrics = [plain | each for each in answered["metricTransformations"]]
    with stub:
        answer = answered | {"filterName": name, "filterPattern": "z", "metricTransformations": metrics}
        stub.add_response("describe_metric_filters", {"metricFilters": [answer]})
        actual = found.read()
    assert actual is not None
    assert {each for each, value in found.unset.items() if actual[each] != value} == ({path} if path else set())


def test_a_function_url_is_taken_off_with_its_alias(standing: EmulatedAccount) -> None:
    name = standing.settings.function_name
    found, stub = stubbed(standing, "AWS::Lambda::Function", name, "lambda")
    arn = standing.settings.function_arn
    url = {
        "FunctionUrl": "https://0123456789012345678901234567890123456789.lambda-url.eu-central-1.on.aws/",
        "AuthType": "NONE",
        "CreationTime": "2026-11-26T04:00:00Z",
        "LastModifiedTime": "2026-11-26T04:00:00Z",
    }
    urls = [url | {"FunctionArn": arn}, url | {"FunctionArn": f"{arn}:live"}]
    with stub:
        stub.add_response("list_function_url_configs", {"FunctionUrlConfigs": urls})
        stub.add_response("delete_function_url_config", {}, {"FunctionName": name})
        stub.add_response("delete_function_url_config", {}, {"FunctionName": name, "Qualifier": "live"})
        found.update(frozenset({"FunctionUrls"}), found.unset)
        stub.assert_no_pending_responses()


def foreign(account: EmulatedAccount) -> list[str]:
    return [text for step in account.plan().steps for text in step.foreign]


def test_what_others_may_need_is_shown_and_left_alone(standing: EmulatedAccount) -> None:
    settings = standing.settings
    topic = settings.arn("sns", f"{settings.prefix}-alarms")
    standing.client("sns").subscribe(TopicArn=topic, Protocol="sms", Endpoint="+15550100")
    key = standing.client("kms").describe_key(KeyId=settings.key_alias("data"))["KeyMetadata"]["KeyId"]
    standing.client("kms").create_grant(KeyId=key, GranteePrincipal=OTHER, Operations=["Decrypt"])
    collector = settings.arn("lambda", "function:log-collector")
    standing.client("lambda").create_function(
        FunctionName="log-collector",
        Runtime="python3.11",
        Role=settings.role_arn("lambda"),
        Handler="x.y",
        Code={"ZipFile": b"x"},
    )
    standing.client("logs").put_subscription_filter(
        logGroupName=settings.function_log_group, filterName="siem", filterPattern="", destinationArn=collector
    )
    told = foreign(standing)
    assert "a subscriber: sms +15550100" in told
    assert f"a grant of Decrypt to {OTHER}" in told
    assert f"a subscription siem to {collector}" in told
    assert not any(ADDRESS in text for text in told)
    assert standing.plan().changes == ()
    standing.calls.clear()
    standing.apply()
    assert standing.calls.mutating == []


def test_an_inline_policy_under_the_name_of_the_loads_is_drift_where_there_is_no_warehouse() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1", redshift_enabled=False), parts=("security",))
        account.apply().raise_for_errors()
        everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        account.client("iam").put_role_policy(
            RoleName=account.settings.role_name("glue"),
            PolicyName="warehouse-load",
            PolicyDocument=json.dumps(everything),
        )
        (step,) = account.plan().changes
        assert [difference.path for difference in step.differences] == ["OtherPolicies"]
        account.apply().raise_for_errors()
        assert account.plan().changes == ()


def test_what_moto_cannot_tell_is_named_and_nothing_else(standing: EmulatedAccount) -> None:
    unread = {
        (step.resource.type, name)
        for step in standing.plan().steps
        for name, value in (step.actual or {}).items()
        if value is UNSUPPORTED
    }
    assert unread == {("AWS::Lambda::Function", "FunctionUrls"), ("AWS::SNS::Topic", "DataProtectionPolicy")}
