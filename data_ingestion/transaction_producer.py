"""Puts transactions on the stream, each at least once and in order per partition key.

PutRecords answers 200 even if some of its records failed. Each failed record is put again, and no later record of its
partition key is sent before that succeeds, so each key's records arrive in order. This is also why a call holds at most
one record per key: a later one could succeed while the earlier one fails.

Packing puts several records into one, as the Kinesis Producer Library does, because Kinesis bills each record as whole
kilobytes. All records of an account go under one key of a fixed set, so that their order is kept here too; but not
between records that are packed and others.

    python data_ingestion/transaction_producer.py --input FILE       # puts NDJSON on the account's stream
"""

from __future__ import annotations

import random
import time
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple, Protocol

import msgspec
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from data_governance.control_totals import ControlTotals
from data_ingestion.control_entries import control_entry
from data_ingestion.kpl_aggregation import aggregate
from data_ingestion.transaction_input import MAX_RECORD_BYTES, TOO_LONG, Line
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import RETRYABLE_CODES, THROTTLING_CODES

# Kinesis' limits for a PutRecords call.
MAX_RECORDS_PER_CALL = 500
MAX_BYTES_PER_CALL = 5 * 1024 * 1024

# Records held back because an earlier one of their key is under way. Reading the input pauses beyond this many.
_MAX_HELD_BACK = 2_000
_MAX_ATTEMPTS = 12
MOST_REFUSALS_TOLD = 20
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0

# Packing: among so many partition keys, of so many lines or seconds of them, into records of so many bytes at most.
# Many keys spread the load over the shards, few make full records.
_PACKED_KEYS = 512
_PACKED_LINES, _PACKED_SECONDS, _PACKED_BYTES = 20_000, 1.0, 24 * 1024


class Outgoing(NamedTuple):
    """A record to put: its partition key (account_id if readable), its bytes, its line in the input (the first one, of
    several), and the records that are packed in it, if they are."""

    partition_key: str
    data: bytes
    line: int = 0
    packed: tuple[bytes, ...] = ()

    @property
    def transactions(self) -> tuple[bytes, ...]:
        """What was a line each."""
        return self.packed or (self.data,)

    @property
    def size(self) -> int:
        """Bytes as Kinesis counts them."""
        return len(self.data) + len(self.partition_key.encode())


@dataclass(slots=True)
class ProduceReport:
    """What was acknowledged, and what it took.

    uncertain: records put again after an answer that never came. If the first put was stored, the stream holds a copy,
    which is later dropped as a duplicate. refused: lines that cannot be records and were not put, by fault; refusals:
    the first of them. next_line: all lines before it are acknowledged or refused.
    """

    totals: ControlTotals = field(default_factory=ControlTotals)
    uncertain: ControlTotals = field(default_factory=ControlTotals)
    records: int = 0
    calls: int = 0
    retried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    next_line: int = 1

    def refuse(self, line: int, fault: str) -> None:
        """Count a line that cannot be a record."""
        self.refused[fault] += 1
        if len(self.refusals) < MOST_REFUSALS_TOLD:
            self.refusals.append((line, fault))


class _KeyOnly(msgspec.Struct):
    account_id: str = ""


_key_decoder = msgspec.json.Decoder(_KeyOnly)


def outgoing(data: bytes, line: int = 0) -> Outgoing:
    """The record with its partition key: the account, so that an account's transactions keep their order.

    A record without a readable account is keyed by its length: any shard will do, because the Lambda quarantines it.
    """
    try:
        account = _key_decoder.decode(data).account_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        account = ""
    return Outgoing(account[:256] or f"unreadable-{len(data) % 64}", data, line)


class PutsRecords(Protocol):
    """What is called of a Kinesis client."""

    def put_records(self, *, StreamName: str, Records: Any) -> Any: ...


def produce(
    lines: Iterable[Line],
    kinesis: PutsRecords,
    stream_name: str,
    on_progress: Callable[[ProduceReport], None] = lambda report: None,
    pause: Callable[[float], None] = time.sleep,
    first_line: int = 1,
    packing: bool = False,
    now: Callable[[], float] = time.monotonic,
) -> ProduceReport:
    """Put every record until it is acknowledged; a line that cannot be a record is counted and left out.

    first_line: the number of the first of the lines. packing: several records in one. If Kinesis accepts none for long
    or refuses for good, raises PlatformError that names the line to continue from.
    """
    report = ProduceReport(next_line=first_line)
    reader = _Reader(lines, report, first_line)
    source = reader.packed(now) if packing else reader.single()
    held_back: deque[Outgoing] = deque()
    attempt = 0
    while batch := _next_batch(held_back, source):
        failed = _put(kinesis, stream_name, batch, attempt, report)
        for record in batch:
            if record not in failed:
                for data in record.transactions:
                    report.totals.add(*control_entry(data))
                report.records += len(record.transactions)
        held_back.extendleft(reversed(failed))
        report.next_line = min([reader.next_line, *(record.line for record in held_back)])
        attempt = attempt + 1 if len(failed) == len(batch) else 0
        if failed:
            report.retried += sum(len(record.transactions) for record in failed)
            pause(_backoff(attempt))
        on_progress(report)
    report.next_line = reader.next_line
    return report


def paced(
    lines: Iterable[Line],
    a_second: float,
    pause: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Line]:
    """The lines, at most so many a second."""
    started = now()
    for count, line in enumerate(lines):
        if (ahead := count / a_second - (now() - started)) > 0:
            pause(ahead)
        yield line


