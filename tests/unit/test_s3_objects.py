"""Objects are read several at a time, a few ahead of whoever uses them, and arrive in order."""

from __future__ import annotations

import io
import itertools
import threading
from typing import Any

import pytest

from infrastructure.aws.s3_objects import bodies

_AT_ONCE = 16


class CountingS3:
    """An S3 whose first reads return only when this many are under way; it counts what it was asked for."""

    def __init__(self) -> None:
        self._under_way = threading.Barrier(_AT_ONCE, timeout=30)
        self.asked = 0
        self._lock = threading.Lock()

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        with self._lock:
            self.asked += 1
            first = self.asked <= _AT_ONCE
        if first:
            self._under_way.wait()
        if Key == "gone":
            raise KeyError(Key)
        return {"Body": io.BytesIO(f"{Bucket} {Key}".encode())}


def test_they_come_in_the_order_of_their_keys() -> None:
    keys = [f"{number:03}" for number in range(100)]
    s3: Any = CountingS3()
    assert list(bodies(s3, "b", keys)) == [(key, f"b {key}".encode()) for key in keys]


def test_no_more_are_read_than_a_few_ahead() -> None:
    s3: Any = CountingS3()
    read = bodies(s3, "b", map(str, itertools.count()))
    for taken in range(1, 50):
        next(read)
        assert s3.asked < taken + _AT_ONCE
    read.close()


def test_one_that_cannot_be_read_is_raised_in_its_turn() -> None:
    s3: Any = CountingS3()
    read = bodies(s3, "b", ["0", "1", "gone", *map(str, range(3, 20))])
    assert [key for key, _ in itertools.islice(read, 2)] == ["0", "1"]
    with pytest.raises(KeyError, match="gone"):
        next(read)
