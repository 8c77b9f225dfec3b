"""Finds transaction ids that are final twice in the warehouse, and takes the later ones out of it.

The Glue job compares a batch with the ids of a window around its dates (docs/etl.md). The same id in two final rows
further apart than that is seen by nobody until it is looked for here: once a day by the job, and by `reconcile --ids`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from data_catalog.lake_layout import REPEATED_IDS_KEY
from data_catalog.transaction_contract import POSITION
from data_governance.control_totals import ControlKey
from data_storage.sql_text import literal, position, text, within
from data_storage.warehouse_derived_sql import derived_anew
from infrastructure.aws import s3_objects
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, query
from infrastructure.metrics import REPEATED_IDS_METRIC, put_count

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REASON = "conflicting_duplicate"
# So many are taken out in one transaction; the statement that lists them stays below 100 KB.
MOST_AT_ONCE = 200

Position = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class RepeatedFinal:
    """A final row whose id was final before. first_date, first_run: of the row that stays."""

    transaction_id: str
    event_date: date
    run_id: str
    first_date: date
    first_run: str
    position: Position
    key: ControlKey
    amount: Decimal


def count_repeated(data_api: DataApi, target: WarehouseTarget) -> int:
    """How many ids have several final rows."""
    ((found,),) = query(data_api, target, f"SELECT COUNT(*) FROM ({_repeated(target.schema)}) AS repeated")
    return int(str(found))


def look_for_repeated_ids(
    data_api: DataApi, s3: S3Client, cloudwatch: Any, target: WarehouseTarget, curated_bucket: str, namespace: str
) -> int | None:
    """Once a day, tell by a metric how many ids are final twice: what the window of deduplication can't see.

    Returns their number, None if they were counted within a day.
    """
    now = datetime.now(UTC)
    if _was_counted_within_a_day(s3, curated_bucket, now):
        return None
    found = count_repeated(data_api, target)
    put_count(cloudwatch, namespace, REPEATED_IDS_METRIC, found)
    body = json.dumps({"counted_at": now.isoformat(), "ids": found}).encode()
    s3.put_object(Bucket=curated_bucket, Key=REPEATED_IDS_KEY, Body=body, ContentType="application/json")
    return found


def _was_counted_within_a_day(s3: S3Client, curated_bucket: str, now: datetime) -> bool:
    try:
        counted = json.loads(s3_objects.body(s3, curated_bucket, REPEATED_IDS_KEY))
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        return False
    return now - datetime.fromisoformat(counted["counted_at"]) < timedelta(days=1)


def repeated_finals(data_api: DataApi, target: WarehouseTarget) -> list[RepeatedFinal]:
    """The rows beyond the first of each id, in the order in which their runs were planned and then of the stream."""
    schema, positions = target.schema, ", ".join(POSITION)
    in_order = f"(PARTITION BY fact.transaction_id ORDER BY ledger.manifest_created_at, {position('fact')})"
    columns = ", ".join(f"fact.{name}" for name in POSITION)
    rows = query(
        data_api,
        target,
        f"""SELECT transaction_id, event_date, run_id, first_date, first_run, {positions}, currency,
    credit_debit_indicator, amount FROM (
    SELECT fact.transaction_id, fact.event_date, fact.run_id, {columns}, fact.currency, fact.credit_debit_indicator,
        fact.amount, ROW_NUMBER() OVER {in_order} AS place,
        FIRST_VALUE(fact.event_date) OVER {in_order[:-1]} ROWS UNBOUNDED PRECEDING) AS first_date,
        FIRST_VALUE(fact.run_id) OVER {in_order[:-1]} ROWS UNBOUNDED PRECEDING) AS first_run
    FROM {schema}.fact_transactions AS fact
    JOIN ({_repeated(schema)}) AS repeated ON repeated.transaction_id = fact.transaction_id
    LEFT JOIN {schema}.load_ledger AS ledger ON ledger.run_id = fact.run_id) AS finals
