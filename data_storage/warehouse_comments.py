"""Puts what tables, views and columns mean into the warehouse, and fills the tables that explain its codes."""

from __future__ import annotations

import uuid

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import QUARANTINE_REASONS
from data_storage.warehouse_dictionary import comment_statements, relations
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute_batch, query

_STATEMENTS_AT_ONCE = 40  # what the Data API takes
_PRESENT = """SELECT relation.relname, COALESCE(CAST(attribute.attname AS VARCHAR(128)), ''), told.description
FROM pg_description AS told
JOIN pg_class AS relation ON relation.oid = told.objoid
JOIN pg_namespace AS named ON named.oid = relation.relnamespace
LEFT JOIN pg_attribute AS attribute ON attribute.attrelid = relation.oid AND attribute.attnum = told.objsubid
    AND told.objsubid > 0
WHERE named.nspname = '{schema}'"""


def explain_warehouse(data_api: DataApi, target: WarehouseTarget, pending_expiry_days: int) -> None:
    """Fill the tables of codes, and comment on what has no comment or another one. It can be run again."""
    execute_batch(data_api, target, codes_statements(target.schema), "codes", uuid.uuid4().hex)
    rows = query(data_api, target, _PRESENT.format(schema=target.schema))
    present = {(str(relation), str(column)): str(text) for relation, column, text in rows}
    statements = comment_statements(target.schema, relations(pending_expiry_days), present)
    for start in range(0, len(statements), _STATEMENTS_AT_ONCE):
        part = statements[start : start + _STATEMENTS_AT_ONCE]
        execute_batch(data_api, target, part, "comments", uuid.uuid4().hex)


def codes_statements(schema: str) -> list[str]:
    """The tables of codes, emptied and filled, in one transaction."""
    reasons = ", ".join(f"('{reason}', '{_escaped(meaning)}')" for reason, meaning in QUARANTINE_REASONS.items())
    currencies = ", ".join(f"('{code}', {units})" for code, units in sorted(CURRENCY_MINOR_UNITS.items()))
    return [
        f"DELETE FROM {schema}.quarantine_reasons",
        f"INSERT INTO {schema}.quarantine_reasons (reason, meaning) VALUES {reasons}",
        f"DELETE FROM {schema}.dim_currency",
        f"INSERT INTO {schema}.dim_currency (currency, minor_units) VALUES {currencies}",
    ]


def _escaped(text: str) -> str:
    return text.replace("'", "''")
