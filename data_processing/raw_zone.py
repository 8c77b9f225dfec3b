"""Lists the raw zone: what may be pending in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

from data_processing.manifest import RawObject, arrival_date
from infrastructure.settings import RAW_CONTROL_PREFIX, RAW_TRANSACTIONS_PREFIX

_THREADS = 16
# A replay keeps its records' arrival dates, however long ago those are (data_governance/replay.py).
_REPLAY = "replay-"


def list_raw(s3: Any, bucket: str, since: date | None) -> list[RawObject]:
    """The raw objects of the arrival dates from `since` on (None: all), and what was replayed into older ones since.

    Dates and hours are listed side by side; an older date costs one call.
    """
    dates = _prefixes(s3, bucket, RAW_TRANSACTIONS_PREFIX)
    old = [prefix for prefix in dates if not _in_reach(prefix, since)]
    with ThreadPoolExecutor(_THREADS) as pool:
        hours = _flat(pool.map(lambda day: _prefixes(s3, bucket, day), [day for day in dates if day not in old]))
        found = _flat(pool.map(lambda hour: _objects(s3, bucket, hour), hours))
        if since is not None:
            replayed = [day for day, was in zip(old, pool.map(_replayed(s3, bucket, since), old), strict=True) if was]
            hours = _flat(pool.map(lambda day: _prefixes(s3, bucket, day), replayed))
            found += _flat(pool.map(lambda hour: _objects(s3, bucket, hour + _REPLAY, since), hours))
    return found


def _flat(lists: Any) -> list[Any]:
    return [each for one in lists for each in one]


def _in_reach(prefix: str, since: date | None) -> bool:
    arrived = arrival_date(prefix)
    return since is None or arrived is None or arrived >= since


def _replayed(s3: Any, bucket: str, since: date) -> Callable[[str], bool]:
    """Whether a date's control objects tell of a replay since then."""

    def was_replayed(day: str) -> bool:
        prefix = RAW_CONTROL_PREFIX + day.removeprefix(RAW_TRANSACTIONS_PREFIX) + _REPLAY
        return bool(_objects(s3, bucket, prefix, since))

    return was_replayed


def _prefixes(s3: Any, bucket: str, prefix: str) -> list[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    return [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", [])]


def _objects(s3: Any, bucket: str, prefix: str, since: date | None = None) -> list[RawObject]:
    """The objects below a prefix; those put from a date on, if one is named."""
    begun = datetime(since.year, since.month, since.day, tzinfo=UTC) if since else None
    return [
        RawObject(entry["Key"], entry["Size"], entry["ETag"].strip('"'))
        for entry in _entries(s3, bucket, prefix)
        if begun is None or entry["LastModified"] >= begun
    ]


def _entries(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from page.get("Contents", [])