WHERE place > 1 ORDER BY transaction_id, place""",
    )
    return [_repeated_final([str(value) for value in row]) for row in rows]


def _repeated(schema: str) -> str:
    finals = f"{schema}.fact_transactions"
    return f"SELECT transaction_id FROM {finals} GROUP BY transaction_id HAVING COUNT(*) > 1"


def _repeated_final(row: Sequence[str]) -> RepeatedFinal:
    id_, event_date, run_id, first_date, first_run, incarnation, shard, number, sub_number, *money = row
    currency, indicator, amount = money
    return RepeatedFinal(
        id_,
        date.fromisoformat(event_date),
        run_id,
        date.fromisoformat(first_date),
        first_run,
        (incarnation, shard, number, int(sub_number)),
        ControlKey(currency, indicator),
        Decimal(amount),
    )


def removal(schema: str, rows: Sequence[RepeatedFinal]) -> list[str]:
    """Take rows out, and count them as quarantined by their runs, as statements of one transaction. Again, they change
    nothing."""
    facts = f"{schema}.fact_transactions"
    listed = ", ".join(
        f"({literal(incarnation)}, {literal(shard)}, {literal(number)}, {sub_number})"
        for incarnation, shard, number, sub_number in (row.position for row in rows)
    )
    same = " AND ".join(f"fact_transactions.{name} = repeated.{name}" for name in POSITION)
    dates = within("fact_transactions.event_date", (row.event_date for row in rows))
    of_run = "(SELECT run_id, COUNT(*) AS records FROM taken_out GROUP BY run_id) AS gone"
    return [
        f"LOCK {schema}.load_lock",
        "CREATE TEMP TABLE repeated (stream_incarnation VARCHAR(64), shard_id VARCHAR(64),"
        " sequence_number VARCHAR(128), sub_sequence_number BIGINT)",
        f"INSERT INTO repeated VALUES {listed}",
        f"""CREATE TEMP TABLE taken_out AS
SELECT fact_transactions.run_id, fact_transactions.currency, fact_transactions.credit_debit_indicator,
    fact_transactions.amount
FROM {facts} JOIN repeated ON {same} WHERE {dates}""",
        f"""UPDATE {schema}.load_control_totals SET records = load_control_totals.records - gone.records,
    amount = load_control_totals.amount - gone.amount
FROM (SELECT run_id, currency, credit_debit_indicator, COUNT(*) AS records, SUM(amount) AS amount
    FROM taken_out GROUP BY run_id, currency, credit_debit_indicator) AS gone
WHERE load_control_totals.run_id = gone.run_id AND load_control_totals.currency = gone.currency
    AND load_control_totals.credit_debit_indicator = gone.credit_debit_indicator
    AND load_control_totals.table_name = 'fact_transactions'""",
        f"DELETE FROM {schema}.load_control_totals"
        " WHERE records = 0 AND run_id IN (SELECT taken_out.run_id FROM taken_out)",
        f"""UPDATE {schema}.quarantine_summary SET records = quarantine_summary.records + gone.records
FROM {of_run} WHERE quarantine_summary.run_id = gone.run_id AND quarantine_summary.reason = {literal(REASON)}""",
        f"""INSERT INTO {schema}.quarantine_summary (run_id, reason, records)
SELECT gone.run_id, {text(REASON)}, gone.records FROM {of_run}
WHERE NOT EXISTS (SELECT 1 FROM {schema}.quarantine_summary AS held
    WHERE held.run_id = gone.run_id AND held.reason = {literal(REASON)})""",
        f"""UPDATE {schema}.load_ledger SET rows_loaded = load_ledger.rows_loaded - gone.records,
    quarantined = load_ledger.quarantined + gone.records
FROM {of_run} WHERE load_ledger.run_id = gone.run_id""",
        f"DELETE FROM {facts} USING repeated WHERE {same} AND {dates}",
        *derived_anew(schema, "repair"),
    ]
