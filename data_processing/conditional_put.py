"""Puts an object only where nobody else put one: S3's conditional writes."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from botocore.exceptions import ClientError

_EVENT = "before-call.s3.PutObject"
# 412: somebody was first. 409: somebody is at it at this moment.
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict")
# The headers of the put that this thread is at; no other put on the same client has them.
_condition: ContextVar[dict[str, str]] = ContextVar("condition")


def put_first(s3: Any, bucket: str, key: str, body: bytes, instead_of: str | None = None) -> bool:
    """Put a JSON object where there is none, or instead of the version with an ETag; whether it is there now.

    body must differ from what any other process puts: it is how an own put whose answer was lost is known.
    """
    condition = {"If-Match": instead_of} if instead_of else {"If-None-Match": "*"}
    # boto3 knows these as parameters from 1.35 on, and Glue brings a boto3 of its own: the header works with any.
    s3.meta.events.register(_EVENT, _add_condition, unique_id=_add_condition.__qualname__)
    token = _condition.set(condition)
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _REFUSED:
            raise
        return _holds(s3, bucket, key, body)
    finally:
        _condition.reset(token)
    return True


def _add_condition(params: dict[str, Any], **_: Any) -> None:
    params["headers"].update(_condition.get({}))


def _holds(s3: Any, bucket: str, key: str, body: bytes) -> bool:
    try:
        return bool(s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return False
