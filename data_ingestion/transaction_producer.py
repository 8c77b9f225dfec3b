"""Puts transactions on the stream, each at least once and in order per partition key.

PutRecords answers 200 even if some of its records failed. Each failed record is put again, and no later record of its
partition key is sent before that succeeds, so each key's records arrive in order. This is also why a call holds at most
one record per key: a later one could succeed while the earlier one fails.

    python data_ingestion/transaction_producer.py --input FILE       # puts NDJSON on the account's stream
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from data_governance.control_totals import ControlTotals
from data_ingestion.control_entries import control_entry
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


class Outgoing(NamedTuple):
    """A record to put: its partition key (account_id if readable), its bytes, and its line in the input."""

    partition_key: str
    data: bytes
    line: int = 0


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
) -> ProduceReport:
    """Put every record until it is acknowledged; a line that cannot be a record is counted and left out.

    first_line: the number of the first of the lines. If Kinesis accepts none for long or refuses for good, raises
    PlatformError that names the line to continue from.
    """
    report = ProduceReport(next_line=first_line)
    source = iter(lines)
    held_back: deque[Outgoing] = deque()
    last_read = 0
    attempt = 0
    while True:
        batch, last_read = _next_batch(held_back, source, report, last_read)
        if not batch:
            break
        failed = _put(kinesis, stream_name, batch, attempt, report)
        for record in batch:
            if record not in failed:
                key, amount = control_entry(record.data)
                report.totals.add(key, amount)
        report.records += len(batch) - len(failed)
        held_back.extendleft(reversed(failed))
        report.next_line = min((record.line for record in held_back), default=last_read + 1)
        attempt = attempt + 1 if len(failed) == len(batch) else 0
        if failed:
            report.retried += len(failed)
            pause(_backoff(attempt))
        on_progress(report)
    report.next_line = last_read + 1
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


def _next_batch(
    held_back: deque[Outgoing], source: Iterator[Line], report: ProduceReport, last_read: int
) -> tuple[list[Outgoing], int]:
    """The next call's records, and the last line that was read.

    Records held back come first; at most one per key, within Kinesis' limits.
    """
    batch: list[Outgoing] = []
    keys: set[str] = set()
    size = 0
    still_held: deque[Outgoing] = deque()
    while len(batch) < MAX_RECORDS_PER_CALL and len(still_held) < _MAX_HELD_BACK:
        if held_back:
            record = held_back.popleft()
        else:
            line = next(source, None)
            if line is None:
                break
            last_read = line.number
            if line.fault:
                report.refuse(line.number, line.fault)
                continue
            record = outgoing(line.data, line.number)
        record_size = len(record.data) + len(record.partition_key.encode())
        if record_size > MAX_RECORD_BYTES:
            report.refuse(record.line, TOO_LONG)
            continue
        if record.partition_key in keys or size + record_size > MAX_BYTES_PER_CALL:
            still_held.append(record)
            keys.add(record.partition_key)
            continue
        keys.add(record.partition_key)
        batch.append(record)
        size += record_size
    still_held.extend(held_back)
    held_back.clear()
    held_back.extend(still_held)
    return batch, last_read


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
            report.uncertain.add(*control_entry(record.data))
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
