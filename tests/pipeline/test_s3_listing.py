"""Long listings are read without botocore's XML parser, and show what it would show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infrastructure.aws import s3_objects
from infrastructure.local.emulator import emulated_aws

BUCKET = "bucket"
KEYS = [f"raw/arrival_date=2026-03-02/{number:04}" for number in range(1001)]
ODD_KEYS = ["raw/a b", "raw/a+b", "raw/100%", "raw/%41", "raw/<&>\"'", "raw/line\nbreak", "raw/漢字", "raw/a//b"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[None]:
    """More objects than a page of a listing holds, for all tests of this module."""
    with emulated_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        for key in KEYS + ODD_KEYS:
            s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        yield


@pytest.fixture(name="s3")
def client_of_the_test(bucket: None) -> Any:
    return boto3.client("s3", region_name="us-east-1")


def found(s3: Any, prefix: str) -> list[s3_objects.Summary]:
    return [each for page in s3_objects.pages(s3, BUCKET, prefix) for each in page.summaries()]


def as_botocore_has_it(s3: Any, prefix: str) -> list[tuple[Any, ...]]:
    return [
        (entry["Key"], entry["Size"], entry["ETag"].strip('"'), entry["LastModified"].isoformat()[:19])
        for entry in s3_objects.entries(s3, BUCKET, prefix)
    ]


def test_every_page_shows_what_botocore_would(s3):
    assert found(s3, "raw/") == as_botocore_has_it(s3, "raw/")
    assert [each.key for each in found(s3, "raw/")] == sorted(KEYS + ODD_KEYS, key=str.encode)
    assert found(s3, "nothing/") == []


def test_botocore_has_no_entry_left_to_parse(s3):
    bodies = []
    s3.meta.events.register("before-parse.s3.ListObjectsV2", lambda **parsed: bodies.append(parsed["response_dict"]))
    assert len(found(s3, "raw/arrival_date=")) == len(KEYS)
    assert len(bodies) == 2
    assert not [each for each in bodies if b"<Contents>" in each["body"]]


def test_a_listing_of_another_shape_is_left_to_botocore(s3):
    def with_other_tags(response_dict: dict[str, Any], **_: Any) -> None:
        response_dict["body"] = response_dict["body"].replace(b"<Key>", b'<Key of="it">')

    s3.meta.events.register_first("before-parse.*.ListObjectsV2", with_other_tags)
    assert found(s3, "raw/") == as_botocore_has_it(s3, "raw/")


def test_other_listings_stay_botocores(s3):
    found(s3, "raw/")
    (entry,) = s3.list_objects_v2(Bucket=BUCKET, Prefix=KEYS[0])["Contents"]
    assert entry["LastModified"].tzinfo is not None


def test_folders_can_begin_behind_a_key(s3):
    assert s3_objects.folders(s3, BUCKET, "raw/", KEYS[-1]) == []
    assert s3_objects.folders(s3, BUCKET, "raw/", "raw/a") == ["raw/a/", "raw/arrival_date=2026-03-02/"]
