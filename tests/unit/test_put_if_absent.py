"""Conditional puts: a condition applies to one put only, whatever else the same client puts at that time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from infrastructure.aws.s3_objects import put_if_absent
from infrastructure.local.emulator import emulated_aws

CONDITIONS = ("If-None-Match", "If-Match")


@pytest.fixture
def s3(monkeypatch):
    with emulated_aws():
        client = boto3.client("s3", "us-east-1")
        client.create_bucket(Bucket="lake")
        yield client


@pytest.fixture
def sent(s3):
    """The conditions of each put by its key, as they are sent; a put of "first" waits for another one to pass."""
    found = {}

    def look(request, **_):
        key = request.url.rsplit("/", 1)[1]
        found[key] = {name: request.headers[name].decode() for name in CONDITIONS if name in request.headers}
        if key == "first":
            with ThreadPoolExecutor(1) as beside:
                beside.submit(s3.put_object, Bucket="lake", Key="beside", Body=b"{}").result()

    s3.meta.events.register("before-send.s3.PutObject", look)
    return found


def test_a_put_beside_a_conditional_one_has_no_condition(s3, sent):
    assert put_if_absent(s3, "lake", "first", b"1")
    s3.put_object(Bucket="lake", Key="after", Body=b"{}")
    assert sent == {"first": {"If-None-Match": "*"}, "beside": {}, "after": {}}


def test_a_put_instead_of_a_version_names_it(s3, sent):
    etag = s3.put_object(Bucket="lake", Key="object", Body=b"1")["ETag"]
    assert put_if_absent(s3, "lake", "object", b"2", instead_of=etag)
    assert sent["object"] == {"If-Match": etag}


def test_whoever_comes_second_is_refused_unless_the_first_put_was_its_own(s3):
    assert put_if_absent(s3, "lake", "object", b"1")
    assert not put_if_absent(s3, "lake", "object", b"2")
    assert s3.get_object(Bucket="lake", Key="object")["Body"].read() == b"1"
    assert put_if_absent(s3, "lake", "object", b"1"), "an own put whose answer was lost"
