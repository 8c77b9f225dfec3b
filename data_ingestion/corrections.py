"""Turns a quarantined record into the line that a replay takes: by values to set, or as somebody edits it. Pure.

A line is first held to all that a replay asks of it, so what is written can be replayed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data_catalog.transaction_contract import LANDED_FIELDS, POSITION, TRANSACTION_FIELDS, Type
from data_ingestion.corrected_records import Position, parse
from data_ingestion.quarantine_payload import REMOVED
from data_ingestion.quarantined_records import QuarantinedRecord
from infrastructure.errors import PlatformError

_LANDED = {field.name: field for field in LANDED_FIELDS}
# What a producer sends and what lands; where the record stood in the stream is no matter of correction.
SETTABLE = tuple(field.name for field in TRANSACTION_FIELDS if field.name in _LANDED)


class NotCorrectableError(PlatformError):
    """No line can be made of the record, whatever is set."""


def draft(record: QuarantinedRecord, values: Mapping[str, str]) -> dict[str, Any]:
    """The record in the landed schema, with some values set ("" takes a field away); perhaps still at fault.

    Raises NotCorrectableError where the payload is no JSON object, or held a card number of which there is no token.
    """
    fields = record.fields
    where = place_of(record)
    if not fields:
        raise NotCorrectableError(where, "is no JSON object", "The producer has to send it again")
    if fields.get("card_number") == REMOVED and "card_token" not in fields:
        raise NotCorrectableError(where, "has a card number without a token", "The producer has to send it again")
    arrival = record.arrival_time.isoformat()
    row = {name: value for name, value in fields.items() if name in _LANDED and value is not None and value != REMOVED}
    row = {"landed_at": arrival} | row | dict(zip(POSITION, record.position, strict=True)) | {"arrival_time": arrival}
    for name, value in values.items():
        if value:
            row[name] = int(value) if _LANDED[name].type is Type.INTEGER else value
        else:
            row.pop(name, None)
    return row


def checked_line(row: Mapping[str, Any], where: str) -> bytes:
    """The row as a line of NDJSON. Raises PlatformError that says what a replay would refuse."""
    line = json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
    list(parse(where, [line]))
    return line


def place_of(record: QuarantinedRecord) -> str:
    """How the record is named in messages."""
    return f"record {record.transaction_id or 'without a readable id'} at {position_text(record.position)}"


def position_text(position: Position) -> str:
    within = f"/{position.sub_sequence_number}" if position.sub_sequence_number else ""
    return f"{position.stream_incarnation}/{position.shard_id}/{position.sequence_number}{within}"
