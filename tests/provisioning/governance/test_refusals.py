"""What AWS refuses of roles, trail, alarms, catalog and job: explained with a remedy; everything else is made."""

from __future__ import annotations

from infrastructure.errors import RetryableError
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.apply import Outcome
from infrastructure.settings import Settings
from tests.provisioning.account import EmulatedAccount
from tests.provisioning.test_errors import fail

# operation -> (error code, type of the resource, part of the remedy)
REFUSED = {
    "cloudtrail.CreateTrail": ("MaximumNumberOfTrailsExceededException", "AWS::CloudTrail::Trail", "Service Quotas"),
    "cloudwatch.PutMetricAlarm": ("Throttling", "AWS::CloudWatch::Alarm", "repeat the command"),
    "glue.CreateTable": ("AccessDeniedException", "AWS::Glue::Table", "Allow glue:CreateTable to"),
    "glue.CreateSecurityConfiguration": (
        "ResourceNumberLimitExceededException",
        "AWS::Glue::SecurityConfiguration",
        "Service Quotas",
    ),
    "athena.CreateWorkGroup": ("AccessDeniedException", "AWS::Athena::WorkGroup", "Allow athena:CreateWorkGroup to"),
}


def test_each_refusal_is_told_with_its_remedy_and_the_next_apply_does_the_rest() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"))
        mending = [fail(account, operation, code) for operation, (code, _, _) in REFUSED.items()]
        report = account.apply()
        for operation, (code, type_, remedy) in REFUSED.items():
            errors = [result.error for result in report.of(Outcome.FAILED) if result.resource.type == type_]
            assert errors, operation
            for error in errors:
                assert error is not None and code in error.what and remedy in error.todo
                assert isinstance(error, RetryableError) == (code == "Throttling")
        skipped = {result.resource.type for result in report.of(Outcome.SKIPPED)}
        assert skipped == {
            "AWS::CloudWatch::CompositeAlarm",
            "AWS::Glue::Job",
            "AWS::Glue::TableOptimizer",
            "AWS::Glue::Trigger",
        }
        made = {result.resource.type for result in report.of(Outcome.DONE)}
        assert {"AWS::IAM::Role", "AWS::SNS::Topic", "AWS::Glue::Database", "AWS::Lambda::Function"} <= made
        for mend in mending:
            mend()
        account.apply().raise_for_errors()
        assert account.plan().changes == ()


def test_without_its_role_the_function_is_not_tried() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"), parts=("security", "data_storage", "data_ingestion"))
        mend = fail(account, "iam.CreateRole", "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000")
        report = account.apply()
        assert {result.resource.type for result in report.of(Outcome.FAILED)} == {"AWS::IAM::Role"}
        assert "AWS::Lambda::Function" in {result.resource.type for result in report.of(Outcome.SKIPPED)}
        assert "Service Quotas" in str(report.errors[0])
        mend()
        account.apply().raise_for_errors()
        assert account.plan().changes == ()
