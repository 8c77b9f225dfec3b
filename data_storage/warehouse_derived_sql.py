"""What the warehouse derives from its transactions and keeps as tables: accounts, merchants, daily balances. Pure.

A load derives from the rows that it adds. All of it can also be made anew from everything that the warehouse holds:
after a repair by hand, and when a warehouse of contract 1.0 is upgraded to 1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from data_catalog.transaction_contract import CURATED_FIELDS
from data_storage.sql_text import column_list, literal, position, text

_UNKNOWN_COUNTRY = "CAST('ZZ' AS VARCHAR(2))"
_SAME_MERCHANT = "{0}.merchant_name = {1}.merchant_name AND {0}.merchant_country = {1}.merchant_country"


@dataclass(frozen=True, slots=True)
class Source:
    """The transactions to derive from. finals, pending: tables of CURATED_FIELDS.

    since: no earlier date is read of what the warehouse holds. bounded: it may be later than the source's first event
    date; then the load fails if the source changes anything before it. prefix: of the temporary tables, which stay
    until the session ends.
    """

    finals: str
    pending: str
    since: date
    prefix: str
    bounded: bool = False


# The column that refuses what lies before Source.since. The warehouse's error names it.
REACH_COLUMN = "within_reach"


def derived(schema: str, run_id: str, source: Source) -> list[str]:
    """Derive accounts, merchants and balances from the source's transactions. run_id: the load that does it."""
    return [
        *_found(schema, source),
        *(_within_reach(source) if source.bounded else []),
        _accounts(schema, run_id, source),
        *_merchants(schema, run_id, source),
        _balances(schema, run_id, source),
    ]


def _within_reach(source: Source) -> list[str]:
    """Nothing that the source changes lies before the date from which the warehouse is read."""
    since = literal(source.since)
    return [
        f"CREATE TEMP TABLE {source.prefix}_reach ({REACH_COLUMN} DATE NOT NULL)",
        f"""INSERT INTO {source.prefix}_reach ({REACH_COLUMN})
SELECT CASE WHEN earliest IS NULL OR earliest >= {since} THEN CAST({since} AS DATE) END FROM (
    SELECT MIN(first_date) AS earliest FROM (
        SELECT MIN(booked_date) AS first_date FROM {source.prefix}_balances
        UNION ALL SELECT CAST(MIN(seen_from) AS DATE) FROM {source.prefix}_merchants) AS firsts) AS changed""",
    ]


def derived_anew(schema: str, run_id: str) -> list[str]:
    """Make accounts, merchants and balances from all that the warehouse holds; those without facts are deleted."""
    everything = Source(f"{schema}.fact_transactions", f"{schema}.pending_transactions", date.min, "all")
    return [
        f"DELETE FROM {schema}.dim_account",
        f"DELETE FROM {schema}.dim_merchant",
        f"DELETE FROM {schema}.daily_balances",
        *derived(schema, run_id, everything),
    ]


def upgraded(schema: str) -> list[str]:
    """Upgrade a warehouse of contract 1.0 to 1.1: pending items move to their table, booked dates and balances by them.

    If an id's first delivery was PENDING, it was among the facts and kept the BOOKED one out. That one is in quarantine
    as conflicting_duplicate, and can now be replayed.
    """
    columns = column_list(CURATED_FIELDS)
    return [
        f"LOCK {schema}.load_lock",
        f"""INSERT INTO {schema}.pending_transactions ({columns})
SELECT {columns} FROM {schema}.fact_transactions WHERE status = 'PENDING'""",
        f"DELETE FROM {schema}.fact_transactions WHERE status = 'PENDING'",
        f"""UPDATE {schema}.fact_transactions SET booked_date = dated.booked_date FROM (
    SELECT transaction_id, {booked_so_far()} AS booked_date
    FROM {schema}.fact_transactions WHERE status = 'BOOKED') AS dated
WHERE fact_transactions.transaction_id = dated.transaction_id AND fact_transactions.booked_date IS NULL""",
        *derived_anew(schema, "upgrade"),
    ]


def booked_so_far(place: str = "") -> str:
    """The last date on which the row's account had booked anything, as a window over rows of BOOKED status."""
    return (
        "MAX(COALESCE(booking_date, event_date))"
        f" OVER (PARTITION BY account_id ORDER BY {place or position()} ROWS UNBOUNDED PRECEDING)"
    )


