"""Removes objects with all their versions: on a versioned bucket a plain delete keeps what it deletes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

_AT_ONCE = 1000  # DeleteObjects takes no more


class Version(NamedTuple):
    """A version of an object, or the marker that it was deleted. current: whether readers find it."""

    key: str
    id: str
    current: bool


def versions(s3: S3Client, bucket: str, prefix: str) -> Iterator[Version]:
    """All versions and markers below a prefix."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Versions", []):
            yield Version(entry["Key"], entry["VersionId"], entry["IsLatest"])
        for marker in page.get("DeleteMarkers", []):
            yield Version(marker["Key"], marker["VersionId"], False)


def remove_versions(s3: S3Client, bucket: str, prefix: str, unwanted: Callable[[Version], bool]) -> int:
    """Remove the unwanted ones below a prefix; how many. Raises PlatformError if one is refused."""
    found: Iterator[ObjectIdentifierTypeDef] = (
        {"Key": each.key, "VersionId": each.id} for each in list(versions(s3, bucket, prefix)) if unwanted(each)
    )
    removed = 0
    while part := list(islice(found, _AT_ONCE)):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": part, "Quiet": True})
        for error in answer.get("Errors", []):
            raise PlatformError(
                f"s3://{bucket}/{error.get('Key', prefix)}",
                f"could not be removed ({error.get('Code')})",
                "Allow s3:DeleteObjectVersion to this identity, and run the same command again",
            )
        removed += len(part)
    return removed
