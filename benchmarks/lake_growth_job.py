"""What the Glue job costs for a fixed batch beside all that is held (benchmarks/lake_growth.py).

The batch is 50,000 rows of a few dates. Held are so many rows on 300 dates that end with the batch's, of which the
window holds 45, or on the batch's own dates alone, so that the window holds them all. Held rows have ids, accounts and
cards of their own, as many accounts a date as a bank of that size has, and each account was seen in each month.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.etl import tell_usage
from benchmarks.etl_lake import FileStore, write_lake
from benchmarks.goals import Goal
from infrastructure.local import glue_job
from infrastructure.local.java import find_java

ROWS = 50_000
GROWTH_GOAL = 1.3  # beside 30 million rows on 300 dates
PLOT = Path(__file__).resolve().parents[1] / "docs" / "lake_growth.svg"
_HELD = (0, 1_000_000, 10_000_000, 30_000_000)
_DATES = (300, 3)
_LAST = date(2026, 3, 5)
_ROWS_OF_A_FILE = 2_000_000
_ACCOUNTS = 400_000
# A day's ids, and how many days the default window holds.
_DAY, _WINDOW = 10_000_000, 45


class Measured(NamedTuple):
    """CPU seconds of Python and JVM; bytes read from the lake."""

    cpu: float
    read: int


Results = dict[tuple[int, int], Measured]


def measured() -> list[Goal]:
    """Measure, print the table, draw the plot if matplotlib is there; the goals."""
    cases = [(held, dates) for held in _HELD for dates in (_DATES if held else _DATES[:1])]
    found = {case: _measure(*case) for case in cases}
    with suppress(ImportError):
        plot(found)
    return told(found)


def told(found: Results) -> list[Goal]:
    """Print the table; the goals."""
    none = found[0, _DATES[0]]
    print("| a batch of 50,000 rows beside | CPU s | x | MB read |\n|---|---:|---:|---:|")
    for (held, dates), each in found.items():
        name = f"{held:,} rows on {dates} dates" if held else "nothing"
        print(f"| {name} | {each.cpu:.1f} | {each.cpu / none.cpu:.2f} | {each.read / 1e6:,.0f} |")
    within = found[_HELD[-1], _DATES[1]]
    slope = (within.cpu - none.cpu) / (_HELD[-1] / 10_000_000)
    day = slope * _DAY / 10_000_000 * _WINDOW
    print(f"\n10 million ids within the window cost {slope:.1f} CPU s. On paper, 10 million a day in a window of")
    print(f"{_WINDOW} days cost a run {day:.0f} CPU s, where ids are in no order of time.")
    return [
        Goal("CPU beside 30 million rows on 300 dates / beside none", found[_HELD[-1], 300].cpu / none.cpu, GROWTH_GOAL)
    ]


def plot(found: Results) -> None:
    """Draw CPU, times that beside nothing, by rows held."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lake growth"
    import matplotlib.pyplot as pyplot

    none = found[0, _DATES[0]].cpu
    figure, axes = pyplot.subplots(figsize=(7, 3))
    for dates in _DATES:
        points = [(0, 1.0), *((held, each.cpu / none) for (held, on), each in found.items() if held and on == dates)]
        millions = [held / 1e6 for held, _ in points]
        window = "all within the window" if dates == min(_DATES) else f"{_WINDOW + 1} of them within the window"
        axes.plot(millions, [times for _, times in points], marker="o", label=f"on {dates} dates, {window}")
    axes.axhline(GROWTH_GOAL, color="C3", linewidth=1, linestyle="--")
    axes.set(xlabel="million rows held; dashed: goal on 300 dates", ylabel="CPU, times that beside none", ylim=0)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})


def _measure(held: int, dates: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="lake-growth-") as directory:
        lake = Path(directory) / "lake"
        write_lake(lake, ROWS, objects=20)
        environment = glue_job.spark_environment(find_java(), lake / "staging", "-XX:+UseParallelGC")
        command = [sys.executable, "-m", "benchmarks.lake_growth_job", str(lake), str(held), str(dates)]
        root = Path(__file__).resolve().parents[1]
        done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True, cwd=root)
        lines = done.stdout.splitlines()
        usage, read = json.loads(lines[-1]), json.loads(lines[-2])
        found = Measured(usage["cpu"] - read["before"], read["bytes"])
        print(f"{held:>12,} rows on {dates:3} dates: {found.cpu:.1f} CPU s", file=sys.stderr)
        return found


