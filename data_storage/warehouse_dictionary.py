"""What every table, view and column of the warehouse means, read from the .sql and the contract. Pure.

The text above a CREATE TABLE or CREATE VIEW is its comment, the text behind a column that of the column. A column
without one is the contract's field of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    QUARANTINE_FIELDS,
    TOKEN_LINK_FIELDS,
    Field,
)
from data_storage.sql_scripts import SCRIPT_SCHEMA
from data_storage.warehouse_tables import CONTRACT_TABLES, TABLES_SQL, views_script

Kind = Literal["TABLE", "VIEW"]


@dataclass(frozen=True, slots=True)
class Column:
    """type: Redshift's, "" in a view, whose columns have those of its tables."""

    name: str
    type: str
    required: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view. key: the columns that tell a row; Redshift does not enforce it."""

    kind: Kind
    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()


_RELATION = re.compile(
    rf"((?:^--[^\n]*\n)*)^CREATE (TABLE IF NOT EXISTS|VIEW) {SCRIPT_SCHEMA}\.(\w+) \(\n(.*?)^\)",
    re.MULTILINE | re.DOTALL,
)
_TABLE_COLUMN = re.compile(r"^ {4}([a-z]\w*) +([A-Z]+(?:\([\d,]+\))?)( +NOT NULL)? +ENCODE \w+,?(?: +-- (.*))?$")
_VIEW_COLUMN = re.compile(r"^ {4}([a-z]\w*),?(?: +-- (.*))?$")
_KEY = re.compile(r"^ {4}PRIMARY KEY \((.*)\)$", re.MULTILINE)
# By the field that a name stands for where nothing else is said; of several tables' fields, the first.
_FIELDS: dict[str, Field] = {
    field.name: field
    for fields in (
        TOKEN_LINK_FIELDS,
        QUARANTINE_FIELDS,
        FRAUD_ALERT_EVIDENCE_FIELDS,
        FRAUD_ALERT_FIELDS,
        CURATED_FIELDS,
    )
    for field in fields
}


def relations(pending_expiry_days: int) -> list[Relation]:
    """All tables and views, as the scripts have them."""
    scripts = (TABLES_SQL.read_text(encoding="utf-8"), views_script(pending_expiry_days))
    return [_relation(*found.groups()) for script in scripts for found in _RELATION.finditer(script)]


def _relation(above: str, kind: str, name: str, body: str) -> Relation:
    own = {field.name: field.comment for field in CONTRACT_TABLES.get(name, ())}
    key = _KEY.search(body)
    columns = _table_columns(body, own) if kind.startswith("TABLE") else _view_columns(body)
    return Relation(
        "TABLE" if kind.startswith("TABLE") else "VIEW",
        name,
        _text(above),
        tuple(columns),
        tuple(key[1].split(", ")) if key else (),
    )


def _text(above: str) -> str:
    """The comment lines as one text; the lines of a list stay apart."""
    lines = [line.removeprefix("--").removeprefix(" ") for line in above.splitlines()]
    return re.sub(r"\n(?! )", " ", "\n".join(lines)).strip()


def _table_columns(body: str, own: dict[str, str]) -> Iterator[Column]:
    for line in body.splitlines():
        if found := _TABLE_COLUMN.match(line):
            name, type_, required, comment = found.groups()
            yield Column(name, type_, bool(required), comment or own.get(name) or _FIELDS[name].comment)


def _view_columns(body: str) -> Iterator[Column]:
    for line in body.splitlines():
        if found := _VIEW_COLUMN.match(line):
            name, comment = found.groups()
            yield Column(name, "", False, comment or _FIELDS[name].comment)


def comment_statements(schema: str, of: list[Relation], present: dict[tuple[str, str], str]) -> list[str]:
    """COMMENT ON for what the warehouse lacks or says otherwise. present: by relation and column ("" for itself)."""
    statements = []
    for relation in of:
        if present.get((relation.name, "")) != relation.comment:
            statements.append(f"COMMENT ON {relation.kind} {schema}.{relation.name} IS {_quoted(relation.comment)}")
        statements += [
            f"COMMENT ON COLUMN {schema}.{relation.name}.{column.name} IS {_quoted(column.comment)}"
            for column in relation.columns
            if present.get((relation.name, column.name)) != column.comment
        ]
    return statements


def _quoted(text: str) -> str:
    """A literal of a text of this project's own."""
    if "\\" in text:
        raise ValueError("Redshift reads backslashes as escapes")
    return "'" + text.replace("'", "''") + "'"
