"""Puts corrected quarantine records into raw again, once.

A corrected record is a line of the landed schema that keeps the position of the quarantined one (stream_incarnation,
shard_id, sequence_number, sub_sequence_number): that says which record it replaces. Such lines lie as NDJSON, plain
or .gz, under a prefix of the quarantine bucket, e.g. corrected/2026-03-02/. The next ETL run takes them up.

A position that was replayed once is not replayed again, whatever stands in the file. A record whose card number was
bad can't be corrected here, because its token could not be made: it comes again through the stream.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from data_catalog.transaction_contract import (
    CREDIT_DEBIT_INDICATORS,
    CURRENCY_MINOR_UNITS,
    LANDED_FIELDS,
    POSITION_FIELDS,
    TRANSACTION_FIELDS,
    Type,
)
from data_governance.control_totals import ControlKey, ControlTotals
from infrastructure.errors import PlatformError
from infrastructure.settings import RAW_CONTROL_PREFIX, RAW_TRANSACTIONS_PREFIX

Record = dict[str, Any]

_POSITION = tuple(field_.name for field_ in POSITION_FIELDS if field_.name != "arrival_time")
_REQUIRED = frozenset(field_.name for field_ in LANDED_FIELDS if field_.required)
_LANDED = {field_.name: field_ for field_ in LANDED_FIELDS}
_NEVER_LANDED = {field_.name for field_ in TRANSACTION_FIELDS} - _LANDED.keys()
_SHARD = "shardId-000000000000"  # a replay has one
_CONTROL_PREFIX = f"{RAW_CONTROL_PREFIX}replay/"


class Position(NamedTuple):
    """Where a record stood when it was quarantined."""

    stream_incarnation: str
    shard_id: str
    sequence_number: str
    sub_sequence_number: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """One corrected record, and where it was read: for error messages."""

    where: str
    record: Record

    @property
    def position(self) -> Position:
        return Position(*(self.record[name] for name in _POSITION))


@dataclass(frozen=True, slots=True)
class ReplayObject:
    """What a replay writes: the raw object and its control object."""

    raw_key: str
    raw_body: bytes
    control_key: str
    control_body: bytes


@dataclass(slots=True)
class ReplayReport:
    """How many corrected records were read, put into raw, and left alone because they were replayed before."""

    read: int = 0
    replayed: int = 0
    replayed_before: int = 0
    totals: ControlTotals = field(default_factory=ControlTotals)


def parse(where: str, lines: Iterable[bytes]) -> Iterator[Corrected]:
    """The corrected records of one object. Raises PlatformError that names the line and the field, never a value."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{where} line {number}"
        try:
            record = json.loads(line)
        except ValueError:
            raise _refused(place, "is not JSON") from None
        if not isinstance(record, dict):
            raise _refused(place, "is not a JSON object")
        _check(place, record)
        yield Corrected(place, record)


def _check(place: str, record: Record) -> None:
    """What the ETL can't judge any more, or what would break the accounting; all else the ETL checks."""
    if forbidden := record.keys() & _NEVER_LANDED:
        raise _refused(place, f"holds {', '.join(sorted(forbidden))}, which never lands")
    if missing := sorted(name for name in _REQUIRED if record.get(name) is None):
        raise _refused(place, f"lacks {', '.join(missing)}")
    if record.keys() - _LANDED.keys():
        raise _refused(place, "holds fields that are not in the landed schema")
    for name, value in record.items():
        expected = int if _LANDED[name].type is Type.INTEGER else str
        if value is not None and not isinstance(value, expected):
            raise _refused(place, f"has a {name} that is no {'integer' if expected is int else 'string'}")


def _refused(place: str, what: str) -> PlatformError:
    return PlatformError(place, what, "Correct it to the landed schema (docs/operations.md) and replay again")


def build(corrected: list[Corrected], now: datetime) -> ReplayObject:
    """The objects of a replay at that time. The control object's name derives from the content.

    The raw object lies in the partition of the replay, not of the record's first arrival: the ETL takes partitions
    older than the stream's retention for complete.

    Every row gets a position of its own, under an incarnation "replay-…" that sorts after the streams'; the control
    object tells which position each one replaces.
    """
    ordered = sorted(corrected, key=lambda one: one.position)
    content = "\n".join(json.dumps(one.record, sort_keys=True) for one in ordered)
    incarnation = f"replay-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    rows: list[Record] = []
    totals = ControlTotals()
    for number, one in enumerate(ordered, 1):
        own = Position(incarnation, _SHARD, str(number), 0)
        rows.append(one.record | dict(zip(_POSITION, own, strict=True)))
        totals.add(*control_entry(one.record))
    name = f"{incarnation}-{_SHARD}-1-{len(rows)}"
    raw_key = f"{RAW_TRANSACTIONS_PREFIX}{now:arrival_date=%Y-%m-%d/arrival_hour=%H}/{name}.ndjson.gz"
    control = {
        "stream_incarnation": incarnation,
        "shard_id": _SHARD,
        "first_sequence_number": "1",
        "last_sequence_number": str(len(rows)),
        "records": len(rows),
        "streamed": [],
        "landed": totals.rows(),
        "quarantined": [],
        "replay_of": [list(one.position) for one in ordered],
        "raw_key": raw_key,
    }
    body = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    return ReplayObject(
        raw_key=raw_key,
        raw_body=gzip.compress(body.encode(), mtime=0),
        control_key=f"{_CONTROL_PREFIX}{name}.json",
        control_body=json.dumps(control).encode(),
    )


