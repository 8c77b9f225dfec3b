"""Requests that the emulator does not implement or ignores: their exact parameters, checked by botocore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from data_catalog import create_athena_workgroup
from data_governance import enable_cloudtrail_logging
from data_processing import create_glue_job
from infrastructure.aws.clients import AwsClients
from infrastructure.aws.s3 import S3Object, content_sha256
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.aws_errors import explain
from infrastructure.planning.resource import Properties, Resource, resolve
from infrastructure.settings import Settings
from monitoring import setup_cloudwatch_alarms

SETTINGS = Settings(region="eu-central-1")
EVERY_HALF_HOUR = replace(SETTINGS, glue_every_minutes=30)
TRAIL_NAME = "banking-data-dev-audit-eu-central-1"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/data"

pytestmark = pytest.mark.usefixtures("no_pauses")


class OneClient:
    """Gives a stubbed client; asking for another service is a fault of the test."""

    emulated = False

    def __init__(self, service: str) -> None:
        self.service = service
        self.client = boto3.client(service, region_name=SETTINGS.region)
        self.stubber = Stubber(self.client)

    def __call__(self, service: str) -> Any:
        assert service == self.service
        return self.client


Stub = Callable[[str], OneClient]


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Makes a stubbed client; at the end every response that was queued must have been asked for."""
    made: list[OneClient] = []

    def make(service: str) -> OneClient:
        made.append(OneClient(service))
        made[-1].stubber.activate()
        return made[-1]

    yield make
    for each in made:
        each.stubber.assert_no_pending_responses()


def the(resources: list[Resource], type_: str) -> tuple[Any, Properties]:
    """The one resource of a type, and its properties with every Ref as KEY."""
    (found,) = [resource for resource in resources if resource.type == type_]
    outputs = {f"AWS::KMS::Key/banking-data-dev-{purpose}": {"Arn": KEY} for purpose in ("data", "audit", "messaging")}
    return found, resolve(found.properties, outputs)


def test_a_changed_job_is_updated_with_all_of_its_parameters(stub: Stub) -> None:
    clients = stub("glue")
    job, properties = the(create_glue_job.resources(EVERY_HALF_HOUR, clients), "AWS::Glue::Job")
    expected = {name: value for name, value in properties.items() if name != "Tags"}
    assert set(expected) >= {"Role", "Command", "DefaultArguments", "SecurityConfiguration", "GlueVersion", "Timeout"}
    clients.stubber.add_response(
        "update_job", {"JobName": job.name}, {"JobName": "banking-data-dev-etl-transactions", "JobUpdate": expected}
    )
    job.update(frozenset({"Timeout"}), properties)


def test_no_start_is_refused_while_a_run_is_at_work(stub: Stub) -> None:
    """Glue queues a start beyond MaxConcurrentRuns only for a job without retries."""
    clients = stub("glue")
    job, properties = the(create_glue_job.resources(SETTINGS, clients), "AWS::Glue::Job")
    queued = {"MaxRetries": 0, "JobRunQueuingEnabled": True, "ExecutionProperty": {"MaxConcurrentRuns": 1}}
    assert queued.items() <= properties.items()
    stored = {name: value for name, value in properties.items() if name not in ("Tags", "JobRunQueuingEnabled")}
    for extra, found in (({}, False), ({"JobRunQueuingEnabled": False}, False), ({"JobRunQueuingEnabled": True}, True)):
        clients.stubber.add_response("get_job", {"Job": stored | extra})
        clients.stubber.add_response("get_tags", {"Tags": {}})
        read = job.read()
        assert read and read["JobRunQueuingEnabled"] is found


def test_a_job_waits_until_its_new_role_is_known(stub: Stub) -> None:
    clients = stub("glue")
    job, properties = the(create_glue_job.resources(EVERY_HALF_HOUR, clients), "AWS::Glue::Job")
    clients.stubber.add_client_error(
        "create_job", "InvalidInputException", "Role should be given assume role permissions"
    )
    clients.stubber.add_response("create_job", {"Name": job.name})
    job.create(properties)


def test_a_jobs_other_faults_are_not_waited_for(stub: Stub) -> None:
    clients = stub("glue")
    job, properties = the(create_glue_job.resources(EVERY_HALF_HOUR, clients), "AWS::Glue::Job")
    clients.stubber.add_client_error("create_job", "ResourceNumberLimitExceededException", "too many jobs")
    with pytest.raises(clients.client.exceptions.ResourceNumberLimitExceededException) as raised:
        job.create(properties)
    explained = explain(raised.value, f"job {job.name}")
    assert "Service Quotas" in explained.todo