class CountingStore(FileStore):
    """Counts what is read of the lake's data files."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read = 0

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        found = super().get_object(Bucket, Key)
        if Key.endswith(".parquet"):
            self.read += found["Body"].getbuffer().nbytes
        return found


def _run(lake: Path, held: int, dates: int) -> None:
    from pyspark.sql import SparkSession

    from data_processing.etl_run import Buckets
    from data_processing.etl_transaction_processing import process
    from data_processing.spark_session import configure
    from infrastructure.local.emulator import emulated_aws
    from tests.pipeline.etl_lake import make_tables

    buckets = Buckets("raw-bucket", "curated", "quarantine")
    store: Any = CountingStore(lake)
    with emulated_aws():
        catalog = make_tables(store, buckets)
        if held:
            _hold(lake, catalog, held, [_LAST - timedelta(days=n) for n in range(dates)])
        before = sum(os.times()[:4])
        spark = configure(SparkSession.builder.appName("lake growth").getOrCreate())
        (result,) = process(spark, store, buckets, catalog, str(lake / "staging"))
    assert result.curated
    spark.stop()
    gateway = spark.sparkContext._gateway
    assert gateway is not None
    print(json.dumps({"bytes": store.read, "before": before}))
    tell_usage(gateway.proc.pid)


def _hold(lake: Path, catalog: Any, rows: int, days: list[date]) -> None:
    """Commit so many rows, evenly on these days, as other runs would have left them after compaction."""
    import duckdb

    from data_catalog.lake_tables import BY_KIND
    from data_catalog.transaction_contract import typed_columns
    from data_processing.fraud_rules import COLUMNS
    from infrastructure.aws.iceberg import NewFile, append

    table, ids, sightings = BY_KIND["curated"], BY_KIND["transaction_ids"], BY_KIND["sightings"]
    types = dict(typed_columns(table.fields))
    made = {
        "transaction_id": "md5(n::VARCHAR || day)",
        "content_hash": "sha256(n::VARCHAR || day)",
        "account_id": f"'DE' || lpad((hash(n) % {_ACCOUNTS})::VARCHAR, 20, '0')",
        "transaction_type": "CASE n % 3 WHEN 0 THEN 'CARD_PURCHASE' WHEN 1 THEN 'PAYMENT' ELSE 'DEPOSIT' END",
        "credit_debit_indicator": "CASE n % 3 WHEN 2 THEN 'CRDT' ELSE 'DBIT' END",
        "status": "'BOOKED'",
        "channel": "CASE n % 3 WHEN 0 THEN 'POS' ELSE 'API' END",
        "amount": "(hash(n) % 100000) / 100.0",
        "currency": "'EUR'",
        "event_time": "day::TIMESTAMPTZ + to_microseconds((hash(n) % 86400000000)::BIGINT)",
        "card_token": "CASE n % 3 WHEN 0 THEN '1_' || md5((hash(n) % 300000)::VARCHAR) END",
        "merchant_country": "CASE n % 3 WHEN 0 THEN 'DE' END",
        "event_date": "day",
        "run_id": "'former'",
    }
    named = {"string": "VARCHAR", "timestamp": "TIMESTAMPTZ"}
    columns = ", ".join(
        f"({made.get(name, 'NULL')})::{named.get(types[name], types[name])} AS {name}"
        for name in dict.fromkeys([*COLUMNS, "event_date", "run_id"])
    )
    files: dict[str, list[NewFile]] = {table.name: [], ids.name: [], sightings.name: []}
    a_day = rows // len(days)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 2")
        for day in days:
            for start in range(0, a_day, _ROWS_OF_A_FILE):
                count = min(_ROWS_OF_A_FILE, a_day - start)
                source = f"(SELECT range AS n, DATE '{day}' AS day FROM range({start}, {start + count}))"
                connection.execute(f"CREATE OR REPLACE TEMP TABLE rows AS SELECT {columns} FROM {source}")
                for of, partition, query in (
                    (table, day.isoformat(), "FROM rows"),
                    (ids, day.isoformat()[:7], _ids(ids)),
                ):
                    location, size = _write(connection, lake, of.file_key(partition, f"former-{day}-{start}"), query)
                    files[of.name].append(NewFile(location, size, count, day, _bounds(connection, day)))
        for month, first in {day.isoformat()[:7]: day for day in sorted(days, reverse=True)}.items():
            count = min(_ACCOUNTS, a_day * sum(day.isoformat()[:7] == month for day in days))
            query = _sightings(sightings, first, count)
            location, size = _write(connection, lake, sightings.file_key(month, f"former-{month}"), query)
            files[sightings.name].append(NewFile(location, size, count, first, {}))
    for name, added in files.items():
        append(catalog.table(name), added, "former", lambda _: False)


def _write(connection: Any, lake: Path, key: str, query: str) -> tuple[str, int]:
    """Where the query's rows lie then, and how many bytes they are."""
    file = lake / "curated" / key
    file.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
    return f"s3://curated/{key}", file.stat().st_size


def _sightings(table: Any, first: date, accounts: int) -> str:
    """Each of so many accounts, seen in the month of that date."""
    made = {
        "account_id": "'DE' || lpad(range::VARCHAR, 20, '0')",
        "first_seen": f"TIMESTAMPTZ '{first} 00:00:00+00'",
        "event_date": f"DATE '{first}'",
        "run_id": "'former'",
    }
    columns = ", ".join(f"{made.get(field.name, 'NULL::VARCHAR')} AS {field.name}" for field in table.fields)
    return f"SELECT {columns} FROM range({accounts}) ORDER BY account_id"


def _ids(table: Any) -> str:
    return f"SELECT {', '.join(field.name for field in table.fields)} FROM rows ORDER BY transaction_id"


def _bounds(connection: Any, day: date) -> dict[str, tuple[Any, Any]]:
    first, last = connection.execute("SELECT min(transaction_id), max(transaction_id) FROM rows").fetchone()
    from infrastructure.aws.iceberg import number_of

    number = number_of(day)
    return {"transaction_id": (first, last), "event_date": (number, number)}


if __name__ == "__main__":
    _run(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