def control_entry(record: Record) -> tuple[ControlKey, Decimal]:
    """What a corrected record counts for; unreadable where the ETL will quarantine it again."""
    currency, indicator = record["currency"], record["credit_debit_indicator"]
    whole, _, fraction = record["amount"].partition(".")
    plain = (whole + fraction).isascii() and (whole + fraction).isdigit() and len(whole) <= 14 and len(fraction) <= 4
    if not plain or currency not in CURRENCY_MINOR_UNITS or indicator not in CREDIT_DEBIT_INDICATORS:
        return ControlKey(None, None), Decimal(0)
    return ControlKey(currency, indicator), Decimal(record["amount"])


class Replay:
    """Reads corrected records below a prefix of the quarantine bucket and puts them into raw."""

    def __init__(self, s3: Any, raw_bucket: str, quarantine_bucket: str) -> None:
        self._s3 = s3
        self._raw = raw_bucket
        self._quarantine = quarantine_bucket

    def run(self, prefix: str) -> ReplayReport:
        """Replay all that lies under the prefix and was not replayed before.

        Raises PlatformError where nothing lies there, a line is not of the landed schema, or a position was never
        quarantined; nothing is written then.
        """
        report = ReplayReport()
        corrected = [one for key in self._keys(self._quarantine, prefix) for one in parse(key, self._lines(key))]
        if not corrected:
            raise PlatformError(
                f"s3://{self._quarantine}/{prefix}",
                "holds no corrected records",
                "Put corrected lines of the landed schema there and name that prefix with --from",
            )
        report.read = len(corrected)
        before = self._replayed_before()
        quarantined = self._quarantined_positions(prefix)
        todo: dict[Position, Corrected] = {}
        for one in corrected:
            if one.position not in quarantined:
                raise PlatformError(
                    one.where, "names a position that is not in quarantine", "Keep the position fields as quarantined"
                )
            if one.position in todo:
                raise PlatformError(one.where, "corrects a record that an earlier line corrects", "Leave one of them")
            if one.position in before:
                report.replayed_before += 1
            else:
                todo[one.position] = one
        if todo:
            written = build(list(todo.values()), datetime.now(UTC))
            # Control first: interrupted in between, the next replay finds it without its raw object and begins anew.
            self._s3.put_object(Bucket=self._raw, Key=written.control_key, Body=written.control_body)
            self._s3.put_object(Bucket=self._raw, Key=written.raw_key, Body=written.raw_body)
            report.replayed = len(todo)
            for one in todo.values():
                report.totals.add(*control_entry(one.record))
        return report

    def _replayed_before(self) -> set[Position]:
        """Positions that a replay's raw object replaces. The control object of an interrupted replay is removed."""
        found: set[Position] = set()
        for key in list(self._keys(self._raw, _CONTROL_PREFIX)):
            control = json.loads(self._get(self._raw, key))
            if control["raw_key"] in self._keys(self._raw, control["raw_key"]):
                found.update(Position(*position) for position in control["replay_of"])
            else:
                self._s3.delete_object(Bucket=self._raw, Key=key)
        return found

    def _quarantined_positions(self, corrected_prefix: str) -> set[Position]:
        found: set[Position] = set()
        for key in self._keys(self._quarantine, "quarantine/"):
            if key.startswith(corrected_prefix):
                continue
            for line in self._lines(key):
                row = json.loads(line)
                found.add(Position(*(row[name] for name in _POSITION)))
        return found

    def _lines(self, key: str) -> list[bytes]:
        body = self._get(self._quarantine, key)
        try:
            return (gzip.decompress(body) if key.endswith(".gz") else body).splitlines()
        except (OSError, EOFError):
            raise PlatformError(key, "is no readable gzip", "Write it again, plain or .gz") from None

    def _get(self, bucket: str, key: str) -> bytes:
        body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def _keys(self, bucket: str, prefix: str) -> Iterator[str]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                yield found["Key"]
