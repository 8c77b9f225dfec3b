"""Lists, reads and puts objects.

Many bodies are read side by side: one after another, a run's hundred thousand would take an hour.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from botocore.exceptions import ClientError

# So many bodies are on their way, or wait to be looked at; no more is held.
_AHEAD = 16


def entries(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """What ListObjectsV2 tells of each object below a prefix (Key, Size, ETag, LastModified), in S3's order."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])


def keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """The keys below a prefix, in S3's order."""
    return (entry["Key"] for entry in entries(s3, bucket, prefix))


def folders(s3: Any, bucket: str, prefix: str) -> list[str]:
    """The prefixes one level below a prefix; each ends in a slash."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", [])]


def bodies(s3: Any, bucket: str, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Key and body of each object, in the order of the keys."""
    ahead: deque[tuple[str, Future[bytes]]] = deque()
    with ThreadPoolExecutor(_AHEAD) as pool:
        for key in wanted:
            ahead.append((key, pool.submit(body, s3, bucket, key)))
            if len(ahead) == _AHEAD:
                first, read = ahead.popleft()
                yield first, read.result()
        for key, read in ahead:
            yield key, read.result()


def body(s3: Any, bucket: str, key: str) -> bytes:
    """An object's body."""
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


_EVENT = "before-call.s3.PutObject"
# 412: somebody was first. 409: somebody is at it at this moment.
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict")
# The headers of the put that this thread is at; no other put on the same client has them.
_condition: ContextVar[dict[str, str]] = ContextVar("condition")


def put_if_absent(s3: Any, bucket: str, key: str, body: bytes, instead_of: str | None = None) -> bool:
    """Put a JSON object where there is none, or instead of the version with an ETag; whether it is there now.

    body must be unique: an equal stored body proves that our first put succeeded, though its answer was lost.
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
