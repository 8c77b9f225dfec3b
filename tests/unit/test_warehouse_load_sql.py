"""The load's statements stay within the Data API's limits and Redshift's language, for any run."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_catalog.transaction_contract import CURATED_FIELDS, QUARANTINE_REASONS, fields_at
from data_governance.run_result import PublishedFile, RunResult
from data_storage import sql_text
from data_storage.sql_statements import split_statements
from data_storage.sql_text import literal
from data_storage.warehouse_load_sql import CopySource, anew_statements, copy_manifest, load_statements
from data_storage.warehouse_loader import COPIED_KINDS
from infrastructure.errors import PlatformError
from infrastructure.local.redshift.dialect import Kind, translate

FILES = tuple(PublishedFile(f"curated/{n}.parquet", 100 + n, 10, date(2026, 3, n)) for n in (3, 1, 2))
FULL = RunResult(
    "0123456789abcdef",
    datetime(2026, 3, 5, 12, tzinfo=UTC),
    FILES,
    FILES,
    dict.fromkeys(QUARANTINE_REASONS, 7),
    pending_transactions=FILES,
    fraud_alert_evidence=FILES,
    token_links=FILES,
    quarantine=FILES,
    quarantine_bucket="quarantine",
)
FORMER = replace(
    FULL, pending_transactions=(), fraud_alert_evidence=(), token_links=(), quarantine=(), contract_version="1.0"
)
ONE_REASON = RunResult("0123456789abcdef", datetime(2026, 3, 5, tzinfo=UTC), FILES, (), {"missing_field": 1})
EMPTY = RunResult("0123456789abcdef", datetime(2026, 3, 5, tzinfo=UTC), (), (), {})
SOURCE = CopySource("arn:aws:iam::123456789012:role/copy", {kind: f"s3://bucket/{kind}" for kind in COPIED_KINDS})


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    ("run", "source"),
    [
        (FULL, SOURCE),
        (FULL, replace(SOURCE, shared=True)),
        (FORMER, SOURCE),
        (ONE_REASON, SOURCE),
        (EMPTY, CopySource(SOURCE.role_arn, {})),
    ],
)
def test_a_load_fits_one_batch_of_known_statements(run: RunResult, source: CopySource, again: bool) -> None:
    statements = load_statements(run, "banking", source, again)

    assert len(statements) <= 40
    for statement in statements:
        assert split_statements(statement) == [statement]
        assert len(statement.encode()) < 100 * 1024
        assert translate(statement).kind in (Kind.PLAIN, Kind.COPY), "nothing that commits or runs by itself"


def test_what_is_derived_anew_is_a_transaction_of_its_own_behind_the_same_lock() -> None:
    statements = anew_statements(FULL.run_id, "banking")
    assert statements[0] == "LOCK banking.load_lock"
    assert len(statements) <= 40
    assert all(translate(statement).kind is Kind.PLAIN for statement in statements)


def test_the_lock_comes_first_and_the_ledger_row_last() -> None:
    statements = load_statements(FULL, "banking", SOURCE)
    assert statements[0] == "LOCK banking.load_lock"
    assert statements[-1].startswith("INSERT INTO banking.load_ledger")
    assert not [s for s in statements[:-1] if s.startswith(("INSERT INTO banking.load_ledger", "UPDATE", "TRUNCATE"))]


def test_the_same_run_makes_the_same_statements() -> None:
    assert load_statements(FULL, "banking", SOURCE) == load_statements(FULL, "banking", SOURCE)


def test_another_schema_is_used_throughout() -> None:
    assert not [statement for statement in load_statements(FULL, "finance", SOURCE) if "banking." in statement]


def test_the_runs_dates_bound_every_scan_of_the_facts() -> None:
    scans = [s for s in load_statements(FULL, "banking", SOURCE) if "FROM banking.fact_transactions" in s]
    assert len(scans) == 4
    of_the_run = "event_date IN ('2026-03-01', '2026-03-02', '2026-03-03')"
    usual = "event_date >= '2026-02-28'"  # a bank's own day may be the one before
    assert all(of_the_run in scan or usual in scan for scan in scans)


def test_every_merge_by_date_names_one_and_the_facts_are_joined_within_a_slice() -> None:
    statements = load_statements(FULL, "banking", SOURCE)
    (balances,) = [s for s in statements if s.startswith("MERGE INTO banking.daily_balances")]
    assert "daily_balances.balance_date >= '2026-02-28'\nWHEN MATCHED" in balances
    held = [s for s in statements if "NOT EXISTS (\n    SELECT 1 FROM banking." in s]
    assert len(held) == 2
    assert all("held.account_id = staged.account_id" in statement for statement in held)


def test_one_late_row_does_not_make_a_load_read_all_that_happened_since() -> None:
    late = replace(FILES[0], partition_date=date(2025, 1, 1), records=1)
    usual = tuple(replace(file, records=100) for file in FILES)
    text = "\n".join(load_statements(replace(FULL, curated=(*usual, late)), "banking", SOURCE))
    assert "'2025-01-01', '2026-03-01'" in text
    assert ">= '2026-02-28'" in text and ">= '2024-12-31'" not in text
    anew = "\n".join(load_statements(replace(FULL, curated=(*FILES, late)), "banking", SOURCE, bounded=False))
    assert "fact.event_date >= '2025-01-01'" in anew and "balance_date >=" not in anew


def test_a_run_of_thousands_of_dates_fits_too() -> None:
    days = [date(1999, 1, 1) + timedelta(days=2 * number) for number in range(10_400)]
    files = tuple(PublishedFile(f"curated/{day}.parquet", 100, 10, day) for day in days)
    run = replace(FULL, curated=files, fraud_alerts=files, fraud_alert_evidence=files)
    assert max(len(statement.encode()) for statement in load_statements(run, "banking", SOURCE)) < 100 * 1024


DAYS = st.dates(date(2000, 1, 1), date(2009, 12, 31))


@given(st.sets(DAYS, max_size=40), st.integers(2, 8), st.lists(DAYS))
def test_dates_are_within_their_literals_and_few_others_are(days: set[date], most: int, others: list[date]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sql_text, "MOST_DATES", most)
        condition = sql_text.within("d", days)
    connection = sqlite3.connect(":memory:")

    def holds(day: date) -> bool:
        return bool(connection.execute(f"SELECT {condition} FROM (SELECT '{day}' AS d)").fetchone()[0])

    assert all(map(holds, days))
    assert not any(holds(day) for day in others if day not in days and len(days) <= most)
    assert condition.count("BETWEEN") <= 1 + most


def test_the_narrowest_gaps_are_read_too() -> None:
    days = [date(2026, 1, day) for day in (1, 2, 4, 20)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sql_text, "MOST_DATES", 2)
        assert sql_text.within("d", days).endswith(
            "AND (d BETWEEN '2026-01-01' AND '2026-01-04' OR d BETWEEN '2026-01-20' AND '2026-01-20')"
        )


@pytest.mark.parametrize("run", [FULL, FORMER])
def test_the_stage_has_the_columns_of_the_runs_contract_in_its_order(run: RunResult) -> None:
    (stage,) = [s for s in load_statements(run, "banking", SOURCE) if s.startswith("CREATE TEMP TABLE stage_trans")]
    columns = stage[stage.index("(") + 1 :].split(", ")
    expected = [field.name for field in fields_at(CURATED_FIELDS, run.contract_version)]
    assert [column.split()[0] for column in columns if column[0].islower()] == expected


def test_a_run_of_contract_1_0_had_alerts_of_another_kind_and_loads_none() -> None:
    assert not [s for s in load_statements(FORMER, "banking", SOURCE) if s.startswith("COPY stage_fraud")]


def test_the_manifest_lists_each_file_as_mandatory_with_its_length() -> None:
    assert json.loads(copy_manifest("bucket", FILES[:1])) == {
        "entries": [
            {"url": "s3://bucket/curated/3.parquet", "mandatory": True, "meta": {"content_length": 103}},
        ]
    }


@pytest.mark.parametrize("value", ["a'b", "a\\b", 'a"b', "a;b", "a\nb", "ä"])
def test_a_value_that_would_need_escaping_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="not a plain value"):
        literal(value)


@pytest.mark.parametrize(
    "change", [{"run_id": "x'; DROP TABLE t; --"}, {"quarantined_by_reason": {"a'b": 1}}, {"curated": {"files": [{}]}}]
)
def test_a_result_with_other_content_is_refused(change: dict[str, object]) -> None:
    result = {
        "run_id": "abc",
        "created_at": "2026-03-05T00:00:00+00:00",
        "curated": {"files": []},
        "fraud_alerts": {"files": []},
        "quarantine": {"files": []},
        "quarantined_by_reason": {},
        "control_totals": {},
        "raw_objects": 0,
        "versions": {},
    }
    assert RunResult.from_json(json.dumps(result).encode(), "here").run_id == "abc"
    with pytest.raises(PlatformError, match="here: is no result of a run"):
        RunResult.from_json(json.dumps(result | change).encode(), "here")


def test_a_schema_with_an_odd_name_is_refused() -> None:
    with pytest.raises(PlatformError, match="no plain lower-case name"):
        load_statements(FULL, "Banking; --", SOURCE)