class _Reader:
    """The records to put, of the lines that can be records. next_line: the first line that was not handed out."""

    def __init__(self, lines: Iterable[Line], report: ProduceReport, first_line: int) -> None:
        self._lines = lines
        self._report = report
        self.next_line = first_line

    def single(self) -> Iterator[Outgoing]:
        for line in self._lines:
            self.next_line = line.number + 1
            record = outgoing(line.data, line.number)
            fault = line.fault or (TOO_LONG if record.size > MAX_RECORD_BYTES else "")
            if fault:
                self._report.refuse(line.number, fault)
            else:
                yield record

    def packed(self, now: Callable[[], float]) -> Iterator[Outgoing]:
        single = self.single()
        while together := _window(single, now):
            end = self.next_line
            packs = sorted(_packs(together), key=lambda pack: pack.line)
            for pack, following in zip_longest(packs, packs[1:]):
                self.next_line = following.line if following else end
                yield pack


def _window(records: Iterator[Outgoing], now: Callable[[], float]) -> list[Outgoing]:
    """The next records that are packed together."""
    found: list[Outgoing] = []
    until = now() + _PACKED_SECONDS
    for record in records:
        found.append(record)
        if len(found) == _PACKED_LINES or now() > until:
            break
    return found


def _packs(records: Iterable[Outgoing]) -> Iterator[Outgoing]:
    """The records in as few as they fit into, those of a key in their order."""
    by_key: defaultdict[str, list[Outgoing]] = defaultdict(list)
    sizes: Counter[str] = Counter()
    for record in records:
        key = f"packed-{zlib.crc32(record.partition_key.encode()) % _PACKED_KEYS}"
        if by_key[key] and sizes[key] + len(record.data) > _PACKED_BYTES:
            yield _pack(key, by_key.pop(key))
            del sizes[key]
        by_key[key].append(record)
        sizes[key] += len(record.data)
    for key, together in by_key.items():
        yield _pack(key, together)


def _pack(key: str, together: list[Outgoing]) -> Outgoing:
    datas = tuple(record.data for record in together)
    return Outgoing(key, aggregate(datas, key) if len(datas) > 1 else datas[0], together[0].line, datas)


def _next_batch(held_back: deque[Outgoing], source: Iterator[Outgoing]) -> list[Outgoing]:
    """The next call's records: those held back come first; at most one per key, within Kinesis' limits."""
    batch: list[Outgoing] = []
    keys: set[str] = set()
    size = 0
    still_held: deque[Outgoing] = deque()
    while len(batch) < MAX_RECORDS_PER_CALL and len(still_held) < _MAX_HELD_BACK:
        if held_back:
            record = held_back.popleft()
        else:
            following = next(source, None)
            if following is None:
                break
            record = following
        if record.partition_key in keys or size + record.size > MAX_BYTES_PER_CALL:
            still_held.append(record)
            keys.add(record.partition_key)
            continue
        keys.add(record.partition_key)
        batch.append(record)
        size += record.size
    still_held.extend(held_back)
    held_back.clear()
    held_back.extend(still_held)
    return batch


def _put(kinesis: Any, stream_name: str, batch: list[Outgoing], attempt: int, report: ProduceReport) -> list[Outgoing]:
    """One call; returns the records that failed, in order. A lost answer counts as failed: at least once."""
    report.calls += 1
    entries = [{"Data": record.data, "PartitionKey": record.partition_key} for record in batch]
    try:
        response: Mapping[str, Any] = kinesis.put_records(StreamName=stream_name, Records=entries)
        codes = [result.get("ErrorCode") for result in response["Records"]]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in RETRYABLE_CODES:
            what = f"Kinesis refused the records ({code}); {_so_far(report)}"
            raise PlatformError(f"stream {stream_name}", what, _remedy(code)) from None
        codes = [code] * len(batch)
    except (ConnectionError, HTTPClientError) as error:
        codes = [type(error).__name__] * len(batch)
    failed = [record for record, code in zip(batch, codes, strict=True) if code]
    for record, code in zip(batch, codes, strict=True):
        if code and code not in THROTTLING_CODES:  # the record may have been stored nevertheless
            for data in record.transactions:
                report.uncertain.add(*control_entry(data))
    reason = next((code for code in codes if code), "")
    if len(failed) == len(batch) and attempt + 1 >= _MAX_ATTEMPTS:
        raise PlatformError(
            f"stream {stream_name}",
            f"no record was taken in {_MAX_ATTEMPTS} attempts ({reason}); {_so_far(report)}",
            f"Check the stream's state and shards, then run the same command again with --from-line {report.next_line}",
        )
    return failed


def _so_far(report: ProduceReport) -> str:
    return f"{report.records:,} were acknowledged, all lines before line {report.next_line:,} among them"


def _remedy(code: str) -> str:
    if code == "ResourceNotFoundException":
        return "Create it first: orchestrate_pipeline.py apply --only data_ingestion"
    if code == "AccessDeniedException":
        return "The caller needs kinesis:PutRecords on the stream and kms:GenerateDataKey on its key"
    return "See the Kinesis PutRecords documentation for this code"


def _backoff(attempt: int) -> float:
    """Seconds to wait: exponential with full jitter."""
    ceiling = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
    return random.uniform(ceiling / 2, ceiling)  # nosec B311 # a pause


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("produce")
