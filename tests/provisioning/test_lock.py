"""The lock of an environment: one holder, told to whoever comes second, and gone without a trace afterwards."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from infrastructure.aws.s3_lock import LOCK_KEY, Holder, lock_held
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from tests.provisioning.account import service_error

BUCKET = "artifacts"
DENY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}


@pytest.fixture
def s3() -> Iterator[Any]:
    with emulated_aws():
        client = boto3.client("s3", "us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def versions(s3: Any) -> list[Any]:
    found = s3.list_object_versions(Bucket=BUCKET)
    return [*found.get("Versions", []), *found.get("DeleteMarkers", [])]


def test_the_second_is_told_who_holds_it_since_when_and_how_to_remove_it(s3: Any) -> None:
    first = Holder("arn:aws:iam::123456789012:role/ops/anna", "apply", since="2026-11-26T04:00:00+00:00")
    with (
        lock_held(s3, BUCKET, first),
        pytest.raises(PlatformError) as refused,
        lock_held(s3, BUCKET, Holder("ben", "destroy")),
    ):
        raise AssertionError("two held it")
    assert "arn:aws:iam::123456789012:role/ops/anna (apply, for " in refused.value.what
    assert "since 2026-11-26T04:00:00+00:00" in refused.value.what
    assert f"aws s3api delete-object --bucket {BUCKET} --key {LOCK_KEY}" in refused.value.todo


def test_its_age_is_told_as_people_say_it() -> None:
    holder = Holder("anna", "apply", since="2026-11-24T03:00:00+00:00")
    assert "for 2 days, 1:30:00 since" in holder.told(datetime(2026, 11, 26, 4, 30, tzinfo=UTC))


@pytest.mark.parametrize("versioned", [False, True])
def test_nothing_is_left_of_it_whether_the_command_ends_well_or_not(s3: Any, versioned: bool) -> None:
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    with lock_held(s3, BUCKET, Holder("anna", "apply")):
        assert len(versions(s3)) == 1
    assert versions(s3) == []
    with pytest.raises(KeyboardInterrupt), lock_held(s3, BUCKET, Holder("anna", "apply")):
        raise KeyboardInterrupt
    assert versions(s3) == []


def test_a_lock_from_before_the_bucket_kept_versions_goes_too(s3: Any) -> None:
    with lock_held(s3, BUCKET, Holder("anna", "first apply")):
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert versions(s3) == []


def test_one_that_was_removed_by_hand_can_be_taken_and_is_not_removed_by_its_late_holder(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    second = Holder("ben", "apply")
    with lock_held(s3, BUCKET, Holder("anna", "apply")):
        s3.delete_object(Bucket=BUCKET, Key=LOCK_KEY)
        held = lock_held(s3, BUCKET, second)
        held.__enter__()
    assert json.loads(s3.get_object(Bucket=BUCKET, Key=LOCK_KEY)["Body"].read())["id"] == second.id
    held.__exit__(None, None, None)


def test_of_many_at_once_one_gets_it(s3: Any) -> None:
    together, all_tried = threading.Barrier(8), threading.Barrier(8)

    def attempt(number: int) -> bool:
        together.wait()
        try:
            with lock_held(s3, BUCKET, Holder(f"caller {number}", "apply")):
                all_tried.wait()
        except PlatformError:
            all_tried.wait()
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(attempt, range(8))) == 1


def test_an_own_put_whose_answer_was_lost_is_known(s3: Any) -> None:
    answers = iter([service_error("InternalError", "PutObject", status=500)])

    def lose_the_answer(**_: Any) -> None:
        if fault := next(answers, None):
            raise fault

    holder = Holder("anna", "apply")
    s3.meta.events.register("after-call.s3.PutObject", lose_the_answer)
    with pytest.raises(Exception, match="InternalError"), lock_held(s3, BUCKET, holder):
        raise AssertionError("not yet")
    with lock_held(s3, BUCKET, holder):
        assert len(versions(s3)) == 1
    assert versions(s3) == []


def test_on_an_emulator_that_denies_whatever_the_condition_says_it_works_all_the_same(s3: Any) -> None:
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(DENY))
    with lock_held(s3, BUCKET, Holder("anna", "apply"), emulated=True), pytest.raises(PlatformError, match="anna"):
        lock_held(s3, BUCKET, Holder("ben", "apply"), emulated=True).__enter__()
    assert json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"]) == DENY
    s3.delete_bucket_policy(Bucket=BUCKET)
    assert versions(s3) == []


def test_a_bucket_that_is_gone_at_the_end_is_no_error(s3: Any) -> None:
    with lock_held(s3, BUCKET, Holder("anna", "destroy")):
        s3.delete_object(Bucket=BUCKET, Key=LOCK_KEY)
        s3.delete_bucket(Bucket=BUCKET)
