"""The dialect of the embedded warehouse: what it translates, and what it refuses as Redshift would."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_storage.sql_statements import split_statements, tokens
from infrastructure.local.redshift.dialect import Kind, UnknownSqlError, translate

STORAGE = Path(__file__).parents[2] / "data_storage"


def squeezed(sql: str) -> str:
    return " ".join(sql.split())


@pytest.mark.parametrize("script", ["create_redshift_tables.sql", "warehouse_security.sql"])
def test_every_statement_of_the_committed_scripts_is_known(script: str) -> None:
    statements = split_statements((STORAGE / script).read_text())
    assert len(statements) > 5
    for statement in statements:
        translate(statement)


@pytest.mark.parametrize(
    ("redshift", "postgresql"),
    [
        (
            "CREATE TABLE s.t (a VARCHAR(8) NOT NULL ENCODE ZSTD DISTKEY, b BIGINT ENCODE AZ64, PRIMARY KEY (a)) "
            "DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (a, b)",
            "CREATE TABLE s.t (a VARCHAR(8) NOT NULL , b BIGINT )",
        ),
        ("CREATE TABLE t (a INT PRIMARY KEY, b INT REFERENCES u (c))", "CREATE TABLE t (a INT , b INT )"),
        ("CREATE TABLE t (a INTEGER, UNIQUE (a), FOREIGN KEY (a) REFERENCES s.u (b))", "CREATE TABLE t (a INTEGER )"),
        ("CREATE TABLE t (LIKE s.u) DISTSTYLE ALL BACKUP NO SORTKEY AUTO", "CREATE TABLE t (LIKE s.u)"),
        ("CREATE TEMP TABLE t DISTKEY (a) AS SELECT 1 AS a", "CREATE TEMP TABLE t AS SELECT 1 AS a"),
        ("SELECT NVL(a, LEN(b)) FROM t", "SELECT COALESCE(a, LENGTH(b)) FROM t"),
        ("GRANT SELECT (a) ON s.t TO ROLE analyst", "GRANT SELECT (a) ON s.t TO analyst"),
        ("GRANT ROLE analyst TO \"IAMR:x\"", "GRANT analyst TO \"IAMR:x\""),
        ("CREATE USER \"IAMR:x\" PASSWORD DISABLE", "CREATE ROLE \"IAMR:x\" LOGIN"),
        ("ALTER TABLE s.t ADD COLUMN c VARCHAR(8) ENCODE ZSTD", "ALTER TABLE s.t ADD COLUMN c VARCHAR(8)"),
        ("LOCK s.t", "LOCK s.t"),
        ("CREATE EXTERNAL SCHEMA IF NOT EXISTS lake FROM DATA CATALOG DATABASE 'x' IAM_ROLE 'y'",
         "CREATE SCHEMA IF NOT EXISTS lake"),
    ],
)  # fmt: skip
def test_a_clause_without_a_counterpart_is_dropped(redshift: str, postgresql: str) -> None:
    assert squeezed(translate(redshift).sql) == postgresql


def test_the_simplified_merge_replaces_matching_rows_by_the_distinct_ones_of_the_source() -> None:
    translation = translate("MERGE INTO s.t USING u ON t.a = u.a REMOVE DUPLICATES")
    assert squeezed(translation.sql) == "DELETE FROM s.t USING u WHERE t.a = u.a"
    assert translation.followed_by == ["INSERT INTO s.t SELECT DISTINCT * FROM u"]


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("COPY t FROM 's3://b/m' IAM_ROLE 'arn' FORMAT AS PARQUET MANIFEST", Kind.COPY),
        ("TRUNCATE s.t", Kind.TRUNCATE),
        ("VACUUM s.t", Kind.OUTSIDE_TRANSACTION),
        ("ATTACH RLS POLICY p ON TABLE s.t TO ROLE r", Kind.POLICY),
        ("ALTER TABLE s.t ROW LEVEL SECURITY ON", Kind.POLICY),
        ("GRANT IGNORE RLS TO ROLE loader", Kind.POLICY),
        ("GRANT ASSUMEROLE ON 'arn:aws:iam::123456789012:role/r' TO ROLE loader FOR COPY", Kind.NOTHING),
        ("SELECT 1", Kind.PLAIN),
    ],
)
def test_a_statement_is_told_by_how_it_must_be_run(sql: str, kind: Kind) -> None:
    assert translate(sql).kind is kind


MERGE_TAIL = "WHEN MATCHED THEN UPDATE SET a = u.a WHEN NOT MATCHED THEN INSERT VALUES (u.a)"


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("EXPLODE t", "not known here"),
        ("SELECT 1; SELECT 2", "exactly one statement"),
        ("", "exactly one statement"),
        ("SELECT 'open", "unterminated"),
        ("SELECT generate_series(1, 3)", "function generate_series is not known"),
        ("SELECT string_agg(a, ',') FROM t", "function string_agg is not known"),
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "Redshift has no ON CONFLICT"),
        ("INSERT INTO t VALUES (1) RETURNING a", "Redshift has no RETURNING"),
        ("SELECT COUNT(*) FILTER (WHERE a) FROM t", "Redshift has no FILTER"),
        ("SELECT DISTINCT ON (a) a FROM t", "Redshift has no DISTINCT ON"),
        ("SELECT a IS NOT DISTINCT FROM b FROM t", "Redshift has no IS NOT DISTINCT"),
        ("SELECT a -> 'b' FROM t", "Redshift has no ->"),
        ("CREATE TABLE t (a TEXT)", "Redshift has no TEXT"),
        ("CREATE TABLE t (a JSONB)", "Redshift has no JSONB"),
        ("CREATE TABLE t (a BIGSERIAL)", "Redshift has no BIGSERIAL"),
        ("CREATE TABLE t (a INTEGER) PARTITION BY RANGE (a)", "unknown table attribute"),
        ("CREATE INDEX i ON t (a)", "not known here"),
        ("CREATE ROLE IF NOT EXISTS r", "no IF NOT EXISTS"),
        ("SELECT a AS tag FROM t", "reserved word"),
        ("SELECT SUM(a) OVER (PARTITION BY b ORDER BY c) FROM t", "needs a frame clause"),
        ("DELETE FROM t AS x WHERE x.a = 1", "no alias"),
        ("LOCK t IN EXCLUSIVE MODE", "no mode"),
        (f"MERGE INTO t AS x USING u ON x.a = u.a {MERGE_TAIL}", "no alias for its target"),
        (f"MERGE INTO t USING (SELECT 1 AS a) AS u ON t.a = u.a {MERGE_TAIL}", "must be a table"),
        ("MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT VALUES (u.a)", "WHEN MATCHED, then"),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "WHEN MATCHED, then"),
        (
            "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND u.b > 1 THEN DELETE "
            "WHEN NOT MATCHED THEN INSERT VALUES (u.a)",
            "no further condition",
        ),
        (f"MERGE INTO t USING u ON t.a > u.a {MERGE_TAIL}", "by equality"),
        (f"MERGE INTO t USING u ON t.a = u.a OR t.b = u.b {MERGE_TAIL}", "by equality"),
        (f"MERGE INTO t USING u ON t.a = u.a {MERGE_TAIL} REMOVE DUPLICATES", "takes no WHEN"),
    ],
)
def test_what_redshift_does_not_have_is_refused(sql: str, what: str) -> None:
    with pytest.raises(UnknownSqlError, match=what):
        translate(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SELECT a, b FROM (SELECT 'x' AS a, 1 AS b) AS u",
        "SELECT a FROM (SELECT 1 AS b, 'x' a) AS u",
        "SELECT a FROM (SELECT DISTINCT NULL AS a FROM u) AS v",
        "WITH u AS (SELECT 'x' AS a) SELECT a FROM u",
        "SELECT a FROM t WHERE a IN (SELECT 'x')",
        "CREATE TEMP TABLE t DISTKEY (a) AS SELECT u.a, 'x' AS b FROM u",
        "CREATE VIEW v AS SELECT 'x' AS \"a\"",
        "SELECT a, b FROM t UNION ALL SELECT 'x', b FROM u",
        "SELECT 'x' AS a, COUNT(*) FROM t UNION SELECT a, b FROM u",
    ],
)
def test_a_literal_that_another_query_reads_needs_a_type(sql: str) -> None:
    with pytest.raises(UnknownSqlError, match="no type in Redshift") as refused:
        translate(sql)
    assert sql[refused.value.position - 1 :].startswith(("'x'", "NULL"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'x' AS a, NULL AS b",
        "INSERT INTO t VALUES ('x', NULL)",
        "INSERT INTO t SELECT 'x', a FROM t",
        "SELECT a FROM (SELECT CAST('x' AS VARCHAR(8)) AS a, 'x'::VARCHAR(8) AS b, 'x' || c AS d FROM t) AS u",
        "CREATE TEMP TABLE t AS SELECT COALESCE(a, 'x') AS a FROM u WHERE b IN ('x', 'y')",
        "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE b = 'x')",
    ],
)
def test_a_literal_that_is_given_a_type_is_taken(sql: str) -> None:
    translate(sql)


def test_words_in_literals_names_and_comments_mean_nothing() -> None:
    sql = "SELECT 'RETURNING; ON CONFLICT', \"jsonb\" -- LATERAL\n/* FILTER ( ; */ FROM t"
    assert translate(sql).sql == sql


def test_a_position_is_told_in_the_statement_as_written() -> None:
    sql = "SELECT NVL(a, 0), GETDATE(), missing FROM t"
    translation = translate(sql)
    for name in ("a,", "missing", "FROM"):
        assert translation.original_position(translation.sql.index(name) + 1) == sql.index(name) + 1
    assert translation.original_position(translation.sql.index("date_trunc") + 1) == sql.index("GETDATE") + 1


@given(st.lists(st.sampled_from(["SELECT 1", "SELECT ';'", "-- a;b\n", "/* ; */ ", 'SELECT ";"', "$$ ; $$", "''"])))
def test_a_script_falls_into_its_statements(parts: list[str]) -> None:
    script = ";\n".join(parts)
    found = split_statements(script)
    expected = [part for part in parts if tokens(part)]
    assert found == expected
