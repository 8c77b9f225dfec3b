"""The transaction that loads one run into the warehouse: its statements, and COPY's manifest. Pure: text out.

The order: lock, so that loads queue up and each sees the one before; stage the run's files; select nothing if the
ledger has the run already; add what is new; write the ledger last. Redshift enforces no keys, so these statements make
unique what has to be unique.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FIRST_VERSION,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    POSITION,
    QUARANTINE_FIELDS,
    REPLACED,
    TOKEN_LINK_FIELDS,
    Field,
    fields_at,
    redshift_columns,
)
from data_governance.run_result import PublishedFile, RunResult
from data_storage.sql_text import checked_name, column_list, literal, position, text, within
from data_storage.warehouse_derived_sql import Source, booked_so_far, derived, derived_anew


def copy_manifest(bucket: str, files: Iterable[PublishedFile]) -> bytes:
    """COPY's manifest: all and only these files, each mandatory, with the length that Parquet needs."""
    entries = [
        {"url": f"s3://{bucket}/{file.key}", "mandatory": True, "meta": {"content_length": file.size}} for file in files
    ]
    return json.dumps({"entries": entries}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class CopySource:
    """What COPY reads, and with which role. manifests: a URL by kind of file; kinds without files are left out. shared:
    the files may hold rows of other runs, because they were merged."""

    role_arn: str
    manifests: dict[str, str]
    shared: bool = False


def load_statements(
    run: RunResult, schema: str, source: CopySource, again: bool = False, bounded: bool = True
) -> list[str]:
    """The run's load as statements of one transaction, in order; at most 40.

    again: the run was loaded before, and its rows were removed by hand; anew_statements() ran before. Then booked dates
    follow what precedes the run in the stream. bounded: balances and
    merchants are read from the run's usual dates on; the load fails by REACH_COLUMN if a late row changes older ones.
    """
    load = _Load(run, checked_name(schema), source, again)
    bounded = bounded and not again
    since = load.usual_since if bounded else load.since
    return [
        *load.stage(),
        *load.transactions(),
        *derived(schema, run.run_id, Source(*_NEW, since, "new", bounded)),
        *load.alerts(),
        *load.links(),
        *load.quarantine(),
        *load.bookkeeping(),
    ]


def anew_statements(run_id: str, schema: str) -> list[str]:
    """What the warehouse derives from its transactions, made anew in a transaction of its own, before a run whose rows
    were removed by hand is loaded again.
    """
    return [f"LOCK {checked_name(schema)}.load_lock", *derived_anew(schema, run_id)]


def _stage_table(name: str, fields: Sequence[Field], key: str) -> str:
    """A table in the column order of the contract that the run was written by, which COPY needs."""
    columns = ", ".join(
        f"{column} {type_}{' NOT NULL' if required else ''}" for column, type_, required in redshift_columns(fields)
    )
    return f"CREATE TEMP TABLE {name} ({columns}) DISTKEY ({key})"


_NEW = ("new_transactions", "new_pending_transactions")
# Dates with less than this share of a run's rows are late rows'.
_LATE_SHARE = 0.01
# By how much a bank's own day of booking may be before the event's day in UTC.
_LOCAL_DAY = timedelta(days=1)
_FINALS_FIELDS = tuple(field for field in CURATED_FIELDS if field.name != "booked_date")


class _Load:
    """The statements, part by part."""

    def __init__(self, run: RunResult, schema: str, source: CopySource, again: bool) -> None:
        self._run = run
        self._schema = schema
        self._source = source
        self._again = again
        self._run_id = literal(run.run_id)
        self._staged_fields = fields_at(CURATED_FIELDS, run.contract_version)
        self._dates = {file.partition_date for file in (*run.curated, *run.pending_transactions)}
        self.since = min(self._dates, default=date.max)

    @property
    def usual_since(self) -> date:
        """The date from which all but a few of its final states happened."""
        records: dict[date, int] = {}
        for file in self._run.curated:
            records[file.partition_date] = records.get(file.partition_date, 0) + file.records
        most_late = _LATE_SHARE * sum(records.values())
        usual = [day for day, count in records.items() if count >= most_late]
        return min(usual) - _LOCAL_DAY if usual else self.since

    @property
    def _not_loaded(self) -> str:
        return f"NOT EXISTS (SELECT 1 FROM {self._schema}.load_ledger WHERE run_id = {self._run_id})"

    def _copy(self, table: str, kind: str) -> list[str]:
        manifest = self._source.manifests.get(kind)
        if manifest is None:
            return []
        role = literal(self._source.role_arn)
        return [f"COPY {table} FROM {literal(manifest)} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST"]

    @property
    def _of_run(self) -> str:
        """Leaves staged rows of other runs out, where files may hold some. What the landing refused names no run."""
        return f" WHERE COALESCE(run_id, {self._run_id}) = {self._run_id}" if self._source.shared else ""

    @property
    def _has_alerts(self) -> bool:
        """Alerts of contract 1.0 were named by the transaction that raised them; they stay in the lake."""
        return self._run.contract_version != FIRST_VERSION

    @property
    def _has_quarantine(self) -> bool:
        return bool(self._run.quarantine) and "quarantine" in self._source.manifests

    @property
    def _has_links(self) -> bool:
        return "token_links" in self._source.manifests

    def stage(self) -> list[str]:
        """Lock first, so that the transaction's snapshot shows every load before. Stages are the session's own."""
        alerts = []
        if self._has_alerts:
            alerts = [
                _stage_table("stage_fraud_alerts", FRAUD_ALERT_FIELDS, "alert_id"),
                _stage_table("stage_fraud_alert_evidence", FRAUD_ALERT_EVIDENCE_FIELDS, "alert_id"),
                *self._copy("stage_fraud_alerts", "fraud_alerts"),
                *self._copy("stage_fraud_alert_evidence", "fraud_alert_evidence"),
            ]
        links = []
        if self._has_links:
            links = [
                _stage_table("stage_token_links", TOKEN_LINK_FIELDS, "card_token"),
                *self._copy("stage_token_links", "token_links"),
            ]
        refused = []
        if self._has_quarantine:
            refused = [
                _stage_table("stage_quarantine", QUARANTINE_FIELDS, "fingerprint"),
                *self._copy("stage_quarantine", "quarantine"),
            ]
        return [
            f"LOCK {self._schema}.load_lock",
            _stage_table("stage_transactions", self._staged_fields, "account_id"),
            *self._copy("stage_transactions", "curated"),
            *self._copy("stage_transactions", "pending_transactions"),
            *([f"DELETE FROM stage_transactions WHERE run_id <> {self._run_id}"] if self._source.shared else []),
            *alerts,
            *links,
            *refused,
        ]

    def transactions(self) -> list[str]:
        """Facts and pending items that the warehouse lacks; none of a run that the ledger has already."""
        schema, names = self._schema, column_list(CURATED_FIELDS)
        staged = [
            f"""CREATE TEMP TABLE staged_finals DISTKEY (account_id) AS
{self._staged(_FINALS_FIELDS, "transaction_id", "status <> 'PENDING'", f"{schema}.fact_transactions")}"""
        ]
        before = f"{schema}.dim_account"
        if self._again:
            before = "booked_before"
            staged.append(
                f"""CREATE TEMP TABLE booked_before DISTKEY (account_id) AS
SELECT fact.account_id, MAX(fact.booked_date) AS last_booked_date FROM {schema}.fact_transactions AS fact
JOIN (SELECT account_id, MIN({position()}) AS first_position FROM staged_finals GROUP BY account_id) AS staged
    ON fact.account_id = staged.account_id
WHERE {position("fact")} < staged.first_position GROUP BY fact.account_id"""
            )
        pending = self._staged(
            CURATED_FIELDS, "transaction_id, content_hash", "status = 'PENDING'", f"{schema}.pending_transactions"
        )
        return [
            *staged,
            # An entry without a booking date is booked on the day when it happened, but never before its account's last
            # booking.
            f"""CREATE TEMP TABLE new_transactions DISTKEY (account_id) AS
SELECT {column_list(_FINALS_FIELDS, "dated.")}, CASE WHEN dated.status = 'BOOKED' THEN
    COALESCE(dated.booking_date, GREATEST(dated.booked_so_far, before.last_booked_date)) END AS booked_date
FROM (SELECT {column_list(_FINALS_FIELDS)}, {booked_so_far().replace("account_id", "account_id, status")}
        AS booked_so_far
    FROM staged_finals) AS dated
LEFT JOIN {before} AS before ON before.account_id = dated.account_id""",
            f"CREATE TEMP TABLE new_pending_transactions DISTKEY (account_id) AS\n{pending}",
            f"INSERT INTO {schema}.fact_transactions ({names}) SELECT {names} FROM new_transactions",
            f"INSERT INTO {schema}.pending_transactions ({names}) SELECT {names} FROM new_pending_transactions",
        ]

    def _staged(self, fields: Sequence[Field], key: str, which: str, table: str) -> str:
        """The first staged row of each key, in stream order, that the table does not hold. Later fields are null."""
        known = {field.name for field in self._staged_fields}
        types = {name: type_ for name, type_, _ in redshift_columns(fields)}
        columns = ", ".join(
            field.name if field.name in known else f"CAST(NULL AS {types[field.name]}) AS {field.name}"
            for field in fields
        )
        replayed = known.issuperset(REPLACED)
        # The account is part of the distribution key, so that the rows compared lie on one slice.
        same = " AND ".join(f"held.{name} = staged.{name}" for name in ("account_id", *key.split(", ")))
        return f"""SELECT {columns} FROM (
    SELECT {column_list(self._staged_fields)},
        ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {position(replayed=replayed)}) AS put
    FROM stage_transactions WHERE {which}) AS staged
WHERE put = 1 AND {self._not_loaded} AND NOT EXISTS (
    SELECT 1 FROM {table} AS held WHERE {same} AND {within("held.event_date", self._dates)})"""

    def alerts(self) -> list[str]:
        """Each alert, and each piece of evidence, once."""
        if not self._has_alerts:
            return []
        return [
            self._added("fraud_alerts", FRAUD_ALERT_FIELDS, ("alert_id",), self._run.fraud_alerts),
            self._added(
                "fraud_alert_evidence",
                FRAUD_ALERT_EVIDENCE_FIELDS,
                ("alert_id", "transaction_id", "content_hash"),
                self._run.fraud_alert_evidence,
            ),
        ]

    def links(self) -> list[str]:
        """Each token of a card that is linked with the one before it, once."""
        if not self._has_links:
            return []
        names = column_list(TOKEN_LINK_FIELDS)
        return [
            f"""INSERT INTO {self._schema}.token_links ({names})
SELECT {names} FROM (SELECT {names} FROM stage_token_links{self._of_run}) AS staged
WHERE {self._not_loaded}
    AND NOT EXISTS (SELECT 1 FROM {self._schema}.token_links AS held WHERE held.card_token = staged.card_token)"""
        ]

    def quarantine(self) -> list[str]:
        """Each refused record once, of landing and job alike."""
        if not self._has_quarantine:
            return []
        days = [file.partition_date for file in self._run.quarantine]
        names, key = column_list(QUARANTINE_FIELDS), ("stage", *POSITION)
        same = " AND ".join(f"held.{name} = staged.{name}" for name in key)
        since, until = literal(min(days) - _LOCAL_DAY), literal(max(days) + 2 * _LOCAL_DAY)
        return [
            f"""INSERT INTO {self._schema}.quarantine ({names})
SELECT {names} FROM (
    SELECT {names}, ROW_NUMBER() OVER (PARTITION BY {", ".join(key)} ORDER BY fingerprint) AS repetition
    FROM stage_quarantine{self._of_run}) AS staged
WHERE repetition = 1 AND {self._not_loaded}
    AND NOT EXISTS (SELECT 1 FROM {self._schema}.quarantine AS held
        WHERE held.arrival_time >= {since} AND held.arrival_time < {until} AND {same})"""
        ]

    def _added(self, table: str, fields: Sequence[Field], key: Sequence[str], files: Sequence[PublishedFile]) -> str:
        names = column_list(fields)
        same = " AND ".join(f"held.{name} = staged.{name}" for name in key)
        same += f" AND {within('held.event_date', (file.partition_date for file in files))}"
        return f"""INSERT INTO {self._schema}.{table} ({names})
SELECT {names} FROM (
    SELECT {names}, ROW_NUMBER() OVER (PARTITION BY {", ".join(key)} ORDER BY event_date) AS repetition
    FROM stage_{table}{self._of_run}) AS staged
WHERE repetition = 1 AND {self._not_loaded}
    AND NOT EXISTS (SELECT 1 FROM {self._schema}.{table} AS held WHERE {same})"""

    def bookkeeping(self) -> list[str]:
        """Quarantine summary, control totals, history, and last of all the ledger row."""
        run, schema = self._run, self._schema
        of_run = f"run_id = {self._run_id} AND {within('event_date', self._dates)}"
        reasons = " UNION ALL ".join(
            f"SELECT {text(reason)} AS reason, {int(records)} AS records"
            for reason, records in sorted(run.quarantined_by_reason.items())
        )
        summary = f"""INSERT INTO {schema}.quarantine_summary (run_id, reason, records)
SELECT {text(run.run_id)}, reason, records FROM ({reasons}) AS quarantined WHERE {self._not_loaded}"""
        totals = " UNION ALL ".join(
            f"""SELECT run_id, {text(table, 32)} AS table_name, currency, credit_debit_indicator, COUNT(*) AS records,
    SUM(amount) AS amount FROM {schema}.{table} WHERE {of_run} GROUP BY run_id, currency, credit_debit_indicator"""
            for table in ("fact_transactions", "pending_transactions")
        )
        columns = "run_id, table_name, currency, credit_debit_indicator, records, amount"
        return [
            *([summary] if reasons else []),
            f"""INSERT INTO {schema}.load_control_totals ({columns})
SELECT {columns} FROM ({totals}) AS added WHERE {self._not_loaded}""",
            f"""INSERT INTO {schema}.load_history (run_id, loaded_at)
SELECT {text(run.run_id)}, GETDATE() FROM (SELECT COUNT(*) AS n FROM stage_transactions) AS staged
WHERE {self._not_loaded}""",
            # If the files hold other rows than the run counted, rows_staged is null and the transaction fails.
            f"""INSERT INTO {schema}.load_ledger (run_id, manifest_created_at, loaded_at, files, rows_staged,
    rows_loaded, pending_loaded, fraud_alerts, quarantined)
SELECT {text(run.run_id)}, CAST({literal(run.created_at)} AS TIMESTAMP), GETDATE(),
    {len(run.curated) + len(run.pending_transactions)},
    CASE WHEN staged.n = {run.rows} THEN staged.n END, finals.n, pending.n, alerts.n,
    {sum(run.quarantined_by_reason.values())}
FROM (SELECT COUNT(*) AS n FROM stage_transactions) AS staged,
    (SELECT COUNT(*) AS n FROM {schema}.fact_transactions WHERE {of_run}) AS finals,
    (SELECT COUNT(*) AS n FROM {schema}.pending_transactions WHERE {of_run}) AS pending,
    (SELECT COUNT(*) AS n FROM {schema}.fraud_alerts WHERE run_id = {self._run_id}) AS alerts
WHERE {self._not_loaded}""",
        ]
