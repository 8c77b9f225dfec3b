"""What an AWS error means for the person who runs the command, and what to do about it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from infrastructure.errors import PlatformError, RetryableError
from infrastructure.planning.iam_actions import iam_action

NOT_FOUND_CODES = frozenset(
    {
        "404",
        "NoSuchBucket",
        "NoSuchEntity",
        "NoSuchEntityException",
        "NotFoundException",
        "NotFound",
        "ResourceNotFoundException",
        "EntityNotFoundException",
        "TrailNotFoundException",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucketPolicy",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchLifecycleConfiguration",
        "NoSuchTagSet",
        "NoSuchCORSConfiguration",
        "NoSuchWebsiteConfiguration",
        "ReplicationConfigurationNotFoundError",
        "OwnershipControlsNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
        "ObjectLockConfigurationNotFoundError",
        "ResourceNotFound",
    }
)
# What the services say if a name is taken. InvalidRequestException is Athena's, which means other things too.
_ALREADY_THERE_CODES = frozenset(
    {
        "AlreadyExistsException",
        "BucketAlreadyOwnedByYou",
        "ConflictException",
        "EntityAlreadyExists",
        "EntityAlreadyExistsException",
        "InvalidRequestException",
        "QueueAlreadyExists",
        "QueueNameExists",
        "ResourceAlreadyExistsException",
        "ResourceConflictException",
        "ResourceExistsException",
        "ResourceInUseException",
        "TrailAlreadyExistsException",
    }
)
THROTTLING_CODES = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "SlowDown",
        "RequestThrottled",
        "RequestThrottledException",
        "ProvisionedThroughputExceededException",
        "PriorRequestNotComplete",
        "BandwidthLimitExceeded",
        "TransactionInProgressException",
        "KMSThrottlingException",
        "KMS.ThrottlingException",
    }
)
# Errors that may pass by themselves on any call: throttling, a fault inside the service, an outdated clock or
# credentials.
RETRYABLE_CODES = THROTTLING_CODES | {
    "DependencyTimeoutException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalError",
    "InternalFailure",
    "InternalFailureException",
    "InternalServiceError",
    "InternalServiceErrorException",
    "KMSInternalException",
    "KMSInvalidStateException",
    "KeyUnavailableException",
    "LimitExceededException",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
}
# No answer, a broken one, or credentials that are not there yet. botocore's other errors mean a wrong request.
_RETRYABLE_ERRORS = (
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    MetadataRetrievalError,
    NoConnectionError,
    NoCredentialsError,
)
_DENIED_CODES = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403"}
)
_LIMIT_CODES = frozenset(
    {
        "LimitExceeded",
        "LimitExceededException",
        "ResourceLimitExceeded",
        "ServiceQuotaExceededException",
        "TooManyBuckets",
        "QuotaExceeded",
        "ResourceNumberLimitExceededException",
        "CodeStorageExceededException",
        "InsufficientCapacityException",
        "MaximumNumberOfTrailsExceededException",
    }
)
_EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId"})
_UNKNOWN_OPERATION_CODES = frozenset(
    {
        "UnknownOperation",
        "UnknownOperationException",
        "InvalidAction",
        "NotImplemented",
        "NotImplementedException",
        "501",
        "UnsupportedOperation",
        "UnsupportedOperationException",
    }
)


# What moto's server, or moto in process, says instead of a service's own message.
_NOT_IMPLEMENTED_SIGNS = ("<!doctype html", "not yet implemented", "internal server error")


def error_code(error: BaseException) -> str:
    """The service's error code; "" if the error does not come from a service."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_retryable(error: BaseException) -> bool:
    """Whether the same call may succeed if it is made again."""
    if not isinstance(error, ClientError):
        return isinstance(error, _RETRYABLE_ERRORS)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429 or error_code(error) in RETRYABLE_CODES


def is_not_found(error: BaseException) -> bool:
    """Whether the service says that the thing does not exist (as opposed to: that it has no such operation)."""
    return error_code(error) in NOT_FOUND_CODES and not _is_not_implemented(error)


def is_already_there(error: BaseException) -> bool:
    """Whether the service may mean that the thing exists: another command made it since it was looked for."""
    return error_code(error) in _ALREADY_THERE_CODES


def unsupported_reason(error: BaseException, emulated: bool) -> str:
    """Why the endpoint cannot do this call, or "" if the error is a real one.

    Emulators answer an operation that they lack with NotImplementedError (in process), with HTTP 404, 500 or 501 and a
    page of HTML, or with HTTP 400 and a body that has no error code. On AWS every error is real.
    """
    if isinstance(error, NotImplementedError):
        return str(error) or "not implemented"
    if emulated and _is_not_implemented(error):
        operation = getattr(error, "operation_name", "")
        return f"{operation} is not implemented" if operation else "not implemented"
    return ""


