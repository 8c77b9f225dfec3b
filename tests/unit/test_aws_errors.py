"""How AWS errors are explained, and which errors mean that an emulator lacks an operation."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from botocore.parsers import ResponseParserError

from infrastructure.errors import PlatformError, RetryableError
from infrastructure.planning.aws_errors import explain, is_not_found, unsupported_reason
from tests.provisioning.account import service_error

_PAGE = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>"


@pytest.mark.parametrize(
    ("code", "kind", "todo"),
    [
        ("AccessDenied", PlatformError, "Allow the action of CreateThing"),
        ("AccessDeniedException", PlatformError, "service control policy"),
        ("ThrottlingException", RetryableError, "repeat the command"),
        ("LimitExceededException", PlatformError, "Service Quotas"),
        ("TooManyBuckets", PlatformError, "Service Quotas"),
        ("BucketAlreadyExists", PlatformError, "set another PROJECT"),
        ("BucketAlreadyOwnedByYou", PlatformError, "another region"),
        ("OperationAborted", RetryableError, "few minutes"),
        ("ExpiredToken", PlatformError, "aws sso login"),
        ("MalformedPolicyDocumentException", PlatformError, "every principal"),
        ("SomethingNew", PlatformError, "Mend what the message names"),
    ],
)
def test_each_kind_of_service_error_says_what_to_do(code: str, kind: type[PlatformError], todo: str) -> None:
    told = explain(service_error(code, "CreateThing", "the message."), "thing a")
    assert type(told) is kind
    assert str(told).startswith(f"thing a: CreateThing was answered with {code} (the message)")
    assert todo in told.todo


@pytest.mark.parametrize(
    ("operation", "where", "message", "action"),
    [
        ("PutPublicAccessBlock", "AWS::S3::Bucket a", "", "s3:PutBucketPublicAccessBlock"),
        ("PutBucketPolicy", "AWS::S3::BucketPolicy a", "", "s3:PutBucketPolicy"),
        ("CreateStream", "AWS::Kinesis::Stream a", "", "kinesis:CreateStream"),
        ("CreateSecret", "AWS::SecretsManager::Secret a", "", "secretsmanager:CreateSecret"),
        ("CreateWorkgroup", "AWS::RedshiftServerless::Workgroup a", "", "redshift-serverless:CreateWorkgroup"),
        (
            "CreateFunction",
            "AWS::Lambda::Function a",
            "User: arn:aws:iam::1:user/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/y",
            "iam:PassRole",
        ),
    ],
)
def test_what_is_denied_is_told_as_the_action_that_a_policy_names(
    operation: str, where: str, message: str, action: str
) -> None:
    told = explain(service_error("AccessDenied", operation, message), where)
    assert told.todo.startswith(f"Allow {action} to the identity you run as")


def test_a_platform_error_stays_as_it_is() -> None:
    error = PlatformError("a", "b", "c")
    assert explain(error, "elsewhere") is error


def test_missing_credentials_and_lost_connections_have_remedies() -> None:
    assert "--profile" in explain(NoCredentialsError(), "AWS").todo
    assert isinstance(explain(EndpointConnectionError(endpoint_url="http://x"), "AWS"), RetryableError)


@pytest.mark.parametrize(
    "error",
    [
        service_error("404", "GetAccountSettings", _PAGE, 404),
        service_error("404", "ListNamespaces", "Not yet implemented", 404),
        service_error("500", "TagResource", _PAGE, 500),
        service_error("UnknownOperationException", "TagResource"),
        service_error("InvalidAction", "TagResource"),
        service_error("400", "GetNamespace"),
        ResponseParserError("Unable to parse response, invalid XML received:\nb'<!doctype html>"),
        ResponseParserError(
            'Unable to parse response, invalid XML received:\nb\'{"error": "Unsupported service: x"}\''
        ),
        EndpointConnectionError(endpoint_url="http://123456789012.127.0.0.1:5000/v20180820/"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_an_operation_that_an_emulator_lacks_is_unsupported_there_and_an_error_on_aws(error: Exception) -> None:
    assert unsupported_reason(error, emulated=True)
    assert not unsupported_reason(error, emulated=False)
    assert not is_not_found(error)


@pytest.mark.parametrize(
    "error",
    [
        service_error("404", "HeadBucket", "Not Found", 404),
        service_error("400", "HeadBucket", "Bad Request", 400),
        service_error("NoSuchBucket", "GetBucketPolicy"),
        service_error("AccessDenied", "GetBucketPolicy"),
        service_error("500", "GetBucketPolicy", "We encountered an internal error", 500),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:5000/"),
        ValueError("a fault of ours"),
    ],
    ids=lambda error: str(error)[:40],
)
def test_a_real_error_is_never_taken_for_unsupported(error: Exception) -> None:
    assert not unsupported_reason(error, emulated=True)


def test_what_does_not_exist_is_told_from_what_is_not_implemented() -> None:
    assert is_not_found(service_error("404", "HeadBucket", "Not Found", 404))
    assert not is_not_found(service_error("404", "GetAccountSettings", _PAGE, 404))
