"""The lock of an environment: an object that only one command at a time can put.

S3 takes a put with If-None-Match from one of several callers alone. A killed command leaves its lock behind. Whoever
comes next is told who holds it, since when, and how to remove it: only a person can know that the command is dead.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from infrastructure.aws.s3 import policy_aside
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code, is_not_found

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOCK_KEY = "lock.json"
# Another holder's lock is there, or is being put right now.
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_UNVERSIONED = "null"  # the version of an object that was put before its bucket kept versions


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock. who: an identity's ARN; since: ISO 8601 in UTC; id: tells one identity's commands apart."""

    who: str
    command: str
    since: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def told(self, now: datetime) -> str:
        """The holder, for whoever has to wait."""
        age = timedelta(seconds=int((now - datetime.fromisoformat(self.since)).total_seconds()))
        return f"{self.who} ({self.command}, for {age} since {self.since})"


@contextlib.contextmanager
def lock_held(s3: S3Client, bucket: str, holder: Holder, *, emulated: bool = False) -> Iterator[None]:
    """The lock in this bucket, held by the caller. Raises PlatformError that names another holder.

    The bucket may be gone at the end: a destroy removes it with the lock in it.
    """
    version = _take(s3, bucket, holder, emulated)
    try:
        yield
    finally:
        _release(s3, bucket, version, emulated)


def _release(s3: S3Client, bucket: str, version: str, emulated: bool) -> None:
    try:
        with policy_aside(s3, bucket, emulated):
            s3.delete_object(Bucket=bucket, Key=LOCK_KEY, VersionId=version)
    except ClientError as error:
        if not is_not_found(error):
            raise


def _take(s3: S3Client, bucket: str, holder: Holder, emulated: bool) -> str:
    """Put the lock; returns its version. Removing that one leaves no delete marker, and no other's lock is removed."""
    body = json.dumps(asdict(holder)).encode()
    with policy_aside(s3, bucket, emulated):
        try:
            put = s3.put_object(Bucket=bucket, Key=LOCK_KEY, Body=body, ContentType="application/json", IfNoneMatch="*")
        except ClientError as error:
            if error_code(error) not in _TAKEN:
                raise
            other, version = _read(s3, bucket)
            if other == holder:  # the answer to our own first put was lost
                return version
            raise _held_by(other, bucket) from None
    return put.get("VersionId", _UNVERSIONED)


def _read(s3: S3Client, bucket: str) -> tuple[Holder | None, str]:
    try:
        found = s3.get_object(Bucket=bucket, Key=LOCK_KEY)
    except ClientError as error:
        if is_not_found(error) or error_code(error) == "NoSuchKey":
            return None, _UNVERSIONED
        raise
    return Holder(**json.loads(found["Body"].read())), found.get("VersionId", _UNVERSIONED)


def _held_by(other: Holder | None, bucket: str) -> PlatformError:
    told = other.told(datetime.now(UTC)) if other else "a command that has just ended"
    return PlatformError(
        "environment",
        f"is being changed by {told}; nothing was changed",
        f"Wait for it. If it is no longer running: aws s3api delete-object --bucket {bucket} --key {LOCK_KEY}",
    )
