"""Runs the committed .sql scripts, which are written for the schema "banking", on any schema."""

from __future__ import annotations

from data_storage.sql_statements import split_statements, tokens
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, submit, wait

_BATCH_STATEMENTS = 40
SCRIPT_SCHEMA = "banking"  # the schema that the committed scripts name


def run_script(client: DataApi, target: WarehouseTarget, sql_text: str) -> None:
    """Run a script's statements, up to 40 of them in one transaction. Raises PlatformError that names the statement.

    The script names the schema "banking"; the target's schema replaces it.
    """
    statements = script_statements(sql_text, target.schema)
    for start in range(0, len(statements), _BATCH_STATEMENTS):
        part = statements[start : start + _BATCH_STATEMENTS]
        submitted = submit(target, client.batch_execute_statement, Sqls=part, **target.parameters())
        wait(client, target, submitted["Id"])


def script_statements(sql_text: str, schema: str) -> list[str]:
    """The statements of a committed script, with this schema's name in them."""
    return [_in_schema(statement, schema) for statement in split_statements(sql_text)]


def _in_schema(statement: str, schema: str) -> str:
    if schema == SCRIPT_SCHEMA:
        return statement
    found = tokens(statement)
    parts, at = [], 0
    for index, token in enumerate(found):
        qualifies = index + 1 < len(found) and found[index + 1].text == "."
        names = index > 0 and found[index - 1].word in ("SCHEMA", "EXISTS")
        if token.kind == "word" and token.text == SCRIPT_SCHEMA and (qualifies or names):
            parts += [statement[at : token.start], schema]
            at = token.end
    return "".join([*parts, statement[at:]])
