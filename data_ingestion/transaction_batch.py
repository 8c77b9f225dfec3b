"""One Kinesis batch -> what is landed, what is quarantined, and the control totals of both. Pure and deterministic.

The same records give the same keys and the same bytes, however often a batch is tried again: nothing here reads a
clock. Every record ends in exactly one of the two outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from data_catalog.lake_layout import Batch
from data_catalog.transaction_contract import EVENT_TIME_AHEAD_SECONDS
from data_governance.card_screening import masked_texts
from data_governance.control_totals import ControlTotals
from data_governance.tokenization import TokenKeys
from data_ingestion.control_entries import ControlCount, Entry, control_entry
from data_ingestion.event_times import utc_times
from data_ingestion.kinesis_records import Records, ShardBatch, read_event
from data_ingestion.landing_rows import LandedRow, Origin, landed_rows, quarantined_rows
from data_ingestion.transaction_screening import Decoded, cleared_identifiers, columns_of, decode_records, uncertain
from data_ingestion.transaction_validation import FREE_TEXTS, Fault, Valid, plain_document, validate

__all__ = ["BatchResult", "control_entry", "process_batch"]

# Records processed at a time. More means fewer calls; this many, with all that is made of them, fit the CPU's cache.
_CHUNK = 2_000
_AHEAD = timedelta(seconds=EVENT_TIME_AHEAD_SECONDS)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What one batch writes. landed and quarantined are NDJSON, empty where there is no such row; control is JSON.

    The keys are of objects in the raw bucket (raw_key, control_key) and in the quarantine bucket (quarantine_key).
    """

    raw_key: str
    quarantine_key: str
    control_key: str
    landed: bytes
    quarantined: bytes
    control: bytes
    records: int
    landed_records: int
    quarantined_by_reason: dict[str, int]
    duplicates: int
    unknown_fields: int
    bytes_received: int
    first_arrival: datetime
    streamed_totals: ControlTotals
    landed_totals: ControlTotals
    quarantined_totals: ControlTotals


@dataclass(slots=True)
class _Outcome:
    """The outcome of the records processed so far."""

    landed: list[bytes] = field(default_factory=list)
    quarantined: list[bytes] = field(default_factory=list)
    streamed_count: ControlCount = field(default_factory=ControlCount)
    landed_count: ControlCount = field(default_factory=ControlCount)
    quarantined_count: ControlCount = field(default_factory=ControlCount)
    states: set[tuple[str, str]] = field(default_factory=set)  # (transaction_id, status)
    landed_records: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unknown_fields: int = 0


def process_batch(event_records: Sequence[Any], stream_incarnation: str, token_keys: TokenKeys) -> BatchResult:
    """Process the records of one Lambda event ("Records"), all of one shard.

    Raises PlatformError if the event is not a Kinesis batch, but never because of a record's content.
    """
    batch = read_event(event_records)
    records = batch.records
    origin = Origin(stream_incarnation, batch.shard_id, landed_at=max(records.arrivals))
    outcome = _Outcome()
    for start in range(0, len(records.data), _CHUNK):
        _process(records.part(start, start + _CHUNK), origin, token_keys, outcome)
    return _result(batch, origin, outcome)


def _process(records: Records, origin: Origin, token_keys: TokenKeys, outcome: _Outcome) -> None:
    decoded, documents = decode_records(records.data)
    undecoded = [place for place in documents if decoded.transactions[place] is None]
    rows: list[Any] = []
    if len(undecoded) < len(records.data):
        known = records.without(undecoded) if undecoded else records
        rows = _certain_rows(known, decoded.without(undecoded), origin, token_keys, outcome)
    entries = {place: control_entry(records.data[place]) for place in undecoded}
    for place, entry in entries.items():
        outcome.streamed_count.add_entry(*entry)
        rows.insert(place, None)
    doubtful = [place for place, row in enumerate(rows) if row is None]
    # A decoded record that is doubtful has none yet.
    looked_at = {
        place: documents[place] if place in documents else plain_document(records.data[place]) for place in doubtful
    }
    for place, row in _looked_at(records, looked_at, entries, origin, token_keys, outcome):
        rows[place] = row
    _write(rows, outcome)


