"""Traces a transaction id: from the warehouse's rows straight to run, file, raw object and position in the stream.

The warehouse (or, where there is none, the lake's index of ids) says where each record of the id stands: run, event
date, position, arrival. Each hop is then looked up by what names it, so the cost is that of a few objects, whatever the
lake's age. Copies that were dropped are nowhere by id: they are looked for in the raw objects of the same shard around
the arrival, and what the job has not taken yet in what landed since its last run. The trail says what was searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from data_catalog.lake_tables import BY_KIND
from data_catalog.transaction_contract import FINAL_STATUSES, POSITION, REPLACED
from data_governance.control_totals import amount_text
from data_governance.lake_reader import LakeReader
from data_storage.sql_text import literal
from data_storage.trace_objects import REPLAY, LandedRow, TracedObjects
from data_storage.transaction_trail import (
    CURATED,
    DUPLICATE,
    QUARANTINED,
    WAITING,
    Place,
    Step,
    TracedAlert,
    TracedRecord,
    Trail,
    state_of,
)
from infrastructure.aws.iceberg import bounds_of, files_on
from infrastructure.aws.redshift_data import DataApi, WarehouseTarget, query
from infrastructure.errors import PlatformError
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table

Found = dict[str, Any]

_CURATED = (
    "status", "amount", "currency", "event_time", "event_date", "run_id", *POSITION, "arrival_time", "landed_at",
    "original_transaction_id", "pending_transaction_id", *REPLACED,
)  # fmt: skip
_QUARANTINED = ("reason", "stage", "field", "amount", "currency", "run_id", *POSITION, "arrival_time")


class Tracer:
    """Traces ids. data_api: None if there is no warehouse; then the lake's own index of ids is asked."""

    def __init__(
        self,
        s3: S3Client,
        settings: Settings,
        tables: Callable[[str], Table],
        data_api: DataApi | None,
        auditor: WarehouseTarget,
    ) -> None:
        self._lake = LakeReader(s3, settings, tables)
        self._objects = TracedObjects(self._lake)
        self._data_api = data_api
        self._auditor = auditor

    def trace(self, transaction_id: str) -> Trail:
        """Everything that is known of the id. Raises PlatformError if it can be no transaction's."""
        try:
            literal(transaction_id)
        except ValueError:
            raise PlatformError(
                "TRANSACTION_ID", "has characters that no SQL here takes", "Use letters, digits and _.:/@+=,-"
            ) from None
        trail = Trail(transaction_id, "ABSENT")
        for kind in ("curated", "pending_transactions"):
            for row in self._held(kind, transaction_id):
                trail.records.append(self._curated(kind, row))
                self._link(trail, row)
        known = {record.place: record for record in trail.records}
        for row in self._refused(transaction_id):
            known.setdefault(_place(row), self._quarantined(row))
        self._add_copies(trail, known)
        if not known:
            self._add_waiting(trail, known)
        trail.records = sorted(known.values(), key=lambda record: record.place.order)
        trail.state = state_of(trail.records)
        trail.alerts = self._alerts(transaction_id)
        if not trail.records:
            trail.absent_because = self._why_absent()
        return trail

    def _held(self, kind: str, transaction_id: str) -> list[Found]:
        """The rows of a curated table, by the warehouse or by the lake's index."""
        if self._data_api is None:
            return self._held_by_the_lake(kind, transaction_id)
        table = "fact_transactions" if kind == "curated" else "pending_transactions"
        return self._asked(table, _CURATED, f"transaction_id = {literal(transaction_id)}")

    def _held_by_the_lake(self, kind: str, transaction_id: str) -> list[Found]:
        index, wanted = self._lake.tables("transaction_ids"), pc.field("transaction_id") == transaction_id
        candidates = []
        for file in files_on(index):
            bounds = bounds_of(index, file, "transaction_id")
            if bounds is None or bounds[0] <= transaction_id <= bounds[1]:
                candidates.append(file.file_path)
        of_kind = FINAL_STATUSES if kind == "curated" else ("PENDING",)
        days: set[date] = set()
        for rows in self._lake.parquet(candidates, ["transaction_id", "status", "event_date"]):
            days |= {row["event_date"] for row in rows.filter(wanted).to_pylist() if row["status"] in of_kind}
        found: list[Found] = []
        for rows in self._lake.parquet(self._lake.files(BY_KIND[kind].name, days), ["transaction_id", *_CURATED]):
            found += rows.filter(wanted).to_pylist()
        return found

    def _refused(self, transaction_id: str) -> list[Found]:
        if self._data_api is None:
            return []
        return self._asked("quarantine", _QUARANTINED, f"transaction_id = {literal(transaction_id)}")

    def _asked(self, table: str, columns: Sequence[str], where: str) -> list[Found]:
        assert self._data_api is not None
        sql = f"SELECT {', '.join(columns)} FROM {self._auditor.schema}.{table} WHERE {where}"
        return [dict(zip(columns, row, strict=True)) for row in query(self._data_api, self._auditor, sql)]

    def _curated(self, kind: str, row: Found) -> TracedRecord:
        record = _record(row, str(row["status"]), CURATED)
        record.steps = [*self._arrival(row), *self._run(kind, row)]
        if self._data_api is not None:
            record.steps.append(self._loaded(kind, str(row["run_id"])))
        return record

    def _arrival(self, row: Found) -> list[Step]:
        """How it came: through the stream, or as a correction of what stood in quarantine."""
        place = _place(row)
        steps = [Step("streamed", _time(row["arrival_time"]), "arrived in Kinesis", str(place))]
        if row.get("replaces_sequence_number"):
            replaced = _place(row, REPLACED)
            steps = [
                Step("streamed", _time(row["arrival_time"]), "arrived in Kinesis", str(replaced)),
                Step("quarantined", "", "was refused there, corrected and replayed", str(place)),
            ]
        landed = self._objects.landed(place, _when(row["arrival_time"]))
        return [*steps, _landed_step(landed, _time(row.get("landed_at")))]

    def _run(self, kind: str, row: Found) -> list[Step]:
        run = self._objects.run(str(row["run_id"]))
        if run is None:
            return [Step("curated", "", f"run {row['run_id']}, whose result is gone", BY_KIND[kind].name)]
        where = self._objects.curated_file(run, kind, _day(row["event_date"]), _place(row))
        return [Step("curated", _time(run.created_at), f"by run {run.run_id}", where)]

    def _loaded(self, kind: str, run_id: str) -> Step:
        table = "fact_transactions" if kind == "curated" else "pending_transactions"
        rows = self._asked("load_ledger", ("loaded_at",), f"run_id = {literal(run_id)}")
        at = _time(rows[0]["loaded_at"]) if rows else ""
        return Step("loaded", at, "into the warehouse", f"{self._auditor.schema}.{table}")

    def _quarantined(self, row: Found) -> TracedRecord:
        record = _record(row | {"event_time": ""}, "", QUARANTINED)
        place = _place(row)
        by = "the Lambda" if row["stage"] == "landing" else f"run {row['run_id']}"
        field = f" in {row['field']}" if row.get("field") else ""
        arrival = _when(row["arrival_time"])
        record.steps = [Step("streamed", _time(arrival), "arrived in Kinesis", str(place))]
        if row["stage"] == "landing":
            where = self._objects.refused(place, arrival)
        else:
            where = f"table quarantine, {arrival.date()}"
            record.steps.append(_landed_step(self._objects.landed(place, arrival), ""))
        record.steps.append(Step("quarantined", "", f"{row['reason']}{field}, by {by}", where))
        return record

    def _add_copies(self, trail: Trail, known: dict[Place, TracedRecord]) -> None:
        """Further records of the id in the same shard and around the same time. They were dropped as duplicates."""
        around = [(record.place, _when(record.steps[0].at)) for record in known.values() if record.steps[0].at]
        found = (self._objects.copies(trail.transaction_id, *each, trail.searched) for each in around)
        for landed in chain.from_iterable(found):
            if landed.place in known:
                continue
            copy = _record(landed.row, str(landed.row["status"]), DUPLICATE)
            copy.steps = [
                Step("streamed", _time(landed.row["arrival_time"]), "arrived in Kinesis", str(landed.place)),
                _landed_step(landed, _time(landed.row["landed_at"])),
                Step("duplicate", "", "the same content is held already: dropped and counted", ""),
            ]
            known[landed.place] = copy

    def _add_waiting(self, trail: Trail, known: dict[Place, TracedRecord]) -> None:
        """What the next run will take."""
        for landed in self._objects.waiting("raw", trail.transaction_id, trail.searched):
            waiting = _record(landed.row, str(landed.row["status"]), WAITING)
            waiting.steps = [
                Step("streamed", _time(landed.row["arrival_time"]), "arrived in Kinesis", str(landed.place)),
                _landed_step(landed, _time(landed.row["landed_at"])),
            ]
            known[landed.place] = waiting
        for refused in self._objects.waiting("quarantine", trail.transaction_id, trail.searched):
            known[refused.place] = self._quarantined(refused.row | {"run_id": None})

    def _alerts(self, transaction_id: str) -> list[TracedAlert]:
        if self._data_api is None:
            return []
        schema = self._auditor.schema
        rows = query(
            self._data_api,
            self._auditor,
            "SELECT alert.alert_id, alert.rule, alert.severity, status.state, alert.bucket_start,"
            f" (SELECT COUNT(DISTINCT other.transaction_id) FROM {schema}.fraud_alert_evidence AS other"
            "  WHERE other.alert_id = alert.alert_id) - 1"
            f" FROM {schema}.fraud_alerts AS alert"
            f" JOIN {schema}.fraud_alert_status AS status ON status.alert_id = alert.alert_id"
            f" WHERE alert.alert_id IN (SELECT alert_id FROM {schema}.fraud_alert_evidence"
            f"  WHERE transaction_id = {literal(transaction_id)}) ORDER BY alert.bucket_start, alert.alert_id",
        )
        return [
            TracedAlert(str(id_), str(rule), str(severity), str(state), _time(bucket), int(str(others)))
            for id_, rule, severity, state, bucket, others in rows
        ]

    def _link(self, trail: Trail, row: Found) -> None:
        for name, how in (("original_transaction_id", "reverses"), ("pending_transaction_id", "settles")):
            if row.get(name) and (how, str(row[name])) not in trail.links:
                trail.links.append((how, str(row[name])))

    def _why_absent(self) -> list[str]:
        reasons = ["It never arrived: ask the producer for its position, or whether it was put at all."]
        if self._data_api is not None:
            ((unreadable,),) = query(
                self._data_api,
                self._auditor,
                f"SELECT COUNT(*) FROM {self._auditor.schema}.quarantine WHERE transaction_id IS NULL",
            )
            if int(str(unreadable)):
                reasons.append(
                    f"It may be one of {int(str(unreadable)):,} quarantined records whose id cannot be read: "
                    "`quarantine list` has them."
                )
        else:
            reasons.append(
                "It may be in quarantine, which cannot be asked by id without a warehouse: `quarantine list`."
            )
        if self._objects.has_tombstones():
            reasons.append("It may be of an account that was erased; an id is not kept then.")
        return reasons


def _record(row: Found, status: str, ending: str) -> TracedRecord:
    currency = str(row.get("currency") or "")
    amount = amount_text(Decimal(str(row["amount"])), currency) if currency else ""
    return TracedRecord(status, ending, amount, currency, _time(row["event_time"]), _place(row))


def _place(row: Found, columns: Sequence[str] = POSITION) -> Place:
    incarnation, shard, sequence, sub_sequence = (str(row[name]) for name in columns)
    return Place(incarnation, shard, sequence, int(sub_sequence))


def _landed_step(landed: LandedRow | None, at: str) -> Step:
    if landed is None:
        return Step("landed", at, "the raw object is gone: its retention has ended", "")
    by = "by a replay" if landed.place.incarnation.startswith(REPLAY) else "by the Lambda"
    return Step("landed", at, by, landed.address)


def _when(value: Any) -> datetime:
    """A time of the warehouse (UTC without a zone), of the lake, or of a landed row."""
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _time(value: Any) -> str:
    return _when(value).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00") if value else ""


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))
