"""What moto ignores, and what follows for Terraform there. On AWS none of it is so.

Each gap is shown, so that its exception can go when the gap does. Needs no terraform.
"""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from infrastructure.local.emulator import emulated_aws

_KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "eu-central-1"}


@pytest.fixture(autouse=True)
def emulated() -> Iterator[None]:
    with emulated_aws():
        yield


def test_the_rotation_period_of_a_key_is_dropped() -> None:
    """So infrastructure/terraform/keys.tf leaves it to KMS, whose default is the boto3 side's 365 days.

    If it were named, every plan would show it as a change.
    """
    kms = boto3.client("kms", **_KEYS)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    assert kms.get_key_rotation_status(KeyId=key).get("RotationPeriodInDays") is None


def test_the_default_usage_of_a_key_is_left_empty() -> None:
    """So the tests name it when boto3 makes keys for Terraform to import, which would replace a key without usage."""
    kms = boto3.client("kms", **_KEYS)
    assert kms.create_key()["KeyMetadata"].get("KeyUsage") is None


def test_the_tags_that_a_stream_is_created_with_are_dropped() -> None:
    """So Terraform needs a second apply there."""
    kinesis = boto3.client("kinesis", **_KEYS)
    kinesis.create_stream(StreamName="stream", ShardCount=1, Tags={"Project": "bank"})
    assert kinesis.list_tags_for_stream(StreamName="stream")["Tags"] == []
