"""The data dictionary, docs/data_dictionary.md: every table, view, column and code, and how tables join. Pure text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from data_catalog.contract_markdown import form, table
from data_catalog.lake_tables import LAKE_TABLES
from data_catalog.transaction_contract import (
    QUARANTINE_REASONS,
    SCHEMA_VERSION,
    SIGHTING_FIELDS,
    TRANSACTION_FIELDS,
    TRANSACTION_ID_FIELDS,
)
from data_storage.sql_statements import split_statements
from data_storage.warehouse_dictionary import Relation, relations
from data_storage.warehouse_security import SECURITY_SQL
from data_storage.warehouse_tables import VIEWS_SQL
from infrastructure.settings import Settings

READERS = ("analyst", "fraud_analyst", "auditor")
_GRANT = re.compile(r"GRANT SELECT (\([^)]*\))?\s*ON banking\.(\w+) TO ROLE (\w+)", re.DOTALL)


class Join(NamedTuple):
    """How two tables join. many: mermaid's signs, e.g. "}o--||" for many to one."""

    table: str
    many: str
    other: str
    columns: str


# Two pictures, each as wide as a page.
TRANSACTIONS = (
    Join("fact_transactions", "}o--||", "dim_account", "account_id"),
    Join("fact_transactions", "}o--o|", "dim_merchant", "merchant_name"),
    Join("fact_transactions", "}o--||", "dim_currency", "currency"),
    Join("fact_transactions", "}o--o|", "token_links", "card_token"),
    Join("pending_transactions", "}o--||", "dim_account", "account_id"),
    Join("pending_transactions", "}o--o|", "fact_transactions", "transaction_id"),
    Join("daily_balances", "}o--||", "dim_account", "account_id"),
    Join("fraud_alert_evidence", "}|--||", "fraud_alerts", "alert_id"),
    Join("fraud_alert_evidence", "}o--o|", "fact_transactions", "transaction_id"),
)
BOOKS = (
    Join("fact_transactions", "}o--||", "load_ledger", "run_id"),
    Join("load_control_totals", "}o--||", "load_ledger", "run_id"),
    Join("quarantine_summary", "}o--||", "load_ledger", "run_id"),
    Join("quarantine_summary", "}o--||", "quarantine_reasons", "reason"),
    Join("quarantine", "}o--||", "quarantine_reasons", "reason"),
)
JOINS = (*TRANSACTIONS, *BOOKS)
_MOST_KEYS = 3  # a longer key is in the table's own section


def dictionary() -> str:
    """The page, in Markdown."""
    every = relations(Settings().pending_expiry_days)
    tables, views = ([each for each in every if each.kind == kind] for kind in ("TABLE", "VIEW"))
    return "\n".join([_OPENING, *_pictures(tables), *_relations("Views", views), *_relations("Tables", tables),
                      *_lake(), *_sent(), *_codes()])  # fmt: skip


_OPENING = f"""\
# Data dictionary

For analysts and everybody who joins these tables: what each table, view and column of the warehouse and the lake means.
Made by `banking-data schema dictionary` from the contract and the `.sql` scripts; a test holds it to them, so change
those. Questions with their queries: [analyst.md](analyst.md). What the states mean: [semantics.md](semantics.md).

Contract {SCHEMA_VERSION}. Times are UTC. Amounts are `DECIMAL(18,4)`, unsigned unless the name says otherwise. Begin
with the views. All names are of the schema `banking`.
"""
_LAKE = """\
## The lake

The same rows as Iceberg tables of one Glue database, for Athena, Spectrum, DuckDB and pandas ([lake.md](lake.md)).
Columns and their meanings are those of the warehouse's table; types are `string`, `decimal(18,4)`, `timestamp`, `date`,
`bigint`.
"""


def _pictures(tables: list[Relation]) -> Iterator[str]:
    yield "## How they join"
    yield ""
    yield "What happened, on which account, with which card and merchant:"
    yield ""
    yield from _picture(TRANSACTIONS, tables)
    yield "How it is accounted for:"
    yield ""
    yield from _picture(BOOKS, tables)


