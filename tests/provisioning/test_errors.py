"""Errors that AWS answers with, injected through botocore's hooks: clear, with a remedy, and nothing half known."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from infrastructure.errors import PlatformError, RetryableError
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.apply import Outcome
from infrastructure.settings import Settings
from tests.provisioning.account import CORE, EmulatedAccount, service_error


def fail(account: EmulatedAccount, operation: str, code: str, message: str = "") -> Callable[[], None]:
    """Make an operation ("kinesis.CreateStream") answer with an error; calling the returned function ends that."""
    service, name = operation.split(".")

    def answer(**_: Any) -> Any:
        raise service_error(code, name, message)

    client = account.client(service)
    event = f"before-send.{service}.{name}" if service != "events" else f"before-send.eventbridge.{name}"
    client.meta.events.register_first(event, answer)
    return lambda: client.meta.events.unregister(event, answer)


CASES = [
    ("kinesis.CreateStream", "LimitExceededException", "AWS::Kinesis::Stream", "Service Quotas", PlatformError),
    ("kinesis.CreateStream", "AccessDeniedException", "AWS::Kinesis::Stream", "CreateStream", PlatformError),
    ("s3.PutBucketPolicy", "AccessDenied", "AWS::S3::BucketPolicy", "PutBucketPolicy", PlatformError),
    ("s3.CreateBucket", "BucketAlreadyExists", "AWS::S3::Bucket", "another account owns this bucket", PlatformError),
    ("s3.CreateBucket", "TooManyBuckets", "AWS::S3::Bucket", "Service Quotas", PlatformError),
    ("kms.CreateKey", "LimitExceededException", "AWS::KMS::Key", "Service Quotas", PlatformError),
    ("kms.CreateKey", "MalformedPolicyDocumentException", "AWS::KMS::Key", "every principal", PlatformError),
    ("secretsmanager.CreateSecret", "AccessDeniedException", "AWS::SecretsManager::Secret", "Allow", PlatformError),
    ("lambda.CreateFunction", "TooManyRequestsException", "AWS::Lambda::Function", "repeat", RetryableError),
    ("lambda.CreateFunction", "CodeStorageExceededException", "AWS::Lambda::Function", "Quotas", PlatformError),
    ("logs.CreateLogGroup", "LimitExceededException", "AWS::Logs::LogGroup", "Service Quotas", PlatformError),
    ("sqs.CreateQueue", "AccessDenied", "AWS::SQS::Queue", "Allow", PlatformError),
]


@pytest.mark.parametrize(("operation", "code", "type_", "told", "kind"), CASES)
def test_a_refused_creation_is_told_with_a_remedy_and_the_next_apply_does_the_rest(
    operation: str, code: str, type_: str, told: str, kind: type[PlatformError], account: EmulatedAccount
) -> None:
    mend = fail(account, operation, code, "because")
    report = account.apply()
    failed = report.of(Outcome.FAILED)
    assert {result.resource.type for result in failed} == {type_}
    error = failed[0].error
    assert type(error) is kind
    assert told in str(error)
    assert code in str(error)
    mend()
    assert account.apply().errors == ()


def test_what_does_not_need_the_failed_resource_is_made(account: EmulatedAccount) -> None:
    fail(account, "kinesis.CreateStream", "LimitExceededException")
    report = account.apply()
    skipped = {result.resource.type for result in report.of(Outcome.SKIPPED)}
    assert skipped == {"AWS::Lambda::Function", "AWS::Lambda::EventSourceMapping"}
    assert account.client("sqs").list_queues()["QueueUrls"] != []


def test_a_refused_reading_stops_before_any_change(account: EmulatedAccount) -> None:
    fail(account, "s3.HeadBucket", "403")
    with pytest.raises(PlatformError, match="belongs to another account or refuses"):
        account.apply()
    assert account.calls.mutating == []


def test_throttling_that_passes_is_not_noticed(settings: Settings) -> None:
    with emulated_aws():
        # AWS's own clients try again. The function is left out: the emulator lacks a call that its reading makes.
        account = EmulatedAccount(settings, emulated=False, parts=("security",))
        answers = iter([400, 400])

        def throttle_twice(request: Any, **_: Any) -> AWSResponse | None:
            status = next(answers, None)
            if status is None:
                return None
            body = io.BytesIO(b'{"__type": "ThrottlingException", "message": "Rate exceeded"}')
            return AWSResponse(request.url, status, HTTPHeaders(), _Raw(body))

        account.client("kms").meta.events.register_first("before-send.kms.CreateKey", throttle_twice)
        assert account.apply().errors == ()
        assert next(answers, "used up") == "used up"


class _Raw:
    """The part of urllib3's response that botocore reads."""

    def __init__(self, body: io.BytesIO) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body.read()


def test_on_aws_what_is_not_implemented_is_an_error(settings: Settings) -> None:
    page = "<!doctype html>\n<title>500 Internal Server Error</title>"
    for emulated in (True, False):
        with emulated_aws():
            account = EmulatedAccount(settings, emulated=emulated, parts=CORE)
            fail(account, "kinesis.EnableEnhancedMonitoring", "500", page)
            report = account.apply()
            assert bool(report.errors) is not emulated
            if emulated:
                unsupported = report.of(Outcome.UNSUPPORTED)
                assert [dict(result.unsupported).keys() for result in unsupported] == [{"ShardLevelMetrics"}]
                assert report.of(Outcome.SKIPPED) == ()


def test_a_name_taken_by_another_account_says_so() -> None:
    with emulated_aws():
        other = EmulatedAccount(Settings(account_id="123456789012"))
        other.client("s3").create_bucket(Bucket=other.settings.bucket("raw"))
        # Somebody who is not the owner asks for the same name.
        mine = EmulatedAccount(Settings())
        fail(mine, "s3.HeadBucket", "403", "Forbidden")
        with pytest.raises(PlatformError, match="set another PROJECT"):
            mine.plan()


def test_no_error_shows_the_secret(account: EmulatedAccount) -> None:
    fail(account, "secretsmanager.CreateSecret", "InternalServiceError", "cannot store")
    report = account.apply()
    told = " ".join(str(error) for error in report.errors)
    assert "keys" not in told
    assert "current" not in told