def _is_not_implemented(error: BaseException) -> bool:
    if isinstance(error, ResponseParserError):
        return any(sign in str(error).lower() for sign in ("<!doctype html", "unsupported service"))
    if isinstance(error, EndpointConnectionError):
        return _has_account_prefix(str(error))
    if not isinstance(error, ClientError):
        return False
    details: Any = error.response.get("Error", {})
    message = str(details.get("Message", "")).lower()
    if details.get("Code") == "400":  # the status stands for the code that the answer lacks
        return not message
    if details.get("Code") in ("404", "500"):
        return any(sign in message for sign in _NOT_IMPLEMENTED_SIGNS)
    return details.get("Code") in _UNKNOWN_OPERATION_CODES


def _has_account_prefix(message: str) -> bool:
    # S3 Control prefixes the host name with the account id, and such a name does not resolve if the endpoint is an IP
    # address.
    host = message.partition("://")[2].split("/", 1)[0].split(":", 1)[0]
    first, _, rest = host.partition(".")
    return len(first) == 12 and first.isdecimal() and bool(rest)


def explain(error: BaseException, where: str) -> PlatformError:
    """The error as a PlatformError that says what to do; a PlatformError is returned as it is."""
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, ClientError):
        return _explain_service_error(error, where)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return PlatformError(where, "no AWS credentials were found", "Log in (aws sso login) or name a --profile.")
    if isinstance(error, UnauthorizedSSOTokenError | TokenRetrievalError):
        return PlatformError(where, "the SSO session has expired", "Run aws sso login and repeat the command.")
    if isinstance(error, ProfileNotFound):
        return PlatformError(where, str(error), "Name a profile of ~/.aws/config with --profile.")
    if isinstance(error, NoRegionError):
        return PlatformError(where, "no region was given", "Name it with --region or set AWS_REGION.")
    if isinstance(error, BotoCoreError):
        return RetryableError(
            where, f"the call failed ({_one_line(error)})", "Check the network and repeat the command."
        )
    return PlatformError(where, f"{type(error).__name__}: {_one_line(error)}", "Repeat the command; it resumes.")


def _explain_service_error(error: ClientError, where: str) -> PlatformError:
    code, operation = error_code(error), error.operation_name
    message = _one_line(error.response.get("Error", {}).get("Message", ""))
    what = f"{operation} was answered with {code}" + (f" ({message})" if message else "")
    if code in _DENIED_CODES:
        return PlatformError(
            where,
            what,
            f"Allow {iam_action(operation, where, message)} to the identity you run as; a service control policy or a "
            "permissions boundary may deny it too.",
        )
    if code in THROTTLING_CODES:
        return RetryableError(where, what, "AWS throttles the account's calls: repeat the command, it resumes.")
    if "UnreservedConcurrentExecution" in message:
        todo = "Set LAMBDA_RESERVED_CONCURRENCY=0, or raise Lambda's quota of concurrent executions."
        return PlatformError(where, what, todo)
    if code in _LIMIT_CODES:
        return PlatformError(
            where, what, "Raise the quota in the Service Quotas console (or free some), then repeat the command."
        )
    if code in _EXPIRED_CODES:
        return PlatformError(where, what, "Renew the credentials (aws sso login) and repeat the command.")
    if code in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou", "OperationAborted"):
        return _explain_bucket_name(code, where, what)
    if code in ("MalformedPolicyDocument", "MalformedPolicyDocumentException", "MalformedPolicy"):
        return PlatformError(where, what, "Check that every principal that the policy names exists in this account.")
    return PlatformError(where, what, "Mend what the message names and repeat the command; it resumes.")


def _explain_bucket_name(code: str, where: str, what: str) -> PlatformError:
    if code == "BucketAlreadyExists":
        return PlatformError(
            where,
            f"{what}: another account owns this bucket name",
            "Bucket names are shared by all accounts: set another PROJECT in .env and apply again.",
        )
    if code == "BucketAlreadyOwnedByYou":
        return PlatformError(
            where, what, "This account owns the name in another region: remove that bucket or set another PROJECT."
        )
    return RetryableError(where, what, "S3 is still working on this name: repeat the command in a few minutes.")


def _one_line(text: object) -> str:
    line = " ".join(str(text).split()).rstrip(".")
    return line if len(line) <= 300 else line[:297] + "..."
