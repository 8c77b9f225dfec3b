"""The stand-in for Redshift's Data API behaves as AWS describes the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, ParamValidationError

from data_storage.sql_scripts import run_script
from infrastructure.aws.redshift_data import StatementFailedError, query
from infrastructure.local.redshift.data_api import MAX_STATEMENT_BYTES
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.warehouse_bench import Bench, open_bench
from tests.waiting import wait_until

WHERE = {"WorkgroupName": "embedded", "Database": "banking"}


@pytest.fixture(scope="module")
def bench(warehouse: Warehouse) -> Iterator[Bench]:
    with open_bench(warehouse) as opened:
        opened.batch("CREATE TABLE banking.numbers (n BIGINT)", "CREATE TABLE banking.gate (open BOOLEAN)")
        yield opened


@pytest.fixture(autouse=True)
def no_numbers(bench: Bench) -> None:
    bench.batch("DELETE FROM banking.numbers")


def numbers(bench: Bench) -> list[Any]:
    return [n for (n,) in bench.query("SELECT n FROM banking.numbers ORDER BY n")]


def ended(bench: Bench, id_: str) -> dict[str, Any]:
    """The request's description once it has ended, however it did."""
    request, _ = bench.data_api._find(id_, "test")
    assert request.ended.wait(30)
    return bench.data_api.describe_statement(Id=id_)


class Gate:
    """Holds statements that read banking.gate until it opens, so that a test sees them while they run."""

    def __init__(self, bench: Bench) -> None:
        self._connection = bench.warehouse.connect()
        self._connection.autocommit = False
        self._connection.execute("LOCK TABLE banking.gate IN ACCESS EXCLUSIVE MODE")

    def open(self) -> None:
        self._connection.close()


def test_values_come_by_position_and_type(bench: Bench) -> None:
    (row,) = bench.query(
        "SELECT CAST(1 AS BIGINT), CAST(1.5 AS DECIMAL(18,4)), 'a', CAST('2026-03-01' AS DATE),"
        " CAST('2026-03-01 10:00:00.5' AS TIMESTAMP), TRUE, CAST(NULL AS BIGINT), CAST(0.5 AS DOUBLE PRECISION)"
    )
    assert row == (1, "1.5000", "a", "2026-03-01", "2026-03-01 10:00:00.500000", True, None, 0.5)


def test_results_come_in_pages(bench: Bench) -> None:
    values = ", ".join(f"({n})" for n in range(2500))
    bench.batch(f"INSERT INTO banking.numbers VALUES {values}")

    assert numbers(bench) == list(range(2500))


def test_answers_have_the_shape_of_awss_model(bench: Bench) -> None:
    model: Any = botocore.session.get_session().get_service_model("redshift-data")
    api = bench.data_api
    submitted = api.batch_execute_statement(Sqls=["SELECT 1 AS one", "SELECT 2 AS two"], StatementName="x", **WHERE)
    described = ended(bench, submitted["Id"])
    answers = {
        "BatchExecuteStatement": submitted,
        "DescribeStatement": described,
        "GetStatementResult": api.get_statement_result(Id=described["SubStatements"][1]["Id"]),
        "ListStatements": api.list_statements(StatementName="x"),
    }
    for operation, answer in answers.items():
        output = model.operation_model(operation).output_shape
        assert not answer.keys() - output.members.keys(), operation
        assert set(output.required_members) <= answer.keys(), operation
    assert not described["SubStatements"][0].keys() - model.shape_for("SubStatementData").members.keys()
    columns = answers["GetStatementResult"]["ColumnMetadata"]
    assert not columns[0].keys() - model.shape_for("ColumnMetadata").members.keys()
    assert columns[0]["name"] == "two"
    assert not answers["ListStatements"]["Statements"][0].keys() - model.shape_for("StatementData").members.keys()


