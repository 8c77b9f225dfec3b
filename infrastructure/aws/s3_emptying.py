"""Empty a versioned bucket, except for what Object Lock holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Locked:
    """What had to stay: object versions under retention or legal hold, and the day on which the last retention ends."""

    versions: int
    until: datetime | None

    def note(self, bucket: str) -> str:
        """What to say to whoever runs destroy."""
        objects = f"{self.versions} object version{'s' if self.versions != 1 else ''}"
        if self.until is None:
            return f"{bucket} keeps {objects} under legal hold, {self.end}"
        return f"{bucket} keeps {objects} under Object Lock {self.end}; destroy again after that day"

    @property
    def end(self) -> str:
        """How long it stays."""
        return f"until {self.until:%Y-%m-%d}" if self.until else "until the hold is lifted"


def empty_bucket(s3: S3Client, bucket: str) -> Locked | None:
    """Delete every version and delete marker that is not locked, and abort open uploads.

    Retention is never bypassed, not even in governance mode: lifting it is a decision of its own.
    """
    _abort_uploads(s3, bucket)
    locked = 0
    ends: list[datetime] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = {(entry["Key"], entry["VersionId"]): entry for entry in page.get("Versions", [])}
        markers = [(entry["Key"], entry["VersionId"]) for entry in page.get("DeleteMarkers", [])]
        refused = _delete(s3, bucket, [*versions, *markers])
        if refused:
            locked += len(refused)
            # Retention counts from the upload, so the newest version of a page is released last: one call per page
            # suffices.
            newest = max(refused, key=lambda id_: versions[id_]["LastModified"] if id_ in versions else _LONG_AGO)
            ends += _retained_until(s3, bucket, newest)
    return Locked(locked, max(ends, default=None)) if locked else None


def _abort_uploads(s3: S3Client, bucket: str) -> None:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def _delete(s3: S3Client, bucket: str, ids: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Delete one page of (key, version), at most 1,000; returns those that were refused."""
    if not ids:
        return []
    answer = s3.delete_objects(
        Bucket=bucket,
        Delete={"Objects": [{"Key": key, "VersionId": version} for key, version in ids], "Quiet": True},
    )
    errors = answer.get("Errors", [])
    for error in errors:
        if error["Code"] != "AccessDenied":
            raise PlatformError(
                f"bucket {bucket}", f"deleting an object failed with {error['Code']}", "Repeat the command; it resumes."
            )
    versions = dict(ids)  # emulators name only the key
    return [(error["Key"], error.get("VersionId") or versions[error["Key"]]) for error in errors]


def _retained_until(s3: S3Client, bucket: str, id_: tuple[str, str]) -> list[datetime]:
    """When the retention of a refused version ends; empty if a legal hold keeps it. Raises if neither keeps it."""
    found = s3.head_object(Bucket=bucket, Key=id_[0], VersionId=id_[1])
    if found.get("ObjectLockRetainUntilDate"):
        return [found["ObjectLockRetainUntilDate"]]
    if found.get("ObjectLockLegalHoldStatus") == "ON":
        return []
    raise PlatformError(
        f"bucket {bucket}", "deleting object versions was refused", "Allow s3:DeleteObjectVersion to this identity."
    )
