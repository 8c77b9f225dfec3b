"""The loader against real SQL: what a run's load leaves in the warehouse."""

from __future__ import annotations

import functools
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from data_catalog.lake_layout import run_key
from data_catalog.transaction_contract import CURATED_FIELDS, SCHEMA_VERSION, Field
from data_processing.create_glue_job import default_arguments
from data_processing.etl_transaction_processing import arguments
from data_processing.etl_transaction_processing import warehouse as warehouse_of
from data_storage import warehouse_load_sql, warehouse_loader, warehouse_tables
from data_storage.sql_statements import split_statements
from data_storage.warehouse_security import apply_security
from infrastructure.aws.redshift_data import execute
from infrastructure.errors import PlatformError
from infrastructure.settings import Settings
from tests.pipeline import curated_runs
from tests.pipeline.curated_runs import BUCKET, alert, put_run, totals, transaction
from tests.pipeline.warehouse_bench import Bench


def load(bench: Bench) -> list[warehouse_loader.LoadReport]:
    return warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)


def test_a_run_is_loaded_with_its_alerts_summary_and_ledger_row(bench: Bench) -> None:
    rows = [transaction(number) for number in range(50)]
    run_id = put_run(bench.s3, "one", rows, [alert(3), alert(4)], {"invalid_amount": 2, "missing_field": 1})

    (report,) = load(bench)

    assert (report.run_id, report.rows_staged, report.rows_loaded, report.fraud_alerts) == (run_id, 50, 50, 2)
    assert warehouse_loader.loaded_totals(bench.data_api, bench.target) == totals(rows)
    assert warehouse_loader.loaded_totals(bench.data_api, bench.target, run_id) == totals(rows)
    assert bench.query("SELECT reason, records FROM banking.quarantine_summary ORDER BY reason") == [
        ("invalid_amount", 2),
        ("missing_field", 1),
    ]
    (entry,) = warehouse_loader.ledger(bench.data_api, bench.target)
    assert (entry.files, entry.rows_loaded, entry.quarantined) == (3, 50, 3)
    assert entry.manifest_created_at == "2026-03-05 00:00:00"


def test_a_loaded_run_is_not_loaded_again(bench: Bench) -> None:
    rows = [transaction(number) for number in range(10)]
    put_run(bench.s3, "one", rows)
    load(bench)

    assert load(bench) == []
    assert warehouse_loader.loaded_totals(bench.data_api, bench.target) == totals(rows)


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Settings(), {"WorkgroupName": "banking-data-dev"}),
        (Settings(redshift_workgroup="analytics"), {"WorkgroupName": "analytics"}),
        (Settings(redshift_cluster="analytics"), {"ClusterIdentifier": "analytics"}),
    ],
    ids=["own workgroup", "existing workgroup", "existing cluster"],
)
def test_the_job_loads_the_warehouse_and_schema_that_its_arguments_name(
    bench: Bench, settings: Settings, address: dict[str, str]
) -> None:
    """As the user of its IAM identity: with a DbUser or a secret the Data API would ask for other rights."""
    given = {"--JOB_NAME": "etl"} | default_arguments(
        replace(settings, warehouse_schema="finance"), "s3://modules", "s3://libraries.zip"
    )
    target = warehouse_of(arguments(["job", *(part for pair in given.items() for part in pair)]))
    warehouse_tables.create_tables(bench.data_api, target)
    put_run(bench.s3, "one", [transaction(1)])

    (report,) = warehouse_loader.load_pending(bench.data_api, bench.s3, target, BUCKET)

    assert report.rows_loaded == 1
    assert bench.query("SELECT COUNT(*) FROM finance.fact_transactions") == [(1,)]
    (batch,) = bench.data_api.list_statements(StatementName="load-")["Statements"]
    described = bench.data_api.describe_statement(Id=batch["Id"])
    named = {"WorkgroupName", "ClusterIdentifier", "Database", "DbUser", "SecretArn"}
    assert {name: described[name] for name in named & described.keys()} == {"Database": "banking"} | address
    execute(bench.data_api, bench.target, "DROP SCHEMA finance CASCADE")


