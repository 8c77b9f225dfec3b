"""The warehouse: made private and encrypted, left alone, mended, kept; or one that exists already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from data_storage import redshift_setup
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.apply import Outcome
from infrastructure.settings import Settings
from infrastructure.settings_source import settings_from
from scripts.commands.status import collect
from tests.provisioning.account import EmulatedAccount
from tests.provisioning.governance.redshift_service import RedshiftService

NAME = "banking-data-dev"
VERSION_TAG = f"{NAME}-schema"
PARTS = ("security", "redshift")

pytestmark = pytest.mark.usefixtures("no_pauses")


@pytest.fixture
def service() -> RedshiftService:
    return RedshiftService()


@pytest.fixture
def account(service: RedshiftService) -> Iterator[EmulatedAccount]:
    """An empty account with Redshift in it."""
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"), parts=PARTS)
        service.answer_for(account.clients)
        yield account


@pytest.fixture
def applied(account: EmulatedAccount) -> EmulatedAccount:
    account.apply().raise_for_errors()
    account.calls.clear()
    return account


def configure(account: EmulatedAccount, **variables: str) -> None:
    account.settings = settings_from(variables, region="eu-central-1")


def test_the_warehouse_is_private_encrypted_and_takes_tls_only(
    applied: EmulatedAccount, service: RedshiftService
) -> None:
    key = applied.client("kms").describe_key(KeyId=applied.settings.key_alias("data"))["KeyMetadata"]["Arn"]
    namespace, workgroup = service.namespaces[NAME], service.workgroups[NAME]
    assert namespace["kmsKeyId"] == key
    assert key.endswith(namespace["adminPasswordSecretKmsKeyId"])
    assert "adminPasswordSecretArn" in namespace
    assert "adminUserPassword" not in namespace
    assert set(namespace["logExports"]) == {"connectionlog", "useractivitylog", "userlog"}
    assert workgroup["publiclyAccessible"] is False
    assert workgroup["enhancedVpcRouting"] is True
    parameters = {each["parameterKey"]: each["parameterValue"] for each in workgroup["configParameters"]}
    assert parameters["require_ssl"] == "true"
    assert parameters["enable_user_activity_logging"] == "true"


def test_its_audit_logs_are_encrypted_and_kept_for_a_year(applied: EmulatedAccount) -> None:
    groups = applied.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/redshift/{NAME}/")["logGroups"]
    assert len(groups) == 3
    assert all(group["retentionInDays"] == 365 and group["kmsKeyId"] for group in groups)


def test_a_second_apply_makes_no_mutating_call(applied: EmulatedAccount) -> None:
    assert [(step.resource.id, step.differences) for step in applied.plan().changes] == []
    applied.apply()
    assert applied.calls.mutating == []


def test_the_scripts_run_as_the_administrator_and_end_with_grants(
    applied: EmulatedAccount, service: RedshiftService
) -> None:
    secret = service.namespaces[NAME]["adminPasswordSecretArn"]
    assert {where["SecretArn"] for _, where in service.statements} == {secret}
    assert {where["WorkgroupName"] for _, where in service.statements} == {NAME}
    run = [sql for sql, _ in service.statements]
    tables = next(place for place, sql in enumerate(run) if sql.startswith("CREATE TABLE"))
    roles = run.index("CREATE ROLE loader")
    user = run.index('CREATE USER "IAMR:banking-data-dev-glue-eu-central-1" PASSWORD DISABLE')
    grant = run.index('GRANT ROLE loader TO "IAMR:banking-data-dev-glue-eu-central-1"')
    assert tables < roles < user < grant
    assert (
        "CREATE EXTERNAL SCHEMA IF NOT EXISTS banking_lake FROM DATA CATALOG DATABASE 'banking_data_dev' "
        "IAM_ROLE 'arn:aws:iam::123456789012:role/banking-data-dev-redshift-eu-central-1'"
    ) in run


def test_the_jobs_role_may_load_this_warehouse_and_no_other(applied: EmulatedAccount, service: RedshiftService) -> None:
    iam, role = applied.client("iam"), applied.settings.role_name("glue")
    document = iam.get_role_policy(RoleName=role, PolicyName="warehouse-load")["PolicyDocument"]
    statements = {statement["Sid"]: statement for statement in document["Statement"]}
    assert statements["LogInToWorkgroup"]["Resource"] == service.workgroups[NAME]["workgroupArn"]
    assert statements["RunStatements"]["Resource"] == service.workgroups[NAME]["workgroupArn"]
    sessions = statements["FollowOwnStatements"]["Condition"]["StringLike"]
    role_id = iam.get_role(RoleName=role)["Role"]["RoleId"]
    assert sessions == {"redshift-data:statement-owner-iam-userid": f"{role_id}:*"}


def test_what_others_may_need_is_shown_and_left_alone(applied: EmulatedAccount, service: RedshiftService) -> None:
    service.copied_to[NAME] = ("eu-west-1",)
    service.endpoints[NAME] = ("analytics",)
    service.workgroups[NAME]["crossAccountVpcs"] = ["vpc-1"]
    parameters = service.workgroups[NAME]["configParameters"]
    parameters.append({"parameterKey": "enable_case_sensitive_identifier", "parameterValue": "true"})
    planned = applied.plan()
    assert planned.changes == ()
    assert sorted(text for step in planned.steps for text in step.foreign) == [
        "a copy of its snapshots to eu-west-1",
        "a way in for the VPC vpc-1 of another account",
        "an endpoint analytics",
        "the parameter enable_case_sensitive_identifier = true",
    ]


def test_an_endpoint_to_s3_that_refuses_is_opened_again(applied: EmulatedAccount) -> None:
    ec2 = applied.client("ec2")
    (endpoint,) = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    nothing = '{"Version": "2012-10-17", "Statement": []}'
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], PolicyDocument=nothing)
    (step,) = applied.plan().changes
    assert step.resource.type == "AWS::EC2::VPCEndpoint"
    applied.apply().raise_for_errors()
    assert applied.plan().changes == ()


def test_several_changes_are_made_one_after_the_other(applied: EmulatedAccount, service: RedshiftService) -> None:
    service.workgroups[NAME].update(publiclyAccessible=True, enhancedVpcRouting=False, baseCapacity=4, maxCapacity=4)
    applied.apply().raise_for_errors()
    assert applied.plan().changes == ()


def test_a_statement_that_fails_is_named_and_the_scripts_are_run_again(
    account: EmulatedAccount, service: RedshiftService
) -> None:
    service.failing = {"CREATE ROLE auditor": "permission denied for database banking"}
    (error,) = account.apply().errors
    assert "CREATE ROLE auditor" in error.where
    assert "permission denied for database banking" in error.what
    assert VERSION_TAG not in service.tags[service.workgroups[NAME]["workgroupArn"]]
    service.failing = {}
    account.apply().raise_for_errors()
    assert account.plan().changes == ()


@pytest.mark.parametrize(
    "refused",
    ["GRANT USAGE ON SCHEMA banking_lake TO ROLE fraud_analyst", "CREATE EXTERNAL SCHEMA IF NOT EXISTS banking_lake"],
)
def test_an_external_schema_that_redshift_refuses_holds_nothing_else_up(
    refused: str, account: EmulatedAccount, service: RedshiftService
) -> None:
    service.failing = {refused: "Operation not supported on external schema"}
    report = account.apply()
    (error,) = report.errors
    assert "Operation not supported" in error.what
    assert report.of(Outcome.SKIPPED) == ()
    made = {result.resource.name for result in report.of(Outcome.DONE)}
    assert {f"{NAME}/banking", "banking-data-dev-glue-eu-central-1/warehouse-load"} <= made
    service.failing = {}
    again = account.apply()
    assert [result.resource.name for result in again.changed] == [f"{NAME}/banking_lake"]
    assert account.plan().changes == ()


def test_destroy_keeps_the_warehouse_its_key_and_its_role(applied: EmulatedAccount, service: RedshiftService) -> None:
    report = applied.destroy()
    report.raise_for_errors()
    kept = {result.resource.id for result in report.of(Outcome.KEPT)}
    assert f"AWS::RedshiftServerless::Namespace/{NAME}" in kept
    assert "AWS::IAM::Role/banking-data-dev-redshift-eu-central-1" in kept
    assert "AWS::KMS::Key/banking-data-dev-data" in kept
    assert NAME in service.namespaces and NAME in service.workgroups
    applied.apply().raise_for_errors()
    assert applied.plan().changes == ()


def test_destroy_with_data_removes_workgroup_then_namespace(applied: EmulatedAccount, service: RedshiftService) -> None:
    applied.destroy(delete_data=True).raise_for_errors()
    assert service.workgroups == {} and service.namespaces == {}
    removed = [name for name in applied.calls.mutating if name.startswith("redshift-serverless.Delete")]
    assert removed == [f"redshift-serverless.Delete{what}" for what in ("UsageLimit", "Workgroup", "Namespace")]


def test_a_workgroup_stops_for_the_day_beyond_its_rpu_hours(applied: EmulatedAccount, service: RedshiftService) -> None:
    (limit,) = service.usage_limits.values()
    assert limit["resourceArn"] == service.workgroups[NAME]["workgroupArn"]
    assert {name: limit[name] for name in ("amount", "period", "usageType", "breachAction")} == {
        "amount": applied.settings.redshift_daily_rpu_hours,
        "period": "daily",
        "usageType": "serverless-compute",
        "breachAction": "deactivate",
    }
    service.usage_limits.clear()
    assert [step.resource.type for step in applied.plan().changes] == ["AWS::RedshiftServerless::UsageLimit"]


def test_another_period_is_none_of_ours(applied: EmulatedAccount, service: RedshiftService) -> None:
    (ours,) = service.usage_limits.values()
    service.usage_limits = {"weekly": ours | {"usageLimitId": "weekly", "period": "weekly"}} | service.usage_limits
    assert applied.plan().changes == ()


def test_an_existing_workgroup_gets_an_inside_and_nothing_else(
    account: EmulatedAccount, service: RedshiftService
) -> None:
    existing_workgroup(service)
    configure(account, REDSHIFT_WORKGROUP="analytics")
    before = (dict(service.workgroups["analytics"]), dict(service.namespaces["bank"]))
    account.apply().raise_for_errors()
    assert (service.workgroups["analytics"], service.namespaces["bank"]) == before
    assert list(service.workgroups) == ["analytics"]
    assert {where["WorkgroupName"] for _, where in service.statements} == {"analytics"}
    # Taking COPY's right from everybody would affect the others who work there.
    assert not any("REVOKE ASSUMEROLE" in sql for sql, _ in service.statements)
    account.calls.clear()
    account.apply()
    assert account.calls.mutating == []
    report = account.destroy(delete_data=True)
    assert list(service.workgroups) == ["analytics"]
    assert [
        result.note for result in report.of(Outcome.DELETION_PENDING) if result.resource.type == "Warehouse::Schema"
    ] == [f"schema {schema} stays in analytics: drop it there" for schema in ("banking_lake", "banking")]


def existing_workgroup(service: RedshiftService) -> None:
    secret = "arn:aws:secretsmanager:eu-central-1:1:secret:bank-admin"
    arn = "arn:aws:redshift-serverless:eu-central-1:123456789012:workgroup/analytics-id"
    service.namespaces["bank"] = {"namespaceName": "bank", "adminPasswordSecretArn": secret, "status": "AVAILABLE"}
    service.workgroups["analytics"] = {
        "workgroupName": "analytics",
        "workgroupArn": arn,
        "namespaceName": "bank",
        "status": "AVAILABLE",
    }
    service.tags[arn] = {"Owner": "analytics"}


def test_a_workgroup_that_does_not_exist_is_named(account: EmulatedAccount) -> None:
    configure(account, REDSHIFT_WORKGROUP="analitics")
    errors = account.apply().errors
    assert [str(error) for error in errors] == [
        "workgroup analitics: does not exist. Correct REDSHIFT_WORKGROUP, or leave it empty to have a workgroup made."
    ]


def test_an_existing_cluster_gets_an_inside_and_the_job_may_log_in_there(
    account: EmulatedAccount, service: RedshiftService
) -> None:
    account.client("redshift").create_cluster(
        ClusterIdentifier="bank-dwh", NodeType="ra3.large", MasterUsername="admin", MasterUserPassword="Not-a-secret1"
    )
    configure(account, REDSHIFT_CLUSTER="bank-dwh")
    account.apply().raise_for_errors()
    assert service.workgroups == {}
    assert {(where["ClusterIdentifier"], where["DbUser"]) for _, where in service.statements} == {("bank-dwh", "admin")}
    document = account.client("iam").get_role_policy(
        RoleName=account.settings.role_name("glue"), PolicyName="warehouse-load"
    )["PolicyDocument"]
    statements = {statement["Sid"]: statement for statement in document["Statement"]}
    assert statements["LogInToCluster"]["Resource"].endswith(":dbname:bank-dwh/banking")
    account.calls.clear()
    account.apply()
    assert account.calls.mutating == []


def test_a_lake_without_a_warehouse_declares_none(account: EmulatedAccount) -> None:
    configure(account, REDSHIFT_ENABLED="false")
    assert redshift_setup.resources(account.settings, account.clients) == []
    account.apply().raise_for_errors()
    roles = {role["RoleName"] for role in account.client("iam").list_roles()["Roles"]}
    assert account.settings.role_name("redshift") not in roles


def test_a_workgroup_that_somebody_removes_is_not_waited_for(
    applied: EmulatedAccount, service: RedshiftService
) -> None:
    workgroup = next(each for each in applied.resources() if each.type == "AWS::RedshiftServerless::Workgroup")

    def remove(**_: Any) -> None:
        service.workgroups[NAME]["status"] = "DELETING"
        service.changing[id(service.workgroups[NAME])] = 9

    applied.client("redshift-serverless").meta.events.register("after-call.redshift-serverless.UpdateWorkgroup", remove)
    with pytest.raises(PlatformError, match="is DELETING"):
        workgroup.update(frozenset({"port"}), {"port": 5440})


def test_the_roles_of_the_settings_may_reconcile(applied: EmulatedAccount, service: RedshiftService) -> None:
    service.statements.clear()
    configure(applied, WAREHOUSE_AUDITORS="Audit, platform-team")
    applied.apply().raise_for_errors()
    run = [sql for sql, _ in service.statements]
    for user in ("IAMR:Audit", "IAMR:platform-team"):
        assert run.index(f'CREATE USER "{user}" PASSWORD DISABLE') < run.index(f'GRANT ROLE auditor TO "{user}"')
    applied.calls.clear()
    applied.apply()
    assert applied.calls.mutating == []


def test_status_without_a_right_to_the_warehouse_says_who_gives_it(service: RedshiftService) -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"), emulated=False)
        service.answer_for(account.clients)
        service.failing = {"load_ledger": "ERROR: permission denied for schema banking"}
        found = {finding.subject: finding for finding in collect(account.settings, account.clients, [])}
    told = found["last loaded"]
    assert told.well is False
    assert "permission denied for schema banking" in told.text
    assert "name the role in WAREHOUSE_AUDITORS and apply" in told.text


# --- The way to S3 --------------------------------------------------------------------------------------------------


@pytest.fixture
def network(account: EmulatedAccount) -> dict[str, str]:
    """A VPC with two subnets on the main route table and one on a table of its own."""
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24")["Subnet"]["SubnetId"] for n in range(3)]
    own = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=own, SubnetId=subnets[2])
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    main = next(table["RouteTableId"] for table in tables if table["RouteTableId"] != own)
    return {"vpc": vpc, "subnets": ",".join(subnets), "main": main, "own": own}


def endpoints(account: EmulatedAccount) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return [endpoint for endpoint in found if endpoint["State"] != "deleted"]


def test_the_warehouses_subnets_reach_s3_by_a_gateway_endpoint(
    account: EmulatedAccount, service: RedshiftService, network: dict[str, str]
) -> None:
    configure(account, REDSHIFT_SUBNET_IDS=network["subnets"], REDSHIFT_SECURITY_GROUP_IDS="sg-0123456789abcdef0")
    account.apply().raise_for_errors()
    (endpoint,) = endpoints(account)
    assert endpoint["ServiceName"] == "com.amazonaws.eu-central-1.s3"
    assert set(endpoint["RouteTableIds"]) == {network["main"], network["own"]}
    assert set(service.workgroups[NAME]["subnetIds"]) == set(network["subnets"].split(","))
    assert service.workgroups[NAME]["securityGroupIds"] == ["sg-0123456789abcdef0"]
    account.calls.clear()
    account.apply()
    assert account.calls.mutating == []


def test_an_endpoint_of_the_bank_is_used_as_it_is_and_never_removed(
    account: EmulatedAccount, network: dict[str, str]
) -> None:
    banks = account.client("ec2").create_vpc_endpoint(
        VpcId=network["vpc"],
        ServiceName="com.amazonaws.eu-central-1.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[network["main"], network["own"]],
    )["VpcEndpoint"]["VpcEndpointId"]
    configure(account, REDSHIFT_SUBNET_IDS=network["subnets"])
    account.apply().raise_for_errors()
    assert [endpoint["VpcEndpointId"] for endpoint in endpoints(account)] == [banks]
    account.destroy(delete_data=True).raise_for_errors()
    assert [endpoint["VpcEndpointId"] for endpoint in endpoints(account)] == [banks]


def test_only_what_the_banks_endpoint_leaves_out_gets_one_of_the_platforms_own(
    account: EmulatedAccount, network: dict[str, str]
) -> None:
    account.client("ec2").create_vpc_endpoint(
        VpcId=network["vpc"],
        ServiceName="com.amazonaws.eu-central-1.s3",
        VpcEndpointType="Gateway",
        RouteTableIds=[network["main"]],
    )
    configure(account, REDSHIFT_SUBNET_IDS=network["subnets"])
    account.apply().raise_for_errors()
    own = [endpoint for endpoint in endpoints(account) if endpoint["RouteTableIds"] == [network["own"]]]
    assert len(own) == 1 and len(endpoints(account)) == 2
    account.destroy(delete_data=True).raise_for_errors()
    assert [endpoint["RouteTableIds"] for endpoint in endpoints(account)] == [[network["main"]]]


def default_subnets(account: EmulatedAccount) -> dict[str, str]:
    """The default VPC's subnets: id -> VPC."""
    found = account.client("ec2").describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])["Subnets"]
    return {subnet["SubnetId"]: subnet["VpcId"] for subnet in found}


