"""Runs over a lake, compared with what DuckDB makes of the raw files: published Parquet and quarantine, row for row."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data_catalog.transaction_contract import LANDED_FIELDS
from data_storage import warehouse_loader
from tests.pipeline.etl_lake import ARRIVAL_DATE, BUCKETS, EmulatedLake
from tests.pipeline.etl_oracle import balances_query, curated_query, judge_lake, totals_query
from tests.pipeline.etl_rows import INCARNATION, SHARD
from tests.pipeline.test_etl_differential import made_lines
from tests.pipeline.warehouse_bench import open_bench

pytestmark = pytest.mark.slow


@st.composite
def _runs(draw: st.DrawFn) -> list[list[str]]:
    """The lines of two runs; some of the first one's are landed again in the second."""
    lines = draw(made_lines())
    cut = len(lines) // 2
    return [lines[:cut], lines[cut:] + draw(st.lists(st.sampled_from(lines[:cut]), max_size=10))]


# No shrinking: an example takes two runs of the job.
@settings(max_examples=4, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(runs=_runs())
def test_two_runs_leave_what_duckdb_makes_of_the_raw_files(spark, warehouse, runs):
    with (
        tempfile.TemporaryDirectory() as directory,
        open_bench(warehouse) as bench,
        duckdb.connect() as connection,
        warehouse.connect() as loaded,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        lake = EmulatedLake(spark, Path(directory) / "staging")
        results = [_land_and_run(lake, number, lines) for number, lines in enumerate(runs)]
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKETS.curated)
        for bucket in (BUCKETS.raw, BUCKETS.curated, BUCKETS.quarantine):
            _copy(lake, bucket, Path(directory))
        judge_lake(connection, f"{directory}/{BUCKETS.raw}/**/*.ndjson.gz")
        for outcome, kind, prefix in (
            ("ledger", "curated", "transactions"),
            ("pending", "pending_transactions", "pending_transactions"),
        ):
            connection.execute(f"CREATE OR REPLACE TABLE expected AS {curated_query(outcome)}")
            files = [file for result in results for file in getattr(result, kind)]
            connection.execute(f"CREATE OR REPLACE TABLE published AS {_published(directory, files, prefix)}")
            assert _differences(connection, "expected", "published") == []
            assert _counted(results, outcome) == _count(connection, "expected")
        for outcome, table in (("ledger", "fact_transactions"), ("pending", "pending_transactions")):
            assert loaded.execute(_LOADED.format(table)).fetchall() == connection.sql(totals_query(outcome)).fetchall()
        assert sorted(loaded.execute(_BALANCES).fetchall()) == sorted(connection.sql(balances_query()).fetchall())
        connection.execute(f"CREATE TABLE refused AS {_REFUSED}")
        connection.execute(f"CREATE TABLE quarantine AS {_quarantine(directory, results)}")
        assert _differences(connection, "refused", "quarantine") == []
        assert _counted(results, "duplicate") == _count(connection, "judged WHERE outcome = 'duplicate'")
        landed = _counted(results, "landed")
        assert landed == _count(connection, "judged")
        assert landed + _counted(results, "redelivered") == _count(connection, "raw")


_LOADED = """SELECT currency, credit_debit_indicator, COUNT(*), SUM(amount) FROM banking.{}
    GROUP BY 1, 2 ORDER BY 1, 2"""
_BALANCES = "SELECT account_id, currency, balance_date, closing_balance FROM banking.daily_balances"


def _land_and_run(lake, number, lines):
    """Land the lines as two objects of arrival hour `number`, whose ranges overlap all others, and run the job."""
    for half, some in enumerate((lines[::2], lines[1::2])):
        name = f"{INCARNATION}-{SHARD}-1-{10**30 + 2 * number + half}.ndjson.gz"
        key = f"raw/transactions/arrival_date={ARRIVAL_DATE}/arrival_hour={number:02}/{name}"
        lake.put(key, "".join(f"{each}\n" for each in some).encode())
    (result,) = lake.run()
    return result


def _copy(lake, bucket, directory):
    for key in lake.keys(bucket):
        file = directory / bucket / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(lake.body(bucket, key))


def _published(directory, files, prefix):
    if not files:
        return "FROM expected LIMIT 0"
    columns = ", ".join([field.name for field in LANDED_FIELDS] + ["event_date"])
    found = f"{directory}/{BUCKETS.curated}/curated/{prefix}/data/**/*.parquet"
    return f"SELECT {columns} FROM read_parquet('{found}', hive_partitioning = false)"


# Where a row stood (the row itself, if it does not tell), why it was refused, and itself; a conflict is written anew.
_REFUSED = """SELECT position, outcome AS reason, CASE WHEN outcome <> 'conflicting_duplicate' THEN line END AS payload
    FROM judged WHERE outcome NOT IN ('ledger', 'pending', 'duplicate')"""


def _quarantine(directory, results):
    if not any(result.quarantine for result in results):
        return "FROM refused LIMIT 0"
    files = f"{directory}/{BUCKETS.quarantine}/quarantine_table/data/**/*.parquet"
    return f"""SELECT CASE WHEN shard_id = 'unknown' THEN payload
            ELSE concat_ws('/', stream_incarnation, shard_id, sequence_number, sub_sequence_number) END AS position,
        reason, CASE WHEN reason <> 'conflicting_duplicate' THEN payload END AS payload
        FROM read_parquet('{files}', hive_partitioning = false)"""


def _differences(connection, one, other):
    """Rows that stand in one table more often than in the other."""
    query = f"(FROM {one} EXCEPT ALL FROM {other}) UNION ALL (FROM {other} EXCEPT ALL FROM {one})"
    return connection.sql(query).fetchall()


def _count(connection, table):
    ((count,),) = connection.sql(f"SELECT count(*) FROM {table}").fetchall()
    return count


def _counted(results, hop):
    return sum(result.control_totals[hop].records for result in results)
