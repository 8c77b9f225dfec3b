"""The whole account with roles, trail, alarms, catalog and job: applied, applied again, drifted, destroyed."""

from __future__ import annotations

from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.provisioning.account import EmulatedAccount


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
