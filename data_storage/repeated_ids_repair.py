"""Moves final rows whose id was final before from the curated table to quarantine, in the lake and in the warehouse.

First they are put into quarantine, then taken out of the table, entered beside the kept totals, and at last taken out
of the warehouse, which says what there is to do: killed anywhere, the same call completes the work.
"""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import pyarrow
import pyarrow.compute
import pyarrow.parquet

from data_catalog.lake_tables import BY_KIND
from data_catalog.transaction_contract import LANDED_FIELDS, POSITION, QUARANTINE_FIELDS
from data_governance.control_totals import ControlTotals, CuratedTotals, amount_text
from data_governance.kept_totals import Erasure, KeptTotals
from data_storage.repeated_ids import REASON, RepeatedFinal, removal
from infrastructure.aws.iceberg import NewFile, append, files_on
from infrastructure.aws.iceberg_rewrite import rows_of, take_out
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, execute_batch
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table

_QUARANTINE = BY_KIND["quarantine"]


def repair(
    s3: S3Client,
    settings: Settings,
    tables: Callable[[str], Table],
    warehouse: tuple[DataApi, WarehouseTarget],
    rows: Sequence[RepeatedFinal],
) -> None:
    """Move the rows. warehouse: with a login that may change facts. Bring the kept totals up to the lake before."""
    id_ = hashlib.sha256(repr(sorted(row.position for row in rows)).encode()).hexdigest()[:16]
    which = reduce(or_, (_at(row) for row in rows))
    days = {row.event_date for row in rows}
    found = [row for part in _parts(s3, tables("transactions"), days, which) for row in part.to_pylist()]
    if found:
        _quarantine(s3, settings, tables("quarantine"), found, id_)
        take_out(s3, tables("transactions"), days, which)
    totals = ControlTotals()
    for row in rows:
        totals.add(row.key, row.amount)
    kept = KeptTotals(s3, settings.bucket("curated"))
    kept.add_erasure(Erasure(id_, datetime.now(UTC).date(), CuratedTotals(ledger=totals), quarantined=totals))
    data_api, target = warehouse
    execute_batch(data_api, target, removal(target.schema, rows), f"repair-{id_}", uuid.uuid4().hex)


def _at(row: RepeatedFinal) -> pyarrow.compute.Expression:
    """The row at this position."""
    same = [pyarrow.compute.field(name) == value for name, value in zip(POSITION, row.position, strict=True)]
    return same[0] & same[1] & same[2] & same[3]


def _parts(s3: S3Client, table: Table, days: set[date], which: pyarrow.compute.Expression) -> Iterator[pyarrow.Table]:
    return (rows_of(s3, file.file_path).filter(which) for file in files_on(table, days))


def _quarantine(s3: S3Client, settings: Settings, table: Table, found: list[dict[str, Any]], id_: str) -> None:
    """Add the rows to the quarantine table, a file for each day of arrival, in one snapshot."""
    by_day: dict[date, list[dict[str, Any]]] = {}
    for row in found:
        by_day.setdefault(row["arrival_time"].date(), []).append(_quarantined(row))
    bucket, files = settings.bucket(_QUARANTINE.bucket), []
    for day, rows in by_day.items():
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=table.schema().as_arrow()), sink)
        key = _QUARANTINE.file_key(day.isoformat(), f"repair-{id_}")
        s3.put_object(Bucket=bucket, Key=key, Body=sink.getvalue())
        files.append(NewFile(f"s3://{bucket}/{key}", len(sink.getvalue()), len(rows), day))
    positions = {tuple(row[name] for name in POSITION) for row in found}

    def is_there(table: Table) -> bool:
        held = (rows_of(s3, file.file_path) for file in files_on(table, set(by_day)))
        return any(
            row["stage"] == "etl" and tuple(row[name] for name in POSITION) in positions
            for part in held
            for row in part.select([*POSITION, "stage"]).to_pylist()
        )

    append(table, files, f"repair-{id_}", is_there)


def _quarantined(row: dict[str, Any]) -> dict[str, Any]:
    """A curated row as quarantine has it, with what landed as its payload."""
    fields = {field.name for field in QUARANTINE_FIELDS}
    payload = {
        field.name: _text(row[field.name], row["currency"])
        for field in LANDED_FIELDS
        if row.get(field.name) is not None
    }
    own = {"reason": REASON, "stage": "etl", "fingerprint": row["content_hash"], "field": None}
    payload_text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return {name: value for name, value in row.items() if name in fields} | own | {"payload": payload_text}


def _text(value: Any, currency: str) -> Any:
    """A value as it lands: amounts and times as text."""
    if isinstance(value, Decimal):
        return amount_text(value, currency)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
