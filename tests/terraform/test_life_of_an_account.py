"""Terraform makes the account; the boto3 side then finds nothing to change.

The tests follow an account's life: applied, applied again, planned by both sides, destroyed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infrastructure.aws.clients import AwsClients
from infrastructure.planning.plan import Plan, make_plan
from infrastructure.settings import BUCKET_PURPOSES, KEY_PURPOSES
from scripts import orchestrate_pipeline
from scripts.generate_terraform_imports import covered_resources
from tests.terraform.account import Applying, shell_of
from tests.terraform.command import values

pytestmark = [pytest.mark.slow, pytest.mark.terraform]

_STATE_KEY = "data-platform/terraform.tfstate"

# What moto does not keep, so that it needs a second apply. On AWS one is enough.
_DROPPED_AT_CREATION = {
    "aws_kinesis_stream.transactions": {
        "tags": "CreateStream ignores Tags; AddTagsToStream, which the second apply calls, keeps them",
        "tags_all": "the same",
    },
}


@pytest.fixture(scope="module")
def applied(first_apply: Applying) -> Iterator[Applying]:
    """Applied once; this process's environment is set to the account."""
    first_apply.apply.ended()
    with shell_of(first_apply.endpoint, first_apply.settings):
        yield first_apply


@pytest.fixture(scope="module")
def second_plan(applied: Applying) -> dict[str, str]:
    """What Terraform still has to change after one apply."""
    return applied.terraform.plan(f"-var-file={values(applied.settings)}")


@pytest.fixture(scope="module")
def mended(applied: Applying, second_plan: dict[str, str]) -> Applying:
    """Applied twice."""
    applied.terraform.apply_plan()
    return applied


def test_a_second_apply_changes_only_what_the_emulator_dropped(applied: Applying, second_plan: dict[str, str]) -> None:
    assert second_plan == dict.fromkeys(_DROPPED_AT_CREATION, "update")
    for address, dropped in _DROPPED_AT_CREATION.items():
        assert applied.terraform.planned_attributes(address) == set(dropped)


def test_then_terraform_has_nothing_to_change(mended: Applying) -> None:
    options = ("-input=false", "-no-color", "-detailed-exitcode", f"-var-file={values(mended.settings)}")
    mended.terraform.run("plan", *options, expect=0)


def _boto3_plan(account: Applying) -> Plan:
    clients = AwsClients(account.settings.region)
    return make_plan(covered_resources(account.settings, clients), emulated=clients.emulated)


def test_the_boto3_side_finds_nothing_to_change(mended: Applying) -> None:
    plan = _boto3_plan(mended)
    assert [(step.resource.id, step.action.value, step.differences) for step in plan.changes] == []
    # A stream; a key with its alias; a bucket with its policy.
    assert len(plan.steps) == 1 + 2 * len(KEY_PURPOSES) + 2 * len(BUCKET_PURPOSES)


def test_the_boto3_side_can_compare_everything_there(mended: Applying) -> None:
    assert [(step.resource.id, step.unsupported) for step in _boto3_plan(mended).unsupported] == []


def test_the_plan_command_says_that_buckets_need_no_change(
    mended: Applying, capsys: pytest.CaptureFixture[str]
) -> None:
    status = orchestrate_pipeline.main(["plan", "--only", "data_storage", "--except", "redshift"])
    assert (status, "No changes." in capsys.readouterr().out) == (0, True)


def test_the_plan_command_leaves_stream_and_keys_alone(mended: Applying, capsys: pytest.CaptureFixture[str]) -> None:
    """Roles, secret and function are the boto3 side's own, so its plan of these parts is not empty."""
    assert orchestrate_pipeline.main(["plan", "--only", "security,data_ingestion"]) == 2
    lines = capsys.readouterr().out.splitlines()
    changed = {line.split()[1] for line in lines if line.startswith(("  + ", "  ~ ", "  - "))}
    assert changed
    assert changed.isdisjoint({"KMS::Key", "KMS::Alias", "Kinesis::Stream"})


def test_drift_by_hand_is_seen_by_both(mended: Applying) -> None:
    """Proves that the comparisons compare: what is changed in the account is no longer equal for either side."""
    s3: Any = boto3.client("s3")
    bucket = mended.settings.bucket("curated")
    before = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=before | {"BlockPublicAcls": False})
    try:
        only = 'module.bucket["curated"]'
        plan = mended.terraform.plan(f"-var-file={values(mended.settings)}", f"-target={only}")
        seen_by_boto3 = [step.resource.name for step in _boto3_plan(mended).changes]
    finally:
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=before)
    assert plan == {f"{only}.aws_s3_bucket_public_access_block.this": "update"}
    assert seen_by_boto3 == [bucket]


def test_a_second_command_at_the_same_time_is_refused(mended: Applying) -> None:
    s3: Any = boto3.client("s3")
    lock = {"Bucket": mended.state_bucket, "Key": f"{_STATE_KEY}.tflock"}
    s3.put_object(**lock, Body=json.dumps({"ID": "another", "Operation": "OperationTypeApply", "Who": "colleague"}))
    try:
        options = ("-input=false", "-no-color", "-lock-timeout=0s", f"-var-file={values(mended.settings)}")
        refused = mended.terraform.run("plan", *options, expect=1)
    finally:
        s3.delete_object(**lock)
    assert "Error acquiring the state lock" in refused.stderr


def test_another_account_than_the_expected_one_is_refused(mended: Applying) -> None:
    options = ("-input=false", "-no-color", "-var=expected_account_id=000000000000")
    refused = mended.terraform.run("plan", *options, f"-var-file={values(mended.settings)}", expect=1)
    assert "AWS account ID not allowed: 123456789012" in refused.stderr


def test_the_state_lies_in_its_bucket_and_nowhere_else(mended: Applying) -> None:
    s3: Any = boto3.client("s3")
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=mended.state_bucket)["Contents"]] == [_STATE_KEY]
    assert list(mended.terraform.folder.rglob("*.tfstate*")) == []


def test_destroy_leaves_nothing_but_keys_in_their_waiting_period(mended: Applying) -> None:
    options = ("-auto-approve", "-input=false", "-no-color", f"-var-file={values(mended.settings)}")
    mended.terraform.run("destroy", *options)
    s3, kinesis, kms = (boto3.client(service) for service in ("s3", "kinesis", "kms"))
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [mended.state_bucket]
    assert kinesis.list_streams()["StreamNames"] == []
    prefix = mended.settings.prefix
    assert [alias for alias in kms.list_aliases()["Aliases"] if prefix in alias["AliasName"]] == []
    states = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] for key in kms.list_keys()["Keys"]]
    assert states == ["PendingDeletion"] * len(KEY_PURPOSES)
