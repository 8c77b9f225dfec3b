"""A corrected quarantine record: a line of the landed schema, fully checked before anything of it is written.

A position can be replayed only once, so whatever the landing would not land or the ETL would refuse is refused here.
Rows come out as the landing writes them: times in UTC, card numbers in free text masked. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from data_catalog.landed_form import value_form
from data_catalog.transaction_contract import (
    EVENT_TIME_AHEAD_SECONDS,
    LANDED_FIELDS,
    POSITION,
    QUARANTINE_REASONS,
    TRANSACTION_FIELDS,
    Type,
)
from data_governance.card_numbers import holds_card_number
from data_ingestion.transaction_validation import Fault, validate
from infrastructure.errors import PlatformError

Record = dict[str, Any]

_LANDED = {field.name: field for field in LANDED_FIELDS}
_REQUIRED = tuple(field.name for field in LANDED_FIELDS if field.required)
_TRANSACTION = {field.name for field in TRANSACTION_FIELDS}
_NEVER_LANDED = _TRANSACTION - _LANDED.keys()
_TIMES = ("arrival_time", "landed_at")
_AHEAD = timedelta(seconds=EVENT_TIME_AHEAD_SECONDS)
_TOKENS = ("card_token", "former_card_token")
_is_token = re.compile("[1-9][0-9]{0,3}_[A-Za-z0-9_-]{43}").fullmatch  # version, 32 bytes in base64url
_FORMS = {name: re.compile(value_form(field)).fullmatch for name, field in _LANDED.items()} | dict.fromkeys(
    _TOKENS, _is_token
)


class Position(NamedTuple):
    """The stream position of the quarantined record."""

    stream_incarnation: str
    shard_id: str
    sequence_number: str
    sub_sequence_number: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """One corrected record as it will land, and where it was read, for error messages."""

    where: str
    record: Record

    @property
    def position(self) -> Position:
        return Position(*(self.record[name] for name in POSITION))


def parse(
    where: str, lines: Iterable[bytes], approved: Mapping[Position, Set[str]] = MappingProxyType({})
) -> Iterator[Corrected]:
    """The corrected records of one object. Raises PlatformError that names the line and the field, but no value.

    approved: by position the fields whose values are known to be no card numbers.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            place = f"{where} line {number}"
            record = _read(place, line)
            fields = approved.get(Position(*(record[name] for name in POSITION)), frozenset())
            yield Corrected(place, _landed(place, record, {record[name] for name in fields & record.keys()}))


def _read(place: str, line: bytes) -> Record:
    """The line's fields: each once, of the landed schema, with its JSON type; null fields are left out."""
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise _refused(place, "is not JSON") from None
    if not line.lstrip().startswith(b"{"):
        raise _refused(place, "is not a JSON object")
    record = {name: value for name, value in pairs if value is not None}
    names = [name for name, _ in pairs]
    if forbidden := _NEVER_LANDED & record.keys():
        raise _refused(place, f"holds {', '.join(sorted(forbidden))}, which never lands")
    if len(set(names)) != len(names):
        raise _refused(place, "holds a field twice")
    if record.keys() - _LANDED.keys():
        raise _refused(place, "holds fields that are not in the landed schema")
    if missing := sorted(name for name in _REQUIRED if name not in record):
        raise _refused(place, f"lacks {', '.join(missing)}")
    for name, value in record.items():
        expected = int if _LANDED[name].type is Type.INTEGER else str
        if type(value) is not expected:
            raise _refused(place, f"has a {name} that is no {'integer' if expected is int else 'string'}")
    return record


def _landed(place: str, record: Record, cleared: Set[str]) -> Record:
    """The record as the landing writes it, or what is wrong with it. cleared: identifiers that are no card numbers."""
    times = {name: _utc(place, name, record[name]) for name in _TIMES}
    received = {name: value for name, value in record.items() if name in _TRANSACTION}
    result = validate(json.dumps(received).encode(), times["arrival_time"] + _AHEAD, cleared=cleared)
    if isinstance(result, Fault):
        raise _faulty(place, result.field or "form", QUARANTINE_REASONS[result.reason])
    row: Record = record | msgspec.to_builtins(result.transaction) | msgspec.to_builtins(times)
    for name, value in row.items():
        if _FORMS[name](str(value)) is None or (name in _TOKENS and holds_card_number(value)):
            raise _faulty(place, name, QUARANTINE_REASONS["invalid_value"])
    return row


def _utc(place: str, name: str, text: str) -> datetime:
    """A time in UTC from one with an offset. The last moments of year 9999 are refused, since an event may be later."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None and time.astimezone(UTC) + _AHEAD:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _faulty(place, name, QUARANTINE_REASONS["invalid_event_time"])


def _faulty(place: str, name: str, reason: str) -> PlatformError:
    return _refused(place, f"has a bad {name} ({reason})")


def _refused(place: str, what: str) -> PlatformError:
    return PlatformError(place, what, "Correct it (docs/operations.md) and replay again; nothing was written")
