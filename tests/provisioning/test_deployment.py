"""Deploying to an account of one's own: what changes with settings, stream and code, and what is waited for."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from infrastructure.aws.lambda_ import Function
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.plan import make_plan
from infrastructure.settings import Settings
from tests.provisioning.account import CORE, EmulatedAccount, service_error


def test_a_provisioned_stream_has_the_shards_of_the_settings_and_follows_a_change() -> None:
    with emulated_aws():
        account = EmulatedAccount(Settings(stream_mode="PROVISIONED", shard_count=2), parts=CORE)
        account.apply().raise_for_errors()
        wider = EmulatedAccount(Settings(stream_mode="PROVISIONED", shard_count=4), parts=CORE)
        (step,) = wider.plan().changes
        assert [(d.path, d.old, d.new) for d in step.differences] == [("ShardCount", 2, 4)]
        wider.apply().raise_for_errors()
        assert wider.plan().changes == ()


def test_a_stream_made_anew_is_another_incarnation_and_changes_the_function(applied: EmulatedAccount) -> None:
    applied.client("kinesis").delete_stream(StreamName=applied.settings.stream_name)
    changes = {step.resource.type: step for step in applied.plan().changes}
    (difference,) = changes["AWS::Lambda::Function"].differences
    assert difference.path == "Environment"
    assert repr(difference.new) == "(known after apply)"


def test_the_secrets_value_is_in_no_plan_and_no_report(account: EmulatedAccount) -> None:
    planned = repr(account.plan())
    report = account.apply()
    name = account.settings.tokenization_secret_name
    value = json.loads(account.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    key = value["keys"]["1"]
    assert key not in planned
    assert key not in repr(report)
    assert key not in repr(account.plan())


def test_applying_again_keeps_the_secrets_value(applied: EmulatedAccount) -> None:
    name = applied.settings.tokenization_secret_name
    secrets = applied.client("secretsmanager")
    before = secrets.get_secret_value(SecretId=name)["SecretString"]
    secrets.update_secret(SecretId=name, Description="changed by hand")
    applied.apply().raise_for_errors()
    assert secrets.get_secret_value(SecretId=name)["SecretString"] == before


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(
    account: EmulatedAccount, no_pauses: list[float]
) -> None:
    lambda_ = account.client("lambda")
    refusals = iter([True, True])

    def refuse(**_: Any) -> None:
        if next(refusals, False):
            message = "The role defined for the function cannot be assumed by Lambda."
            raise service_error("InvalidParameterValueException", "CreateFunction", message)

    lambda_.meta.events.register_first("before-send.lambda.CreateFunction", refuse)
    assert account.apply().errors == ()
    assert len(no_pauses) == 2


def test_another_invalid_parameter_is_told_at_once(account: EmulatedAccount, no_pauses: list[float]) -> None:
    def refuse(**_: Any) -> None:
        raise service_error("InvalidParameterValueException", "CreateFunction", "MemorySize is too much")

    account.client("lambda").meta.events.register_first("before-send.lambda.CreateFunction", refuse)
    (error,) = account.apply().errors
    assert "MemorySize is too much" in str(error)
    assert no_pauses == []


def test_the_zip_is_not_built_for_what_does_not_compare_it(settings: Settings) -> None:
    def build() -> bytes:
        raise AssertionError("built")

    with emulated_aws():
        account = EmulatedAccount(settings, parts=CORE)
        account.embedded = type(account.embedded)(build)
        make_plan(account.resources(), emulated=True, selected=set())
        account.plan(only=["security"])


def test_a_new_zip_is_a_change_of_code_alone(applied: EmulatedAccount) -> None:
    applied.embedded = type(applied.embedded)(another_zip)
    (step,) = applied.plan().changes
    assert isinstance(step.resource, Function)
    assert [difference.path for difference in step.differences] == ["CodeSha256"]
    applied.calls.clear()
    applied.apply().raise_for_errors()
    assert applied.calls.mutating == ["lambda.UpdateFunctionCode"]
    assert applied.plan().changes == ()


def another_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("other.py"), "x = 1\n")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("operation", "code", "message"),
    [
        ("s3.CreateBucket", "OperationAborted", "A conflicting conditional operation is currently in progress"),
        ("sqs.CreateQueue", "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds"),
        ("logs.CreateLogGroup", "InvalidParameterException", "The specified KMS key does not exist or is not allowed"),
        ("lambda.CreateEventSourceMapping", "InvalidParameterValueException", "Please ensure the role can perform"),
    ],
)
def test_a_refusal_that_passes_within_the_minute_is_waited_for(
    operation: str, code: str, message: str, account: EmulatedAccount, no_pauses: list[float]
) -> None:
    service, name = operation.split(".")
    refusals = iter([True, True])

    def refuse(**_: Any) -> None:
        if next(refusals, False):
            raise service_error(code, name, message)

    account.client(service).meta.events.register_first(f"before-send.{service}.{name}", refuse)
    assert account.apply().errors == ()
    assert next(refusals, "used up") == "used up"
    assert len(no_pauses) == 2