def test_prod_takes_no_spare_capacity_and_the_others_do() -> None:
    def execution_class(environment: Any) -> Any:
        resources = create_glue_job.resources(Settings(environment=environment), OneClient("glue"))
        return the_class(resources)

    def the_class(resources: list[Resource]) -> Any:
        return next(r.properties["ExecutionClass"] for r in resources if r.type == "AWS::Glue::Job")

    assert {name: execution_class(name) for name in ("dev", "test", "prod")} == {
        "dev": "FLEX",
        "test": "FLEX",
        "prod": "STANDARD",
    }


def test_workers_that_are_not_to_be_had_as_spare_capacity_are_not_asked_for_as_such() -> None:
    for worker, expected in (("G.2X", "FLEX"), ("G.4X", "STANDARD"), ("R.1X", "STANDARD")):
        declared = create_glue_job.resources(replace(SETTINGS, glue_worker_type=worker), OneClient("glue"))
        assert [r.properties["ExecutionClass"] for r in declared if r.type == "AWS::Glue::Job"] == [expected]


def test_a_changed_schedule_is_updated_in_place(stub: Stub) -> None:
    clients = stub("glue")
    trigger, properties = the(create_glue_job.resources(EVERY_HALF_HOUR, clients), "AWS::Glue::Trigger")
    clients.stubber.add_response(
        "update_trigger",
        {},
        {
            "Name": "banking-data-dev-etl-transactions-schedule",
            "TriggerUpdate": {
                "Schedule": "cron(0/30 * * * ? *)",
                "Actions": [{"JobName": "banking-data-dev-etl-transactions"}],
                "Description": properties["Description"],
            },
        },
    )
    trigger.update(frozenset({"Schedule"}), properties)


def test_where_the_bank_schedules_the_job_itself_the_trigger_goes() -> None:
    resources = create_glue_job.resources(replace(SETTINGS, glue_every_minutes=0), OneClient("glue"))
    assert [resource.wanted for resource in resources if resource.type == "AWS::Glue::Trigger"] == [False]


def test_a_changed_workgroup_is_updated_as_a_whole(stub: Stub) -> None:
    clients = stub("athena")
    settings = replace(SETTINGS, athena_scan_limit_gib=10)
    group, properties = the(create_athena_workgroup.resources(settings, clients), "AWS::Athena::WorkGroup")
    clients.stubber.add_response(
        "update_work_group",
        {},
        {
            "WorkGroup": "banking-data-dev",
            "Description": "Queries over the lake",
            "State": "ENABLED",
            "ConfigurationUpdates": {
                "EnforceWorkGroupConfiguration": True,
                "PublishCloudWatchMetricsEnabled": True,
                "RequesterPaysEnabled": False,
                "BytesScannedCutoffPerQuery": 10 * 1024**3,
                "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
                "ResultConfigurationUpdates": {
                    "OutputLocation": f"s3://{SETTINGS.bucket('curated')}/staging/athena/",
                    "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": KEY},
                    "ExpectedBucketOwner": "123456789012",
                },
            },
        },
    )
    group.update(frozenset({"BytesScannedCutoffPerQuery"}), properties)


TRAIL = {
    "Name": TRAIL_NAME,
    "S3BucketName": SETTINGS.bucket("audit"),
    "IncludeGlobalServiceEvents": True,
    "IsMultiRegionTrail": True,
    "EnableLogFileValidation": True,
    "KmsKeyId": KEY,
    "CloudWatchLogsLogGroupArn": SETTINGS.arn("logs", f"log-group:/aws/cloudtrail/{TRAIL_NAME}:*"),
    "CloudWatchLogsRoleArn": "arn:aws:iam::123456789012:role/banking-data-dev-cloudtrail-eu-central-1",
}


def the_trail(clients: OneClient) -> tuple[Any, Properties]:
    return the(enable_cloudtrail_logging.resources(SETTINGS, clients), "AWS::CloudTrail::Trail")


