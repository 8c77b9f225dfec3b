"""Roles, privileges, masks and row-level security of the warehouse, made if they are missing.

warehouse_security.sql says what should exist, Redshift's catalog what does. Privileges are granted every time, which
does no harm. Statements run one by one, so an error leaves the earlier ones in force; the script's order makes that
safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_storage.sql_scripts import script_statements
from data_storage.sql_statements import Token, tokens
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute, query

SECURITY_SQL = Path(__file__).with_name("warehouse_security.sql")

# One security object of the warehouse: its kind, and the names that identify it.
Item = tuple[str, ...]

_CATALOG = {
    "role": "SELECT role_name FROM svv_roles",
    "masking policy": "SELECT policy_name FROM svv_masking_policy",
    "row policy": "SELECT polname FROM svv_rls_policy",
    "row policy on table": "SELECT polname, relschema, relname, grantee FROM svv_rls_attached_policy",
    "row-level security": "SELECT relschema, relname FROM svv_rls_relation WHERE is_rls_on",
}
_ATTACHED_MASKS = (
    "SELECT policy_name, schema_name, table_name, output_columns, grantee FROM svv_attached_masking_policy"
)


def apply_security(data_api: DataApi, target: WarehouseTarget) -> list[str]:
    """Run what is missing of the script, and its privileges. Returns the statements that made something new.

    The caller's database user must be a superuser. Raises PlatformError that names the failing statement.
    """
    existing = set(_existing(data_api, target))
    made = []
    for statement in script_statements(SECURITY_SQL.read_text(), target.schema):
        item = _item(statement)
        if item in existing:
            continue
        execute(data_api, target, statement)
        if item is not None:
            made.append(statement)
    return made


def _existing(data_api: DataApi, target: WarehouseTarget) -> Iterator[Item]:
    for kind, sql in _CATALOG.items():
        for row in query(data_api, target, sql):
            yield (kind, *map(str, row))
    for policy, schema, table, columns, grantee in query(data_api, target, _ATTACHED_MASKS):
        for column in str(columns).strip("[] ").replace('"', "").split(","):
            yield ("mask on column", str(policy), str(schema), str(table), column.strip(), str(grantee))


def _item(statement: str) -> Item | None:
    """The object that a statement makes; None for a privilege, which can be granted again."""
    words = [token for token in tokens(statement) if token.text != "."]
    match [token.word for token in words[:3]]:
        case ["CREATE", "ROLE", _]:
            return ("role", words[2].text)
        case ["CREATE", "MASKING", "POLICY"]:
            return ("masking policy", words[3].text)
        case ["CREATE", "RLS", "POLICY"]:
            return ("row policy", words[3].text)
        case ["ATTACH", "MASKING", "POLICY"]:
            policy, schema, table, column = (words[place].text for place in (3, 5, 6, 8))
            return ("mask on column", policy, schema, table, column, _after(words, "ROLE"))
        case ["ATTACH", "RLS", "POLICY"]:
            policy, schema, table = (words[place].text for place in (3, 6, 7))
            return ("row policy on table", policy, schema, table, _after(words, "ROLE"))
        case ["ALTER", "TABLE", _]:
            return ("row-level security", words[2].text, words[3].text)
    return None


def _after(words: list[Token], word: str) -> str:
    place = next(index for index, token in enumerate(words) if token.word == word)
    return words[place + 1].text
