"""Where the documents of runs are looked for: whole months, so that nobody lists the whole history of runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from data_catalog.lake_layout import RUNS_MONTH_PREFIX, RUNS_PREFIX, run_of, runs_of_month
from infrastructure.aws import s3_objects

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def month_of(day: date) -> str:
    """The month of a day as runs have it, e.g. 2026-03."""
    return f"{day:%Y-%m}"


def months_from(s3: S3Client, bucket: str, month: str) -> list[str]:
    """The prefixes of the months with runs from a month on, in order; "": of all runs, those of before 0.2 too."""
    if not month:
        return [RUNS_PREFIX]
    # Runs of before 0.2 sort before all months.
    return s3_objects.folders(s3, bucket, RUNS_PREFIX, runs_of_month(month).removesuffix("/"))


def newest_months(s3: S3Client, bucket: str) -> list[str]:
    """The prefixes of all months with runs, the newest first; last, that of all runs."""
    return [*reversed(s3_objects.folders(s3, bucket, RUNS_PREFIX, RUNS_MONTH_PREFIX)), RUNS_PREFIX]


def results(s3: S3Client, bucket: str, month: str, last: str = "") -> Iterator[s3_objects.Summary]:
    """The results of runs from a month on, "": of all; until the end of the last month, if one is named."""
    for prefix in months_from(s3, bucket, month):
        if last and prefix > runs_of_month(last):
            return
        for page in s3_objects.pages(s3, bucket, prefix):
            yield from (each for each in page.summaries() if run_of(each.key)[1] == "result.json")
