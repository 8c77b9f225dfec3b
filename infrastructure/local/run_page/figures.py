"""Asks the warehouse, as an auditor, for what a run's page shows of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal

from data_governance.display_masking import masked_account, masked_payload
from data_storage.sql_text import literal
from infrastructure.aws.redshift_data import DataApi, Row, WarehouseTarget, query
from infrastructure.local.run_page.document import Activity, Alert, Evidence, Sample

SAMPLES_OF_A_REASON = 3
ALERTS_OF_A_RULE = 8


@dataclass(frozen=True, slots=True)
class Figures:
    """samples: by reason, the newest first; alerts: of each rule those of the run first; example: an id
    of the run that is worth a trace, "" if it loaded nothing."""

    by_hour: list[Activity] = field(default_factory=list)
    by_type: list[Activity] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    alerts_by_rule: dict[str, int] = field(default_factory=dict)
    new_alerts_by_rule: dict[str, int] = field(default_factory=dict)
    example: str = ""


def read_figures(data_api: DataApi, auditor: WarehouseTarget, run_ids: Collection[str]) -> Figures:
    """run_ids: the ETL runs that count as new."""
    schema = auditor.schema
    new = f"CASE WHEN run_id IN ({', '.join(map(literal, run_ids)) or literal('')}) THEN 1 ELSE 0 END"

    def asked(sql: str) -> list[Row]:
        return query(data_api, auditor, sql)

    def activity(group: str) -> list[Activity]:
        rows = asked(
            f"SELECT currency, credit_debit_indicator, {group}, {new}, COUNT(*), SUM(amount)"
            f" FROM {schema}.fact_transactions WHERE status = 'BOOKED' GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        )
        return [
            Activity(str(currency), str(indicator), str(of), bool(is_new), int(str(records)), Decimal(str(amount)))
            for currency, indicator, of, is_new, records, amount in rows
        ]

    rules = asked(f"SELECT rule, COUNT(*), SUM({new}) FROM {schema}.fraud_alerts GROUP BY rule ORDER BY 2 DESC, 1")
    # Best one that was pending and then booked, and that an alert rests on.
    examples = asked(
        f"SELECT fact.transaction_id FROM {schema}.fact_transactions AS fact"
        f" LEFT JOIN {schema}.pending_transactions AS pending ON pending.transaction_id = fact.transaction_id"
        f" LEFT JOIN {schema}.fraud_alert_evidence AS evidence ON evidence.transaction_id = fact.transaction_id"
        f" WHERE {new.replace('run_id', 'fact.run_id')} = 1"
        " ORDER BY CASE WHEN pending.transaction_id IS NULL THEN 1 ELSE 0 END,"
        " CASE fact.status WHEN 'BOOKED' THEN 0 ELSE 1 END,"
        " CASE WHEN evidence.transaction_id IS NULL THEN 1 ELSE 0 END, fact.transaction_id LIMIT 1"
    )
    return Figures(
        example=str(examples[0][0]) if examples else "",
        by_hour=activity("CAST(EXTRACT(HOUR FROM event_time) AS INTEGER)"),
        by_type=activity("transaction_type"),
        samples=_samples(
            asked(
                "SELECT reason, transaction_id, field, stage, arrival_time, stream_incarnation, shard_id,"
                " sequence_number, payload FROM (SELECT q.*, ROW_NUMBER() OVER (PARTITION BY reason ORDER BY"
                f" arrival_time DESC, sequence_number) AS place FROM {schema}.quarantine AS q) AS placed"
                f" WHERE place <= {SAMPLES_OF_A_REASON} ORDER BY reason, place"
            )
        ),
        alerts=_alerts(
            asked(
                "SELECT alert_id, rule, severity, reason, subject_type, bucket_start, state, is_new FROM (SELECT"
                f" a.*, s.state, {new.replace('run_id', 'a.run_id')} AS is_new, ROW_NUMBER() OVER (PARTITION BY a.rule"
                f" ORDER BY {new.replace('run_id', 'a.run_id')} DESC, a.bucket_start DESC, a.alert_id) AS place"
                f" FROM {schema}.fraud_alerts AS a JOIN {schema}.fraud_alert_status AS s ON s.alert_id = a.alert_id)"
                f" AS placed WHERE place <= {ALERTS_OF_A_RULE} ORDER BY rule, place"
            ),
            asked,
            schema,
        ),
        alerts_by_rule={str(rule): int(str(records)) for rule, records, _ in rules},
        new_alerts_by_rule={str(rule): int(str(new)) for rule, _, new in rules if int(str(new))},
    )


def _samples(rows: list[Row]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for reason, id_, fault, stage, arrival, incarnation, shard, sequence, payload in rows:
        position = f"{incarnation} / {shard} / {sequence}"
        found.setdefault(str(reason), []).append(
            Sample(
                None if id_ is None else str(id_),
                None if fault is None else str(fault),
                str(stage),
                str(arrival),
                position,
                masked_payload(str(payload)),
            )
        )
    return found


def _alerts(rows: list[Row], asked: Callable[[str], list[Row]], schema: str) -> list[Alert]:
    if not rows:
        return []
    ids = ", ".join(literal(str(row[0])) for row in rows)
    evidence: dict[str, list[Evidence]] = {}
    for alert_id, transaction_id, account, event_time, amount, currency in asked(
        "SELECT alert_id, transaction_id, account_id, event_time, amount, currency"
        f" FROM {schema}.fraud_alert_evidence WHERE alert_id IN ({ids}) ORDER BY event_time, transaction_id"
    ):
        evidence.setdefault(str(alert_id), []).append(
            Evidence(str(transaction_id), masked_account(str(account)), str(event_time), str(amount), str(currency))
        )
    return [
        Alert(
            rule=str(rule),
            severity=str(severity),
            reason=str(reason),
            subject_type=str(subject_type),
            bucket_start=str(bucket),
            state=str(state),
            is_new=bool(is_new),
            evidence=evidence.get(str(alert_id), []),
        )
        for alert_id, rule, severity, reason, subject_type, bucket, state, is_new in rows
    ]
