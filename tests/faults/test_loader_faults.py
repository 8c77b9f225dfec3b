"""The loader under faults: after each, the same call completes the load, and every row is in the warehouse once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from data_catalog.lake_layout import run_key
from data_governance.run_result import RunResult
from data_storage import warehouse_loader
from data_storage.warehouse_load_sql import CopySource, load_statements
from infrastructure.errors import PlatformError
from infrastructure.local.redshift import data_api
from infrastructure.local.redshift.data_api import LocalRedshiftData
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.curated_runs import BUCKET, alert, evidence, link, put_run, totals, transaction
from tests.pipeline.warehouse_bench import Bench, open_bench
from tests.waiting import wait_until

ROWS = [
    transaction(number, balance_after=number, merchant_name="Shop", merchant_category_code="5411")
    for number in range(40)
]
PENDING = transaction(100, status="PENDING")
LOADED_TABLES = (
    "fact_transactions", "dim_account", "dim_merchant", "daily_balances", "fraud_alerts", "quarantine_summary",
    "pending_transactions", "fraud_alert_evidence", "load_control_totals", "load_history", "load_ledger",
)  # fmt: skip
# The load with the most statements, to count them by.
FULL = RunResult("a" * 16, datetime(2026, 3, 1, tzinfo=UTC), (), (), {"missing_field": 1})
STATEMENTS = len(
    load_statements(FULL, "banking", CopySource("arn", dict.fromkeys(warehouse_loader.COPIED_KINDS, "s3://b/m")))
)


class Killed(BaseException):
    """The loader's process is gone. A BaseException, so that the loader cannot catch it."""


class Proxy:
    """A client with some calls replaced."""

    def __init__(self, client: Any, **replaced: Callable[..., Any]) -> None:
        self._client = client
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        return self._replaced.get(name) or getattr(self._client, name)


def put_standard_run(s3: Any) -> str:
    rests_on = [evidence(alert(1), ROWS[1])]
    return put_run(
        s3, "one", [*ROWS, PENDING], [alert(1)], {"missing_field": 1}, evidence=rests_on, links=[link("2_b", "1_a")]
    )


def load(bench: Bench, data_api: Any = None, s3: Any = None) -> list[warehouse_loader.LoadReport]:
    return warehouse_loader.load_pending(data_api or bench.data_api, s3 or bench.s3, bench.target, BUCKET)


def assert_loaded_once(bench: Bench) -> None:
    """The warehouse is as the fault-free run leaves it, to the cent."""
    assert warehouse_loader.loaded_totals(bench.data_api, bench.target) == totals([*ROWS, PENDING])
    assert [row.rows_loaded for row in warehouse_loader.ledger(bench.data_api, bench.target)] == [len(ROWS)]
    for table, rows in [
        ("fraud_alerts", 1),
        ("fraud_alert_evidence", 1),
        ("token_links", 1),
        ("quarantine_summary", 1),
        ("dim_merchant", 1),
        ("dim_account", 7),
    ]:
        assert bench.query(f"SELECT COUNT(*) FROM banking.{table}") == [(rows,)], table
    assert load(bench) == []


def assert_nothing_loaded(bench: Bench) -> None:
    counts = " UNION ALL ".join(
        f"SELECT CAST('{table}' AS VARCHAR(32)), COUNT(*) FROM banking.{table}" for table in LOADED_TABLES
    )
    assert sorted(bench.query(counts)) == sorted((table, 0) for table in LOADED_TABLES)


def batches(bench: Bench) -> list[str]:
    """Status of each batch that was submitted to load."""
    return [found["Status"] for found in bench.data_api.list_statements(StatementName="load-")["Statements"]]


def locked(bench: Bench) -> Any:
    """A session that holds the lock of loads until it is closed."""
    connection = bench.warehouse.connect()
    connection.autocommit = False
    connection.execute("LOCK TABLE banking.load_lock IN ACCESS EXCLUSIVE MODE")
    return connection


def test_a_batch_whose_loader_is_killed_completes_and_the_next_loader_waits_for_it(bench: Bench) -> None:
    put_standard_run(bench.s3)

    def killed(**parameters: Any) -> Any:
        raise Killed

    def submits_then_waits(**parameters: Any) -> Any:
        dying._replaced["describe_statement"] = killed
        return bench.data_api.batch_execute_statement(**parameters)

    dying = Proxy(bench.data_api, batch_execute_statement=submits_then_waits)
    held = locked(bench)
    with pytest.raises(Killed):
        load(bench, dying)
    assert batches(bench) == ["STARTED"] or batches(bench) == ["SUBMITTED"]

    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(load, bench)
        held.close()
        (report,) = again.result(60)

    assert report.rows_loaded == len(ROWS)
    assert batches(bench) == ["FINISHED"], "the second loader took up the first one's batch"
    assert_loaded_once(bench)


def test_a_lost_answer_to_the_submission_is_no_second_load(bench: Bench) -> None:
    put_standard_run(bench.s3)

    def lost(**parameters: Any) -> Any:
        bench.data_api.batch_execute_statement(**parameters)
        raise EndpointConnectionError(endpoint_url="https://redshift-data")

    with pytest.raises(EndpointConnectionError):
        load(bench, Proxy(bench.data_api, batch_execute_statement=lost))
    load(bench)

    assert batches(bench) == ["FINISHED"]
    assert_loaded_once(bench)


