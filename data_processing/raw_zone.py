"""Lists the raw zone: what may be pending in it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from data_processing.manifest import RawObject, arrival_date
from infrastructure.settings import RAW_TRANSACTIONS_PREFIX

_THREADS = 16


def list_raw(s3: Any, bucket: str, since: date | None) -> list[RawObject]:
    """The raw objects of the arrival dates from `since` on (None: all). Dates and hours are listed side by side."""
    dates = [prefix for prefix in _prefixes(s3, bucket, RAW_TRANSACTIONS_PREFIX) if _in_reach(prefix, since)]
    with ThreadPoolExecutor(_THREADS) as pool:
        hours = _flat(pool.map(lambda day: _prefixes(s3, bucket, day), dates))
        return _flat(pool.map(lambda hour: _objects(s3, bucket, hour), hours))


def _flat(lists: Any) -> list[Any]:
    return [each for one in lists for each in one]


def _in_reach(prefix: str, since: date | None) -> bool:
    arrived = arrival_date(prefix)
    return since is None or arrived is None or arrived >= since


def _prefixes(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", [])]


def _objects(s3: Any, bucket: str, prefix: str) -> list[RawObject]:
    return [RawObject(entry["Key"], entry["Size"], entry["ETag"].strip('"')) for entry in _entries(s3, bucket, prefix)]


def _entries(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])
