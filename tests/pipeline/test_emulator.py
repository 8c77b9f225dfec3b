"""The emulator's state is plain dictionaries: whoever calls it, in process or over HTTP, calls take turns."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
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
