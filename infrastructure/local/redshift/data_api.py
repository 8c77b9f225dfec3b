"""Redshift's Data API in front of the embedded PostgreSQL: the part of boto3's redshift-data client that is used here.

Statements are asynchronous as in AWS: a call checks its parameters against AWS's own service model and returns an id at
once; a session of its own then runs the SQL. A caller that dies does not stop its batch. This file enforces: one
transaction per batch with snapshot isolation, ClientToken idempotence, 40 statements a batch, 100 KB a statement,
positional results, TRUNCATE that commits.

Statements and their results live as long as this object.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import botocore.session
import psycopg
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator

from infrastructure.local.redshift.copy_command import CopyError, parse_copy, run_copy
from infrastructure.local.redshift.dialect import Kind, Translation, UnknownSqlError, translate
from infrastructure.local.redshift.policies import (
    also_on_stored,
    install,
    protected_tables,
    redirected,
    renew_view,
    run_policy_statement,
)
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.local.redshift.postgresql_server import SUPERUSER

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


MAX_STATEMENT_BYTES = 100 * 1024
_PAGE_ROWS = 1000
_ENDED = ("FINISHED", "FAILED", "ABORTED")


@dataclass(slots=True)
class _Statement:
    """One SQL statement of a request, and what became of it."""

    sql: str
    id: str
    status: str = "SUBMITTED"
    error: str = ""
    rows: int = -1
    columns: list[dict[str, Any]] | None = None  # None: the statement has no result set
    records: list[list[dict[str, Any]]] = field(default_factory=list)
    started: float = 0.0
    nanoseconds: int = -1


@dataclass(slots=True)
class _Request:
    """What ExecuteStatement or BatchExecuteStatement submitted."""

    id: str
    parameters: dict[str, Any]
    batch: bool
    statements: list[_Statement]
    created_at: datetime
    updated_at: datetime
    status: str = "SUBMITTED"
    error: str = ""
    pid: int = 0
    connection: psycopg.Connection[Any] | None = None
    ended: threading.Event = field(default_factory=threading.Event)


class LocalRedshiftData:
    """Shaped like boto3.client("redshift-data"). s3: the client that COPY reads with."""

    def __init__(self, warehouse: Warehouse, s3: S3Client) -> None:
        self._warehouse = warehouse
        self._s3 = s3
        self._requests: dict[str, _Request] = {}
        self._by_token: dict[str, _Request] = {}
        self._lock = threading.Lock()
        self._model: Any = botocore.session.get_session().get_service_model("redshift-data")
        with warehouse.connect() as connection:
            install(connection)

    def execute_statement(self, **parameters: Any) -> dict[str, Any]:
        """Run one statement in a transaction of its own."""
        self._validate("ExecuteStatement", parameters, {"Sql", *_COMMON})
        return self._submit("ExecuteStatement", parameters, [parameters["Sql"]], batch=False)

    def batch_execute_statement(self, **parameters: Any) -> dict[str, Any]:
        """Run up to 40 statements, one after the other, as one transaction."""
        self._validate("BatchExecuteStatement", parameters, {"Sqls", *_COMMON})
        return self._submit("BatchExecuteStatement", parameters, parameters["Sqls"], batch=True)

    def describe_statement(self, **parameters: Any) -> dict[str, Any]:
        """The status of a request, and its error if it failed."""
        self._validate("DescribeStatement", parameters, {"Id"})
        request, statement = self._find(parameters["Id"], "DescribeStatement")
        with self._lock:
            if statement is not None:
                return {**_described(statement), **_times(request)}
            answer: dict[str, Any] = {
                "Id": request.id,
                "Status": request.status,
                **_times(request),
                "HasResultSet": any(s.columns is not None for s in request.statements),
                "RedshiftPid": request.pid,
                "RedshiftQueryId": 0,
                "Duration": sum(max(s.nanoseconds, 0) for s in request.statements),
                **{name: request.parameters[name] for name in _TARGET if name in request.parameters},
            }
            if request.error:
                answer["Error"] = request.error
            if request.batch:
                answer["SubStatements"] = [{**_described(s), **_times(request)} for s in request.statements]
            else:
                single = request.statements[0]
                answer |= {"QueryString": single.sql, "ResultRows": single.rows}
            return answer

    def get_statement_result(self, **parameters: Any) -> dict[str, Any]:
        """The rows of a statement, in pages."""
        self._validate("GetStatementResult", parameters, {"Id", "NextToken"})
        request, statement = self._find(parameters["Id"], "GetStatementResult")
        statement = statement or (request.statements[0] if not request.batch else None)
        if statement is None or statement.status != "FINISHED" or statement.columns is None:
            raise _client_error("ResourceNotFoundException", "Query does not have result.", "GetStatementResult")
        start = int(parameters.get("NextToken", "0"))
        page = {
            "Records": statement.records[start : start + _PAGE_ROWS],
            "ColumnMetadata": statement.columns,
            "TotalNumRows": len(statement.records),
        }
        if start + _PAGE_ROWS < len(statement.records):
            page["NextToken"] = str(start + _PAGE_ROWS)
        return page

    def list_statements(self, **parameters: Any) -> dict[str, Any]:
        """Requests by prefix of their StatementName and by Status, newest first."""
        self._validate(
            "ListStatements", parameters, {"StatementName", "Status", "RoleLevel", "MaxResults", "NextToken", *_TARGET}
        )
        wanted, prefix = parameters.get("Status", "ALL"), parameters.get("StatementName", "")
        with self._lock:
            found = [
                {
                    "Id": request.id,
                    "Status": request.status,
                    "StatementName": request.parameters.get("StatementName", ""),
                    "IsBatchStatement": request.batch,
                    "QueryString": request.statements[0].sql,
                    "QueryStrings": [s.sql for s in request.statements],
                    **_times(request),
                }
                for request in reversed(self._requests.values())
                if request.parameters.get("StatementName", "").startswith(prefix) and wanted in ("ALL", request.status)
            ]
        start, size = int(parameters.get("NextToken", "0")), parameters.get("MaxResults", 100)
        page: dict[str, Any] = {"Statements": found[start : start + size]}
        if start + size < len(found):
            page["NextToken"] = str(start + size)
        return page

    def cancel_statement(self, **parameters: Any) -> dict[str, Any]:
        """Stop a running request; it rolls back."""
        self._validate("CancelStatement", parameters, {"Id"})
        request, _ = self._find(parameters["Id"], "CancelStatement")
        if request.ended.is_set():
            message = f"Could not cancel a query that is already in {request.status} state."
            raise _client_error("ValidationException", message, "CancelStatement")
        with self._lock:
            request.status = "ABORTED"
        if request.connection is not None:
            request.connection.cancel_safe()
        return {"Status": True}

    def _validate(self, operation: str, parameters: dict[str, Any], known: set[str]) -> None:
        """Check the call against AWS's own model, and refuse parameters that this stand-in would ignore."""
        report = ParamValidator().validate(parameters, self._model.operation_model(operation).input_shape)
        if report.has_errors():
            raise ParamValidationError(report=report.generate_report())
        if ignored := parameters.keys() - known:
            raise NotImplementedError(f"{operation} with {', '.join(sorted(ignored))} is not emulated")

    def _submit(self, operation: str, parameters: dict[str, Any], sqls: list[str], batch: bool) -> dict[str, Any]:
        for sql in sqls:
            if len(sql.encode()) > MAX_STATEMENT_BYTES:
                raise _client_error("ValidationException", "Query string is larger than 100 KB", operation)
        if batch and not 1 <= len(sqls) <= 40:
            raise _client_error("ValidationException", "A batch takes 1 to 40 statements", operation)
        if ("WorkgroupName" in parameters) == ("ClusterIdentifier" in parameters) or "Database" not in parameters:
            raise _client_error("ValidationException", "Name a workgroup or a cluster, and the database", operation)
        token = parameters.get("ClientToken", "")
        if len(token) > 64:
            raise _client_error("ValidationException", "A ClientToken has at most 64 characters", operation)
        with self._lock:
            if token and token in self._by_token:
                known = self._by_token[token]
                if known.parameters != parameters:
                    message = "The ClientToken was used with other parameters"
                    raise _client_error("ValidationException", message, operation)
                return _submitted(known)
            now = datetime.now(UTC)
            id_ = str(uuid.uuid4())
            statements = [_Statement(sql, f"{id_}:{n}" if batch else id_) for n, sql in enumerate(sqls, 1)]
            request = _Request(id_, parameters, batch, statements, now, now)
            self._requests[id_] = request
            if token:
                self._by_token[token] = request
        threading.Thread(target=self._run, args=[request], name=f"redshift-data-{id_[:8]}", daemon=True).start()
        return _submitted(request)

    def _find(self, id_: str, operation: str) -> tuple[_Request, _Statement | None]:
        request = self._requests.get(id_.partition(":")[0])
        if request is None:
            raise _client_error("ResourceNotFoundException", "Query does not exist.", operation)
        for statement in request.statements:
            if request.batch and statement.id == id_:
                return request, statement
        return request, None

    def _run(self, request: _Request) -> None:
        try:
            with self._warehouse.connect(request.parameters.get("DbUser", SUPERUSER)) as connection:
                session = Session(connection, self._s3, in_transaction=request.batch)
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # Redshift's snapshot isolation
                connection.autocommit = False
                with self._lock:
                    request.pid, request.connection = connection.info.backend_pid, connection
                    if request.status != "ABORTED":
                        request.status = "STARTED"
                self._run_statements(request, session)
        except psycopg.Error as error:
            self._end(request, "FAILED", _message(error))
        except Exception as error:  # the service must answer even if it fails itself
            self._end(request, "FAILED", f"INTERNAL: {type(error).__name__}: {error}")
        finally:
            request.ended.set()

    def _run_statements(self, request: _Request, session: Session) -> None:
        connection = session.connection
        for number, statement in enumerate(request.statements, 1):
            with self._lock:
                if request.status == "ABORTED":
                    break
                statement.status, statement.started = "STARTED", time.monotonic()
            error = session.run(statement)
            with self._lock:
                statement.nanoseconds = int((time.monotonic() - statement.started) * 1e9)
                statement.status = "FAILED" if error else "FINISHED"
                statement.error = error
            if error:
                connection.rollback()
                aborted = request.status == "ABORTED"
                where = f"Query #{number} failed with " if request.batch else ""
                self._end(request, "ABORTED" if aborted else "FAILED", f"{where}{error}")
                return
        if request.status == "ABORTED":
            connection.rollback()
            self._end(request, "ABORTED", "")
        else:
            connection.commit()
            self._end(request, "FINISHED", "")

    def _end(self, request: _Request, status: str, error: str) -> None:
        with self._lock:
            request.status, request.error = status, error
            request.updated_at = datetime.now(UTC)
            request.connection = None
            for statement in request.statements:
                if statement.status not in _ENDED:
                    statement.status = "ABORTED"