@pytest.mark.slow
def test_a_session_that_dies_before_any_of_its_statements_rolls_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_standard_run(bench.s3)
    run = data_api.Session.run
    for place in range(STATEMENTS):
        left = iter(range(place, -1, -1))

        def dies(session: Any, statement: Any, left: Iterator[int] = left) -> str:
            if session._in_transaction and next(left) == 0:
                with bench.warehouse.connect() as other:
                    other.execute("SELECT pg_terminate_backend(%s, 10000)", [session.connection.info.backend_pid])
            return run(session, statement)

        with monkeypatch.context() as patched:
            patched.setattr(data_api.Session, "run", dies)
            with pytest.raises(PlatformError):
                load(bench)
        assert_nothing_loaded(bench)
    assert batches(bench) == ["FAILED"] * STATEMENTS

    load(bench)
    assert_loaded_once(bench)


@pytest.mark.parametrize("shared", [True, False], ids=["one service, same token", "services that know no tokens"])
def test_three_loaders_at_once_load_once(bench: Bench, shared: bool) -> None:
    put_standard_run(bench.s3)
    put_run(bench.s3, "two", ROWS[:10], created_at=datetime(2026, 3, 6, tzinfo=UTC))
    start = threading.Barrier(3)

    def loader() -> list[warehouse_loader.LoadReport]:
        data_api = bench.data_api if shared else LocalRedshiftData(bench.warehouse, bench.s3)
        start.wait(30)
        return load(bench, data_api)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(loader) for _ in range(3)]:
            assert {report.rows_loaded for report in done.result(60)} <= {len(ROWS), 0}

    assert warehouse_loader.loaded_totals(bench.data_api, bench.target) == totals([*ROWS, PENDING])
    rows = warehouse_loader.ledger(bench.data_api, bench.target)
    assert [(row.rows_staged, row.rows_loaded) for row in rows] == [(41, 40), (10, 0)]
    assert bench.query("SELECT COUNT(*) FROM banking.quarantine_summary") == [(1,)]


def test_a_loader_that_believes_a_loaded_run_pending_changes_nothing(bench: Bench) -> None:
    """Tests the guard inside the transaction, without the check before it."""
    put_standard_run(bench.s3)
    (run,) = warehouse_loader.pending_runs(bench.data_api, bench.s3, bench.target, BUCKET)
    load(bench)

    fresh = LocalRedshiftData(bench.warehouse, bench.s3)  # it sends no token
    warehouse_loader.load_run(fresh, bench.s3, bench.target, BUCKET, run)

    assert_loaded_once(bench)


@pytest.mark.parametrize("failing", range(1, 4))
def test_s3_that_fails_during_copy_leaves_nothing_and_the_next_attempt_loads(bench: Bench, failing: int) -> None:
    put_standard_run(bench.s3)
    calls = 0

    def unavailable(**parameters: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise ClientError({"Error": {"Code": "SlowDown", "Message": "503"}}, "GetObject")
        return bench.s3.get_object(**parameters)

    s3: Any = Proxy(bench.s3, get_object=unavailable)
    data_api = LocalRedshiftData(bench.warehouse, s3)
    with pytest.raises(PlatformError, match="SlowDown"):
        load(bench, data_api)
    assert_nothing_loaded(bench)

    load(bench, data_api)
    assert_loaded_once(bench)


def test_a_cancelled_load_is_loaded_by_the_next_call(bench: Bench) -> None:
    put_standard_run(bench.s3)
    held = locked(bench)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, bench)
        wait_until(lambda: batches(bench) == ["STARTED"])
        (running,) = bench.data_api.list_statements(StatementName="load-")["Statements"]
        bench.data_api.cancel_statement(Id=running["Id"])
        with pytest.raises(PlatformError, match="was aborted"):
            loading.result(60)
    held.close()
    assert_nothing_loaded(bench)

    load(bench)
    assert_loaded_once(bench)


def test_a_file_with_fewer_rows_than_its_result_counts_is_refused_whole(bench: Bench) -> None:
    run_id = put_standard_run(bench.s3)
    key = run_key(run_id, "result.json")
    result = bench.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    bench.s3.put_object(Bucket=BUCKET, Key=key, Body=result.replace(b'"records": 14', b'"records": 15', 1))

    with pytest.raises(PlatformError, match="do not hold the 42 rows"):
        load(bench)
    assert_nothing_loaded(bench)

    bench.s3.put_object(Bucket=BUCKET, Key=key, Body=result)
    load(bench)
    assert_loaded_once(bench)


KILLED_PROCESS = """
import sys
from pathlib import Path
from infrastructure.local.redshift import data_api
from infrastructure.local.redshift.postgresql import Warehouse
from tests.faults.test_loader_faults import load, put_standard_run
from tests.pipeline.warehouse_bench import open_bench

run, seen = data_api.Session.run, []

def stops_there(session, statement):
    error = run(session, statement)
    if session._in_transaction and statement.sql.startswith("INSERT INTO banking.fact_transactions"):
        print("killed here", flush=True)
        sys.stdin.read()
    return error

data_api.Session.run = stops_there
with Warehouse(Path(sys.argv[1])) as warehouse, open_bench(warehouse) as bench:
    put_standard_run(bench.s3)
    load(bench)
"""


def test_a_whole_process_killed_in_mid_transaction_leaves_nothing(tmp_path: Path) -> None:
    """Loader, Data API and the server's parent at once; the next run takes up the data directory."""
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED_PROCESS, str(tmp_path / "data")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"killed here\n"
    child.kill()
    child.wait()

    with Warehouse(tmp_path / "data") as warehouse, open_bench(warehouse) as bench:
        put_standard_run(bench.s3)
        assert_nothing_loaded(bench)
        load(bench)
        assert_loaded_once(bench)


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    """No test leaves its fault to the next one."""
    run = data_api.Session.run
    yield
    assert data_api.Session.run is run
