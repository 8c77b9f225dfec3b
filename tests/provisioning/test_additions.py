"""What others set beside the platform's own is drift: shown and taken off. What they may need is shown only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.resource import UNSUPPORTED, Resource
from infrastructure.settings import Settings
from tests.provisioning.account import CORE, EmulatedAccount

Addition = Callable[[EmulatedAccount], object]
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


def function(account: EmulatedAccount, **changed: Any) -> None:
    account.client("lambda").update_function_configuration(FunctionName=account.settings.function_name, **changed)


def mapping(account: EmulatedAccount, **changed: Any) -> None:
    lambda_ = account.client("lambda")
    (found,) = lambda_.list_event_source_mappings(FunctionName=account.settings.function_name)["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=found["UUID"], **changed)


def queue(account: EmulatedAccount, **attributes: str) -> None:
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName=account.settings.on_failure_queue_name)["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


def redrive(account: EmulatedAccount) -> None:
    arn = account.client("sqs").create_queue(QueueName="elsewhere")["QueueUrl"]
    attributes = account.client("sqs").get_queue_attributes(QueueUrl=arn, AttributeNames=["QueueArn"])["Attributes"]
    target = {"deadLetterTargetArn": attributes["QueueArn"], "maxReceiveCount": 1}
    queue(account, RedrivePolicy=json.dumps(target))


def add_a_layer(account: EmulatedAccount) -> None:
    layer = account.client("lambda").publish_layer_version(LayerName="spy", Content={"ZipFile": b"x"})
    function(account, Layers=[layer["LayerVersionArn"]])


def let_others_call(account: EmulatedAccount) -> None:
    account.client("lambda").add_permission(
        FunctionName=account.settings.function_name,
        StatementId="hole",
        Action="lambda:InvokeFunction",
        Principal="210987654321",
    )


def share_the_stream(account: EmulatedAccount) -> None:
    statement = {
        "Sid": "Hole",
        "Effect": "Allow",
        "Principal": {"AWS": OTHER},
        "Action": ["kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:DescribeStreamSummary"],
        "Resource": account.settings.stream_arn,
    }
    account.client("kinesis").put_resource_policy(
        ResourceARN=account.settings.stream_arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )


def replicate(account: EmulatedAccount) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket="elsewhere", VersioningConfiguration={"Status": "Enabled"})
    rule = {
        "ID": "copy",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": "arn:aws:s3:::elsewhere"},
    }
    s3.put_bucket_replication(
        Bucket=raw(account), ReplicationConfiguration={"Role": account.settings.role_arn("glue"), "Rules": [rule]}
    )


def notify(account: EmulatedAccount) -> None:
    topic = account.client("sns").create_topic(Name="elsewhere")["TopicArn"]
    account.client("s3").put_bucket_notification_configuration(
        Bucket=raw(account),
        NotificationConfiguration={"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]},
        SkipDestinationValidation=True,
    )


def filter_the_alarms(account: EmulatedAccount) -> None:
    sns = account.client("sns")
    topic = account.settings.arn("sns", f"{account.settings.prefix}-alarms")
    (found,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    sns.set_subscription_attributes(
        SubscriptionArn=found["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue='{"never": ["so"]}'
    )


def share_the_secret(account: EmulatedAccount) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "secretsmanager:GetSecretValue"}
    account.client("secretsmanager").put_resource_policy(
        SecretId=account.settings.tokenization_secret_name,
        ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]}),
    )


def rotate_the_secret(account: EmulatedAccount) -> None:
    account.client("secretsmanager").rotate_secret(
        SecretId=account.settings.tokenization_secret_name,
        RotationLambdaARN=account.settings.function_arn,
        RotationRules={"AutomaticallyAfterDays": 30},
    )


def watch_less(account: EmulatedAccount) -> None:
    cloudwatch, name = account.client("cloudwatch"), f"{account.settings.prefix}-landing-errors"
    (found,) = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    kept = (
        "AlarmName AlarmDescription ActionsEnabled AlarmActions OKActions Namespace MetricName Dimensions Statistic "
        "Period EvaluationPeriods DatapointsToAlarm Threshold ComparisonOperator TreatMissingData"
    )
    cloudwatch.put_metric_alarm(**{key: found[key] for key in kept.split()}, Unit="Megabytes")


ADDITIONS: dict[str, tuple[Addition, str, str]] = {
    # name: (what is done by hand, type of the resource, path that differs)
    "a filter drops records": (
        lambda a: mapping(a, FilterCriteria={"Filters": [{"Pattern": '{"data": {"amount": ["1"]}}'}]}),
        "AWS::Lambda::EventSourceMapping",
        "FilterCriteria",
    ),
    "a tumbling window": (
        lambda a: mapping(a, TumblingWindowInSeconds=60),
        "AWS::Lambda::EventSourceMapping",
        "TumblingWindowInSeconds",
    ),
    "a layer of code": (add_a_layer, "AWS::Lambda::Function", "Layers"),
    "another account may call the function": (let_others_call, "AWS::Lambda::Function", "ResourcePolicy"),
    "a consumer reads the stream": (
        lambda a: a.client("kinesis").register_stream_consumer(StreamARN=a.settings.stream_arn, ConsumerName="spy"),
        "AWS::Kinesis::Stream",
        "Consumers",
    ),
    "another account may read the stream": (share_the_stream, "AWS::Kinesis::Stream", "ResourcePolicy"),
    "objects are replicated": (replicate, "AWS::S3::Bucket", "Replication"),
    "events go elsewhere": (notify, "AWS::S3::Bucket", "Notifications"),
    "web pages may read objects": (
        lambda a: a.client("s3").put_bucket_cors(
            Bucket=raw(a), CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
        ),
        "AWS::S3::Bucket",
        "Cors",
    ),
    "the bucket is a web site": (
        lambda a: a.client("s3").put_bucket_website(
            Bucket=raw(a), WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}}
        ),
        "AWS::S3::Bucket",
        "Website",
    ),
    "transfer acceleration": (
        lambda a: a.client("s3").put_bucket_accelerate_configuration(
            Bucket=raw(a), AccelerateConfiguration={"Status": "Enabled"}
        ),
        "AWS::S3::Bucket",
        "Acceleration",
    ),
    "given-up positions are moved away": (redrive, "AWS::SQS::Queue", "RedrivePolicy"),
    "given-up positions come late": (lambda a: queue(a, DelaySeconds="900"), "AWS::SQS::Queue", "DelaySeconds"),
    "given-up positions are too long": (
        lambda a: queue(a, MaximumMessageSize="1024"),
        "AWS::SQS::Queue",
        "MaximumMessageSize",
    ),
    "another account may read the secret": (share_the_secret, "AWS::SecretsManager::Secret", "ResourcePolicy"),
    "somebody rotates the secret": (rotate_the_secret, "AWS::SecretsManager::Secret", "RotationEnabled"),
    "the secret is copied to another region": (
        lambda a: a.client("secretsmanager").replicate_secret_to_regions(
            SecretId=a.settings.tokenization_secret_name, AddReplicaRegions=[{"Region": "eu-west-1"}]
        ),
        "AWS::SecretsManager::Secret",
        "Replicas",
    ),
    "alarms are kept from the one on call": (filter_the_alarms, "AWS::SNS::Subscription", "FilterPolicy"),
    "an alarm counts another unit": (watch_less, "AWS::CloudWatch::Alarm", "Unit"),
    "the trail's files lie elsewhere": (
        lambda a: a.client("cloudtrail").update_trail(Name=a.settings.trail_name, S3KeyPrefix="elsewhere"),
        "AWS::CloudTrail::Trail",
        "S3KeyPrefix",
    ),
}


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


@pytest.mark.parametrize("name", ADDITIONS)
def test_what_others_add_is_shown_by_plan_and_taken_off_by_apply(name: str, standing: EmulatedAccount) -> None:
    add, type_, path = ADDITIONS[name]
    add(standing)
    shown = {
        difference.path.partition("[")[0]: step.resource.type
        for step in standing.plan().changes
        for difference in step.differences
    }
    assert any(found == path or found.startswith(path) for found in shown), shown
    assert set(shown.values()) == {type_}
    assert standing.apply().errors == ()
    assert standing.plan().changes == ()


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
