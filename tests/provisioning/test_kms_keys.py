"""The keys as they stand after apply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import KEY_PURPOSES, Settings
from security.kms_keys import key_policy
from tests.provisioning.account import CORE, EmulatedAccount, service_error


@pytest.fixture(scope="module")
def standing() -> Iterator[EmulatedAccount]:
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"), parts=CORE)
        account.apply(only=["security"]).raise_for_errors()
        yield account


@pytest.mark.parametrize("purpose", KEY_PURPOSES)
def test_each_purpose_has_a_rotating_key_of_its_own(purpose: str, standing: EmulatedAccount) -> None:
    kms = standing.client("kms")
    key = kms.describe_key(KeyId=standing.settings.key_alias(purpose))["KeyMetadata"]
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is True
    tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}
    assert tags["Purpose"] == purpose
    assert len(kms.list_keys()["Keys"]) == len(KEY_PURPOSES)


@pytest.mark.parametrize("purpose", KEY_PURPOSES)
def test_only_the_accounts_root_statement_has_every_action(purpose: str) -> None:
    for statement in key_policy(Settings(), purpose)["Statement"]:
        if statement["Sid"] == "AccountRoot":
            assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
        else:
            assert not any("*" in action for action in _list(statement["Action"]))
            if statement["Effect"] == "Allow":
                assert set(statement["Principal"]) == {"Service"}
                assert "123456789012" in json.dumps(statement["Condition"]), "a service acts for this account alone"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_log_groups_of_the_region_and_the_trail_use_the_audit_key_alone() -> None:
    settings = Settings(region="eu-central-1")
    principals = {purpose: json.dumps(key_policy(settings, purpose)) for purpose in KEY_PURPOSES}
    for service in ("logs.eu-central-1.amazonaws.com", "cloudtrail.amazonaws.com"):
        assert [purpose for purpose in KEY_PURPOSES if service in principals[purpose]] == ["audit"]


def test_the_trail_and_no_other_uses_the_audit_key_whatever_encryption_context_s3_names() -> None:
    settings = Settings(region="eu-central-1")
    (trail,) = [s for s in key_policy(settings, "audit")["Statement"] if "cloudtrail" in json.dumps(s["Principal"])]
    # With a bucket key the encryption context is the bucket's ARN, not the trail's; and the trail has to decrypt too.
    assert trail["Condition"] == {
        "StringEquals": {"aws:SourceArn": settings.arn("cloudtrail", f"trail/{settings.trail_name}")}
    }
    assert {"kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"} <= set(trail["Action"])


def test_keys_of_others_that_may_not_be_looked_at_are_passed_over(standing: EmulatedAccount) -> None:
    kms = standing.client("kms")
    foreign = kms.create_key()["KeyMetadata"]["KeyId"]

    def refuse(params: dict[str, Any], **_: Any) -> None:
        if params.get("KeyId") == foreign:
            raise service_error("AccessDeniedException", "ListResourceTags")

    kms.meta.events.register("before-parameter-build.kms.ListResourceTags", refuse)
    kms.delete_alias(AliasName=standing.settings.key_alias("data"))
    plan = standing.plan(only=["security"])
    assert [step.resource.type for step in plan.changes] == ["AWS::KMS::Alias"]
    standing.apply(only=["security"]).raise_for_errors()
    assert standing.plan(only=["security"]).changes == ()
