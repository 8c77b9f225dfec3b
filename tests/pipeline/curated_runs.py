"""Writes runs into an emulated curated bucket as the Glue job leaves them, for tests and benchmarks of the loader."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.parquet

from data_catalog.lake_layout import run_key
from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    SCHEMA_VERSION,
    TOKEN_LINK_FIELDS,
    Field,
    Type,
)
from data_governance.control_totals import ControlKey, CuratedTotals
from data_governance.iban import is_iban
from data_governance.run_result import PublishedFile, RunResult

BUCKET = "curated-bucket"

_ARROW_TYPES = {
    Type.STRING: pyarrow.string(),
    Type.DECIMAL: pyarrow.decimal128(18, 4),
    Type.TIMESTAMP: pyarrow.timestamp("us", "UTC"),
    Type.DATE: pyarrow.date32(),
    Type.INTEGER: pyarrow.int64(),
}


def arrow_schema(fields: Sequence[Field]) -> pyarrow.Schema:
    """The contract's fields as Spark writes them to Parquet."""
    return pyarrow.schema([(field.name, _ARROW_TYPES[field.type]) for field in fields])


def transaction(number: int, **fields: Any) -> dict[str, Any]:
    """A curated row; number makes id and position, event_date follows event_time."""
    row: dict[str, Any] = {
        "schema_version": "1.0",
        "transaction_id": f"tx-{number:08d}",
        "account_id": f"DE{number % 7:020d}",
        "transaction_type": "PAYMENT",
        "credit_debit_indicator": "DBIT" if number % 3 else "CRDT",
        "amount": Decimal(number % 1000 + 1).scaleb(-2),
        "currency": ("EUR", "USD", "JPY")[number % 3],
        "event_time": datetime(2026, 3, 1 + number % 3, 12, number % 60, tzinfo=UTC),
        "status": "BOOKED",
        "channel": "API",
        "stream_incarnation": "20260301T000000Z",
        "shard_id": "shardId-000000000000",
        "sequence_number": str(10**20 + number),
        "sub_sequence_number": 0,
        "arrival_time": datetime(2026, 3, 4, tzinfo=UTC),
        "landed_at": datetime(2026, 3, 4, tzinfo=UTC),
        "content_hash": hashlib.sha256(str(number).encode()).hexdigest(),
    } | fields
    row.setdefault("event_date", row["event_time"].date())
    row.setdefault("booked_date", row.get("booking_date"))
    row.setdefault("account_scheme", "IBAN" if is_iban(row["account_id"]) else "BBAN")
    return row


def alert(number: int, **fields: Any) -> dict[str, Any]:
    """A fraud alert about the account of transaction(number)."""
    about = transaction(number)
    return {
        "alert_id": hashlib.sha256(f"alert {number}".encode()).hexdigest(),
        "rule": "large_amount",
        "severity": "HIGH",
        "subject_type": "ACCOUNT",
        "subject": about["account_id"],
        "bucket_start": about["event_time"].replace(hour=0, minute=0),
        "least_evidence": 1,
        "reason": "above the limit",
        "event_date": about["event_date"],
    } | fields


def evidence(of: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """That an alert rests on a transaction."""
    return {"alert_id": of["alert_id"]} | {
        field.name: about[field.name] for field in FRAUD_ALERT_EVIDENCE_FIELDS[1:] if field.name != "run_id"
    }


def link(token: str, former: str, first: str = "") -> dict[str, Any]:
    """That two tokens are of one card."""
    return {
        "card_token": token,
        "former_card_token": former,
        "first_card_token": first or former,
        "event_date": date(2026, 3, 1),
    }


def parquet(rows: Sequence[Mapping[str, Any]], fields: Sequence[Field]) -> bytes:
    """Rows as a Parquet file of the contract's columns."""
    sink = io.BytesIO()
    table = pyarrow.Table.from_pylist(list(rows), schema=arrow_schema(fields))
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def totals(rows: Iterable[Mapping[str, Any]]) -> CuratedTotals:
    """The rows' control totals, by the table that holds them."""
    counted = CuratedTotals()
    for row in rows:
        of = counted.pending if row["status"] == "PENDING" else counted.ledger
        of.add(ControlKey(row["currency"], row["credit_debit_indicator"]), row["amount"])
    return counted


def put_run(
    s3: Any,
    name: str,
    transactions: Sequence[Mapping[str, Any]],
    alerts: Sequence[Mapping[str, Any]] = (),
    quarantined: Mapping[str, int] | None = None,
    created_at: datetime = datetime(2026, 3, 5, tzinfo=UTC),
    evidence: Sequence[Mapping[str, Any]] = (),
    links: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Put a run's curated files, a file per date and table, and its result; the run's id."""
    finals = [row for row in transactions if row["status"] != "PENDING"]
    pending = [row for row in transactions if row["status"] == "PENDING"]
    return put_result(
        s3,
        name,
        put_files(s3, name, finals),
        put_files(s3, name, alerts, prefix="curated/fraud_alerts", fields=FRAUD_ALERT_FIELDS),
        quarantined,
        created_at,
        put_files(s3, name, pending, prefix="curated/pending_transactions"),
        put_files(s3, name, evidence, prefix="curated/fraud_alert_evidence", fields=FRAUD_ALERT_EVIDENCE_FIELDS),
        link_files=put_files(s3, name, links, prefix="curated/token_links", fields=TOKEN_LINK_FIELDS),
    )


def put_files(
    s3: Any,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    first_number: int = 0,
    prefix: str = "curated/transactions",
    fields: Sequence[Field] = CURATED_FIELDS,
) -> list[PublishedFile]:
    """Put a run's rows, a file per date; the files as a result lists them."""
    by_date: dict[date, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_date.setdefault(row["event_date"], []).append({"run_id": run_id(name), **row})
    files = []
    for number, (event_date, dated) in enumerate(sorted(by_date.items()), first_number):
        key = f"{prefix}/event_date={event_date}/{run_id(name)}-{number:05d}.parquet"
        body = parquet(dated, fields)
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        files.append(PublishedFile(key, len(body), len(dated), event_date))
    return files


def put_result(
    s3: Any,
    name: str,
    files: Sequence[PublishedFile],
    alert_files: Sequence[PublishedFile] = (),
    quarantined: Mapping[str, int] | None = None,
    created_at: datetime = datetime(2026, 3, 5, tzinfo=UTC),
    pending_files: Sequence[PublishedFile] = (),
    evidence_files: Sequence[PublishedFile] = (),
    contract_version: str = SCHEMA_VERSION,
    quarantine: Sequence[PublishedFile] = (),
    link_files: Sequence[PublishedFile] = (),
) -> str:
    """Put a run's result, which commits it; the run's id."""
    result = RunResult(
        run_id(name),
        created_at,
        tuple(files),
        tuple(alert_files),
        dict(quarantined or {}),
        pending_transactions=tuple(pending_files),
        fraud_alert_evidence=tuple(evidence_files),
        contract_version=contract_version,
        quarantine=tuple(quarantine),
        token_links=tuple(link_files),
        quarantine_bucket=BUCKET,
    )
    s3.put_object(Bucket=BUCKET, Key=run_key(run_id(name), "result.json"), Body=result.to_json())
    return run_id(name)


def run_id(name: str) -> str:
    """A run's id in the form of the job's, of the month in which all of these are planned."""
    return f"2026-03-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
