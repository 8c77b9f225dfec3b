"""Runs SQL through the Redshift Data API: submits, waits, and names the failing statement in its errors.

Standard library only beside this project's modules, because it also runs inside the Glue job. client: boto3's
redshift-data, or its stand-in on the laptop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from infrastructure.errors import PlatformError, RetryableError

# The Data API lets a statement run for 24 h. A caller that has to end earlier says so (WarehouseTarget.give_up_at).
WAIT_SECONDS = 3 * 3600
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 2.0

Value = str | int | float | bool | None
Row = tuple[Value, ...]


class DataApi(Protocol):
    """What is called of boto3's redshift-data client, and what its stand-in has too."""

    def execute_statement(self, **parameters: Any) -> dict[str, Any]: ...

    def batch_execute_statement(self, **parameters: Any) -> dict[str, Any]: ...

    def describe_statement(self, **parameters: Any) -> dict[str, Any]: ...

    def get_statement_result(self, **parameters: Any) -> dict[str, Any]: ...

    def list_statements(self, **parameters: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class WarehouseTarget:
    """Which warehouse, and as whom: a Serverless workgroup, or a cluster with a database user (or a secret).

    copy_role_arn: the role with which COPY reads the curated bucket. give_up_at: by time.monotonic(), when the caller
    stops waiting for a statement; by default WAIT_SECONDS after it was submitted.
    """

    database: str
    schema: str
    copy_role_arn: str
    workgroup: str | None = None
    cluster: str | None = None
    db_user: str | None = None
    secret_arn: str | None = None
    give_up_at: float | None = None

    def __post_init__(self) -> None:
        if (self.workgroup is None) == (self.cluster is None):
            raise PlatformError(
                "warehouse", "neither a workgroup nor a cluster is named, or both are", "Name one of the two"
            )

    @property
    def name(self) -> str:
        """The warehouse's name in messages."""
        return f"warehouse {self.workgroup or self.cluster}"

    def as_admin(self, *, secret_arn: str | None, db_user: str | None = None) -> WarehouseTarget:
        """The same warehouse with its administrator's login."""
        return replace(self, secret_arn=secret_arn, db_user=db_user)

    def parameters(self) -> dict[str, str]:
        """The Data API's parameters that address the warehouse."""
        named = {
            "WorkgroupName": self.workgroup,
            "ClusterIdentifier": self.cluster,
            "Database": self.database,
            "DbUser": self.db_user,
            "SecretArn": self.secret_arn,
        }
        return {name: value for name, value in named.items() if value is not None}


class StatementFailedError(PlatformError):
    """The warehouse refused a statement. aborted: the statement was cancelled, and may be right."""

    def __init__(self, where: str, what: str, todo: str, aborted: bool) -> None:
        super().__init__(where, what, todo)
        self.aborted = aborted


def execute(client: DataApi, target: WarehouseTarget, sql: str) -> str:
    """Run one statement and wait for its end; returns its id."""
    submitted = submit(target, client.execute_statement, Sql=sql, **target.parameters())
    wait(client, target, submitted["Id"])
    return str(submitted["Id"])


def query(client: DataApi, target: WarehouseTarget, sql: str) -> list[Row]:
    """The rows of one query, all pages. Decimals, dates and times are strings, as the Data API returns them."""
    id_ = execute(client, target, sql)
    rows: list[Row] = []
    following: dict[str, str] = {}
    while True:
        page = client.get_statement_result(Id=id_, **following)
        rows += [tuple(_value(field) for field in record) for record in page["Records"]]
        if not page.get("NextToken"):
            return rows
        following = {"NextToken": page["NextToken"]}


def _value(field: dict[str, Any]) -> Value:
    if field.get("isNull"):
        return None
    (value,) = field.values()
    return value  # type: ignore[no-any-return]


def execute_batch(
    client: DataApi, target: WarehouseTarget, statements: Sequence[str], name: str, client_token: str
) -> dict[str, Any]:
    """Run statements as one transaction and wait; the description of the batch with its SubStatements.

    client_token: repeating a request with the same token within eight hours runs nothing again and returns the first
    run.
    """
    batch = {"Sqls": list(statements), "StatementName": name, "ClientToken": client_token}
    submitted = submit(target, client.batch_execute_statement, **batch, **target.parameters())
    return wait(client, target, submitted["Id"])


def submit(target: WarehouseTarget, call: Callable[..., dict[str, Any]], **parameters: Any) -> dict[str, Any]:
    """The answer of a call that submits statements. boto3 has retried it already where retrying helps."""
    try:
        return call(**parameters)
    except Exception as error:
        # Recognised by its shape: botocore's ClientError, or the stand-in's own.
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if code == "ActiveStatementsExceededException":
            raise RetryableError(
                target.name, "runs as many statements as the Data API allows", "Run the command again later"
            ) from None
        raise


def wait(client: DataApi, target: WarehouseTarget, id_: str) -> dict[str, Any]:
    """The description of a finished request. Raises StatementFailedError, or RetryableError if it takes too long."""
    submitted = time.monotonic()
    give_up_at = submitted + WAIT_SECONDS if target.give_up_at is None else target.give_up_at
    pause = _FIRST_PAUSE_SECONDS
    while time.monotonic() < give_up_at:
        description = client.describe_statement(Id=id_)
        if description["Status"] == "FINISHED":
            return description
        if description["Status"] in ("FAILED", "ABORTED"):
            raise _failure(target, description)
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
    raise RetryableError(
        target.name,
        f"statement {id_} is still running after {time.monotonic() - submitted:.0f} s",
        "It goes on there; run the load again later, it takes up the same statement",
    )


def _failure(target: WarehouseTarget, description: dict[str, Any]) -> StatementFailedError:
    """The statement that failed, and the warehouse's message about it."""
    aborted = description["Status"] == "ABORTED"
    failed = next((s for s in description.get("SubStatements", []) if s.get("Error")), description)
    sql = failed.get("QueryString") or description.get("QueryString", "")
    error = failed.get("Error") or description.get("Error") or "no reason given"
    what = f"was {'aborted' if aborted else 'refused'}: {' '.join(error.split())}"
    return StatementFailedError(f"{target.name}, statement {_opening(sql)!r}", what, _remedy(error, aborted), aborted)


def _remedy(error: str, aborted: bool) -> str:
    if aborted:
        return "Run the command again: nothing of its transaction remains"
    if "permission denied" in error:
        return (
            "The database user of your IAM role lacks this right: name the role in WAREHOUSE_AUDITORS and apply, "
            "or have an administrator grant it"
        )
    return "Correct the cause and run the command again; nothing of its transaction remains"


def _opening(sql: str, length: int = 80) -> str:
    """The beginning of a statement, to name it by. In all of this platform's statements it comes before any literal."""
    line = " ".join(sql.split())
    return line if len(line) <= length else line[:length] + "..."
