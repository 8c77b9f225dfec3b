"""Redshift's masking and row-level security policies on PostgreSQL, which has no masks of its own.

A table with a policy moves to the schema {schema}_stored, and a view takes its place and name. The view masks columns
and leaves out rows depending on who asks, for every login, through the Data API or not. Readers have privileges on the
view only. Statements that write go to the stored table; so does everything that a superuser runs, because policies
never apply to superusers.

Policies and their attachments are stored in the schema redshift_catalog, and shown in Redshift's own svv_ views.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from data_storage.sql_statements import Token, tokens
from infrastructure.local.redshift.dialect import Edit, Rewriting, UnknownSqlError, translate
from infrastructure.local.redshift.policy_reader import STORED_SUFFIX, StatementReader, Table

_INSTALL = """
CREATE SCHEMA redshift_catalog;
SET LOCAL search_path = redshift_catalog;
CREATE TABLE masking_policy (name text PRIMARY KEY, input text, type text, expression text);
CREATE TABLE masking_attachment (policy text REFERENCES masking_policy, schema_name text, table_name text,
    column_name text, grantee text, grantee_type text, priority integer,
    UNIQUE (schema_name, table_name, column_name, grantee));
CREATE TABLE rls_policy (name text PRIMARY KEY, expression text);
CREATE TABLE rls_attachment (policy text REFERENCES rls_policy, schema_name text, table_name text, grantee text,
    grantee_type text, UNIQUE (policy, schema_name, table_name, grantee));
CREATE TABLE rls_relation (schema_name text, table_name text, PRIMARY KEY (schema_name, table_name));
CREATE TABLE ignore_rls (grantee text PRIMARY KEY);
CREATE TABLE protected_table (schema_name text, table_name text, PRIMARY KEY (schema_name, table_name));
CREATE FUNCTION sha2(value text, bits integer) RETURNS varchar LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(CASE bits WHEN 256 THEN sha256(convert_to(value, 'UTF8'))
        WHEN 512 THEN sha512(convert_to(value, 'UTF8')) END, 'hex') $$;