class Session:
    """The database session that a request runs in."""

    def __init__(self, connection: psycopg.Connection[Any], s3: S3Client, in_transaction: bool) -> None:
        self.connection = connection
        self._s3 = s3
        self._in_transaction = in_transaction
        self._superuser = connection.info.user == SUPERUSER
        # Read before the transaction begins, because its snapshot must be taken after the request's own LOCK.
        self._protected = protected_tables(connection)

    def run(self, statement: _Statement) -> str:
        """Run a statement in the open transaction; returns the error, or ""."""
        redirection = redirected(statement.sql, self._protected, self._superuser)
        translation: Translation | None = None
        try:
            translation = translate(redirection.sql)
            self._run_translated(statement, translation)
        except UnknownSqlError as error:
            return f"ERROR: {error}\n  Position: {error.position}"
        except CopyError as error:
            return f"ERROR: {error}"
        except psycopg.Error as error:
            position = int(error.diag.statement_position or 0)
            if position and translation is not None:
                position = redirection.original_position(translation.original_position(position))
            return _message(error, position)
        return ""

    def _run_translated(self, statement: _Statement, translation: Translation) -> None:
        match translation.kind:
            case Kind.NOTHING:
                return
            case Kind.COPY:
                statement.rows = run_copy(parse_copy(translation.sql), self.connection, self._s3)
                return
            case Kind.POLICY:
                run_policy_statement(statement.sql, self.connection)
                self._protected = protected_tables(self.connection)
                return
            case Kind.OUTSIDE_TRANSACTION:
                if self._in_transaction:
                    raise UnknownSqlError("VACUUM cannot run inside a transaction block")
                self.connection.commit()
                self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            cursor.execute(translation.sql.encode())
            statement.rows = cursor.rowcount
            if cursor.description is not None:
                statement.columns = [_column(column) for column in cursor.description]
                statement.records = [[_field(value) for value in row] for row in cursor]
            for further in [*translation.followed_by, *also_on_stored(translation.sql, self._protected)]:
                cursor.execute(further.encode())
        if translation.kind is Kind.TRUNCATE:
            self.connection.commit()
        if translation.kind is Kind.ALTER:
            for table in self._protected:
                renew_view(table, self.connection)


