"""What an empty account answers on the first day and an emulator never does: late, in conflict, or by somebody else.

AWS is eventually consistent. Faults are injected through botocore's hooks; time is that of a clock that pauses advance.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infrastructure.local.emulator import emulated_aws
from infrastructure.planning import waiting
from infrastructure.planning.apply import execute
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import Resource
from infrastructure.settings import KEY_PURPOSES, Settings
from tests.provisioning.account import CORE, EmulatedAccount, service_error

MINUTES_OF_TERRAFORMS_PROVIDER = 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock that waiting looks at: it goes on by each pause, and by nothing else."""
    found = SimpleNamespace(now=0.0)
    lock = threading.Lock()

    def pause(seconds: float) -> None:
        with lock:
            found.now += seconds

    monkeypatch.setattr(waiting, "pause", pause)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: found.now))
    return found


@pytest.fixture
def account(settings: Settings) -> Iterator[EmulatedAccount]:
    with emulated_aws():
        yield EmulatedAccount(settings, parts=("security", "data_storage"))


def refuse(account: EmulatedAccount, beginning: str, code: str, times: int) -> Counter[str]:
    """Each mutating call whose name begins so is refused so many times. Gives the number of refusals by name."""
    refused: Counter[str] = Counter()
    lock = threading.Lock()

    def before(name: str, _: int) -> None:
        with lock:
            if name.startswith(beginning) and refused[name] < times:
                refused[name] += 1
                raise service_error(code, name.partition(".")[2])

    account.calls.before = before
    return refused


@pytest.mark.parametrize("code", ["OperationAborted", "NoSuchBucket"])
def test_every_put_on_a_new_bucket_is_made_again_while_s3_works_on_it(
    code: str, account: EmulatedAccount, clock: SimpleNamespace
) -> None:
    refused = refuse(account, "s3.", code, times=2)
    assert account.apply().errors == ()
    assert {
        "s3.PutBucketPolicy",
        "s3.PutPublicAccessBlock",
        "s3.PutBucketEncryption",
        "s3.PutBucketVersioning",
        "s3.PutObjectLockConfiguration",
        "s3.PutBucketLifecycleConfiguration",
        "s3.PutBucketLogging",
        "s3.PutBucketTagging",
    } <= refused.keys()
    assert account.plan().changes == ()


def test_a_bucket_that_s3_works_on_is_deleted_a_little_later(account: EmulatedAccount, clock: SimpleNamespace) -> None:
    account.apply().raise_for_errors()
    refused = refuse(account, "s3.DeleteBucket", "OperationAborted", times=2)
    assert account.destroy(delete_data=True).errors == ()
    assert refused["s3.DeleteBucket"] == 2
    assert account.client("s3").list_buckets()["Buckets"] == []


def test_a_bucket_that_never_comes_is_an_error_in_the_end(account: EmulatedAccount, clock: SimpleNamespace) -> None:
    refuse(account, "s3.", "OperationAborted", times=10_000)
    codes = {error_code(error.__cause__ or error) or str(error) for error in account.apply().errors}
    assert all("OperationAborted" in code for code in codes)
    assert codes


