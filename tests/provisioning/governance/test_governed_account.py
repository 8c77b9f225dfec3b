"""The whole account with roles, trail, alarms, catalog and job: applied, applied again, drifted, destroyed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infrastructure.aws.iceberg import open_catalog
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.compare import ABSENT
from infrastructure.planning.plan import Action
from infrastructure.settings import Settings
from tests.provisioning.account import EmulatedAccount

Drift = Callable[[EmulatedAccount], object]


def test_a_second_plan_has_no_change(governed: EmulatedAccount) -> None:
    assert [(step.resource.id, step.differences) for step in governed.plan().changes] == []


def test_a_second_apply_makes_no_mutating_call(governed: EmulatedAccount) -> None:
    governed.calls.clear()
    governed.apply()
    assert governed.calls.made != []
    assert governed.calls.mutating == []


def test_only_the_warehouse_and_the_jobs_files_are_not_supported_by_the_emulator(governed: EmulatedAccount) -> None:
    unsupported = {step.resource.type for step in governed.plan().unsupported}
    assert unsupported == {
        "AWS::RedshiftServerless::Namespace",
        "AWS::RedshiftServerless::UsageLimit",
        "AWS::RedshiftServerless::Workgroup",
        "Warehouse::Schema",
        "AWS::IAM::RolePolicy",  # refers to the workgroup's ARN
        "AWS::S3::Object",
        "AWS::Lambda::Function",  # ListFunctionUrlConfigs
        "AWS::SNS::Topic",  # GetDataProtectionPolicy
    }


def role(account: EmulatedAccount, purpose: str) -> str:
    return account.settings.role_name(purpose)


def drop_role_statement(account: EmulatedAccount) -> None:
    iam, name = account.client("iam"), role(account, "lambda")
    policy = iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"] != "EncryptLandedObjects"]
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))


def widen_role_statement(account: EmulatedAccount) -> None:
    iam, name = account.client("iam"), role(account, "glue")
    policy = iam.get_role_policy(RoleName=name, PolicyName=name)["PolicyDocument"]
    next(each for each in policy["Statement"] if each["Sid"] == "ReadInput")["Resource"] = "*"
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))


def trust_everybody(account: EmulatedAccount) -> None:
    statement = {"Sid": "Hole", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    account.client("iam").update_assume_role_policy(
        RoleName=role(account, "glue"),
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def attach_administrator(account: EmulatedAccount) -> None:
    iam = account.client("iam")
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    arn = iam.create_policy(PolicyName="Everything", PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role(account, "lambda"), PolicyArn=arn)


def add_inline_policy(account: EmulatedAccount) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    account.client("iam").put_role_policy(
        RoleName=role(account, "redshift"), PolicyName="quick-fix", PolicyDocument=json.dumps(document)
    )


def record_nothing_but_management(account: EmulatedAccount) -> None:
    only = {"Name": "Management events", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}
    account.client("cloudtrail").put_event_selectors(
        TrailName=account.settings.trail_name, AdvancedEventSelectors=[only]
    )


_ALARM = (
    "AlarmDescription",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "EvaluationPeriods",
    "Threshold",
    "TreatMissingData",
)


def alarm(account: EmulatedAccount, name: str) -> str:
    return f"{account.settings.prefix}-{name}"


def raise_threshold(account: EmulatedAccount) -> None:
    cloudwatch, name = account.client("cloudwatch"), alarm(account, "iterator-age")
    found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    single = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period", "AlarmActions", "OKActions")
    kept = {key: found[key] for key in (*single, *_ALARM)}
    cloudwatch.put_metric_alarm(AlarmName=name, **(kept | {"Threshold": 1e9}))


def silence_quarantine_alarm(account: EmulatedAccount) -> None:
    cloudwatch, name = account.client("cloudwatch"), alarm(account, "quarantine-rate")
    found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    cloudwatch.put_metric_alarm(AlarmName=name, **{key: found[key] for key in ("Metrics", *_ALARM)})


def topic_arn(account: EmulatedAccount) -> str:
    return account.settings.arn("sns", f"{account.settings.prefix}-alarms")


def retype_amount(account: EmulatedAccount) -> None:
    glue, database = account.client("glue"), account.settings.glue_database
    table = glue.get_table(DatabaseName=database, Name="raw_transactions")["Table"]
    next(each for each in table["StorageDescriptor"]["Columns"] if each["Name"] == "amount")["Type"] = "double"
    kept = ("Name", "Description", "TableType", "PartitionKeys", "Parameters", "StorageDescriptor")
    glue.update_table(DatabaseName=database, TableInput={key: table[key] for key in kept})


def shorten_retention(account: EmulatedAccount) -> None:
    glue, settings = account.client("glue"), account.settings
    of = {"CatalogId": settings.account_id, "DatabaseName": settings.glue_database, "TableName": "transactions"}
    found = glue.get_table_optimizer(**of, Type="retention")["TableOptimizer"]["configuration"]
    found["retentionConfiguration"]["icebergConfiguration"]["snapshotRetentionPeriodInDays"] = 1
    glue.update_table_optimizer(**of, Type="retention", TableOptimizerConfiguration=found)


def let_engines_retry(account: EmulatedAccount) -> None:
    catalog = open_catalog(account.client("glue"), account.client("s3"))
    with catalog.load_table((account.settings.glue_database, "transactions")).transaction() as change:
        change.set_properties({"commit.retry.num-retries": "4"})


DRIFTS: dict[str, tuple[Drift, str, str, Any, Any]] = {
    # name: (what is done by hand, type of the resource, path that differs, old, new); ... is anything
    "a role's statement dropped": (
        drop_role_statement,
        "AWS::IAM::Role",
        "PolicyDocument.Statement[EncryptLandedObjects]",
        ABSENT,
        ...,
    ),
    "a role's statement widened": (
        widen_role_statement,
        "AWS::IAM::Role",
        "PolicyDocument.Statement[ReadInput].Resource",
        ["*"],
        ...,
    ),
    "a role's trust opened": (
        trust_everybody,
        "AWS::IAM::Role",
        "AssumeRolePolicyDocument.Statement[Hole]",
        ...,
        ABSENT,
    ),
    "an administrator's policy attached to a role": (
        attach_administrator,
        "AWS::IAM::Role",
        "OtherPolicies",
        ["arn:aws:iam::123456789012:policy/Everything"],
        [],
    ),
    "an inline policy added to a role": (
        add_inline_policy,
        "AWS::IAM::Role",
        "OtherPolicies",
        ["quick-fix"],
        [],
    ),
    "a role's policy removed": (
        lambda a: a.client("iam").delete_role_policy(RoleName=role(a, "cloudtrail"), PolicyName=role(a, "cloudtrail")),
        "AWS::IAM::Role",
        "PolicyDocument",
        ABSENT,
        ...,
    ),
    "a role's sessions prolonged": (
        lambda a: a.client("iam").update_role(RoleName=role(a, "lambda"), MaxSessionDuration=43_200),
        "AWS::IAM::Role",
        "MaxSessionDuration",
        43_200,
        3600,
    ),
    "a role's tag changed": (
        lambda a: a.client("iam").tag_role(RoleName=role(a, "lambda"), Tags=[{"Key": "Environment", "Value": "prod"}]),
        "AWS::IAM::Role",
        "Tags.Environment",
        "prod",
        "dev",
    ),
    "the trail stopped": (
        lambda a: a.client("cloudtrail").stop_logging(Name=a.settings.trail_name),
        "AWS::CloudTrail::Trail",
        "IsLogging",
        False,
        True,
    ),
    "the trail's validation off": (
        lambda a: a.client("cloudtrail").update_trail(Name=a.settings.trail_name, EnableLogFileValidation=False),
        "AWS::CloudTrail::Trail",
        "EnableLogFileValidation",
        False,
        True,
    ),
    "the trail cut to one region": (
        lambda a: a.client("cloudtrail").update_trail(Name=a.settings.trail_name, IsMultiRegionTrail=False),
        "AWS::CloudTrail::Trail",
        "IsMultiRegionTrail",
        False,
        True,
    ),
    "the trail's data events off": (
        record_nothing_but_management,
        "AWS::CloudTrail::Trail",
        "AdvancedEventSelectors[Objects of the lake]",
        ABSENT,
        ...,
    ),
    "a tag of the trail changed": (
        lambda a: a.client("cloudtrail").add_tags(
            ResourceId=a.settings.arn("cloudtrail", f"trail/{a.settings.trail_name}"),
            TagsList=[{"Key": "Environment", "Value": "prod"}],
        ),
        "AWS::CloudTrail::Trail",
        "Tags.Environment",
        "prod",
        "dev",
    ),
    "the count of foreign stream reads removed": (
        lambda a: a.client("logs").delete_metric_filter(
            logGroupName=f"/aws/cloudtrail/{a.settings.trail_name}",
            filterName=f"{a.settings.prefix}-stream-reads-by-others",
        ),
        "AWS::Logs::MetricFilter",
        "FilterPattern",
        ABSENT,
        ...,
    ),
    "an alarm disabled": (
        lambda a: a.client("cloudwatch").disable_alarm_actions(AlarmNames=[alarm(a, "batches-given-up")]),
        "AWS::CloudWatch::Alarm",
        "ActionsEnabled",
        False,
        True,
    ),
    "an alarm deleted": (
        lambda a: a.client("cloudwatch").delete_alarms(AlarmNames=[alarm(a, "job-failed")]),
        "AWS::CloudWatch::Alarm",
        "MetricName",
        ABSENT,
        "glue.error.ALL",
    ),
    "an alarm's threshold raised": (
        raise_threshold,
        "AWS::CloudWatch::Alarm",
        "Threshold",
        1e9,
        300_000.0,
    ),
    "an alarm without actions": (
        silence_quarantine_alarm,
        "AWS::CloudWatch::Alarm",
        "AlarmActions",
        [],
        ...,
    ),
    "the topic opened": (
        lambda a: a.client("sns").add_permission(
            TopicArn=topic_arn(a), Label="Hole", AWSAccountId=["999999999999"], ActionName=["Publish"]
        ),
        "AWS::SNS::Topic",
        "Policy.Statement[Hole]",
        ...,
        ABSENT,
    ),
    "the topic's encryption off": (
        lambda a: a.client("sns").set_topic_attributes(
            TopicArn=topic_arn(a), AttributeName="KmsMasterKeyId", AttributeValue=""
        ),
        "AWS::SNS::Topic",
        "KmsMasterKeyId",
        ...,
        ...,
    ),
    "the dashboard emptied": (
        lambda a: a.client("cloudwatch").put_dashboard(
            DashboardName=a.settings.dashboard_name, DashboardBody='{"widgets": []}'
        ),
        "AWS::CloudWatch::Dashboard",
        "DashboardBody.widgets",
        [],
        ...,
    ),
    "a column retyped": (
        retype_amount,
        "AWS::Glue::Table",
        "StorageDescriptor.Columns[amount].Type",
        "double",
        "string",
    ),
    "an Iceberg table that tries commits again by itself": (
        let_engines_retry,
        "AWS::Glue::IcebergTable",
        "Properties.commit.retry.num-retries",
        "4",
        "0",
    ),
    "a table dropped": (
        lambda a: a.client("glue").delete_table(DatabaseName=a.settings.glue_database, Name="landing_control"),
        "AWS::Glue::Table",
        "TableType",
        ABSENT,
        "EXTERNAL_TABLE",
    ),
    "a table's snapshots kept for a day": (
        shorten_retention,
        "AWS::Glue::TableOptimizer",
        "Configuration.retentionConfiguration.icebergConfiguration.snapshotRetentionPeriodInDays",
        1,
        7,
    ),
    "the job's trigger stopped": (
        lambda a: a.client("glue").stop_trigger(Name=f"{a.settings.glue_job_name}-schedule"),
        "AWS::Glue::Trigger",
        "Active",
        False,
        True,
    ),
    "the job deleted": (
        lambda a: a.client("glue").delete_job(JobName=a.settings.glue_job_name),
        "AWS::Glue::Job",
        "GlueVersion",
        ABSENT,
        "5.1",
    ),
    "the job's log kept for ever": (
        lambda a: a.client("logs").delete_retention_policy(logGroupName=f"/aws-glue/jobs/logs-v2-{a.settings.prefix}"),
        "AWS::Logs::LogGroup",
        "RetentionInDays",
        ABSENT,
        365,
    ),
    "the workgroup deleted": (
        lambda a: a.client("athena").delete_work_group(WorkGroup=a.settings.prefix),
        "AWS::Athena::WorkGroup",
        "EnforceWorkGroupConfiguration",
        ABSENT,
        True,
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_shown_by_plan_and_mended_by_apply(governed: EmulatedAccount, name: str) -> None:
    make, type_, path, old, new = DRIFTS[name]
    parts = {resource.part for resource in governed.resources() if resource.type == type_}
    make(governed)
    changes = governed.plan(only=parts).changes
    assert {step.resource.type for step in changes} == {type_}
    assert changes[0].action in (Action.UPDATE, Action.CREATE)
    differences = {difference.path: difference for difference in changes[0].differences}
    assert path in differences, sorted(differences)
    assert old is ... or differences[path].old == old
    assert new is ... or differences[path].new == new
    governed.apply(only=parts).raise_for_errors()
    assert [(step.resource.id, step.differences) for step in governed.plan(only=parts).changes] == []


def test_destroy_leaves_nothing_but_data_keys_and_secret() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"))
        account.apply().raise_for_errors()
        account.destroy().raise_for_errors()
        client = account.client
        assert client("iam").list_roles()["Roles"] == []
        assert client("cloudtrail").list_trails()["Trails"] == []
        assert client("cloudwatch").describe_alarms()["MetricAlarms"] == []
        assert client("cloudwatch").list_dashboards()["DashboardEntries"] == []
        assert client("sns").list_topics()["Topics"] == []
        assert client("glue").get_databases()["DatabaseList"] == []
        assert client("glue").list_jobs()["JobNames"] == []
        assert client("glue").list_triggers()["TriggerNames"] == []
        assert client("glue").get_security_configurations()["SecurityConfigurations"] == []
        assert [group["Name"] for group in client("athena").list_work_groups()["WorkGroups"]] == ["primary"]
        groups = [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]]
        assert [name for name in groups if not name.startswith("/aws/redshift/")] == []
        # Everything can be made again around what stayed.
        account.apply().raise_for_errors()
        assert account.plan().changes == ()


def test_the_warehouses_logs_stay_with_it(governed: EmulatedAccount) -> None:
    from infrastructure.planning.destroy import plan_destruction

    resources = governed.resources()
    destruction = plan_destruction(resources, {resource.id for resource in resources})
    groups = {id_ for id_ in destruction.kept if id_.startswith("AWS::Logs::LogGroup//aws/redshift/")}
    assert len(groups) == 3
