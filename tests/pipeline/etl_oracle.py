"""What should become of raw rows, computed by DuckDB from the lines alone: the differential test's other opinion.

Written apart from the job's code: DuckDB's JSON parser, its casts, its regular expressions. Only the contract's sets
of values are shared.
"""

from __future__ import annotations

from typing import Any

import duckdb

from data_catalog.currencies import CURRENCY_MINOR_UNITS, LAST_EVENT_DATES
from data_catalog.transaction_contract import (
    COUNTRIES,
    LANDED_FIELDS,
    Field,
    Type,
    typed_columns,
)

_FORMS = {
    "schema_version": r"1\.[0-9]{1,6}",
    "amount": r"0*[0-9]{1,14}(\.[0-9]{1,4}0*)?",
    "balance_after": r"-?0*[0-9]{1,14}(\.[0-9]{1,4}0*)?",
    "merchant_category_code": "[0-9]{4}",
    "card_last4": "[0-9]{4}",
    "sequence_number": "0|[1-9][0-9]{0,127}",
    "replaces_sequence_number": "0|[1-9][0-9]{0,127}",
}
_REASONS = {
    "schema_version": "unsupported_schema_version",
    "amount": "invalid_amount",
    "currency": "invalid_currency",
    "event_time": "invalid_event_time",
}
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z"


def _quoted(values: Any) -> str:
    return ", ".join(f"'{value}'" for value in sorted(values))


def _form_faults(field: Field) -> str:
    name, reason = field.name, _REASONS.get(field.name, "invalid_value")
    cases = f"WHEN {name} IS NULL THEN 'missing_field' " if field.required else ""
    if name == "amount":
        more = r"0*[0-9]{1,14}\.[0-9]{4}[0-9]*[1-9][0-9]*"
        cases += f"WHEN regexp_full_match(amount, '{more}') THEN 'amount_scale' "
    if field.values:
        bad = f"{name} NOT IN ({_quoted(field.values)})"
    elif field.type is Type.TIMESTAMP:
        bad = f"NOT regexp_full_match({name}, '{_TIME}')"
    elif field.type is Type.DATE:
        bad = f"NOT regexp_full_match({name}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
    elif name in _FORMS:
        bad = f"NOT regexp_full_match({name}, '{_FORMS[name]}')"
    elif field.type is Type.INTEGER:
        return cases
    else:
        bad = f"length({name}) NOT BETWEEN 1 AND {field.max_length} OR contains({name}, chr(0))"
        if field.ascii:
            bad += f" OR NOT regexp_full_match({name}, '[!-~]+')"
    return cases + f"WHEN {bad} THEN '{reason}' "


def _time(name: str) -> str:
    """Cut behind the microseconds; a leap second is the last microsecond of its minute."""
    leap = f"regexp_replace({name}, ' ?T23:59:60.*', 'T23:59:59.999999Z')"
    cut = f"regexp_replace({leap}, '([.][0-9]{{6}})[0-9]*Z', '\\1Z')"
    return f"try_cast(replace(replace({cut}, 'T', ' '), 'Z', '') AS TIMESTAMP)"


def _structure() -> str:
    integers = _quoted(field.name for field in LANDED_FIELDS if field.type is Type.INTEGER)
    names = _quoted(field.name for field in LANDED_FIELDS)
    return f"""
        CASE WHEN NOT json_valid(line) THEN false
             WHEN json_type(line) <> 'OBJECT' THEN false
             ELSE len(json_keys(line)) > 0 AND len(list_distinct(json_keys(line))) = len(json_keys(line))
              AND len(list_filter(json_keys(line), lambda k: k NOT IN ({names}))) = 0
              AND len(list_filter(json_keys(line), lambda k: json_type(line, '$.' || k) NOT IN
                      ('NULL', CASE WHEN k IN ({integers}) THEN 'UBIGINT' ELSE 'VARCHAR' END))) = 0
        END"""