@pytest.mark.parametrize(
    "code",
    [
        "InvalidCloudWatchLogsRoleArnException",
        "InsufficientS3BucketPolicyException",
        "InsufficientEncryptionPolicyException",
    ],
)
def test_a_trail_waits_until_role_policy_and_key_are_known(stub: Stub, code: str) -> None:
    clients = stub("cloudtrail")
    trail, properties = the_trail(clients)
    request = TRAIL | {"TagsList": [{"Key": key, "Value": value} for key, value in SETTINGS.all_tags.items()]}
    clients.stubber.add_client_error("create_trail", code, expected_params=request)
    clients.stubber.add_response("create_trail", {"Name": trail.name}, request)
    trail.create(properties)


def test_a_trail_that_may_not_be_made_says_so_at_once(stub: Stub) -> None:
    clients = stub("cloudtrail")
    trail, properties = the_trail(clients)
    clients.stubber.add_client_error("create_trail", "MaximumNumberOfTrailsExceededException")
    with pytest.raises(clients.client.exceptions.MaximumNumberOfTrailsExceededException) as raised:
        trail.create(properties)
    assert isinstance(explain(raised.value, trail.name), PlatformError)


def test_the_trail_records_the_lakes_objects_and_who_starts_to_read_the_stream(stub: Stub) -> None:
    clients = stub("cloudtrail")
    trail, properties = the_trail(clients)
    lake = [f"{SETTINGS.bucket_arn(purpose)}/" for purpose in ("raw", "curated", "quarantine")]

    def data(name: str, type_: str, *fields: dict[str, Any]) -> dict[str, Any]:
        category = {"Field": "eventCategory", "Equals": ["Data"]}
        return {"Name": name, "FieldSelectors": [category, {"Field": "resources.type", "Equals": [type_]}, *fields]}

    selectors = [
        {"Name": "Management events", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]},
        data("Objects of the lake", "AWS::S3::Object", {"Field": "resources.ARN", "StartsWith": lake}),
        data(
            "Reads of the audit bucket",
            "AWS::S3::Object",
            {"Field": "readOnly", "Equals": ["true"]},
            {"Field": "resources.ARN", "StartsWith": [f"{SETTINGS.bucket_arn('audit')}/"]},
        ),
        data(
            "Readers of the stream",
            "AWS::Kinesis::Stream",
            {"Field": "eventName", "Equals": ["GetShardIterator", "SubscribeToShard"]},
            {"Field": "resources.ARN", "Equals": [SETTINGS.stream_arn]},
        ),
        data(
            "Consumers of the stream",
            "AWS::Kinesis::StreamConsumer",
            {"Field": "resources.ARN", "StartsWith": [f"{SETTINGS.stream_arn}/consumer/"]},
        ),
    ]
    clients.stubber.add_response(
        "put_event_selectors", {}, {"TrailName": TRAIL_NAME, "AdvancedEventSelectors": selectors}
    )
    trail.update(frozenset({"AdvancedEventSelectors"}), properties)


def test_the_trail_records_no_management_events_where_another_one_does() -> None:
    with_them, without = (
        enable_cloudtrail_logging.event_selectors(Settings(trail_management_events=on)) for on in (True, False)
    )
    assert with_them[1:] == without
    assert all(each["FieldSelectors"][0]["Equals"] == ["Data"] for each in without)


def test_a_stopped_trail_is_started_and_nothing_else(stub: Stub) -> None:
    clients = stub("cloudtrail")
    trail, properties = the_trail(clients)
    clients.stubber.add_response("start_logging", {}, {"Name": TRAIL_NAME})
    trail.update(frozenset({"IsLogging"}), properties)


def test_the_quarantine_alarm_divides_the_functions_own_metrics(stub: Stub) -> None:
    clients = stub("cloudwatch")
    resources = setup_cloudwatch_alarms.resources(EVERY_HALF_HOUR, clients)
    alarm = next(resource for resource in resources if resource.name == "banking-data-dev-quarantine-rate")

    def counted(id_: str, name: str) -> dict[str, Any]:
        dimensions = [{"Name": "service", "Value": "banking-data-dev-process-transaction"}]
        metric = {"Namespace": "BankingDataPlatform/dev", "MetricName": name, "Dimensions": dimensions}
        return {"Id": id_, "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Sum"}, "ReturnData": False}

    topic = "arn:aws:sns:eu-central-1:123456789012:banking-data-dev-alarms"
    clients.stubber.add_response(
        "put_metric_alarm",
        {},
        {
            "AlarmName": "banking-data-dev-quarantine-rate",
            "AlarmDescription": alarm.properties["AlarmDescription"],
            "ActionsEnabled": True,
            "AlarmActions": [topic],
            "OKActions": [topic],
            "Metrics": [
                counted("quarantined", "RecordsQuarantined"),
                counted("received", "RecordsReceived"),
                {
                    "Id": "value",
                    "Expression": "IF(received > 0, 100 * quarantined / received, 0)",
                    "ReturnData": True,
                },
            ],
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": 2,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "Tags": [{"Key": key, "Value": value} for key, value in SETTINGS.all_tags.items()],
        },
    )
    alarm.create(alarm.properties)