_TARGET = ("WorkgroupName", "ClusterIdentifier", "Database", "DbUser", "SecretArn")
_COMMON = (*_TARGET, "ClientToken", "StatementName", "WithEvent")


def _client_error(code: str, message: str, operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "Message": message}
    return ClientError(answer, operation)


def _submitted(request: _Request) -> dict[str, Any]:
    target = {name: request.parameters[name] for name in _TARGET if name in request.parameters}
    return {"Id": request.id, "CreatedAt": request.created_at, **target}


def _times(request: _Request) -> dict[str, Any]:
    return {"CreatedAt": request.created_at, "UpdatedAt": request.updated_at}


def _described(statement: _Statement) -> dict[str, Any]:
    answer = {
        "Id": statement.id,
        "Status": statement.status,
        "QueryString": statement.sql,
        "ResultRows": statement.rows,
        "HasResultSet": statement.columns is not None,
        "Duration": statement.nanoseconds,
        "RedshiftQueryId": 0,
    }
    return answer | ({"Error": statement.error} if statement.error else {})


def _message(error: psycopg.Error, position: int = 0) -> str:
    """The server's message in Redshift's form. position: in the statement as the caller wrote it, 0 if unknown."""
    text = error.diag.message_primary or str(error).strip().splitlines()[0]
    detail = f"\n  Detail: {error.diag.message_detail}" if error.diag.sqlstate == "42804" else ""
    where = f"\n  Position: {position}" if position else ""
    return f"ERROR: {text}{detail}{where}"


