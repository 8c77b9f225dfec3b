"""The statements that take an account out of the warehouse, as one transaction. Pure: text out.

The warehouse's activity log keeps the text of statements, so the account's number stands in none: what the warehouse
itself holds is compared with a salted hash once, and the rest joins with what was found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from data_catalog.transaction_contract import POSITION
from data_governance.tombstones import MASK
from data_storage.erasure_rows import FREE_TEXT, TELLING_LENGTH
from data_storage.sql_text import literal

Position = tuple[str, str, str, int]

# Tables whose rows of the account go, and the column that names it.
OWN = (
    ("fact_transactions", "account_id"),
    ("pending_transactions", "account_id"),
    ("fraud_alert_evidence", "account_id"),
    ("daily_balances", "account_id"),
    ("dim_account", "account_id"),
    ("restricted_accounts", "account_id"),
)
_NAMED = (*OWN, ("fact_transactions", "counterparty_account"), ("pending_transactions", "counterparty_account"))
_POSITIONS_AT_ONCE = 200  # a statement of the Data API has at most 100 KB
_CURATED = (("fact_transactions", "rows_loaded"), ("pending_transactions", "pending_loaded"))


def is_account(column: str, account: str, salt: str) -> str:
    """That a column holds the account. salt: any plain text."""
    hashed = hashlib.sha256(f"{salt}{account}".encode()).hexdigest()
    return f"SHA2({literal(salt)} || {column}, 256) = {literal(hashed)}"


def counts(schema: str, account: str, salt: str) -> dict[str, str]:
    """Queries of how many rows of each table go or are masked."""
    found = {
        table: f"SELECT COUNT(*) FROM {schema}.{table} WHERE {is_account(column, account, salt)}"
        for table, column in OWN
    }
    own_cards = _cards(schema, f"WHERE {is_account('account_id', account, salt)}")
    found["token_links"] = f"SELECT COUNT(*) FROM {schema}.token_links WHERE card_token IN ({own_cards})"
    alerts = f"SELECT COUNT(*) FROM {schema}.fraud_alerts WHERE {is_account('subject', account, salt)}"
    found["fraud_alerts"] = f"{alerts} AND subject_type = 'ACCOUNT'"
    for table, _ in _CURATED:
        named = is_account("counterparty_account", account, salt)
        others = f"NOT ({is_account('account_id', account, salt)})"
        found[f"{table} masked"] = f"SELECT COUNT(*) FROM {schema}.{table} WHERE {named} AND {others}"
    return found


def removal(schema: str, account: str, salt: str, refused: Sequence[Position], others: Sequence[Position]) -> list[str]:
    """Take the account's rows out, and mask it where it is a counterparty. Again, they change nothing.

    refused: positions of quarantined records of the account. others: those of other records that name it; their text
    goes here, and stays in the lake, masked.
    """
    named = " UNION ".join(f"SELECT {column} AS account_id FROM {schema}.{table}" for table, column in _NAMED)
    same = "{0}.account_id = erased.account_id"
    return [
        f"LOCK {schema}.load_lock",
        f"""CREATE TEMP TABLE erased AS
SELECT account_id FROM ({named}) AS accounts WHERE {is_account("account_id", account, salt)}""",
        *(statement for table, column in _CURATED for statement in _uncounted(schema, table, column)),
        f"""CREATE TEMP TABLE erased_alerts AS
SELECT alert_id FROM {schema}.fraud_alert_evidence AS evidence JOIN erased ON {same.format("evidence")}
WHERE NOT EXISTS (SELECT 1 FROM {schema}.fraud_alert_evidence AS others
    WHERE others.alert_id = evidence.alert_id AND others.account_id <> evidence.account_id)""",
        f"DELETE FROM {schema}.fraud_alerts USING erased_alerts WHERE fraud_alerts.alert_id = erased_alerts.alert_id",
        f"""DELETE FROM {schema}.fraud_alerts
WHERE subject_type = 'ACCOUNT' AND {is_account("subject", account, salt)}""",
        f"""CREATE TEMP TABLE erased_cards AS