def test_a_subscription_that_nobody_confirmed_is_left_to_expire(stub: Stub) -> None:
    clients = stub("sns")
    settings = replace(SETTINGS, alarm_emails=("oncall@bank.example",))
    resources = setup_cloudwatch_alarms.resources(settings, clients)
    subscription, _ = the(resources, "AWS::SNS::Subscription")
    topic = "arn:aws:sns:eu-central-1:123456789012:banking-data-dev-alarms"
    pending = {"SubscriptionArn": "PendingConfirmation", "Protocol": "email", "Endpoint": "oncall@bank.example"}
    request = {"TopicArn": topic}
    clients.stubber.add_response("list_subscriptions_by_topic", {"Subscriptions": [pending]}, request)
    clients.stubber.add_response("list_subscriptions_by_topic", {"Subscriptions": [pending]}, request)
    assert subscription.read() == subscription.unset  # it exists: a second apply sends no second mail
    subscription.delete()


def test_a_subscription_is_asked_for_once_and_removed_by_its_arn(stub: Stub) -> None:
    clients = stub("sns")
    settings = replace(SETTINGS, alarm_emails=("oncall@bank.example",))
    subscription, _ = the(setup_cloudwatch_alarms.resources(settings, clients), "AWS::SNS::Subscription")
    topic = "arn:aws:sns:eu-central-1:123456789012:banking-data-dev-alarms"
    clients.stubber.add_response(
        "subscribe",
        {"SubscriptionArn": f"{topic}:1"},
        {
            "TopicArn": topic,
            "Protocol": "email",
            "Endpoint": "oncall@bank.example",
            "Attributes": {},
            "ReturnSubscriptionArn": True,
        },
    )
    subscription.create({})
    confirmed = {"SubscriptionArn": f"{topic}:1", "Protocol": "email", "Endpoint": "oncall@bank.example"}
    clients.stubber.add_response("list_subscriptions_by_topic", {"Subscriptions": [confirmed]}, {"TopicArn": topic})
    clients.stubber.add_response("unsubscribe", {}, {"SubscriptionArn": f"{topic}:1"})
    subscription.delete()


# --- The job's files: real uploads to a bucket without the policy that emulators misread ------------------------------


@pytest.fixture
def uploaded() -> Iterator[tuple[S3Object, Any]]:
    """A file of the job in a bucket, and the S3 client."""
    with emulated_aws():
        clients = AwsClients(SETTINGS.region, emulated=False)
        place: Any = {"LocationConstraint": SETTINGS.region}
        clients("s3").create_bucket(Bucket="artifacts", CreateBucketConfiguration=place)
        content = b"print('curate')"
        file = S3Object(
            part="data_processing",
            name="artifacts/glue/0123/job.py",
            clients=clients,
            content=lambda: content,
            properties={"Sha256": content_sha256(content)},
        )
        assert file.read() is None
        file.create(file.properties)
        yield file, clients("s3")


def test_an_uploaded_file_is_known_by_its_hash(uploaded: tuple[S3Object, Any]) -> None:
    file, s3 = uploaded
    assert file.read() == file.properties
    assert s3.get_object(Bucket="artifacts", Key="glue/0123/job.py")["Body"].read() == b"print('curate')"


def test_a_file_that_somebody_overwrote_is_drift_and_put_right(uploaded: tuple[S3Object, Any]) -> None:
    file, s3 = uploaded
    s3.put_object(Bucket="artifacts", Key="glue/0123/job.py", Body=b"print('steal')", ChecksumAlgorithm="SHA256")
    assert file.read() != file.properties
    file.update(frozenset({"Sha256"}), file.properties)
    assert file.read() == file.properties


def test_a_file_is_removed_and_removing_it_twice_is_no_error(uploaded: tuple[S3Object, Any]) -> None:
    file, _ = uploaded
    file.delete()
    assert file.read() is None
    file.delete()