def _query() -> str:
    fields = ", ".join(
        f"CASE WHEN structure THEN json_extract_string(line, '$.{field.name}') END AS {field.name}"
        for field in LANDED_FIELDS
    )
    forms = "".join(_form_faults(field) for field in LANDED_FIELDS)
    units = (
        "CASE " + " ".join(f"WHEN currency = '{code}' THEN {n}" for code, n in CURRENCY_MINOR_UNITS.items()) + " END"
    )
    ends = " ".join(f"WHEN currency = '{code}' THEN DATE '{day}'" for code, day in LAST_EVENT_DATES.items())
    last_date = f"CASE {ends} END"
    return f"""
    WITH lines AS (SELECT run, line, {_structure()} AS structure FROM raw),
    fields AS (SELECT run, line, structure, {fields} FROM lines),
    checked AS (SELECT *, CASE WHEN NOT structure THEN 'unreadable_row' {forms}
        WHEN {units} IS NULL THEN 'invalid_currency'
        WHEN length(rtrim(split_part(amount, '.', 2), '0')) > {units} THEN 'amount_scale'
        WHEN amount::DECIMAL(18,4) = 0 THEN 'invalid_amount'
        WHEN {_time("event_time")} IS NULL OR {_time("event_time")} < '1970-01-01' THEN 'invalid_event_time'
        WHEN {_time("arrival_time")} IS NULL OR {_time("arrival_time")} < '1970-01-01' THEN 'invalid_value'
        WHEN {_time("landed_at")} IS NULL OR {_time("landed_at")} < '1970-01-01' THEN 'invalid_value'
        WHEN {_time("event_time")} > {_time("arrival_time")} + INTERVAL 24 HOUR THEN 'event_time_in_future'
        WHEN {_time("event_time")}::DATE > {last_date} THEN 'invalid_currency'
        WHEN value_date IS NOT NULL AND try_cast(value_date AS DATE) IS NULL THEN 'invalid_value'
        WHEN try_cast(value_date AS DATE) < '1970-01-01' THEN 'invalid_value'
        WHEN booking_date IS NOT NULL AND try_cast(booking_date AS DATE) IS NULL THEN 'invalid_value'
        WHEN try_cast(booking_date AS DATE) < '1970-01-01' THEN 'invalid_value'
        WHEN transaction_type = 'REVERSAL' AND original_transaction_id IS NULL THEN 'missing_original_transaction'
        WHEN merchant_country NOT IN ({_quoted(COUNTRIES)}) THEN 'invalid_value'
        END AS reason FROM fields),
    placed AS (SELECT *,
        CASE WHEN structure AND regexp_full_match(sequence_number, '0|[1-9][0-9]*') THEN coalesce(
            stream_incarnation || '/' || shard_id || '/' || sequence_number || '/' || sub_sequence_number, line)
            ELSE line END AS position,
        CASE WHEN reason IS NULL THEN
        (account_id, transaction_type, credit_debit_indicator, amount::DECIMAL(18,4), currency, {_time("event_time")},
         value_date, status, channel, counterparty_account, counterparty_bank, merchant_name, merchant_category_code,
         merchant_country, balance_after::DECIMAL(18,4), original_transaction_id, description, card_last4,
         booking_date, pending_transaction_id)::VARCHAR
            END AS content FROM checked),
    pending AS (SELECT * FROM placed AS this WHERE NOT EXISTS
        (FROM placed AS former WHERE former.position = this.position AND former.run < this.run)),
    once AS (SELECT * FROM pending
        QUALIFY row_number() OVER (PARTITION BY run, position, CASE WHEN reason IS NULL THEN transaction_id END) = 1),
    finals AS (SELECT *,
        row_number() OVER (PARTITION BY transaction_id ORDER BY {_ORDER}) AS nth,
        first_value(content) OVER (PARTITION BY transaction_id ORDER BY {_ORDER}) AS first_content
        FROM once WHERE reason IS NULL AND status <> 'PENDING'),
    puts AS (SELECT *, row_number() OVER (PARTITION BY transaction_id, content ORDER BY {_ORDER}) AS nth
        FROM once WHERE reason IS NULL AND status = 'PENDING')
    SELECT * EXCLUDE (nth, first_content), CASE WHEN nth = 1 THEN 'ledger' WHEN content = first_content
        THEN 'duplicate' ELSE 'conflicting_duplicate' END AS outcome FROM finals
    UNION ALL SELECT * EXCLUDE (nth), CASE WHEN nth = 1 THEN 'pending' ELSE 'duplicate' END FROM puts
    UNION ALL SELECT *, reason FROM once WHERE reason IS NOT NULL"""


