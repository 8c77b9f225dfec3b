"""Lists the raw zone: what may be pending in it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING, Any

from data_catalog.lake_layout import RAW_TRANSACTIONS_PREFIX, arrival_date
from data_processing.manifest import RawObject
from infrastructure.aws import s3_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_THREADS = 16


def list_raw(s3: S3Client, bucket: str, since: date | None) -> list[RawObject]:
    """The raw objects of the arrival dates from `since` on (None: all). Dates and hours are listed side by side."""
    dates = [prefix for prefix in s3_objects.folders(s3, bucket, RAW_TRANSACTIONS_PREFIX) if _in_reach(prefix, since)]
    with ThreadPoolExecutor(_THREADS) as pool:
        hours = _flat(pool.map(lambda day: s3_objects.folders(s3, bucket, day), dates))
        return _flat(pool.map(lambda hour: _objects(s3, bucket, hour), hours))


def _flat(lists: Any) -> list[Any]:
    return [each for one in lists for each in one]


def _in_reach(prefix: str, since: date | None) -> bool:
    arrived = arrival_date(prefix)
    return since is None or arrived is None or arrived >= since


def _objects(s3: S3Client, bucket: str, prefix: str) -> list[RawObject]:
    return [
        RawObject(entry["Key"], entry["Size"], entry["ETag"].strip('"'))
        for entry in s3_objects.entries(s3, bucket, prefix)
    ]
