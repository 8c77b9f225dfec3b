"""Puts corrected quarantine records into raw again, once.

A corrected record is a line of the landed schema that keeps the position of the quarantined one (stream_incarnation,
shard_id, sequence_number, sub_sequence_number), which says what record it replaces. Such lines lie as NDJSON, plain or
.gz, under a prefix of the quarantine bucket, e.g. corrected/2026-03-02/. The next ETL run takes them.

A position is replayed only once, whatever the file says later. A record with a bad card number cannot be corrected
here, because it has no token: it has to come through the stream again. An id that was taken for a card number and is
none lands if an approval names its position and field (approvals.py).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow.parquet

from data_catalog.lake_layout import (
    APPROVED_PREFIX,
    LANDING_QUARANTINE_PREFIX,
    REPLAY_CONTROL_PREFIX,
    Batch,
)
from data_catalog.transaction_contract import POSITION, REPLACED
from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.tombstones import MASK, Tombstones
from data_ingestion import approvals
from data_ingestion.approvals import Approval
from data_ingestion.corrected_records import Corrected, Position, Record, parse
from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.s3_objects import split_location
from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table


CARD_NUMBER_REASON = "card_number_in_identifier"
_SHARD = "shardId-000000000000"  # a replay has one shard


@dataclass(frozen=True, slots=True)
class ReplayObject:
    """What a replay writes: the raw object and its control object."""

    raw_key: str
    raw_body: bytes
    control_key: str
    control_body: bytes


@dataclass(slots=True)
class ReplayReport:
    """How many lines were read, put into raw, and skipped: as equals of another line, as replayed before, or because
    their account was erased."""

    read: int = 0
    replayed: int = 0
    repeated: int = 0
    replayed_before: int = 0
    erased: int = 0
    totals: ControlTotals = field(default_factory=ControlTotals)


def build(corrected: list[Corrected], now: datetime, by_approval: Sequence[Approval] = ()) -> ReplayObject:
    """The objects of a replay at this time. The control object's name derives from the content.

    by_approval: the approvals by which records landed, which the control object repeats.

    The raw object lies in the partition of the replay's time, not of the record's first arrival, because the ETL
    considers partitions older than the stream's retention complete.

    Every row gets a position of its own, in an incarnation "replay-…" that sorts after those of streams; the control
    object says which position each row replaces.
    """
    ordered = sorted(corrected, key=lambda one: one.position)
    content = "\n".join(json.dumps(one.record, sort_keys=True) for one in ordered)
    incarnation = f"replay-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    rows: list[Record] = []
    totals = ControlTotals()
    for number, one in enumerate(ordered, 1):
        own = Position(incarnation, _SHARD, str(number), 0)
        replaced = dict(zip(REPLACED, one.position, strict=True))
        # What stands for another already keeps that one's place in the order.
        rows.append(replaced | one.record | dict(zip(POSITION, own, strict=True)))
        totals.add(*counted_as(one.record))
    batch = Batch(incarnation, _SHARD, 1, len(rows))
    raw_key = batch.raw_key(now)
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
        "approved": [approval.row() for approval in by_approval],
    }
    body = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    return ReplayObject(
        raw_key=raw_key,
        raw_body=gzip.compress(body.encode(), mtime=0),
        control_key=batch.replay_control_key(),
        control_body=json.dumps(control).encode(),
    )


def counted_as(record: Record) -> tuple[ControlKey, Decimal]:
    """What a corrected record counts for."""
    return ControlKey(record["currency"], record["credit_debit_indicator"]), Decimal(record["amount"])


def _distinct(corrected: list[Corrected]) -> dict[Position, Corrected]:
    """One record per position. A record that was quarantined twice may be corrected twice, if both are equal."""
    found: dict[Position, Corrected] = {}
    for one in corrected:
        first = found.setdefault(one.position, one)
        if first.record != one.record:
            raise PlatformError(
                one.where, f"corrects the record of {first.where} in another way", "Leave one of the two lines"
            )
    return found


class Replay:
    """Reads corrected records below a prefix of the quarantine bucket and puts them into raw."""

    def __init__(
        self,
        s3: S3Client,
        raw_bucket: str,
        quarantine_bucket: str,
        tables: Callable[[str], Table],
        tombstones: Tombstones | None = None,
    ) -> None:
        """tables: the lake's Iceberg tables by name. tombstones: the erased accounts; None if there are none."""
        self._s3 = s3
        self._raw = raw_bucket
        self._quarantine = quarantine_bucket
        self._tables = tables
        self._tombstones = tombstones

    def run(self, prefix: str) -> ReplayReport:
        """Replay everything under the prefix that was not replayed before.

        Raises PlatformError, and writes nothing, if nothing lies there, a line is no landed row, a position was never
        quarantined, or two lines correct the same record differently.
        """
        approved = self._approvals()
        fields = {position: {each.field for each in found} for position, found in approved.items()}
        corrected = [one for key, lines in self._lines(self._keys(prefix)) for one in parse(key, lines, fields)]
        if not corrected:
            raise PlatformError(
                f"s3://{self._quarantine}/{prefix}",
                "holds no corrected records",
                "Put corrected lines of the landed schema there and name that prefix with --from",
            )
        every = _distinct(corrected)
        distinct = {position: self._masked(one) for position, one in every.items() if not self._is_erased(one)}
        quarantined = self._quarantined_positions()
        for one in distinct.values():
            if one.position not in quarantined:
                raise PlatformError(
                    one.where, "names a position that is not in quarantine", "Keep the position fields as quarantined"
                )
            for approval in approved.get(one.position, ()):
                if quarantined[one.position] != CARD_NUMBER_REASON:
                    raise PlatformError(
                        approval.where,
                        "approves a record that was quarantined for another reason",
                        "Take the line away: only an id that was taken for a card number needs it",
                    )
        before = self._replayed_before()
        todo = {position: one for position, one in distinct.items() if position not in before}
        report = ReplayReport(
            read=len(corrected),
            repeated=len(corrected) - len(every),
            erased=len(every) - len(distinct),
            replayed_before=len(distinct) - len(todo),
        )
        if todo:
            by_approval = [approval for position in sorted(todo) for approval in approved.get(position, ())]
            written = build(list(todo.values()), datetime.now(UTC), by_approval)
            # Control comes first: if interrupted in between, the next replay finds it without its raw object and starts
            # over.
            self._s3.put_object(Bucket=self._raw, Key=written.control_key, Body=written.control_body)
            self._s3.put_object(Bucket=self._raw, Key=written.raw_key, Body=written.raw_body)
            report.replayed = len(todo)
            for one in todo.values():
                report.totals.add(*counted_as(one.record))
        return report

    def _is_erased(self, one: Corrected) -> bool:
        return self._tombstones is not None and self._tombstones.holds(one.record["account_id"])

    def _masked(self, one: Corrected) -> Corrected:
        """With an erased counterparty masked."""
        if self._tombstones is None or not self._tombstones.holds(one.record.get("counterparty_account")):
            return one
        return replace(one, record=one.record | {"counterparty_account": MASK})

    def _replayed_before(self) -> set[Position]:
        """Positions that a replay's raw object replaces. The control object of an interrupted replay is removed."""
        found: set[Position] = set()
        controls = list(s3_objects.keys(self._s3, self._raw, REPLAY_CONTROL_PREFIX))
        for key, body in s3_objects.bodies(self._s3, self._raw, controls):
            control = json.loads(body)
            if control["raw_key"] in s3_objects.keys(self._s3, self._raw, control["raw_key"]):
                found.update(Position(*position) for position in control["replay_of"])
            else:
                self._s3.delete_object(Bucket=self._raw, Key=key)
        return found

    def _approvals(self) -> dict[Position, list[Approval]]:
        found: dict[Position, list[Approval]] = {}
        for key, lines in self._lines(self._keys(APPROVED_PREFIX)):
            for approval in approvals.parse(key, lines):
                found.setdefault(approval.position, []).append(approval)
        return found

    def _quarantined_positions(self) -> dict[Position, str]:
        """Where records stand that the landing or the Glue job refused, and why."""
        found: dict[Position, str] = {}
        for _, lines in self._lines(self._keys(LANDING_QUARANTINE_PREFIX)):
            for line in lines:
                row = json.loads(line)
                found[Position(*(row[name] for name in POSITION))] = row["reason"]
        for file in files_on(self._tables("quarantine")):
            body = s3_objects.body(self._s3, *split_location(file.file_path))
            rows = pyarrow.parquet.read_table(io.BytesIO(body), columns=[*POSITION, "reason"], partitioning=None)
            found.update((Position(*(row[name] for name in POSITION)), row["reason"]) for row in rows.to_pylist())
        return found

    def _keys(self, prefix: str) -> Iterator[str]:
        return s3_objects.keys(self._s3, self._quarantine, prefix)

    def _lines(self, keys: Iterable[str]) -> Iterator[tuple[str, list[bytes]]]:
        """Key and lines of objects of the quarantine bucket."""
        for key, body in s3_objects.bodies(self._s3, self._quarantine, keys):
            try:
                yield key, (gzip.decompress(body) if key.endswith(".gz") else body).splitlines()
            except (OSError, EOFError):
                raise PlatformError(key, "is no readable gzip", "Write it again, plain or .gz") from None