-- Whether a policy of this grantee applies to who asks; superusers are above all policies.
CREATE FUNCTION applies(grantee text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT rolsuper AND (grantee = 'public' OR pg_has_role(rolname, grantee, 'USAGE'))
    FROM pg_catalog.pg_roles WHERE rolname = current_user $$;
CREATE FUNCTION sees_all_rows() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT rolsuper OR EXISTS (SELECT 1 FROM redshift_catalog.ignore_rls WHERE pg_has_role(rolname, grantee, 'USAGE'))
    FROM pg_catalog.pg_roles WHERE rolname = session_user $$;
CREATE VIEW svv_roles AS SELECT rolname::varchar AS role_name FROM pg_catalog.pg_roles WHERE NOT rolcanlogin;
CREATE VIEW svv_masking_policy AS SELECT name::varchar AS policy_name, expression::varchar AS policy_expression
    FROM masking_policy;
CREATE VIEW svv_attached_masking_policy AS SELECT policy::varchar AS policy_name, schema_name::varchar AS schema_name,
    table_name::varchar AS table_name, grantee::varchar AS grantee, grantee_type::varchar AS grantee_type, priority,
    ('["' || column_name || '"]')::varchar AS output_columns FROM masking_attachment;
CREATE VIEW svv_rls_policy AS SELECT name::varchar AS polname, expression::varchar AS polqual FROM rls_policy;
CREATE VIEW svv_rls_attached_policy AS SELECT schema_name::varchar AS relschema, table_name::varchar AS relname,
    policy::varchar AS polname, grantee::varchar AS grantee, grantee_type::varchar AS granteekind FROM rls_attachment;
CREATE VIEW svv_rls_relation AS SELECT schema_name::varchar AS relschema, table_name::varchar AS relname,
    true AS is_rls_on FROM rls_relation;
CREATE VIEW svv_columns AS SELECT table_schema::varchar AS table_schema, table_name::varchar AS table_name,
    column_name::varchar AS column_name FROM information_schema.columns;
GRANT USAGE ON SCHEMA redshift_catalog TO PUBLIC;
GRANT SELECT ON protected_table, svv_columns TO PUBLIC;
"""


def install(connection: psycopg.Connection[Any]) -> None:
    """Make the catalog if it is missing, and make the svv_ views visible without a schema's name."""
    if connection.execute("SELECT to_regnamespace('redshift_catalog') IS NULL").fetchone() == (True,):
        with connection.transaction():
            connection.execute(_INSTALL.encode())
            (database,) = connection.execute("SELECT current_database()").fetchone() or ("",)
            connection.execute(f'ALTER DATABASE "{database}" SET search_path = public, redshift_catalog'.encode())


def protected_tables(connection: psycopg.Connection[Any]) -> frozenset[Table]:
    """The tables that a view has replaced."""
    rows = connection.execute("SELECT schema_name, table_name FROM redshift_catalog.protected_table").fetchall()
    return frozenset(Table(*row) for row in rows)


_WRITTEN_AFTER = frozenset({"INTO", "UPDATE", "COPY", "LOCK", "TRUNCATE", "LIKE", "TABLE", "ANALYZE", "VACUUM"})


def redirected(sql: str, protected: frozenset[Table], everywhere: bool) -> Rewriting:
    """The statement with stored tables in place of protected ones: those that it writes to, or all of them."""
    edits: list[Edit] = []
    words = tokens(sql) if protected else []
    opening = [token.word for token in words[:4]]
    if opening[:1] in (["GRANT"], ["REVOKE"]) or "VIEW" in opening:
        words = []
    for index in range(len(words) - 2):
        table = Table(words[index].text.lower(), words[index + 2].text.lower())
        if words[index + 1].text != "." or table not in protected:
            continue
        before = words[index - 1].word if index else ""
        if opening[0] == "COMMENT":  # on what readers see, which is a view
            edits += [Edit(words[2].start, words[2].end, "VIEW")] if before == "TABLE" else []
            continue
        written = before in _WRITTEN_AFTER or (before == "FROM" and words[0].word == "DELETE")
        if everywhere or written:
            edits.append(Edit(words[index].start, words[index].end, table.schema + STORED_SUFFIX))
    return Rewriting.of(sql, edits)


def renew_view(table: Table, connection: psycopg.Connection[Any]) -> None:
    """Renew the view after the stored table's columns have changed."""
    _Catalog(connection).renew_view(table)


def also_on_stored(sql: str, protected: frozenset[Table]) -> list[str]:
    """The same GRANT or REVOKE of writing for the stored table. sql: in PostgreSQL's form, about one table."""
    words = tokens(sql)
    places = {token.word: place for place, token in reversed(list(enumerate(words)))}
    on, to = places.get("ON"), places.get("TO", places.get("FROM"))
    if words[0].word not in ("GRANT", "REVOKE") or on is None or to is None:
        return []
    first = on + 1 + (words[on + 1].word == "TABLE")
    privileges = {token.word for token in words[1:on]}
    if first + 2 >= to or not privileges & {"INSERT", "UPDATE", "DELETE", "ALL"}:
        return []
    table = Table(words[first].text.lower(), words[first + 2].text.lower())
    if table not in protected:
        return []
    if first + 3 != to:
        raise UnknownSqlError("grant writing on one protected table at a time here")
    grantees = sql[words[to].start :]
    listed = sql[words[1].start : words[on - 1].end] + ("" if "ALL" in privileges else ", SELECT")
    statements = [f"{words[0].text} {listed} ON {table.stored} {grantees}"]
    if words[0].word == "GRANT":
        statements.append(f'GRANT USAGE ON SCHEMA "{table.stored.schema}" {grantees}')
    return statements


def run_policy_statement(sql: str, connection: psycopg.Connection[Any]) -> None:
    """Run a statement about masks or row-level security. Raises UnknownSqlError, or the server's own errors."""
    reader = StatementReader(sql)
    catalog = _Catalog(connection)
    match tuple(token.word for token in reader.words[:2]):
        case ("CREATE", "MASKING"):
            catalog.create_masking_policy(reader)
        case ("ATTACH", "MASKING"):
            catalog.attach_masking_policy(reader)
        case ("DETACH", "MASKING"):
            catalog.detach_masking_policy(reader)
        case ("CREATE", "RLS"):
            catalog.create_rls_policy(reader)
        case ("ATTACH", "RLS"):
            catalog.attach_rls_policy(reader)
        case ("DETACH", "RLS"):
            catalog.detach_rls_policy(reader)
        case ("DROP", kind):
            catalog.drop_policy(reader, "masking" if kind == "MASKING" else "rls")
        case ("ALTER", _):
            catalog.alter_row_level_security(reader)
        case ("GRANT", _):
            catalog.grant_ignore_rls(reader)
        case _:
            raise UnknownSqlError("this policy statement is not known here")
    reader.end()


class _Catalog:
    """Keeps policies and attachments, and keeps the views in step with them."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def _do(self, sql: str, *values: object) -> int:
        return self._connection.execute(sql.encode(), values).rowcount

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.encode(), values).fetchall()

    def create_masking_policy(self, reader: StatementReader) -> None:
        """CREATE MASKING POLICY name [IF NOT EXISTS] WITH (input type) USING (expression); one input column."""
        reader.expect("CREATE", "MASKING", "POLICY")
        name = reader.name()
        known = self._rows("SELECT 1 FROM redshift_catalog.masking_policy WHERE name = %s", name)
        skip = reader.skip("IF", "NOT", "EXISTS") and bool(known)
        reader.expect("WITH")
        column, _, type_ = reader.parenthesised().partition(" ")
        if "," in type_.partition("(")[0] or type_.count("(") > 1:
            raise UnknownSqlError("a masking policy takes one column here")
        reader.expect("USING")
        expression = reader.parenthesised()
        _check_expression(expression)
        if not skip:
            self._do(
                "INSERT INTO redshift_catalog.masking_policy VALUES (%s, %s, %s, %s)", name, column, type_, expression
            )

    def attach_masking_policy(self, reader: StatementReader) -> None:
        """ATTACH MASKING POLICY name ON table (column) TO grantee [PRIORITY n]."""
        reader.expect("ATTACH", "MASKING", "POLICY")
        policy = reader.name()
        reader.expect("ON")
        table, columns = reader.table(), reader.names()
        reader.expect("TO")
        (grantee,) = reader.grantees()
        priority = reader.integer() if reader.skip("PRIORITY") else 0
        ((_, _, type_),) = self._policy(policy)
        for column in columns:
            self._check_column(table, column, type_)
            taken = self._rows(
                "SELECT policy FROM redshift_catalog.masking_attachment WHERE (schema_name, table_name, column_name,"
                " priority) = (%s, %s, %s, %s) AND policy <> %s",
                *table, column, priority, policy,
            )  # fmt: skip
            if taken:
                raise UnknownSqlError(f"{column} has policy {taken[0][0]} attached with priority {priority} already")
            self._do(
                "INSERT INTO redshift_catalog.masking_attachment VALUES (%s, %s, %s, %s, %s, %s, %s)",
                policy, *table, column, grantee.name, grantee.type, priority,
            )  # fmt: skip
        self._protect(table)

    def _policy(self, name: str) -> list[tuple[Any, ...]]:
        found = self._rows("SELECT expression, input, type FROM redshift_catalog.masking_policy WHERE name = %s", name)
        if not found:
            raise UnknownSqlError(f"masking policy {name} does not exist")
        return found

    def _check_column(self, table: Table, column: str, type_: str) -> None:
        """Input and output types of a policy must match the column's."""
        (matches,) = self._rows(
            "SELECT %s = format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = %s::regclass AND attname = %s",
            _spelled_out(type_), str(self._place(table)), column,
        ) or [(None,)]  # fmt: skip
        if matches != (True,):
            raise UnknownSqlError(f"column {column} of {table} is missing or not of the policy's type {type_}")

    def detach_masking_policy(self, reader: StatementReader) -> None:
        reader.expect("DETACH", "MASKING", "POLICY")
        policy = reader.name()
        reader.expect("ON")
        table, columns = reader.table(), reader.names()
        reader.expect("FROM")
        (grantee,) = reader.grantees()
        done = self._do(
            "DELETE FROM redshift_catalog.masking_attachment WHERE (policy, schema_name, table_name, grantee)"
            " = (%s, %s, %s, %s) AND column_name = ANY(%s)",
            policy, *table, grantee.name, columns,
        )  # fmt: skip
        if done != len(columns):
            raise UnknownSqlError(f"policy {policy} is not attached so")
        self._protect(table)

    def create_rls_policy(self, reader: StatementReader) -> None:
        """CREATE RLS POLICY name [WITH (column type, ...)] USING (predicate)."""
        reader.expect("CREATE", "RLS", "POLICY")
        name = reader.name()
        if reader.skip("WITH"):
            reader.parenthesised()
        reader.expect("USING")
        predicate = reader.parenthesised()
        _check_expression(predicate)
        self._do("INSERT INTO redshift_catalog.rls_policy VALUES (%s, %s)", name, predicate)

    def attach_rls_policy(self, reader: StatementReader) -> None:
        """ATTACH RLS POLICY name ON [TABLE] table TO grantee, ..."""
        reader.expect("ATTACH", "RLS", "POLICY")
        policy = reader.name()
        reader.expect("ON")
        reader.skip("TABLE")
        table = reader.table()
        reader.expect("TO")
        for grantee in reader.grantees():
            self._do(
                "INSERT INTO redshift_catalog.rls_attachment VALUES (%s, %s, %s, %s, %s)",
                policy, *table, grantee.name, grantee.type,
            )  # fmt: skip
        self._protect(table)

    def detach_rls_policy(self, reader: StatementReader) -> None:
        reader.expect("DETACH", "RLS", "POLICY")
        policy = reader.name()
        reader.expect("ON")
        reader.skip("TABLE")
        table = reader.table()
        reader.expect("FROM")
        for grantee in reader.grantees():
            self._do(
                "DELETE FROM redshift_catalog.rls_attachment WHERE (policy, schema_name, table_name, grantee)"
                " = (%s, %s, %s, %s)",
                policy, *table, grantee.name,
            )  # fmt: skip
        self._protect(table)

    def drop_policy(self, reader: StatementReader, kind: str) -> None:
        """DROP MASKING|RLS POLICY name; it must be detached."""
        reader.expect("DROP", kind.upper(), "POLICY")
        name = reader.name()
        if not self._do(f"DELETE FROM redshift_catalog.{kind}_policy WHERE name = %s", name):
            raise UnknownSqlError(f"policy {name} does not exist")

    def alter_row_level_security(self, reader: StatementReader) -> None:
        """ALTER TABLE table ROW LEVEL SECURITY ON|OFF."""
        reader.expect("ALTER", "TABLE")
        table = reader.table()
        reader.expect("ROW", "LEVEL", "SECURITY")
        if reader.skip("ON"):
            self._do("INSERT INTO redshift_catalog.rls_relation VALUES (%s, %s) ON CONFLICT DO NOTHING", *table)
        else:
            reader.expect("OFF")
            self._do("DELETE FROM redshift_catalog.rls_relation WHERE (schema_name, table_name) = (%s, %s)", *table)
        self._protect(table)

    def grant_ignore_rls(self, reader: StatementReader) -> None:
        """GRANT IGNORE RLS TO ROLE name."""
        reader.expect("GRANT", "IGNORE", "RLS", "TO", "ROLE")
        self._do("INSERT INTO redshift_catalog.ignore_rls VALUES (%s) ON CONFLICT DO NOTHING", reader.name())

    def _place(self, table: Table) -> Table:
        return table.stored if table in protected_tables(self._connection) else table

    def _protect(self, table: Table) -> None:
        """Put the view in the table's place, or renew it."""
        if table not in protected_tables(self._connection):
            grants = self._rows(
                "SELECT grantee, privilege_type FROM information_schema.role_table_grants"
                " WHERE (table_schema, table_name) = (%s, %s) AND grantee <> current_user",
                *table,
            )
            if grants:
                raise UnknownSqlError(f"attach policies to {table} before privileges on it are granted")
            self._do(f'CREATE SCHEMA IF NOT EXISTS "{table.stored.schema}"')
            self._do(f'ALTER TABLE {table} SET SCHEMA "{table.stored.schema}"')
            self._do("INSERT INTO redshift_catalog.protected_table VALUES (%s, %s)", *table)
        self.renew_view(table)

    def renew_view(self, table: Table) -> None:
        """The view over a protected table: its columns masked, its rows filtered."""
        columns = self._rows(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum",
            str(table.stored),
        )
        selected = ", ".join(self._column(table, column) for (column,) in columns)
        self._do(
            f"CREATE OR REPLACE VIEW {table} WITH (security_barrier) AS SELECT {selected} FROM {table.stored}"
            f" WHERE {self._predicate(table)}"
        )

    def _column(self, table: Table, column: str) -> str:
        masks = self._rows(
            "SELECT a.grantee, p.expression, p.input, p.type FROM redshift_catalog.masking_attachment a"
            " JOIN redshift_catalog.masking_policy p ON p.name = a.policy"
            " WHERE (schema_name, table_name, column_name) = (%s, %s, %s) ORDER BY priority DESC",
            *table, column,
        )  # fmt: skip
        if not masks:
            return f'"{column}"'
        cases = " ".join(
            f"WHEN (SELECT redshift_catalog.applies('{grantee}'))"
            f" THEN CAST({_on_column(expression, input_, column)} AS {type_})"
            for grantee, expression, input_, type_ in masks
        )
        return f'CASE {cases} ELSE "{column}" END AS "{column}"'

    def _predicate(self, table: Table) -> str:
        """Redshift's rule: with row-level security on, a user without a policy sees no row; all policies must hold."""
        on = self._rows(
            "SELECT 1 FROM redshift_catalog.rls_relation WHERE (schema_name, table_name) = (%s, %s)", *table
        )
        if not on:
            return "true"
        policies = self._rows(
            "SELECT a.grantee, p.expression FROM redshift_catalog.rls_attachment a"
            " JOIN redshift_catalog.rls_policy p ON p.name = a.policy WHERE (schema_name, table_name) = (%s, %s)",
            *table,
        )
        applies = [f"(SELECT redshift_catalog.applies('{grantee}'))" for grantee, _ in policies]
        all_of = [
            f"(NOT {applied} OR ({translate('SELECT ' + predicate).sql[len('SELECT ') :]}))"
            for applied, (_, predicate) in zip(applies, policies, strict=True)
        ]
        some = " OR ".join(applies) or "false"
        return f"(SELECT redshift_catalog.sees_all_rows()) OR (({some}) AND {' AND '.join(all_of) or 'true'})"


def _check_expression(expression: str) -> None:
    translate("SELECT " + expression)


def _on_column(expression: str, input_: str, column: str) -> str:
    """A policy's expression in PostgreSQL's terms, applied to a column."""
    text = translate("SELECT " + expression).sql[len("SELECT ") :]
    return _substituted(text, tokens(text), input_.lower(), f'"{column}"')


def _substituted(text: str, words: Sequence[Token], name: str, by: str) -> str:
    parts, at = [], 0
    for token in words:
        if token.kind == "word" and token.text.lower() == name:
            parts += [text[at : token.start], by]
            at = token.end
    return "".join([*parts, text[at:]])


def _spelled_out(type_: str) -> str:
    """VARCHAR(4) as PostgreSQL's catalog writes it."""
    base, parenthesis, rest = type_.lower().partition("(")
    return (
        {"varchar": "character varying", "char": "character", "decimal": "numeric"}.get(base, base) + parenthesis + rest
    )