def _found(schema: str, source: Source) -> list[str]:
    """What the source has for each account, for merchants whose versions it changes, and for each day's balance."""
    prefix, merchant = source.prefix, f"merchant_name, COALESCE(merchant_country, {_UNKNOWN_COUNTRY})"
    return [
        f"""CREATE TEMP TABLE {prefix}_accounts DISTKEY (account_id) AS
SELECT account_id, MAX(account_scheme) AS account_scheme, MIN(event_time) AS first_event_time,
    MAX(event_time) AS last_event_time, MAX(booked_date) AS last_booked_date
FROM (SELECT account_id, account_scheme, event_time, booked_date FROM {source.finals}
    UNION ALL SELECT account_id, account_scheme, event_time, CAST(NULL AS DATE) FROM {source.pending}) AS active
GROUP BY account_id""",
        # An event with the code that its merchant has at that time changes no version.
        f"""CREATE TEMP TABLE {prefix}_merchants AS
SELECT seen.merchant_name, seen.merchant_country, MIN(seen.event_time) AS seen_from
FROM (SELECT {merchant} AS merchant_country, merchant_category_code, event_time
    FROM {source.finals} WHERE merchant_name IS NOT NULL) AS seen
LEFT JOIN {schema}.dim_merchant AS known ON {_SAME_MERCHANT.format("known", "seen")}
    AND known.valid_from <= seen.event_time AND (known.valid_to IS NULL OR seen.event_time < known.valid_to)
WHERE known.merchant_name IS NULL
    OR COALESCE(known.merchant_category_code, '') <> COALESCE(seen.merchant_category_code, '')
GROUP BY seen.merchant_name, seen.merchant_country""",
        f"""CREATE TEMP TABLE {prefix}_balances DISTKEY (account_id) AS
SELECT account_id, currency, booked_date, balance_after, event_time, transaction_id, stream_position FROM (
    SELECT account_id, currency, booked_date, balance_after, event_time, transaction_id, stream_position,
        ROW_NUMBER() OVER (PARTITION BY account_id, currency, booked_date ORDER BY stream_position DESC) AS latest
    FROM (SELECT account_id, currency, booked_date, balance_after, event_time, transaction_id,
            {position()} AS stream_position
        FROM {source.finals} WHERE status = 'BOOKED' AND balance_after IS NOT NULL) AS placed) AS booked
WHERE latest = 1""",
    ]


def _accounts(schema: str, run_id: str, source: Source) -> str:
    """First and last activity, and the last booked date; correct whatever the order in which runs are loaded."""
    found = f"{source.prefix}_accounts"
    scheme = f"COALESCE({found}.account_scheme, dim_account.identification_scheme)"
    # Rows of contract 1.0 have no scheme: the account is BBAN until a row of 1.1 comes.
    return f"""MERGE INTO {schema}.dim_account USING {found} ON dim_account.account_id = {found}.account_id
WHEN MATCHED THEN UPDATE SET
    identification_scheme = {scheme},
    country = CASE WHEN {scheme} = 'IBAN' THEN SUBSTRING({found}.account_id, 1, 2) END,
    first_event_time = LEAST(dim_account.first_event_time, {found}.first_event_time),
    last_event_time = GREATEST(dim_account.last_event_time, {found}.last_event_time),
    last_booked_date = GREATEST(dim_account.last_booked_date, {found}.last_booked_date), run_id = {literal(run_id)}
WHEN NOT MATCHED THEN INSERT
    (account_id, identification_scheme, country, first_event_time, last_event_time, last_booked_date, run_id)
VALUES ({found}.account_id, COALESCE({found}.account_scheme, 'BBAN'),
    CASE WHEN {found}.account_scheme = 'IBAN' THEN SUBSTRING({found}.account_id, 1, 2) END,
    {found}.first_event_time, {found}.last_event_time, {found}.last_booked_date, {literal(run_id)})"""


