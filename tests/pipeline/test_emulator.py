"""The emulator's state is plain dictionaries: whoever calls it, in process or over HTTP, calls take turns."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.s3.models import S3Backend

from infrastructure.local.emulator import emulated_aws, emulator_server


class Overlaps:
    """Stands for an operation of the emulator, and counts how often it is called while it is at work."""

    def __init__(self) -> None:
        self.calls = self.overlapping = 0
        self._at_work = threading.Lock()

    def __call__(self, *_: Any, **__: Any) -> list[Any]:
        free = self._at_work.acquire(blocking=False)
        self.calls += 1
        self.overlapping += not free
        time.sleep(0.005)
        if free:
            self._at_work.release()
        return []


def test_calls_take_turns_in_process_and_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    operation = Overlaps()
    monkeypatch.setattr(S3Backend, "list_buckets", operation)
    with emulated_aws(), emulator_server() as endpoint, ThreadPoolExecutor(8) as threads:
        callers = [boto3.client("s3", "us-east-1", endpoint_url=url) for url in [None, endpoint] * 4]
        list(threads.map(lambda s3: [s3.list_buckets() for _ in range(5)], callers))
    assert (operation.calls, operation.overlapping) == (40, 0)


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that has a bucket "lake" with an object "x"."""
    with emulated_aws(), emulator_server() as endpoint:
        s3 = boto3.client("s3", "us-east-1", endpoint_url=endpoint)
        s3.create_bucket(Bucket="lake")
        s3.put_object(Bucket="lake", Key="x", Body=b"content")
        yield int(endpoint.rpartition(":")[2])


def answer(port: int, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path, body=b"theirs" if method == "PUT" else None, headers=headers)
    response = connection.getresponse()
    found = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    connection.close()
    return found


_CREDENTIAL = "x/20260302/us-east-1/s3/aws4_request"
SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential={_CREDENTIAL}, SignedHeaders=host, Signature=0"}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "POST"])
def test_no_web_page_reaches_the_server(port: int, method: str) -> None:
    for headers in ({"Origin": "https://example.com"}, {"Origin": "null"}, {"Host": f"rebound.example.com:{port}"}):
        status, told, body = answer(port, method, "/lake/x", SIGNED | headers)
        assert status == 403
        assert b"content" not in body
        assert not any(name.startswith("access-control-") for name in told)
    status, told, body = answer(port, "GET", "/lake/x", SIGNED)
    assert (status, body) == (200, b"content"), "a program of this machine does, and nothing was changed"
    assert not any(name.startswith("access-control-") for name in told)


def test_the_server_listens_on_the_loopback_interface_only(port: int) -> None:
    tables = [Path("/proc/net/tcp").read_text(), Path("/proc/net/tcp6").read_text()]
    listening = [line.split() for table in tables for line in table.splitlines()[1:] if line.split()[3] == "0A"]
    addresses = {line[1].rpartition(":")[0] for line in listening if int(line[1].rpartition(":")[2], 16) == port}
    assert addresses == {"0100007F"}, "127.0.0.1 as the kernel writes it"
