"""query: asks a kept warehouse as an analyst, a fraud analyst or an auditor would, with the role's masks and rights."""

from __future__ import annotations

import argparse
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from rich.markup import escape
from rich.table import Table

from infrastructure.errors import PlatformError
from infrastructure.local.redshift.postgresql import Warehouse
from scripts.commands.terminal import EXIT_OK, Parser, add_output_options, console, outcome

ROLES = ("analyst", "fraud_analyst", "auditor")


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add query; it sets run(arguments) -> exit status."""
    parser = commands.add_parser(
        "query",
        help="ask a kept warehouse, as analyst, fraud analyst or auditor",
        description="Ask the warehouse that `local --workdir DIR` kept. Tables and views are those of the schema "
        "banking; what a role may not see is refused or masked, as in Redshift. Without SQL a psql prompt is opened.",
    )
    parser.add_argument("sql", nargs="?", metavar="SQL", help="one query; without it a prompt")
    parser.add_argument("--workdir", metavar="DIR", required=True, help="what `local --workdir DIR` kept")
    parser.add_argument("--as", dest="role", choices=ROLES, default=ROLES[0], help="the role; analyst by default")
    add_output_options(parser, as_json=True)
    parser.set_defaults(run=run_query)


def run_query(arguments: argparse.Namespace) -> int:
    """Print the rows, or open the prompt; returns psql's exit status then."""
    directory = Path(arguments.workdir) / "warehouse"
    if not (directory / "PG_VERSION").exists():
        raise PlatformError(arguments.workdir, "holds no warehouse", "Name the --workdir that `local` was run with")
    with Warehouse(directory, as_guest=True) as warehouse:
        user = _user(warehouse, arguments.role)
        if arguments.sql is None:
            if not sys.stdin.isatty():
                raise PlatformError(
                    "query", "there is no SQL, and no terminal for a prompt", "Give one query, in quotes"
                )
            told = "\\d lists tables and views, \\d+ NAME says what they mean, \\q ends"
            console(arguments).print(f"You ask as {arguments.role}, and only read. {told}.", soft_wrap=True)
            return warehouse.psql(_prompt(arguments.role), user)
        names, rows = _asked(warehouse, user, arguments.sql, arguments.role)
    if arguments.json:
        for row in rows:
            print(json.dumps(dict(zip(names, row, strict=True)), default=str))
    else:
        outcome(arguments).print(_table(names, rows))
    return EXIT_OK


def _prompt(role: str) -> list[str]:
    """psql's arguments for a prompt that says who asks."""
    return ["-q", "-v", f"PROMPT1={role}%R%# ", "-v", f"PROMPT2={role}%R%# "]


def _user(warehouse: Warehouse, role: str) -> str:
    """A login with the role alone, made if it is missing. Its sessions only read."""
    user = f"query_{role}"
    with warehouse.connect() as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchone():
            for statement in (
                f"CREATE ROLE {user} LOGIN",
                f"GRANT {role} TO {user}",
                f"ALTER ROLE {user} SET search_path = banking, public",
                f"ALTER ROLE {user} SET default_transaction_read_only = on",
            ):
                connection.execute(statement.encode())
    return user


def _asked(warehouse: Warehouse, user: str, sql: str, role: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    try:
        with warehouse.connect(user) as connection:
            cursor = connection.execute(sql.encode())
            if cursor.description is None:
                raise PlatformError("query", "gives no rows", "Ask with SELECT; the warehouse is loaded by `load`")
            return [column.name for column in cursor.description], cursor.fetchall()
    except psycopg.errors.InsufficientPrivilege as error:
        others = ", ".join(f"--as {other}" for other in ROLES if other != role)
        raise PlatformError(
            f"role {role}", f"may not: {_first_line(error)}", f"Perhaps another role may: {others}"
        ) from None
    except psycopg.Error as error:
        raise PlatformError("query", _first_line(error), "Mend the query; it is PostgreSQL's SQL here") from None


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0]


def _table(names: list[str], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(names):
        values = [row[number] for row in rows if row[number] is not None]
        is_figures = bool(values) and all(isinstance(value, int | Decimal) for value in values)
        table.add_column(name, justify="right" if is_figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    return table