def _certain_rows(
    records: Records, decoded: Decoded, origin: Origin, token_keys: TokenKeys, outcome: _Outcome
) -> list[Any]:
    """The landed rows of records that are certainly valid; None for records that need a closer look."""
    columns = columns_of(decoded.transactions)
    outcome.streamed_count.add_fields(columns["currency"], columns["credit_debit_indicator"], columns["amount"])
    columns["event_time"] = utc_times(columns["event_time"])
    doubtful = uncertain(records.data, decoded, columns, min(records.arrivals) + _AHEAD)
    for name in FREE_TEXTS:
        columns[name] = masked_texts(columns[name])
    unknown_fields = decoded.unknown_fields
    if doubtful:
        # Not tokenised, because the field may hold no card number.
        columns["card_number"] = cards = list(columns["card_number"])
        for index in doubtful:
            cards[index] = None
            unknown_fields[index] = 0  # counted with the closer look
    outcome.unknown_fields += sum(unknown_fields)
    rows = landed_rows(columns, records, origin, token_keys)
    for index in doubtful:
        rows[index] = None
    return rows


def _looked_at(
    records: Records,
    documents: dict[int, dict[str, Any] | None],
    known_entries: dict[int, Entry],
    origin: Origin,
    token_keys: TokenKeys,
    outcome: _Outcome,
) -> Iterator[tuple[int, Any]]:
    """(place, row) of the records that need a closer look.

    By place: their plain documents, and what those count for that were counted as streamed already.
    """
    valid: dict[int, Valid] = {}
    faults: dict[int, Fault] = {}
    cleared = cleared_identifiers(filter(None, documents.values()))
    for place, document in documents.items():
        result = validate(records.data[place], records.arrivals[place] + _AHEAD, document, cleared)
        if isinstance(result, Valid):
            valid[place] = result
        else:
            faults[place] = result
    if faults:
        bad = records.at(list(faults))
        entries = [known_entries.get(place) or control_entry(records.data[place]) for place in faults]
        outcome.reasons.update([fault.reason for fault in faults.values()])
        for entry in entries:
            outcome.quarantined_count.add_entry(*entry)
        bad_documents = list(map(documents.get, faults))
        rows = quarantined_rows(list(faults.values()), bad, bad_documents, cleared, entries, origin, token_keys)
        yield from zip(faults, rows, strict=True)
    if valid:
        columns = columns_of([result.transaction for result in valid.values()])
        columns["card_number"] = [result.card_digits for result in valid.values()]
        outcome.unknown_fields += sum(result.unknown_fields for result in valid.values())
        rows = landed_rows(columns, records.at(list(valid)), origin, token_keys)
        yield from zip(valid, rows, strict=True)


def _write(rows: list[Any], outcome: _Outcome) -> None:
    landed = [row for row in rows if type(row) is LandedRow]
    if len(landed) < len(rows):
        outcome.quarantined.append(_encoder.encode_lines([row for row in rows if type(row) is not LandedRow]))
    # Counted from the written rows, independently of the count of streamed.
    outcome.landed_count.add_fields(
        [row.currency for row in landed], [row.credit_debit_indicator for row in landed], [row.amount for row in landed]
    )
    outcome.landed.append(_encoder.encode_lines(landed))
    outcome.landed_records += len(landed)
    outcome.states.update([(row.transaction_id, row.status) for row in landed])


def _result(batch: ShardBatch, origin: Origin, outcome: _Outcome) -> BatchResult:
    streamed = outcome.streamed_count.totals()
    landed = outcome.landed_count.totals()
    quarantined = outcome.quarantined_count.totals()
    records = len(batch.records.data)
    first_arrival = batch.records.arrivals[0]
    written = Batch(origin.stream_incarnation, origin.shard_id, int(batch.first), int(batch.last))
    control = {
        "stream_incarnation": origin.stream_incarnation,
        "shard_id": origin.shard_id,
        "first_sequence_number": batch.first,
        "last_sequence_number": batch.last,
        "records": records,
        "streamed": streamed.rows(),
        "landed": landed.rows(),
        "quarantined": quarantined.rows(),
    }
    return BatchResult(
        raw_key=written.raw_key(first_arrival),
        quarantine_key=written.quarantine_key(first_arrival),
        control_key=written.control_key(first_arrival),
        landed=b"".join(outcome.landed),
        quarantined=b"".join(outcome.quarantined),
        control=_encoder.encode(control),
        records=records,
        landed_records=outcome.landed_records,
        quarantined_by_reason=dict(sorted(outcome.reasons.items())),
        duplicates=outcome.landed_records - len(outcome.states),
        unknown_fields=outcome.unknown_fields,
        bytes_received=batch.bytes_received,
        first_arrival=first_arrival,
        streamed_totals=streamed,
        landed_totals=landed,
        quarantined_totals=quarantined,
    )
