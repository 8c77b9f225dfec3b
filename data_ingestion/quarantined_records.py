"""Reads what is in quarantine: what the landing refused from its objects, what the job refused from the Iceberg table.

Cost follows the days that are asked for. Records that a replay stands for already are told apart.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow.compute as pc

from data_catalog.lake_layout import LANDING_QUARANTINE_PREFIX, REPLAY_CONTROL_PREFIX, arrival_day
from data_catalog.transaction_contract import POSITION, QUARANTINE_FIELDS
from data_governance.lake_reader import LakeReader
from data_ingestion.corrected_records import Position

_COLUMNS = [field.name for field in QUARANTINE_FIELDS]


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A row of quarantine. field: the contract's field at fault, if one is; payload: the record as text, card numbers
    masked; fields: the payload's, where it is a JSON object; is_replayed: a replay stands for it."""

    reason: str
    stage: str
    field: str | None
    transaction_id: str | None
    position: Position
    arrival_time: datetime
    payload: str
    is_replayed: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """Empty where the payload is no JSON object. Of a field that stands twice the last value is taken, as JSON
        parsers do."""
        try:
            document = json.loads(self.payload)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}

    def value(self, name: str) -> str | None:
        """What a condition compares: a property of the row (reason, stage, field, day), else a field of the payload."""
        if name == "day":
            return self.arrival_time.date().isoformat()
        of_row = name in ("reason", "stage", "field", "transaction_id")
        found = getattr(self, name) if of_row else self.fields.get(name)
        return None if found is None else str(found)


def quarantined_on(lake: LakeReader, days: Iterable[date]) -> Iterator[QuarantinedRecord]:
    """What arrived on these days (UTC) and was refused, each position once, in no particular order."""
    days = sorted(set(days))
    replayed = replayed_positions(lake)
    seen: set[Position] = set()
    for row in _rows(lake, days):
        position = Position(*(row[name] for name in POSITION))
        if position not in seen:
            seen.add(position)
            yield QuarantinedRecord(
                row["reason"],
                row["stage"],
                row.get("field"),
                row.get("transaction_id"),
                position,
                _utc(row["arrival_time"]),
                row.get("payload") or "",
                position in replayed,
            )


def replayed_positions(lake: LakeReader) -> set[Position]:
    """The positions that replays stand for."""
    found: set[Position] = set()
    for _, body in lake.bodies("raw", lake.keys("raw", REPLAY_CONTROL_PREFIX)):
        found.update(Position(*position) for position in json.loads(body)["replay_of"])
    return found


def _rows(lake: LakeReader, days: list[date]) -> Iterator[dict[str, Any]]:
    for day in days:
        keys = lake.keys("quarantine", arrival_day(LANDING_QUARANTINE_PREFIX, day))
        for _, body in lake.bodies("quarantine", keys):
            yield from map(json.loads, gzip.decompress(body).splitlines())
    for rows in lake.parquet(lake.files("quarantine", days), _COLUMNS):
        yield from rows.filter(pc.field("stage") == "etl").to_pylist()


def _utc(value: str | datetime) -> datetime:
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
