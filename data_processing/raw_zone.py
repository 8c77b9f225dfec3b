"""Lists what the landing wrote: raw by arrival hour, quarantine by arrival date."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING

from data_catalog.lake_layout import LANDING_QUARANTINE_PREFIX, RAW_TRANSACTIONS_PREFIX, arrival_day
from data_processing.manifest import RawObject
from data_processing.planning import Listing
from infrastructure.aws import s3_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# So many hours are listed at the same time; at 350,000 objects a day each takes some 7 MB.
_AT_ONCE = 8


class LandedBuckets:
    """Raw and the landing's quarantine in their buckets."""

    def __init__(self, s3: S3Client, raw_bucket: str, quarantine_bucket: str) -> None:
        self._s3 = s3
        self._raw = raw_bucket
        self._quarantine = quarantine_bucket

    def hours(self, since: date | None) -> list[str]:
        """The prefixes of the arrival hours, for quarantine of the arrival dates, from a date on (None: of all)."""
        days = self._days(self._raw, RAW_TRANSACTIONS_PREFIX, since)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = pool.map(lambda day: s3_objects.folders(self._s3, self._raw, day), days)
            hours = [hour for hours in found for hour in hours]
        return hours + self._days(self._quarantine, LANDING_QUARANTINE_PREFIX, since)

    def _days(self, bucket: str, prefix: str, since: date | None) -> list[str]:
        # Without its slash, the date's prefix sorts before the date's objects and behind all earlier ones.
        start = arrival_day(prefix, since).removesuffix("/") if since else ""
        return s3_objects.folders(self._s3, bucket, prefix, start)

    def listings(self, known: dict[str, str]) -> Generator[Listing]:
        """The objects of these hours, in order. known: by prefix the digest of the keys that the hour is known to have,
        "" if none is; if it still has them, its objects are None."""
        ahead: deque[Future[Listing]] = deque()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for prefix, digest in known.items():
                ahead.append(pool.submit(self._listing, prefix, digest))
                if len(ahead) == _AT_ONCE:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _listing(self, prefix: str, known: str) -> Listing:
        digest = hashlib.sha256()
        pages: list[s3_objects.Page] = []
        bucket = self._quarantine if prefix.startswith(LANDING_QUARANTINE_PREFIX) else self._raw
        for page in s3_objects.pages(self._s3, bucket, prefix):
            digest.update("".join(f"{key}\n" for key in page.keys).encode())
            pages.append(page)
        if digest.hexdigest() == known:
            return Listing(prefix, known, None)
        found = (each for page in pages for each in page.summaries())
        return Listing(prefix, digest.hexdigest(), [RawObject(each.key, each.size, each.etag) for each in found])
