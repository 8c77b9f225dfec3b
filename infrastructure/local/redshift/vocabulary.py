"""The words of Redshift's SQL that the embedded warehouse knows, and those that it must refuse."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Functions with the same name and meaning in Redshift and PostgreSQL; only those that this platform calls.
SHARED_FUNCTIONS = _words(
    """ABS AVG BTRIM CEIL COALESCE CONCAT COUNT CURRENT_DATE DATE_PART DATE_TRUNC DENSE_RANK EXTRACT FIRST_VALUE FLOOR
    GREATEST LAG LAST_VALUE LEAD LEAST LEFT LENGTH LOWER LPAD LTRIM MAX MD5 MIN MOD NULLIF POSITION RANK REGEXP_REPLACE
    REPLACE RIGHT ROUND ROW_NUMBER RPAD RTRIM SIGN SPLIT_PART STRPOS SUBSTRING SUM TO_CHAR TO_DATE TO_TIMESTAMP TRIM
    TRUNC UPPER CAST"""
)
# Redshift's name -> PostgreSQL's name; the arguments stay the same.
RENAMED_FUNCTIONS = {"NVL": "COALESCE", "LEN": "LENGTH", "SHA2": "redshift_catalog.sha2"}
# Redshift's name -> PostgreSQL's expression for a call without arguments.
REPLACED_CALLS = {"GETDATE": "CAST(date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC') AS timestamp)"}
REPLACED_WORDS = {"SYSDATE": "CAST(transaction_timestamp() AT TIME ZONE 'UTC' AS timestamp)"}
# Window functions for which Redshift demands a frame clause if they have an ORDER BY.
FRAMED_FUNCTIONS = frozenset({"SUM", "AVG", "COUNT", "MIN", "MAX", "FIRST_VALUE", "LAST_VALUE"})

# Reserved in Redshift but not in PostgreSQL, so that as aliases they need quotes.
RESERVED_WORDS = _words(
    """AES128 AES256 ALLOWOVERWRITE BACKUP BLANKSASNULL BYTEDICT BZIP2 CREDENTIALS CURRENT_USER_ID DEFLATE DEFRAG DELTA
    DELTA32K DISABLE EMPTYASNULL ENABLE ENCODE ENCRYPT ENCRYPTION EXPLICIT GLOBALDICT256 GLOBALDICT64K GZIP IDENTITY
    IGNORE LUN LUNS LZO LZOP MINUS MOSTLY16 MOSTLY32 MOSTLY8 NEW OFFLINE OLD PARALLEL PARTITION PERCENT PERMISSIONS
    RAW READRATIO RECOVER RESPECT REJECTLOG RESORT RESTORE SNAPSHOT SYSDATE SYSTEM TAG TDES TEXT255 TEXT32K
    TOP TRUNCATECOLUMNS WALLET"""
)
WORDS_BEFORE_PARENTHESIS = _words(
    """ALL AND ANY AS BETWEEN BY CASE CHECK DELETE DISTINCT ELSE EXCEPT EXISTS FROM GROUP HAVING IN INSERT INTERSECT
    INTO IS JOIN KEY LIKE NOT ON OR OVER PARTITION SELECT SET SORTKEY DISTKEY THEN UNION UNIQUE USING VALUES WHEN WHERE
    WITH TABLE GRANT REVOKE UPDATE REFERENCES
    BIGINT BOOLEAN CHAR DATE DECIMAL INTEGER NUMERIC SMALLINT TIMESTAMP VARCHAR"""
)
# Words of PostgreSQL that Redshift does not have. A sequence means its last word, right after the others.
NOT_IN_REDSHIFT: tuple[tuple[str, ...], ...] = (
    ("ON", "CONFLICT"), ("RETURNING",), ("LATERAL",), ("FILTER", "("), ("DISTINCT", "ON"), ("ARRAY", "["),
    ("FOR", "UPDATE"), ("IS", "DISTINCT"), ("IS", "NOT", "DISTINCT"), ("TABLESAMPLE",), ("MATERIALIZED", "AS"),
    ("SERIAL",), ("BIGSERIAL",), ("TEXT",), ("JSON",), ("JSONB",), ("BYTEA",), ("UUID",), ("MONEY",), ("GENERATED",),
    ("PARTITION", "OF"), ("WITHIN", "GROUP"), ("NULLS", "DISTINCT"), ("DO", "NOTHING"), ("DO", "UPDATE"),
    ("CREATE", "INDEX"), ("CREATE", "TRIGGER"), ("CREATE", "EXTENSION"), ("CREATE", "DOMAIN"), ("CREATE", "SEQUENCE"),
    ("->",), ("->>",),
)  # fmt: skip
