"""A run that is worth many files: they are about as large as they should be, however many dates it touches."""

from __future__ import annotations

import pytest

from data_processing import etl_run, transformations
from tests.pipeline.etl_lake import BUCKETS
from tests.pipeline.etl_rows import row

pytestmark = pytest.mark.slow

BASE = 49600000000000000000
_DATES = 10


@pytest.fixture
def small_files(spark, monkeypatch):
    """Constants that make a large run of what the test lands; the session's settings are put back."""
    adaptive = "spark.sql.adaptive"
    names = ("enabled", "advisoryPartitionSizeInBytes", "coalescePartitions.minPartitionSize")
    before = {f"{adaptive}.{name}": spark.conf.get(f"{adaptive}.{name}") for name in names}
    monkeypatch.setattr(etl_run, "TARGET_FILE_BYTES", 1500)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


def land(lake, count):
    rows = [
        row(
            number,
            event_time=f"2026-02-{number % _DATES + 1:02}T08:00:00Z",
            account_id=f"DE{number * 7919 % 10**6:020}",
        )
        for number in range(1, count + 1)
    ]
    lake.land([*rows, row(count + 1, currency="XXX")], BASE + 1, BASE + count + 1)


def test_dates_times_shares_does_not_make_the_files(small_files, lake, spark):
    land(lake, 1000)
    (result,) = lake.run()
    shares = int(spark.conf.get("spark.sql.shuffle.partitions"))
    files = result.curated
    assert shares >= etl_run._FILES_WORTH_GATHERING
    assert _DATES <= len(files) <= 2 * _DATES, f"not {shares * _DATES}"
    assert len(lake.curated()) == 1000
    assert len(lake.quarantine()) == 1


def test_a_date_that_is_worth_several_files_gets_several(small_files, lake, spark):
    # What is split is what several tasks wrote; by default there is one for a MiB.
    spark.conf.set("spark.sql.adaptive.coalescePartitions.minPartitionSize", "1k")
    land(lake, 4000)
    (result,) = lake.run()
    assert len(result.curated) > _DATES
    assert len(lake.curated()) == 4000


def test_a_smaller_run_is_not_shuffled_once_more(lake, spark, monkeypatch):
    land(lake, 10)
    monkeypatch.setattr(transformations, "staged", _never_gathered(transformations.staged))
    lake.run()
    assert len(lake.keys(BUCKETS.curated, "curated/transactions/data/")) >= _DATES


def _never_gathered(staged):
    def checked(rows, run_id, gathered, in_parts):
        assert not gathered
        return staged(rows, run_id, gathered, in_parts)

    return checked
