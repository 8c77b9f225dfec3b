"""`query` asks a kept warehouse with the rights of the role that is named, and no others."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure.local.redshift.postgresql import Warehouse
from scripts.orchestrate_pipeline import main
from tests.pipeline.curated_runs import BUCKET, alert, put_run, transaction
from tests.pipeline.warehouse_bench import open_bench

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A workdir whose warehouse holds a run."""
    from data_storage import warehouse_loader
    from data_storage.warehouse_security import apply_security

    directory = tmp_path_factory.mktemp("kept")
    with Warehouse(directory / "warehouse") as server, open_bench(server) as bench:
        apply_security(bench.data_api, bench.target)
        put_run(bench.s3, "one", [transaction(n, card_token=f"2_{n}", card_last4="1234") for n in range(4)], [alert(1)])
        warehouse_loader.load_pending(bench.data_api, bench.s3, bench.target, BUCKET)
        yield directory


def asked(workdir: Path, capsys, *arguments: str) -> tuple[int, str, str]:
    status = main(["query", "--workdir", str(workdir), *arguments])
    return status, *capsys.readouterr()


def test_rows_are_printed_as_a_table_and_as_json(workdir, capsys):
    status, out, _ = asked(workdir, capsys, "SELECT COUNT(*) AS n, SUM(amount) AS total FROM fact_transactions")
    assert status == 0
    assert out.split() == ["n", "total", "4", "0.1000"]
    status, out, _ = asked(workdir, capsys, "--json", "SELECT transaction_id FROM fact_transactions ORDER BY 1")
    assert [json.loads(line)["transaction_id"] for line in out.splitlines()] == [f"tx-{n:08d}" for n in range(4)]


def test_an_analyst_by_default_who_sees_no_alerts_and_no_tokens(workdir, capsys):
    for sql in ("SELECT * FROM fraud_alerts", "SELECT card_token FROM fact_transactions"):
        status, _, error = asked(workdir, capsys, sql)
        assert status == 1
        assert "role analyst: may not: permission denied" in error and "--as fraud_analyst" in error
    status, out, _ = asked(workdir, capsys, "--as", "fraud_analyst", "SELECT rule FROM fraud_alerts")
    assert (status, out.split()) == (0, ["rule", "large_amount"])


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("SELECT nothing FROM fact_transactions", 'column "nothing" does not exist'),
        ("DELETE FROM fact_transactions", "permission denied"),
        ("CREATE TABLE mine (a INT)", "read-only transaction"),
        ("SET search_path = public", "gives no rows"),
    ],
)
def test_what_is_no_query_is_said_in_one_line(workdir, capsys, sql, says):
    status, out, error = asked(workdir, capsys, "--as", "auditor", sql)
    assert (status, out) == (1, "")
    assert says in error


def test_a_folder_without_a_warehouse_is_named(tmp_path, capsys):
    status, _, error = asked(tmp_path, capsys, "SELECT 1")
    assert status == 1 and "holds no warehouse" in error


def test_without_sql_a_prompt_is_opened_as_the_role(workdir):
    program = [sys.executable, "scripts/orchestrate_pipeline.py", "query", "--workdir", str(workdir)]
    terminal, its_other_end = pty.openpty()
    with subprocess.Popen([*program, "--as", "auditor"], stdin=its_other_end, stdout=its_other_end, cwd=ROOT) as asking:
        os.close(its_other_end)
        os.write(terminal, b"SELECT 'I am ' || current_user AS who;\nDELETE FROM fact_transactions;\n\\q\n")
        said = b""
        with contextlib.suppress(OSError):  # what a terminal says when nobody writes to it any more
            while part := os.read(terminal, 4096):
                said += part
    os.close(terminal)
    assert asking.returncode == 0
    assert b"You ask as auditor" in said and b"auditor=> " in said and b"I am query_auditor" in said
    assert b"DELETE 4" not in said
