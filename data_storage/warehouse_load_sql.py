"""The transaction that loads one run into the warehouse: its statements, and COPY's manifest. Pure: text out.

The order of things: lock, so that loads queue up and each sees the one before; stage the run's files; take
nothing over if the ledger knows the run; merge; write the ledger last. Redshift enforces no keys, so every row that
must be unique is made unique here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from data_catalog.transaction_contract import CURATED_FIELDS, FRAUD_ALERT_FIELDS, Field, redshift_columns
from data_governance.run_result import PublishedFile, RunResult
from infrastructure.errors import PlatformError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SAFE_TEXT = re.compile(r"[A-Za-z0-9_.:/@+=, -]*")
_UNKNOWN_COUNTRY = "CAST('ZZ' AS VARCHAR(2))"


def copy_manifest(bucket: str, files: Iterable[PublishedFile]) -> bytes:
    """COPY's manifest: all and only these files, each mandatory, with the length that Parquet needs."""
    entries = [
        {"url": f"s3://{bucket}/{file.key}", "mandatory": True, "meta": {"content_length": file.size}} for file in files
    ]
    return json.dumps({"entries": entries}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class CopySource:
    """Where COPY reads from, and as whom. None: the run has no such files."""

    role_arn: str
    transactions_manifest: str | None
    fraud_alerts_manifest: str | None


def load_statements(run: RunResult, schema: str, source: CopySource) -> list[str]:
    """The run's load as statements of one transaction, in order; at most 40."""
    load = _Load(run, _name(schema), source)
    return [
        *load.stage(),
        *load.facts(),
        *load.accounts(),
        *load.merchants(),
        *load.balances(),
        *load.alerts(),
        *load.bookkeeping(),
    ]


def literal(value: str | date | datetime) -> str:
    """A value as SQL literal. Takes only text that needs no escaping, since Redshift reads backslashes as escapes."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    else:
        text = value.isoformat() if isinstance(value, date) else value
    if not _SAFE_TEXT.fullmatch(text):
        raise ValueError("not a plain value")
    return f"'{text}'"


def _text(value: str, length: int = 64) -> str:
    """Text as an output column: Redshift gives a bare literal no type there, and refuses to convert it later."""
    return f"CAST({literal(value)} AS VARCHAR({length}))"


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PlatformError(f"schema {name!r}", "is no plain lower-case name", "Use letters, digits and underscores")
    return name


def _position(direction: str, table: str = "") -> str:
    """Where a row stood in the stream, as a sort order; sequence numbers are integers of 128 digits kept as text."""
    prefix = f"{table}." if table else ""
    order = (
        f"{prefix}stream_incarnation",
        f"{prefix}shard_id",
        f"LPAD({prefix}sequence_number, 128, '0')",
        f"{prefix}sub_sequence_number",
    )
    return ", ".join(f"{expression} {direction}" for expression in order)


def _stage_table(name: str, fields: Sequence[Field]) -> str:
    """A table in the contract's order, in which COPY reads it; columns that came later stand last in the target."""
    columns = ", ".join(
        f"{column} {type_}{' NOT NULL' if required else ''}" for column, type_, required in redshift_columns(fields)
    )
    return f"CREATE TEMP TABLE {name} ({columns}) DISTKEY (account_id)"


def _columns(fields: Sequence[Field], prefix: str = "") -> str:
    return ", ".join(prefix + field.name for field in fields)


class _Load:
    """The statements, part by part."""

    def __init__(self, run: RunResult, schema: str, source: CopySource) -> None:
        self._run = run
        self._schema = schema
        self._source = source
        self._run_id = literal(run.run_id)

    @property
    def _not_loaded(self) -> str:
        return f"NOT EXISTS (SELECT 1 FROM {self._schema}.load_ledger WHERE run_id = {self._run_id})"

    def _within_dates(self, column: str, files: Sequence[PublishedFile]) -> str:
        """The run's event dates as literals: only they let Redshift skip the blocks of other dates."""
        dates = [file.partition_date for file in files] or [date.min]
        return f"{column} BETWEEN {literal(min(dates))} AND {literal(max(dates))}"

    def _copy(self, table: str, manifest: str | None) -> list[str]:
        if manifest is None:
            return []
        role = literal(self._source.role_arn)
        return [f"COPY {table} FROM {literal(manifest)} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST"]

    def stage(self) -> list[str]:
        """Lock first: the transaction's snapshot then shows every load before this one. Stages are the session's."""
        return [
            f"LOCK {self._schema}.load_lock",
            _stage_table("stage_transactions", CURATED_FIELDS),
            _stage_table("stage_fraud_alerts", FRAUD_ALERT_FIELDS),
            *self._copy("stage_transactions", self._source.transactions_manifest),
            *self._copy("stage_fraud_alerts", self._source.fraud_alerts_manifest),
            # The first put of each transaction_id, and nothing at all of a run that the ledger knows.
            f"""CREATE TEMP TABLE new_transactions DISTKEY (account_id) AS
SELECT {_columns(CURATED_FIELDS)} FROM (
    SELECT {_columns(CURATED_FIELDS)},
        ROW_NUMBER() OVER (PARTITION BY transaction_id ORDER BY {_position("ASC")}) AS put
    FROM stage_transactions) AS staged
WHERE put = 1 AND {self._not_loaded}""",
        ]

    def facts(self) -> list[str]:
        """What is in the warehouse already stays: MERGE wants an update, so it gets one that changes nothing."""
        names = [field.name for field in CURATED_FIELDS]
        return [
            f"""MERGE INTO {self._schema}.fact_transactions USING new_transactions
ON fact_transactions.transaction_id = new_transactions.transaction_id
AND {self._within_dates("fact_transactions.event_date", self._run.curated)}
WHEN MATCHED THEN UPDATE SET transaction_id = new_transactions.transaction_id
WHEN NOT MATCHED THEN INSERT ({", ".join(names)}) VALUES ({_columns(CURATED_FIELDS, "new_transactions.")})"""
        ]

    def accounts(self) -> list[str]:
        """First and last activity; right in whatever order runs are loaded."""
        return [
            f"""CREATE TEMP TABLE active_accounts DISTKEY (account_id) AS
SELECT account_id, identification_scheme,
    CASE WHEN identification_scheme = 'IBAN' THEN SUBSTRING(account_id, 1, 2) END AS country,
    first_event_time, last_event_time
FROM (
    SELECT account_id, MIN(event_time) AS first_event_time, MAX(event_time) AS last_event_time,
        CASE WHEN LENGTH(account_id) >= 15 AND account_id ~ '^[A-Z][A-Z][0-9][0-9][A-Z0-9]+$'
            THEN {_text("IBAN", 4)} ELSE {_text("BBAN", 4)} END AS identification_scheme
    FROM new_transactions GROUP BY account_id) AS active""",
            f"""MERGE INTO {self._schema}.dim_account USING active_accounts
ON dim_account.account_id = active_accounts.account_id
WHEN MATCHED THEN UPDATE SET
    first_event_time = LEAST(dim_account.first_event_time, active_accounts.first_event_time),
    last_event_time = GREATEST(dim_account.last_event_time, active_accounts.last_event_time), run_id = {self._run_id}
WHEN NOT MATCHED THEN INSERT
    (account_id, identification_scheme, country, first_event_time, last_event_time, run_id)
VALUES (active_accounts.account_id, active_accounts.identification_scheme, active_accounts.country,
    active_accounts.first_event_time, active_accounts.last_event_time, {self._run_id})""",
        ]

    def merchants(self) -> list[str]:
        """Versions of each merchant of the run, made anew from the run's first event on.

        The version in effect just before is the seed; what happened since is read from the facts. So late events split,
        extend or precede versions as if they had come in time, and nothing before them is touched.
        """
        merchant = f"merchant_name, COALESCE(merchant_country, {_UNKNOWN_COUNTRY})"
        same = "{0}.merchant_name = {1}.merchant_name AND {0}.merchant_country = {1}.merchant_country"
        return [
            f"""CREATE TEMP TABLE seen_merchants AS
SELECT merchant_name, COALESCE(merchant_country, {_UNKNOWN_COUNTRY}) AS merchant_country,
    MIN(event_time) AS seen_from
FROM new_transactions WHERE merchant_name IS NOT NULL GROUP BY {merchant}""",
            f"""CREATE TEMP TABLE merchant_sightings AS
SELECT merchant_name, merchant_country, merchant_category_code, seen_at FROM (
    SELECT fact.merchant_name, seen.merchant_country, fact.merchant_category_code, fact.event_time AS seen_at,
        ROW_NUMBER() OVER (PARTITION BY fact.merchant_name, seen.merchant_country, fact.event_time
            ORDER BY {_position("DESC", "fact")}) AS latest
    FROM {self._schema}.fact_transactions AS fact JOIN seen_merchants AS seen
        ON fact.merchant_name = seen.merchant_name
        AND COALESCE(fact.merchant_country, {_UNKNOWN_COUNTRY}) = seen.merchant_country
    WHERE fact.event_date >= {literal(min((file.partition_date for file in self._run.curated), default=date.max))}
        AND fact.event_time >= seen.seen_from) AS sightings
WHERE latest = 1
UNION ALL
SELECT known.merchant_name, known.merchant_country, known.merchant_category_code, known.valid_from
FROM {self._schema}.dim_merchant AS known JOIN seen_merchants AS seen ON {same.format("known", "seen")}
WHERE known.valid_from < seen.seen_from AND (known.valid_to IS NULL OR known.valid_to >= seen.seen_from)""",
            f"""DELETE FROM {self._schema}.dim_merchant USING seen_merchants
WHERE {same.format("dim_merchant", "seen_merchants")}
    AND (dim_merchant.valid_to IS NULL OR dim_merchant.valid_to >= seen_merchants.seen_from)""",
            f"""INSERT INTO {self._schema}.dim_merchant
    (merchant_name, merchant_country, merchant_category_code, valid_from, valid_to, is_current, run_id)
SELECT merchant_name, merchant_country, merchant_category_code, seen_at, next_from, next_from IS NULL,
    {_text(self._run.run_id)}
FROM (
    SELECT merchant_name, merchant_country, merchant_category_code, seen_at,
        LEAD(seen_at) OVER (PARTITION BY merchant_name, merchant_country ORDER BY seen_at) AS next_from
    FROM (
        SELECT merchant_name, merchant_country, merchant_category_code, seen_at,
            ROW_NUMBER() OVER (PARTITION BY merchant_name, merchant_country ORDER BY seen_at) AS place,
            LAG(merchant_category_code)
                OVER (PARTITION BY merchant_name, merchant_country ORDER BY seen_at) AS code_before
        FROM merchant_sightings) AS ordered
    WHERE place = 1 OR COALESCE(merchant_category_code, '') <> COALESCE(code_before, '')) AS changes""",
        ]

    def balances(self) -> list[str]:
        """The closing balance of every day that the run touches, from all that the warehouse holds of that day."""
        return [
            """CREATE TEMP TABLE touched_days DISTKEY (account_id) AS
SELECT DISTINCT account_id, currency, event_date FROM new_transactions WHERE balance_after IS NOT NULL""",
            f"""CREATE TEMP TABLE closing_balances DISTKEY (account_id) AS
SELECT account_id, currency, event_date, balance_after, event_time, transaction_id FROM (
    SELECT fact.account_id, fact.currency, fact.event_date, fact.balance_after, fact.event_time, fact.transaction_id,
        ROW_NUMBER() OVER (PARTITION BY fact.account_id, fact.currency, fact.event_date
            ORDER BY fact.event_time DESC, {_position("DESC", "fact")}) AS latest
    FROM {self._schema}.fact_transactions AS fact JOIN touched_days AS touched
        ON fact.account_id = touched.account_id AND fact.currency = touched.currency
        AND fact.event_date = touched.event_date
    WHERE fact.balance_after IS NOT NULL
        AND {self._within_dates("fact.event_date", self._run.curated)}) AS booked
WHERE latest = 1""",
            f"""MERGE INTO {self._schema}.daily_balances USING closing_balances
ON daily_balances.account_id = closing_balances.account_id AND daily_balances.currency = closing_balances.currency
AND daily_balances.balance_date = closing_balances.event_date
WHEN MATCHED THEN UPDATE SET closing_balance = closing_balances.balance_after,
    last_event_time = closing_balances.event_time, last_transaction_id = closing_balances.transaction_id,
    run_id = {self._run_id}
WHEN NOT MATCHED THEN INSERT
    (account_id, currency, balance_date, closing_balance, last_event_time, last_transaction_id, run_id)
VALUES (closing_balances.account_id, closing_balances.currency, closing_balances.event_date,
    closing_balances.balance_after, closing_balances.event_time, closing_balances.transaction_id, {self._run_id})""",
        ]

    def alerts(self) -> list[str]:
        """Each alert once, by its id."""
        return [
            f"""CREATE TEMP TABLE new_alerts DISTKEY (account_id) AS
SELECT {_columns(FRAUD_ALERT_FIELDS)} FROM (
    SELECT {_columns(FRAUD_ALERT_FIELDS)}, ROW_NUMBER() OVER (PARTITION BY alert_id ORDER BY event_time) AS repetition
    FROM stage_fraud_alerts) AS staged
WHERE repetition = 1 AND {self._not_loaded}""",
            f"""MERGE INTO {self._schema}.fraud_alerts USING new_alerts
ON fraud_alerts.alert_id = new_alerts.alert_id
AND {self._within_dates("fraud_alerts.event_date", self._run.fraud_alerts)}
WHEN MATCHED THEN UPDATE SET alert_id = new_alerts.alert_id
WHEN NOT MATCHED THEN INSERT ({_columns(FRAUD_ALERT_FIELDS)}) VALUES ({_columns(FRAUD_ALERT_FIELDS, "new_alerts.")})""",
        ]

    def bookkeeping(self) -> list[str]:
        """Quarantine summary, control totals, and last of all the ledger row."""
        run, schema = self._run, self._schema
        of_run = f"run_id = {self._run_id} AND {self._within_dates('event_date', run.curated)}"
        reasons = " UNION ALL ".join(
            f"SELECT {_text(reason)} AS reason, {int(records)} AS records"
            for reason, records in sorted(run.quarantined_by_reason.items())
        )
        summary = f"""INSERT INTO {schema}.quarantine_summary (run_id, reason, records)
SELECT {_text(run.run_id)}, reason, records FROM ({reasons}) AS quarantined WHERE {self._not_loaded}"""
        return [
            *([summary] if reasons else []),
            f"""INSERT INTO {schema}.load_control_totals (run_id, currency, credit_debit_indicator, records, amount)
SELECT run_id, currency, credit_debit_indicator, COUNT(*), SUM(amount) FROM {schema}.fact_transactions
WHERE {of_run} AND {self._not_loaded} GROUP BY run_id, currency, credit_debit_indicator""",
            # rows_staged is null, and the transaction fails, where the files hold other rows than the run counted.
            f"""INSERT INTO {schema}.load_ledger
    (run_id, manifest_created_at, loaded_at, files, rows_staged, rows_loaded, fraud_alerts, quarantined)
SELECT {_text(run.run_id)}, CAST({literal(run.created_at)} AS TIMESTAMP), GETDATE(), {len(run.curated)},
    CASE WHEN staged.n = {run.rows} THEN staged.n END, loaded.n, alerts.n, {sum(run.quarantined_by_reason.values())}
FROM (SELECT COUNT(*) AS n FROM stage_transactions) AS staged,
    (SELECT COUNT(*) AS n FROM {schema}.fact_transactions WHERE {of_run}) AS loaded,
    (SELECT COUNT(*) AS n FROM new_alerts) AS alerts
WHERE {self._not_loaded}""",
        ]