def test_without_subnets_in_the_settings_the_default_vpcs_are_named_and_reach_s3(
    applied: EmulatedAccount, service: RedshiftService
) -> None:
    subnets = default_subnets(applied)
    assert service.workgroups[NAME]["subnetIds"] == sorted(subnets)
    (endpoint,) = endpoints(applied)
    (vpc,) = set(subnets.values())
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    (main,) = applied.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]
    assert (endpoint["VpcId"], endpoint["RouteTableIds"]) == (vpc, [main["RouteTableId"]])
    applied.destroy(delete_data=True).raise_for_errors()
    assert endpoints(applied) == []


@pytest.mark.parametrize(("left", "told"), [(0, "the default VPC: is not there"), (2, "has 2 default subnets")])
def test_without_a_default_vpc_that_is_enough_plan_says_what_to_set_and_destroy_still_works(
    left: int, told: str, account: EmulatedAccount
) -> None:
    for subnet in sorted(default_subnets(account))[left:]:
        account.client("ec2").delete_subnet(SubnetId=subnet)
    with pytest.raises(PlatformError, match=told) as refused:
        account.plan()
    assert "REDSHIFT_SUBNET_IDS" in refused.value.todo
    account.apply(only=["security"]).raise_for_errors()
    account.destroy(delete_data=True).raise_for_errors()