def test_runs_are_loaded_in_the_order_of_their_manifests(bench: Bench) -> None:
    later = put_run(bench.s3, "a", [transaction(1)], created_at=datetime(2026, 3, 6, tzinfo=UTC))
    earlier = put_run(bench.s3, "b", [transaction(2)], created_at=datetime(2026, 3, 5, tzinfo=UTC))

    assert [report.run_id for report in load(bench)] == [earlier, later]


def move(bench: Bench, run_id: str, to: str) -> str:
    """Give a run's result another id, as if it had been planned in that month."""
    body = bench.s3.get_object(Bucket=BUCKET, Key=run_key(run_id, "result.json"))["Body"].read()
    bench.s3.delete_object(Bucket=BUCKET, Key=run_key(run_id, "result.json"))
    body = body.replace(f'"run_id": "{run_id}"'.encode(), f'"run_id": "{to}"'.encode())
    bench.s3.put_object(Bucket=BUCKET, Key=run_key(to, "result.json"), Body=body)
    return to


def listed(bench: Bench) -> list[str]:
    seen: list[str] = []
    bench.s3.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: seen.append(params["Prefix"])
    )
    return seen


def test_months_before_the_newest_loaded_run_are_not_listed(bench: Bench) -> None:
    for month, day in (("2026-01", datetime(2026, 1, 9, tzinfo=UTC)), ("2026-03", datetime(2026, 3, 2, tzinfo=UTC))):
        run = put_run(bench.s3, month, [transaction(day.month)], created_at=day)
        move(bench, run, f"{month}-{day.day:016}")
    load(bench)
    new = move(
        bench, put_run(bench.s3, "new", [transaction(4)], created_at=datetime(2026, 4, 1, tzinfo=UTC)), "2026-04-1"
    )
    prefixes = listed(bench)

    assert [report.run_id for report in load(bench)] == [new]
    assert prefixes == ["runs/", "runs/month=2026-03/", "runs/month=2026-04/"], "the first for the months' names"
    prefixes.clear()
    load(bench)
    assert prefixes == ["runs/", "runs/month=2026-03/", "runs/month=2026-04/"], "of the day before another may be late"


def test_a_run_that_was_taken_out_is_found_in_whatever_month_it_lies(bench: Bench) -> None:
    old = move(
        bench, put_run(bench.s3, "old", [transaction(1)], created_at=datetime(2025, 1, 1, tzinfo=UTC)), "2025-01-1"
    )
    put_run(bench.s3, "new", [transaction(2)])
    load(bench)
    for table in ("fact_transactions", "load_control_totals", "load_ledger"):
        bench.batch(f"DELETE FROM banking.{table} WHERE run_id = '{old}'")

    assert [report.run_id for report in load(bench)] == [old]


def test_runs_of_a_former_version_are_loaded_before_the_first_of_a_month(bench: Bench) -> None:
    ids = [f"{number:016}" for number in range(3)]
    for number, run_id in enumerate(ids[:2]):
        created_at = datetime(2026, 2, 1 + number, tzinfo=UTC)
        move(bench, put_run(bench.s3, run_id, [transaction(number)], created_at=created_at), run_id)
        assert [report.run_id for report in load(bench)] == [run_id]


def test_a_run_without_files_gets_its_ledger_row(bench: Bench) -> None:
    run_id = put_run(bench.s3, "empty", [])

    (report,) = load(bench)

    assert (report.run_id, report.rows_staged, report.rows_loaded) == (run_id, 0, 0)
    assert load(bench) == []


def test_the_first_put_of_a_transaction_id_stays(bench: Bench) -> None:
    first = transaction(1, sequence_number="9")
    put_run(bench.s3, "one", [transaction(1, sequence_number="10", description="second"), first])

    (report,) = load(bench)

    assert (report.rows_staged, report.rows_loaded) == (2, 1)
    assert bench.query("SELECT sequence_number, description FROM banking.fact_transactions") == [("9", None)]


def test_a_row_that_another_run_brings_again_changes_nothing(bench: Bench) -> None:
    put_run(bench.s3, "one", [transaction(1)])
    load(bench)
    put_run(bench.s3, "two", [transaction(1, description="again"), transaction(2)])

    (report,) = load(bench)

    assert (report.rows_staged, report.rows_loaded) == (2, 1)
    found = bench.query("SELECT transaction_id, description FROM banking.fact_transactions ORDER BY transaction_id")
    assert found == [("tx-00000001", None), ("tx-00000002", None)]