def _merchants(schema: str, run_id: str, source: Source) -> list[str]:
    """Versions of each merchant that the source changes, made anew from the first event that changes them.

    They start from the version in effect just before, and what happened since is read from the facts. So late events
    split, extend or precede versions as if they had come in time; earlier versions are not touched.
    """
    seen, sightings = f"{source.prefix}_merchants", f"{source.prefix}_merchant_sightings"
    return [
        f"""CREATE TEMP TABLE {sightings} AS
SELECT merchant_name, merchant_country, merchant_category_code, seen_at FROM (
    SELECT fact.merchant_name, seen.merchant_country, fact.merchant_category_code, fact.event_time AS seen_at,
        ROW_NUMBER() OVER (PARTITION BY fact.merchant_name, seen.merchant_country, fact.event_time
            ORDER BY {position("fact")} DESC) AS latest
    FROM {schema}.fact_transactions AS fact JOIN {seen} AS seen
        ON fact.merchant_name = seen.merchant_name
        AND COALESCE(fact.merchant_country, {_UNKNOWN_COUNTRY}) = seen.merchant_country
    WHERE fact.event_date >= {literal(source.since)} AND fact.event_time >= seen.seen_from) AS sightings
WHERE latest = 1
UNION ALL
SELECT known.merchant_name, known.merchant_country, known.merchant_category_code, known.valid_from
FROM {schema}.dim_merchant AS known JOIN {seen} AS seen ON {_SAME_MERCHANT.format("known", "seen")}
WHERE known.valid_from < seen.seen_from AND (known.valid_to IS NULL OR known.valid_to >= seen.seen_from)""",
        f"""DELETE FROM {schema}.dim_merchant USING {seen}
WHERE {_SAME_MERCHANT.format("dim_merchant", seen)}
    AND (dim_merchant.valid_to IS NULL OR dim_merchant.valid_to >= {seen}.seen_from)""",
        f"""INSERT INTO {schema}.dim_merchant
    (merchant_name, merchant_country, merchant_category_code, valid_from, valid_to, is_current, run_id)
SELECT merchant_name, merchant_country, merchant_category_code, seen_at, next_from, next_from IS NULL, {text(run_id)}
FROM (
    SELECT merchant_name, merchant_country, merchant_category_code, seen_at,
        LEAD(seen_at) OVER (PARTITION BY merchant_name, merchant_country ORDER BY seen_at) AS next_from
    FROM (
        SELECT merchant_name, merchant_country, merchant_category_code, seen_at,
            ROW_NUMBER() OVER (PARTITION BY merchant_name, merchant_country ORDER BY seen_at) AS place,
            LAG(merchant_category_code)
                OVER (PARTITION BY merchant_name, merchant_country ORDER BY seen_at) AS code_before
        FROM {sightings}) AS ordered
    WHERE place = 1 OR COALESCE(merchant_category_code, '') <> COALESCE(code_before, '')) AS changes""",
    ]


def _balances(schema: str, run_id: str, source: Source) -> str:
    """The closing balance of a booked date is that of its last entry by position, whatever the order of loads.

    The position is kept with the balance, so that a load does not read the facts of other loads.
    """
    found = f"{source.prefix}_balances"
    within = f" AND daily_balances.balance_date >= {literal(source.since)}" if source.bounded else ""
    is_later = f"{found}.stream_position > COALESCE(daily_balances.last_position, '')"

    def later(column: str, kept: str) -> str:
        return f"{kept} = CASE WHEN {is_later} THEN {column} ELSE daily_balances.{kept} END"

    return f"""MERGE INTO {schema}.daily_balances USING {found}
ON daily_balances.account_id = {found}.account_id AND daily_balances.currency = {found}.currency
AND daily_balances.balance_date = {found}.booked_date{within}
WHEN MATCHED THEN UPDATE SET {later(f"{found}.balance_after", "closing_balance")},
    {later(f"{found}.event_time", "last_event_time")},
    {later(f"{found}.transaction_id", "last_transaction_id")},
    {later(literal(run_id), "run_id")},
    {later(f"{found}.stream_position", "last_position")}
WHEN NOT MATCHED THEN INSERT (account_id, currency, balance_date, closing_balance, last_event_time,
    last_transaction_id, run_id, last_position)
VALUES ({found}.account_id, {found}.currency, {found}.booked_date, {found}.balance_after, {found}.event_time,
    {found}.transaction_id, {literal(run_id)}, {found}.stream_position)"""
