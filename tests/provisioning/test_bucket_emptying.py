"""Emptying a bucket, on the exact requests: versions and markers by page, locks told, real refusals raised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.stub import Stubber

from infrastructure.aws.s3_emptying import Locked, empty_bucket
from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = datetime(2026, 11, 23, tzinfo=UTC)
UNTIL = datetime(2027, 11, 23, tzinfo=UTC)


def emptied(stub: Stubber) -> Locked | None:
    return empty_bucket(cast("S3Client", stub.client), "b")


@pytest.fixture
def stub() -> Iterator[Stubber]:
    with Stubber(boto3.client("s3", "eu-central-1")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def no_uploads(stub: Stubber) -> None:
    stub.add_response("list_multipart_uploads", {}, {"Bucket": "b"})


def listed(key: str, version: str, day: datetime = DAY) -> dict[str, Any]:
    return {"Key": key, "VersionId": version, "LastModified": day}


def deletes(stub: Stubber, ids: list[tuple[str, str]], refused: list[tuple[str, str]], code: str = "") -> None:
    wanted = [{"Key": key, "VersionId": version} for key, version in ids]
    errors = [{"Key": key, "VersionId": version, "Code": code or "AccessDenied"} for key, version in refused]
    request = {"Bucket": "b", "Delete": {"Objects": wanted, "Quiet": True}}
    stub.add_response("delete_objects", {"Errors": errors} if errors else {}, request)


def test_versions_and_delete_markers_go_page_by_page(stub: Stubber) -> None:
    no_uploads(stub)
    more = {"IsTruncated": True, "NextKeyMarker": "a", "NextVersionIdMarker": "2"}
    stub.add_response(
        "list_object_versions",
        {"Versions": [listed("a", "1")], "DeleteMarkers": [listed("a", "2")], **more},
        {"Bucket": "b"},
    )
    deletes(stub, [("a", "1"), ("a", "2")], [])
    stub.add_response(
        "list_object_versions",
        {"Versions": [listed("z", "1")]},
        {"Bucket": "b", "KeyMarker": "a", "VersionIdMarker": "2"},
    )
    deletes(stub, [("z", "1")], [])
    assert emptied(stub) is None


def test_open_uploads_are_aborted(stub: Stubber) -> None:
    stub.add_response("list_multipart_uploads", {"Uploads": [{"Key": "k", "UploadId": "u"}]}, {"Bucket": "b"})
    stub.add_response("abort_multipart_upload", {}, {"Bucket": "b", "Key": "k", "UploadId": "u"})
    stub.add_response("list_object_versions", {}, {"Bucket": "b"})
    assert emptied(stub) is None


def test_the_newest_locked_version_of_a_page_tells_until_when(stub: Stubber) -> None:
    no_uploads(stub)
    older = DAY.replace(year=2025)
    stub.add_response(
        "list_object_versions", {"Versions": [listed("a", "1", older), listed("b", "1")]}, {"Bucket": "b"}
    )
    deletes(stub, [("a", "1"), ("b", "1")], [("a", "1"), ("b", "1")])
    stub.add_response(
        "head_object", {"ObjectLockRetainUntilDate": UNTIL}, {"Bucket": "b", "Key": "b", "VersionId": "1"}
    )
    locked = emptied(stub)
    assert locked is not None
    assert (
        locked.note("b") == "b keeps 2 object versions under Object Lock until 2027-11-23; destroy again after that day"
    )


def test_a_refusal_that_no_lock_explains_is_an_error(stub: Stubber) -> None:
    no_uploads(stub)
    stub.add_response("list_object_versions", {"Versions": [listed("a", "1")]}, {"Bucket": "b"})
    deletes(stub, [("a", "1")], [("a", "1")])
    stub.add_response("head_object", {}, {"Bucket": "b", "Key": "a", "VersionId": "1"})
    with pytest.raises(PlatformError, match="s3:DeleteObjectVersion"):
        emptied(stub)


def test_another_fault_of_a_deletion_is_an_error(stub: Stubber) -> None:
    no_uploads(stub)
    stub.add_response("list_object_versions", {"Versions": [listed("a", "1")]}, {"Bucket": "b"})
    deletes(stub, [("a", "1")], [("a", "1")], code="InternalError")
    with pytest.raises(PlatformError, match="InternalError"):
        emptied(stub)