def test_values_arrive_as_they_were_curated(bench: Bench) -> None:
    row = transaction(
        1,
        amount=Decimal("99999999999999.9999"),
        event_time=datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=UTC),
        balance_after=Decimal("-0.0001"),
        description='quoted "text", a comma,\na line, \\ and Žluťoučký 漢字',
        merchant_name="",
    )
    put_run(bench.s3, "one", [row])
    load(bench)

    found = bench.query(
        "SELECT amount, event_time, balance_after, description, merchant_name, card_token"
        " FROM banking.fact_transactions"
    )

    assert found == [
        ("99999999999999.9999", "2026-03-01 23:59:59.999999", "-0.0001", row["description"], "", None),
    ]


def test_a_file_that_changed_behind_its_result_is_refused_and_nothing_is_loaded(bench: Bench) -> None:
    run_id = put_run(bench.s3, "one", [transaction(1)])
    (key,) = [
        found["Key"] for found in bench.s3.list_objects_v2(Bucket=BUCKET, Prefix="curated/transactions/")["Contents"]
    ]
    bench.s3.put_object(Bucket=BUCKET, Key=key, Body=b"something else")

    with pytest.raises(PlatformError, match="content_length"):
        load(bench)

    assert warehouse_loader.ledger(bench.data_api, bench.target, run_id) == []


def test_an_optional_field_that_the_contract_gains_becomes_a_column_and_is_loaded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in the middle of the contract and so of the files, and at the end of the table."""
    put_run(bench.s3, "before", [transaction(1)])
    load(bench)
    apply_security(bench.data_api, bench.target)
    bench.batch('CREATE USER "frida" PASSWORD DISABLE', 'GRANT ROLE fraud_analyst TO "frida"')
    gained = (
        *CURATED_FIELDS[:5],
        Field(999, "purpose", since=SCHEMA_VERSION, max_length=4, required=False, ascii=True),
        *CURATED_FIELDS[5:],
    )
    for module in (curated_runs, warehouse_tables, warehouse_load_sql):
        monkeypatch.setattr(module, "CURATED_FIELDS", gained)
    finals = tuple(field for field in gained if field.name != "booked_date")
    monkeypatch.setattr(warehouse_load_sql, "_FINALS_FIELDS", finals)
    for table in ("fact_transactions", "pending_transactions"):
        monkeypatch.setitem(warehouse_tables.CONTRACT_TABLES, table, gained)

    warehouse_tables.create_tables(bench.data_api, bench.target)
    put_files = functools.partial(curated_runs.put_files, fields=gained)
    monkeypatch.setattr(curated_runs, "put_files", put_files)
    put_run(bench.s3, "after", [transaction(2, purpose="SALA")])
    load(bench)

    with bench.warehouse.connect("frida") as connection:
        found = connection.execute(
            "SELECT transaction_id, purpose FROM banking.fact_transactions ORDER BY 1"
        ).fetchall()
    assert found == [("tx-00000001", None), ("tx-00000002", "SALA")]


def test_a_required_field_that_a_table_lacks_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(warehouse_tables.CONTRACT_TABLES, "fact_transactions", (Field(999, "new", max_length=4),))
    with pytest.raises(PlatformError, match="lacks the required column new"):
        warehouse_tables.create_tables(bench.data_api, bench.target)


def test_the_queries_of_the_manual_run(bench: Bench) -> None:
    rows = [transaction(n, balance_after=n, merchant_name="Shop", merchant_category_code="5411") for n in range(20)]
    put_run(bench.s3, "one", rows)
    load(bench)
    manual = (Path(__file__).parents[2] / "docs" / "warehouse.md").read_text()
    script = manual.split("```sql\n")[1].split("```")[0]

    ledger, differences, balances, merchants = (bench.query(statement) for statement in split_statements(script))

    assert (len(ledger), differences) == (1, [])
    assert len(balances) == len({(row["account_id"], row["currency"]) for row in rows})
    assert [code for _, code in merchants] == ["5411"] * len(rows)


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"run_id": "a", "created_at": "yesterday"}'])
def test_a_result_that_is_none_is_named(bench: Bench, body: bytes) -> None:
    bench.s3.put_object(Bucket=BUCKET, Key="runs/abc/result.json", Body=body)
    with pytest.raises(PlatformError, match=r"runs/abc/result.json: is no result of a run"):
        load(bench)