# --- The job that loads ---------------------------------------------------------------------------------------------


def load_arguments(job: dict[str, Any]) -> set[str]:
    return {name for name in job["DefaultArguments"] if name.startswith("--redshift_")}


def test_a_job_without_a_warehouse_has_no_arguments_for_a_load_until_there_is_one(service: RedshiftService) -> None:
    loading = {f"--redshift_{name}" for name in ("workgroup", "database", "schema", "copy_role_arn")}
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"))
        service.answer_for(account.clients)
        glue, name = account.client("glue"), account.settings.glue_job_name
        account.apply(except_=["redshift"]).raise_for_errors()
        assert load_arguments(glue.get_job(JobName=name)["Job"]) == set()
        assert account.plan(except_=["redshift"]).changes == ()
        updates: list[dict[str, Any]] = []  # moto has no UpdateJob, so the request itself is checked
        glue.meta.events.register("before-parameter-build.glue.UpdateJob", lambda params, **_: updates.append(params))
        account.apply().raise_for_errors()
        assert [load_arguments(update["JobUpdate"]) for update in updates] == [loading]
        glue.delete_job(JobName=name)
        account.apply(except_=["redshift"]).raise_for_errors()
        assert load_arguments(glue.get_job(JobName=name)["Job"]) == loading, "the warehouse stands"


def test_nothing_starts_the_job_before_the_warehouse_and_its_right_to_it_stand(service: RedshiftService) -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"))
        service.answer_for(account.clients)
        report = account.apply()
        report.raise_for_errors()
    done = [result.resource.type for result in report.of(Outcome.DONE)]
    trigger = done.index("AWS::Glue::Trigger")
    assert done.index("Warehouse::Schema") < trigger
    assert done.index("AWS::IAM::RolePolicy") < trigger