SELECT card_token FROM ({_cards(schema, "WHERE account_id IN (SELECT account_id FROM erased)")}) AS cards""",
        f"DELETE FROM {schema}.token_links USING erased_cards WHERE token_links.card_token = erased_cards.card_token",
        *(f"DELETE FROM {schema}.{table} USING erased WHERE {same.format(table)}" for table, _ in OWN),
        *(
            f"""UPDATE {schema}.{table} SET counterparty_account = {literal(MASK)}
FROM erased WHERE {table}.counterparty_account = erased.account_id"""
            for table, _ in _CURATED
        ),
        *(_texts(schema) if len(account) >= TELLING_LENGTH else []),
        f"DELETE FROM {schema}.load_control_totals WHERE records = 0",
        *_quarantine(schema, refused, others),
    ]


def _cards(schema: str, where: str) -> str:
    """The tokens of the cards in the curated tables' rows."""
    return " UNION ".join(f"SELECT card_token FROM {schema}.{table} {where}" for table, _ in _CURATED)


def _texts(schema: str) -> Iterator[str]:
    """Mask the account in free text. By a scalar subquery: Redshift joins the target of an UPDATE by equality only."""
    number = "(SELECT account_id FROM erased)"
    for table, _ in _CURATED:
        for name in FREE_TEXT:
            yield f"""UPDATE {schema}.{table} SET {name} = REPLACE({name}, {number}, {literal(MASK)})
WHERE STRPOS({name}, {number}) > 0"""


def _quarantine(schema: str, refused: Sequence[Position], others: Sequence[Position]) -> Iterator[str]:
    for name, positions in (("erased_refused", refused), ("erased_named", others)):
        yield (
            f"CREATE TEMP TABLE {name} (stream_incarnation VARCHAR(64), shard_id VARCHAR(64),"
            " sequence_number VARCHAR(128), sub_sequence_number BIGINT)"
        )
        for begin in range(0, len(positions), _POSITIONS_AT_ONCE):
            yield f"INSERT INTO {name} VALUES {_listed(positions[begin : begin + _POSITIONS_AT_ONCE])}"
    same = " AND ".join(f"quarantine.{name} = {{0}}.{name}" for name in POSITION)
    yield f"DELETE FROM {schema}.quarantine USING erased_refused WHERE {same.format('erased_refused')}"
    yield f"""UPDATE {schema}.quarantine SET payload = {literal(MASK)} FROM erased_named
WHERE {same.format("erased_named")}"""


def _listed(positions: Sequence[Position]) -> str:
    return ", ".join(
        f"({literal(incarnation)}, {literal(shard)}, {literal(number)}, {sub_number})"
        for incarnation, shard, number, sub_number in positions
    )


def _uncounted(schema: str, table: str, column: str) -> Sequence[str]:
    """What each run loaded counts less by what goes of it."""
    gone = f"gone_{table}"
    keys = ("run_id", "currency", "credit_debit_indicator")
    same = " AND ".join(f"load_control_totals.{key} = gone.{key}" for key in keys)
    return [
        f"""CREATE TEMP TABLE {gone} AS
SELECT held.run_id, held.currency, held.credit_debit_indicator, COUNT(*) AS records, SUM(held.amount) AS amount
FROM {schema}.{table} AS held JOIN erased ON held.account_id = erased.account_id
GROUP BY held.run_id, held.currency, held.credit_debit_indicator""",
        f"""UPDATE {schema}.load_control_totals SET records = load_control_totals.records - gone.records,
    amount = load_control_totals.amount - gone.amount
FROM {gone} AS gone WHERE {same} AND load_control_totals.table_name = {literal(table)}""",
        f"""UPDATE {schema}.load_ledger SET {column} = load_ledger.{column} - gone.records
FROM (SELECT run_id, SUM(records) AS records FROM {gone} GROUP BY run_id) AS gone
WHERE load_ledger.run_id = gone.run_id""",
    ]
