"""Each setting of the account broken by hand, one at a time: plan shows it, and the controls that it fails, no others.

A resource, a property of one, or a control without a row fails a test: these are open tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from data_governance.controls import CONTROLS, UNCONTROLLED
from data_governance.controls.verdicts import Status, verdicts
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning import plan as planning
from infrastructure.planning import waiting
from infrastructure.planning.apply import execute
from infrastructure.planning.plan import Plan, Reading, make_plan, read_all
from infrastructure.planning.resource import Resource
from infrastructure.settings import Settings
from tests.provisioning.mutations.alarms import ALARMS
from tests.provisioning.mutations.audit import AUDIT
from tests.provisioning.mutations.fraud import FRAUD
from tests.provisioning.mutations.identities import IDENTITIES
from tests.provisioning.mutations.ingestion import INGESTION
from tests.provisioning.mutations.lake import LAKE
from tests.provisioning.mutations.mutation import ADDRESS, Mutation, Rows, WholeAccount
from tests.provisioning.mutations.storage import STORAGE
from tests.provisioning.mutations.warehouse import WAREHOUSE

TABLES: tuple[Rows, ...] = (STORAGE, IDENTITIES, INGESTION, FRAUD, AUDIT, ALARMS, LAKE, WAREHOUSE)
ROWS: Rows = {name: row for table in TABLES for name, row in table.items()}
LEAST_ROWS = 200

# Declared properties that no row breaks -> why.
UNBROKEN = {
    "AWS::Athena::WorkGroup": "EngineVersion RequesterPaysEnabled Tags: the emulator does not keep them",
    "AWS::Glue::IcebergTable": "Fields Location PartitionBy FormatVersion: others cannot change them in place",
    "AWS::Glue::Job": "JobRunQueuingEnabled LogUri MaintenanceWindow NotificationProperty ProfileName "
    "SourceControlDetails: the emulator does not keep them",
    "AWS::DynamoDB::Table": "AttributeDefinitions KeySchema GlobalSecondaryIndexes LocalSecondaryIndexes Replicas: "
    "cannot be changed in place",
    "AWS::Glue::Database": "FederatedDatabase TargetDatabase: an own database is no link",
    "AWS::Glue::Table": "FederatedTable TargetTable ViewExpandedText ViewOriginalText: an own table is no link",
    "AWS::Kinesis::Stream": "MaxRecordSizeInKiB RecordDistributionStrategy: the emulator does not keep them",
    "AWS::Lambda::EventSourceMapping": "KMSKeyArn MetricsConfig Tags StartingPosition: the emulator does not keep them",
    "AWS::Lambda::Function": "DeadLetterConfig EphemeralStorage FileSystemConfigs FunctionUrls LoggingConfig SnapStart "
    "AcceleratorConfig CapacityProviderConfig DurableConfig RuntimeConfig TenancyConfig: see test_additions",
    "AWS::Logs::MetricFilter": "DefaultValue Dimensions FieldSelection FurtherMetrics OnTransformedLogs Unit: "
    "see test_additions",
    "AWS::RedshiftServerless::Namespace": "dbName adminUsername: fixed when it is made",
    "AWS::RedshiftServerless::Workgroup": "namespaceName: fixed when it is made",
    "AWS::S3::Bucket": "Inventories RequestPayer TransitionDefaultMinimumObjectSize: see test_additions, test_drift",
    "AWS::CloudTrail::Trail": "IsOrganizationTrail SnsTopicName: the emulator has no organisation and checks topics",
    "AWS::CloudWatch::Alarm": "ActionConfiguration EvaluateLowSampleCountPercentile EvaluationCriteria "
    "EvaluationInterval EvaluationWindow ExtendedStatistic InsufficientDataActions ThresholdMetricId "
    "WarmUpConfiguration: the emulator does not keep them",
    "AWS::CloudWatch::CompositeAlarm": "ActionConfiguration ActionsSuppressor: the emulator does not keep them",
    "AWS::SNS::Subscription": "RedrivePolicy: the emulator does not keep it",
    "AWS::SNS::Topic": "DataProtectionPolicy: the emulator does not have it",
    "AWS::S3::Object": "Sha256: the emulator refuses every object call",
}
# Controls that the emulator can't fail -> why.
UNFAILED = {
    "secret-age": "nothing is changed when a key grows old; test_controls.py fails it",
    "function-url": "the emulator has no function URLs; test_controls.py fails it",
}


@dataclass
class Standing:
    """The account with its resources, as they read when all is well."""

    account: WholeAccount
    resources: list[Resource]
    well: dict[str, Reading]

    def read_again(self, type_: str) -> dict[str, Reading]:
        """Everything, with the resources of a type as they read now. The others are read when all rows are done."""
        return self.well | read_all([each for each in self.resources if each.type == type_])


@pytest.fixture(scope="module")
def standing() -> Iterator[Standing]:
    """One account for all rows; each of them leaves everything as it should be."""
    with emulated_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(waiting, "pause", lambda seconds: None)
        account = WholeAccount(Settings(region="eu-central-1"))
        ec2 = account.client("ec2")
        subnets = sorted(each["SubnetId"] for each in ec2.describe_subnets()["Subnets"])
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        account.settings = Settings(
            region="eu-central-1",
            lambda_reserved_concurrency=50,
            alarm_emails=(ADDRESS,),
            fraud_webhook_url="https://fraud.bank.example/alerts",
            lambda_subnet_ids=tuple(subnets[:2]),
            lambda_security_group_ids=(group,),
        )
        account.redshift.answer_for(account.clients)
        account.apply().raise_for_errors()
        resources = account.resources()
        yield Standing(account, resources, read_all(resources))


def planned(standing: Standing, readings: dict[str, Reading], type_: str = "") -> Plan:
    """The plan of the whole account, or of the resources of one type, over these readings."""
    chosen = {each.id for each in standing.resources if each.type.startswith(type_)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "read_all", lambda asked: {each.id: readings[each.id] for each in asked})
        return make_plan(standing.resources, emulated=True, selected=chosen)


def failed(standing: Standing, readings: dict[str, Reading]) -> set[str]:
    found = verdicts(standing.account.settings, standing.resources, readings)
    return {verdict.control.id for verdict in found if verdict.status is Status.FAILED}


def test_nothing_is_shown_and_nothing_fails_while_all_is_well(standing: Standing) -> None:
    plan = planned(standing, standing.well)
    assert [(step.resource.id, step.differences) for step in plan.changes] == []
    assert [text for step in plan.steps for text in step.foreign] == []
    assert failed(standing, standing.well) == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS, ids=lambda name: f"{name}: {ROWS[name].controls or 'no control'}")
def test_it_is_shown_by_plan_and_fails_its_controls_and_no_others(name: str, standing: Standing) -> None:
    row, account = ROWS[name], standing.account
    row.by_hand(account)
    readings = standing.read_again(row.type)
    plan = planned(standing, readings)
    try:
        assert failed(standing, readings) == set(row.controls.split())
        _shows(row, plan)
    finally:
        if row.undo:
            row.undo(account)
        report = execute(plan, emulated=True)
        left = planned(standing, standing.read_again(row.type), row.type).changes
    report.raise_for_errors()
    assert [(step.resource.id, step.differences) for step in left] == []


def _shows(row: Mutation, plan: Plan) -> None:
    foreign = [text for step in plan.steps for text in step.foreign]
    if row.foreign:
        assert plan.changes == ()
        assert [text for text in foreign if row.foreign in text]
        return
    assert foreign == []
    assert {step.resource.type for step in plan.changes} == {row.type}
    found = {each.path: each for step in plan.changes for each in step.differences}
    shown = [
        each for path, each in found.items() if path == row.path or path.startswith((f"{row.path}.", f"{row.path}["))
    ]
    assert shown or not row.path, sorted(found)
    assert row.old is ... or shown[0].old == row.old
    assert row.new is ... or shown[0].new == row.new


@pytest.mark.slow
def test_everything_is_as_it_was_after_all_rows(standing: Standing) -> None:
    assert standing.account.plan().changes == ()


def test_there_are_rows_for_every_type_of_resource(standing: Standing) -> None:
    types = {resource.type for resource in standing.resources}
    assert types - {row.type for row in ROWS.values()} == {"AWS::S3::Object"}
    assert len(ROWS) == sum(map(len, TABLES)) >= LEAST_ROWS, "names are unique"


def test_there_are_rows_for_every_property_or_a_reason_why_not(standing: Standing) -> None:
    outputs = {id_: reading.actual for id_, reading in standing.well.items()}
    wanted: dict[str, set[str]] = {}
    for resource in standing.resources:
        wanted.setdefault(resource.type, set()).update(resource.desired(outputs))
    broken: dict[str, set[str]] = {}
    for row in ROWS.values():
        broken.setdefault(row.type, set()).add(row.path.split(".")[0].split("[")[0])
    excused = {type_: set(text.partition(":")[0].split()) for type_, text in UNBROKEN.items()}
    left = {type_: names - broken.get(type_, set()) for type_, names in wanted.items()}
    assert {type_: names for type_, names in left.items() if names} == {
        type_: names & wanted[type_] for type_, names in excused.items()
    }


def test_every_control_is_failed_by_a_row() -> None:
    assert {control.id for control in CONTROLS} - UNFAILED.keys() == {
        id_ for row in ROWS.values() for id_ in row.controls.split()
    }


def test_every_type_of_resource_has_a_control_or_a_reason_why_not(standing: Standing) -> None:
    types = {resource.type for resource in standing.resources}
    assert types == {type_ for control in CONTROLS for type_ in control.types} | UNCONTROLLED.keys()