def _picture(joins: Sequence[Join], tables: list[Relation]) -> Iterator[str]:
    """mermaid's picture of some tables, with their keys and the columns that join."""
    yield "```mermaid"
    yield "erDiagram"
    for join in joins:
        yield f"    {join.table} {join.many} {join.other} : {join.columns}"
    named = {name for join in joins for name in (join.table, join.other)}
    for relation in tables:
        if relation.name in named:
            joining = {join.columns for join in joins if relation.name in (join.table, join.other)}
            yield f"    {relation.name} {{"
            for column in relation.columns:
                is_key = column.name in relation.key and len(relation.key) <= _MOST_KEYS
                if is_key or column.name in joining:
                    yield f"        {column.type.partition('(')[0].lower()} {column.name}{' PK' if is_key else ''}"
            yield "    }"
    yield "```"
    yield ""


def _relations(title: str, every: list[Relation]) -> Iterator[str]:
    seen_by = _readers()
    yield f"## {title}"
    yield ""
    for relation in every:
        yield f"### {relation.name}"
        yield ""
        yield from _paragraph(relation.comment)
        yield ""
        if relation.key:
            yield f"Key: {', '.join(f'`{name}`' for name in relation.key)}."
        readers = [_told(role, seen_by.get((relation.name, role))) for role in READERS]
        yield f"Seen by: {', '.join(filter(None, readers)) or 'administrators and the load'}."
        yield ""
        if relation.kind == "TABLE":
            rows = [
                (f"`{column.name}`", column.type, "" if column.required else "may be null", column.comment)
                for column in relation.columns
            ]
            yield from table(("column", "type", "", "what"), rows)
        else:
            yield from table(("column", "what"), [(f"`{each.name}`", each.comment) for each in relation.columns])
        yield ""


def _paragraph(comment: str) -> Iterator[str]:
    """A comment; the lines of a list in it as one."""
    first, *rest = comment.split("\n")
    yield first
    if rest:
        yield ""
        for line in rest:
            word, _, text = line.strip().partition(" ")
            yield f"- `{word}`: {text.strip()}"


def _readers() -> dict[tuple[str, str], int]:
    """(relation, role) -> how many columns it may read; 0 for all."""
    found = {}
    for script in (SECURITY_SQL, VIEWS_SQL):
        for statement in split_statements(script.read_text(encoding="utf-8")):
            if grant := _GRANT.match(statement):
                columns, relation, role = grant.groups()
                found[relation, role] = columns.count(",") + 1 if columns else 0
    return found


def _told(role: str, columns: int | None) -> str:
    if columns is None:
        return ""
    return f"`{role}` ({columns} columns)" if columns else f"`{role}`"


_SPANS = {"day": " by day", "month": " by month"}


def _lake() -> Iterator[str]:
    yield _LAKE
    same = {
        "transactions": "`fact_transactions`; `booked_date` is the bank's own or null",
        "transaction_ids": f"of `fact_transactions`: {', '.join(f'`{field.name}`' for field in TRANSACTION_ID_FIELDS)}",
        "sightings": "; ".join(f"`{field.name}`: {field.comment}" for field in SIGHTING_FIELDS),
    }
    rows = [
        (
            f"`{each.name}`",
            each.description,
            f"`{each.partition_column}`" + _SPANS.get(each.partition_transform, ""),
            same.get(each.name, f"`{each.name}`"),
        )
        for each in LAKE_TABLES
    ]
    yield from table(("table", "holds", "partition", "columns as of"), rows)
    yield ""


def _sent() -> Iterator[str]:
    yield "## What producers send"
    yield ""
    rows = [
        (f"`{field.name}`", "" if field.required else "may be absent", form(field), field.since, field.comment)
        for field in TRANSACTION_FIELDS
    ]
    yield from table(("field", "", "form", "since", "what"), rows)
    yield ""


def _codes() -> Iterator[str]:
    yield "## Reasons of quarantine"
    yield ""
    yield from table(("reason", "what"), [(f"`{reason}`", text) for reason, text in QUARANTINE_REASONS.items()])
    yield ""
