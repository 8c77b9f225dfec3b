"""Reads objects of the lake, some at a time: one after another, a run's hundred thousand would take an hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

# So many bodies are on their way, or wait to be looked at; no more is held.
_AHEAD = 16


def keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """The keys below a prefix, in S3's order."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            yield found["Key"]


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