_ORDER = """run, coalesce(replaces_incarnation, stream_incarnation), coalesce(replaces_shard_id, shard_id),
    coalesce(replaces_sequence_number, sequence_number)::HUGEINT,
    coalesce(replaces_sub_sequence_number, sub_sequence_number)::BIGINT,
    stream_incarnation, shard_id, sequence_number::HUGEINT, sub_sequence_number::BIGINT"""


def outcomes(lines: list[str]) -> list[tuple[Any, ...]]:
    """(position or line, outcome, id, amount, event time, description) per position; nulls if not curated."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE raw (run BIGINT, line VARCHAR)")
        connection.executemany("INSERT INTO raw VALUES (0, ?)", [(each,) for each in lines])
        rows = f"""SELECT position, outcome, transaction_id, try_cast(amount AS DECIMAL(18,4)),
            epoch_us({_time("event_time")}), description FROM ({_query()})"""
        return [
            each if each[1] in ("ledger", "pending") else (*each[:2], None, None, None, None)
            for each in connection.sql(rows).fetchall()
        ]


def judge_lake(connection: duckdb.DuckDBPyConnection, raw_files: str) -> None:
    """Make the table judged of raw .ndjson.gz files (a glob), whose arrival hour is the number of their run: each
    row that is not redelivered, its fields as text, with position (the line where it has none) and outcome."""
    connection.execute(
        f"""CREATE TABLE raw AS SELECT regexp_extract(filename, 'arrival_hour=(\\d+)', 1)::INT AS run, line
        FROM read_csv('{raw_files}', columns = {{'line': 'VARCHAR'}}, header = false, auto_detect = false,
            delim = '\x01', quote = '', escape = '', filename = true) WHERE line <> ''"""
    )
    connection.execute(f"CREATE TABLE judged AS {_query()}")


def curated_query(outcome: str) -> str:
    """The landed columns of judged's rows of ledger or pending, typed as curated, and event_date."""
    typed = ", ".join(f"{_typed(name, type_)} AS {name}" for name, type_ in typed_columns(LANDED_FIELDS))
    return f"SELECT {typed}, {_time('event_time')}::DATE AS event_date FROM judged WHERE outcome = '{outcome}'"


def balances_query() -> str:
    """account_id, currency, day and closing balance of judged's ledger, run after run as they are loaded."""
    return f"""
    WITH booked AS (SELECT account_id, currency, balance_after::DECIMAL(18,4) AS balance, booking_date::DATE AS given,
        max(coalesce(booking_date::DATE, {_time("event_time")}::DATE)) OVER (
            PARTITION BY account_id ORDER BY {_ORDER} ROWS UNBOUNDED PRECEDING) AS so_far,
        row_number() OVER (ORDER BY {_ORDER.partition(",")[2]}) AS place
        FROM judged WHERE outcome = 'ledger' AND status = 'BOOKED')
    SELECT account_id, currency, coalesce(given, so_far) AS day, arg_max(balance, place) AS balance
    FROM booked WHERE balance IS NOT NULL GROUP BY ALL"""


def totals_query(outcome: str) -> str:
    """currency, credit_debit_indicator, records and amount of judged's rows of an outcome."""
    return f"""SELECT currency, credit_debit_indicator, count(*), sum(amount::DECIMAL(18,4))
        FROM judged WHERE outcome = '{outcome}' GROUP BY ALL ORDER BY ALL"""


def _typed(name: str, type_: str) -> str:
    return (
        f"({_time(name)} AT TIME ZONE 'UTC')"
        if type_ == "timestamp"
        else f"{name}::{type_.replace('string', 'VARCHAR')}"
    )