def test_a_call_answers_before_its_statement_has_run(bench: Bench) -> None:
    gate = Gate(bench)
    id_ = bench.data_api.execute_statement(Sql="INSERT INTO banking.numbers SELECT 1 FROM banking.gate", **WHERE)["Id"]
    status = bench.data_api.describe_statement(Id=id_)["Status"]
    with pytest.raises(ClientError, match="does not have result"):
        bench.data_api.get_statement_result(Id=id_)
    gate.open()

    assert status in ("SUBMITTED", "STARTED")
    assert ended(bench, id_)["Status"] == "FINISHED"


def test_a_batch_is_one_transaction(bench: Bench) -> None:
    id_ = bench.data_api.batch_execute_statement(
        Sqls=["INSERT INTO banking.numbers VALUES (1)", "SELECT missing FROM banking.numbers", "SELECT 1"], **WHERE
    )["Id"]

    description = ended(bench, id_)

    assert description["Status"] == "FAILED"
    assert [part["Status"] for part in description["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert 'column "missing" does not exist' in description["SubStatements"][1]["Error"]
    assert "Position: 8" in description["SubStatements"][1]["Error"]
    assert numbers(bench) == []


def test_truncate_commits_what_came_before_it(bench: Bench) -> None:
    with pytest.raises(StatementFailedError):
        bench.batch("INSERT INTO banking.numbers VALUES (1)", "TRUNCATE banking.gate", "SELECT 1 / 0")
    assert numbers(bench) == [1]


def test_vacuum_runs_alone_and_not_in_a_batch(bench: Bench) -> None:
    id_ = bench.data_api.execute_statement(Sql="VACUUM banking.numbers", **WHERE)["Id"]
    assert ended(bench, id_)["Status"] == "FINISHED"
    with pytest.raises(StatementFailedError, match="transaction block"):
        bench.batch("VACUUM banking.numbers")


def test_keys_are_not_enforced(bench: Bench) -> None:
    bench.batch(
        "CREATE TABLE banking.keyed (a BIGINT PRIMARY KEY, b BIGINT UNIQUE)",
        "INSERT INTO banking.keyed VALUES (1, 1), (1, 1)",
    )
    assert bench.query("SELECT COUNT(*) FROM banking.keyed") == [(2,)]


def test_not_null_is_enforced(bench: Bench) -> None:
    with pytest.raises(StatementFailedError, match="null value"):
        bench.batch("INSERT INTO banking.load_ledger (run_id) VALUES ('a')")


def test_a_transaction_sees_what_stood_at_its_first_query(bench: Bench) -> None:
    """Snapshot isolation: a LOCK before the first query decides what the transaction sees."""
    gate = Gate(bench)
    reading = bench.data_api.batch_execute_statement(
        Sqls=[
            "SELECT COUNT(*) FROM banking.numbers",
            "SELECT COUNT(*) FROM banking.gate",
            "SELECT COUNT(*) FROM banking.numbers",
        ],
        **WHERE,
    )["Id"]
    locking = bench.data_api.batch_execute_statement(
        Sqls=["LOCK banking.gate", "SELECT COUNT(*) FROM banking.numbers"], **WHERE
    )["Id"]
    request, _ = bench.data_api._find(reading, "test")
    wait_until(lambda: request.statements[0].status == "FINISHED")
    bench.batch("INSERT INTO banking.numbers VALUES (1)")
    gate.open()

    assert ended(bench, reading)["Status"] == ended(bench, locking)["Status"] == "FINISHED"
    counts = [bench.data_api.get_statement_result(Id=f"{reading}:{n}")["Records"][0][0] for n in (1, 3)]
    assert counts == [{"longValue": 0}, {"longValue": 0}]
    assert bench.data_api.get_statement_result(Id=f"{locking}:2")["Records"] == [[{"longValue": 1}]]


def test_the_same_token_is_the_same_statement(bench: Bench) -> None:
    call = {"Sqls": ["INSERT INTO banking.numbers VALUES (7)"], "ClientToken": "one", **WHERE}
    first = bench.data_api.batch_execute_statement(**call)
    ended(bench, first["Id"])
    second = bench.data_api.batch_execute_statement(**call)

    assert second["Id"] == first["Id"]
    assert numbers(bench) == [7]
    with pytest.raises(ClientError, match="ValidationException"):
        bench.data_api.batch_execute_statement(**{**call, "Sqls": ["SELECT 1"]})


def test_a_cancelled_batch_rolls_back(bench: Bench) -> None:
    gate = Gate(bench)
    id_ = bench.data_api.batch_execute_statement(
        Sqls=["INSERT INTO banking.numbers VALUES (1)", "SELECT COUNT(*) FROM banking.gate"], **WHERE
    )["Id"]
    request, _ = bench.data_api._find(id_, "test")
    wait_until(lambda: request.statements[1].status == "STARTED")

    assert bench.data_api.cancel_statement(Id=id_) == {"Status": True}
    description = ended(bench, id_)
    gate.open()

    assert description["Status"] == "ABORTED"
    assert numbers(bench) == []
    with pytest.raises(ClientError, match="already in ABORTED"):
        bench.data_api.cancel_statement(Id=id_)


def test_statements_are_listed_by_name_and_status(bench: Bench) -> None:
    good = bench.data_api.execute_statement(Sql="SELECT 1", StatementName="list-a", **WHERE)["Id"]
    bad = bench.data_api.execute_statement(Sql="SELECT missing", StatementName="list-ab", **WHERE)["Id"]
    ended(bench, good), ended(bench, bad)

    def listed(**parameters: str) -> list[str]:
        return [found["Id"] for found in bench.data_api.list_statements(**parameters)["Statements"]]

    assert listed(StatementName="list-a") == [bad, good]
    assert listed(StatementName="list-a", Status="FAILED") == [bad]
    assert listed(StatementName="list-ab") == [bad]


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"Sqls": [f"SELECT '{'x' * MAX_STATEMENT_BYTES}'"], **WHERE}, ClientError),
        ({"Sqls": ["SELECT 1"] * 41, **WHERE}, ClientError),
        ({"Sqls": [], **WHERE}, ParamValidationError),
        ({"Sqls": ["SELECT 1"], "Database": "banking"}, ClientError),
        ({"Sqls": ["SELECT 1"], "ClusterIdentifier": "c", **WHERE}, ClientError),
        ({"Sqls": ["SELECT 1"], "WorkgroupName": "embedded"}, ClientError),
        ({"Sqls": "SELECT 1", **WHERE}, ParamValidationError),
        ({"Sqls": ["SELECT 1"], "Unknown": 1, **WHERE}, ParamValidationError),
        ({"Sqls": ["SELECT 1"], "ClientToken": "x" * 65, **WHERE}, ClientError),
        ({"Sqls": ["SELECT 1"], "ExecutionMode": "AUTO_COMMIT", **WHERE}, NotImplementedError),
    ],
)
def test_a_call_outside_the_services_limits_is_refused(
    bench: Bench, parameters: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        bench.data_api.batch_execute_statement(**parameters)


def test_several_statements_in_one_are_refused(bench: Bench) -> None:
    with pytest.raises(StatementFailedError, match="exactly one statement"):
        query(bench.data_api, bench.target, "SELECT 1; SELECT 2")


def test_an_unknown_id_is_told(bench: Bench) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        bench.data_api.describe_statement(Id="1eb0c794-85fc-42fe-9a90-aa9ef913a705")


def test_a_scripts_error_names_its_statement_and_leaves_nothing(bench: Bench) -> None:
    script = "CREATE TABLE banking.half (a BIGINT); -- a comment\nCREATE TABLE banking.half (b BIGNT);"
    with pytest.raises(StatementFailedError, match=r"statement 'CREATE TABLE banking.half \(b BIGNT\)'.*bignt"):
        run_script(bench.data_api, bench.target, script)
    with pytest.raises(StatementFailedError, match="does not exist"):
        bench.query("SELECT * FROM banking.half")


def test_a_database_user_logs_in_as_itself(bench: Bench) -> None:
    bench.batch('CREATE USER "someone" PASSWORD DISABLE')
    submitted = bench.data_api.execute_statement(
        Sql="SELECT 1 FROM banking.numbers", ClusterIdentifier="c", Database="banking", DbUser="someone"
    )
    assert "permission denied" in ended(bench, submitted["Id"])["Error"]