_TYPE_NAMES = {
    "int8": "int8", "int4": "int4", "int2": "int2", "float8": "float8", "numeric": "numeric", "bool": "bool",
    "varchar": "varchar", "bpchar": "bpchar", "date": "date", "timestamp": "timestamp", "timestamptz": "timestamptz",
    "text": "varchar", "name": "varchar",
}  # fmt: skip


def _column(column: psycopg.Column) -> dict[str, Any]:
    type_name = _TYPE_NAMES.get(column.type_display.partition("(")[0], column.type_display)
    return {
        "name": column.name,
        "label": column.name,
        "typeName": type_name,
        "precision": column.precision or 0,
        "scale": column.scale or 0,
        "nullable": 1,
        "isSigned": type_name in ("int8", "int4", "int2", "numeric", "float8"),
        "isCaseSensitive": type_name in ("varchar", "bpchar"),
        "isCurrency": False,
        "length": 0,
        "schemaName": "",
        "tableName": "",
    }


def _field(value: Any) -> dict[str, Any]:
    """A value in the Data API's form: decimals, dates and times are strings."""
    match value:
        case None:
            return {"isNull": True}
        case bool():
            return {"booleanValue": value}
        case int():
            return {"longValue": value}
        case float():
            return {"doubleValue": value}
        case Decimal():
            return {"stringValue": format(value, "f")}
        case datetime():
            return {"stringValue": value.isoformat(" ")}
        case date():
            return {"stringValue": value.isoformat()}
        case str():
            return {"stringValue": value}
    raise NotImplementedError(f"a value of type {type(value).__name__} is not emulated")