def test_a_new_key_that_kms_does_not_list_yet_is_not_made_twice(
    account: EmulatedAccount, clock: SimpleNamespace
) -> None:
    known: set[str] = set()  # to every part of KMS; a new key is not

    def list_keys(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Keys"] = [key for key in parsed["Keys"] if key["KeyId"] in known]

    kms = account.client("kms")
    kms.meta.events.register("after-call.kms.ListKeys", list_keys)
    report = account.apply(only=["security"])
    assert report.errors == ()
    assert account.calls.made.count("kms.CreateKey") == len(KEY_PURPOSES)
    kms.meta.events.unregister("after-call.kms.ListKeys", list_keys)
    assert len(kms.list_keys()["Keys"]) == len(KEY_PURPOSES)
    assert account.plan(only=["security"]).changes == ()


def test_a_new_role_may_be_unknown_to_the_next_call_for_minutes(
    account: EmulatedAccount, clock: SimpleNamespace
) -> None:
    roles = " or ".join(each.name for each in account.resources() if each.type == "AWS::IAM::Role")

    def before(name: str, _: int) -> None:
        if name == "iam.PutRolePolicy" and clock.now < MINUTES_OF_TERRAFORMS_PROVIDER * 60:
            raise service_error("NoSuchEntity", "PutRolePolicy", f"The role with name {roles} cannot be found.")

    account.calls.before = before
    assert account.apply(only=["security"]).errors == ()
    assert account.plan(only=["security"]).changes == ()


def test_a_function_waits_for_its_new_role_for_minutes(settings: Settings, clock: SimpleNamespace) -> None:
    def before(name: str, _: int) -> None:
        if name == "lambda.CreateFunction" and clock.now < MINUTES_OF_TERRAFORMS_PROVIDER * 60:
            message = "The role defined for the function cannot be assumed by Lambda."
            raise service_error("InvalidParameterValueException", "CreateFunction", message)

    with emulated_aws():
        account = EmulatedAccount(settings, parts=CORE)
        account.calls.before = before
        assert account.apply().errors == ()


def test_a_boundary_that_does_not_exist_is_told_at_once(account: EmulatedAccount, clock: SimpleNamespace) -> None:
    account.apply(only=["security"]).raise_for_errors()
    role = next(each for each in account.resources() if each.type == "AWS::IAM::Role")
    boundary = "arn:aws:iam::123456789012:policy/boundary"

    def before(name: str, _: int) -> None:
        if name == "iam.PutRolePermissionsBoundary":
            raise service_error("NoSuchEntity", "PutRolePermissionsBoundary", f"Scope ARN: {boundary} does not exist")

    account.calls.before = before
    with pytest.raises(Exception, match="Scope ARN"):
        role.update(frozenset({"PermissionsBoundary"}), role.properties | {"PermissionsBoundary": boundary})
    assert clock.now == 0


def test_what_another_command_made_since_the_plan_is_read_again(
    account: EmulatedAccount, clock: SimpleNamespace
) -> None:
    mine = account.plan(only=["security", "data_storage"])
    EmulatedAccount(account.settings, parts=account.parts).apply().raise_for_errors()
    # us-east-1 alone takes CreateBucket of one's own bucket; elsewhere it is BucketAlreadyOwnedByYou.
    report = execute(mine, emulated=True)
    assert report.errors == ()
    assert account.plan().changes == ()


def function_with(settings: Settings, limit: dict[str, int]) -> Resource:
    """The function in an account with these limits of Lambda, as AWS tells them."""
    client = boto3.client("lambda", "eu-central-1")
    stub = Stubber(client)
    stub.add_response("get_account_settings", {"AccountLimit": limit})
    stub.activate()
    with emulated_aws():
        function = next(r for r in EmulatedAccount(settings).resources() if r.type == "AWS::Lambda::Function")
    function.clients = lambda service: client  # type: ignore[assignment]
    return function


NEW_ACCOUNT = {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}
GROWN_ACCOUNT = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 150}


@pytest.mark.parametrize(
    ("limit", "wanted", "held", "told"),
    [
        (NEW_ACCOUNT, 50, None, "only 0 of the account's 10 can be reserved"),
        (GROWN_ACCOUNT, 50, None, ""),
        (GROWN_ACCOUNT, 51, None, "only 50 of the account's 1000 can be reserved"),
        (GROWN_ACCOUNT, 70, 20, ""),  # what it holds counts as free
        (NEW_ACCOUNT, 5, 8, ""),  # giving back is never refused
    ],
)
def test_the_plan_says_that_an_account_has_no_concurrency_to_reserve(
    limit: dict[str, int], wanted: int, held: int | None, told: str
) -> None:
    function = function_with(Settings(), limit)
    actual = None if held is None else {"ReservedConcurrentExecutions": held}
    refusal = function.refusal({"ReservedConcurrentExecutions": wanted}, actual)
    assert (told in str(refusal)) if told else refusal is None


def test_by_default_nothing_is_reserved_so_that_a_new_account_takes_it() -> None:
    assert Settings().lambda_reserved_concurrency == 0
