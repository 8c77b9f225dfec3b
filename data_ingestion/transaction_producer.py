"""Puts transactions on the stream, each at least once and in order per partition key.

PutRecords answers 200 even where some of its records failed. Each failed record is put again; meanwhile no later record
of its partition key is sent, so what was put first for a key stands first in its shard. That is why a call holds
at most one record of a key: a later one could succeed where the earlier one fails.

`python data_ingestion/transaction_producer.py --input FILE` puts NDJSON of the contract on the account's stream.
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_governance.control_totals import ControlTotals
from data_ingestion.transaction_batch import control_entry
from infrastructure.errors import PlatformError

# Kinesis' own limits of a PutRecords call and of a record.
MAX_RECORDS_PER_CALL = 500
MAX_BYTES_PER_CALL = 5 * 1024 * 1024
MAX_RECORD_BYTES = 1024 * 1024

_GZIP_MAGIC = b"\x1f\x8b"

# Records held back because an earlier one of their key is under way; more than this and reading the input waits.
_MAX_HELD_BACK = 2_000
_MAX_ATTEMPTS = 12
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
# Refused before anything was stored.
_THROTTLING_CODES = {
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "LimitExceededException",
    "KMSThrottlingException",
}
# The records may have been stored all the same.
_UNCERTAIN_CODES = {"InternalFailure", "InternalFailureException", "ServiceUnavailable"}


class Outgoing(NamedTuple):
    """A record to put: its partition key (account_id where readable) and its bytes."""

    partition_key: str
    data: bytes


@dataclass(slots=True)
class ProduceReport:
    """What was acknowledged, and what it took.

    uncertain: records put again after an answer that never came. The first put may have been taken: the stream then
    holds a copy, which is dropped as a duplicate further on.
    """

    totals: ControlTotals = field(default_factory=ControlTotals)
    uncertain: ControlTotals = field(default_factory=ControlTotals)
    records: int = 0
    calls: int = 0
    retried: int = 0


class _KeyOnly(msgspec.Struct):
    account_id: str = ""


_key_decoder = msgspec.json.Decoder(_KeyOnly)


def outgoing(data: bytes) -> Outgoing:
    """The record with its partition key: the account, so that an account's transactions keep their order.

    A record without a readable account goes by its length: any shard will do, the Lambda quarantines it.
    """
    try:
        account = _key_decoder.decode(data).account_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        account = ""
    return Outgoing(account[:256] or f"unreadable-{len(data) % 64}", data)


def produce(
    records: Iterable[bytes],
    kinesis: Any,
    stream_name: str,
    on_progress: Callable[[int], None] = lambda acknowledged: None,
    pause: Callable[[float], None] = time.sleep,
) -> ProduceReport:
    """Put every record until it is acknowledged. on_progress gets the count acknowledged so far.

    Raises PlatformError when a record is too large for Kinesis or is refused for good.
    """
    report = ProduceReport()
    source = map(outgoing, records)
    held_back: deque[Outgoing] = deque()
    attempt = 0
    while batch := _next_batch(held_back, source):
        failed = _put(kinesis, stream_name, batch, attempt, report)
        for record in batch:
            if record not in failed:
                key, amount = control_entry(record.data)
                report.totals.add(key, amount)
        report.records += len(batch) - len(failed)
        held_back.extendleft(reversed(failed))
        attempt = attempt + 1 if len(failed) == len(batch) else 0
        if failed:
            report.retried += len(failed)
            pause(_backoff(attempt))
        on_progress(report.records)
    return report


def _next_batch(held_back: deque[Outgoing], source: Iterator[Outgoing]) -> list[Outgoing]:
    """The next call's records: held back ones first, at most one of a key, within Kinesis' limits."""
    batch: list[Outgoing] = []
    keys: set[str] = set()
    size = 0
    still_held: deque[Outgoing] = deque()
    while len(batch) < MAX_RECORDS_PER_CALL and len(still_held) < _MAX_HELD_BACK:
        record = held_back.popleft() if held_back else next(source, None)
        if record is None:
            break
        record_size = len(record.data) + len(record.partition_key.encode())
        if record_size > MAX_RECORD_BYTES:
            raise PlatformError(
                "producer",
                f"a record of {record_size:,} bytes is larger than Kinesis takes ({MAX_RECORD_BYTES:,})",
                "Split it or leave it out of the input",
            )
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
    return batch


def _put(kinesis: Any, stream_name: str, batch: list[Outgoing], attempt: int, report: ProduceReport) -> list[Outgoing]:
    """One call; the records that failed, in order. A lost response counts as failed: at least once."""
    report.calls += 1
    entries = [{"Data": record.data, "PartitionKey": record.partition_key} for record in batch]
    try:
        response: Mapping[str, Any] = kinesis.put_records(StreamName=stream_name, Records=entries)
        codes = [result.get("ErrorCode") for result in response["Records"]]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in _THROTTLING_CODES | _UNCERTAIN_CODES:
            raise PlatformError(
                f"stream {stream_name}", f"Kinesis refused the records ({code})", _remedy(code)
            ) from None
        codes = [code] * len(batch)
    except (ConnectionError, HTTPClientError) as error:
        codes = [type(error).__name__] * len(batch)
    failed = [record for record, code in zip(batch, codes, strict=True) if code]
    for record, code in zip(batch, codes, strict=True):
        if code and code not in _THROTTLING_CODES:
            report.uncertain.add(*control_entry(record.data))
    reason = next((code for code in codes if code), "")
    if len(failed) == len(batch) and attempt + 1 >= _MAX_ATTEMPTS:
        raise PlatformError(
            f"stream {stream_name}",
            f"no record was taken in {_MAX_ATTEMPTS} attempts ({reason}); {report.records:,} were acknowledged before",
            "Check the stream's state and shards, then run the same command again: what is repeated is dropped",
        )
    return failed


def _remedy(code: str) -> str:
    if code == "ResourceNotFoundException":
        return "Create it first: orchestrate_pipeline.py apply --only data_ingestion"
    if code == "AccessDeniedException":
        return "The caller needs kinesis:PutRecords on the stream and kms:GenerateDataKey on its key"
    return "See the Kinesis PutRecords documentation for this code"


def _backoff(attempt: int) -> float:
    """Seconds to wait: exponential with full jitter."""
    ceiling = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
    return random.uniform(ceiling / 2, ceiling)


def check_readable(path: str) -> None:
    """Read a file through once before anything is produced, so that a damaged one changes nothing.

    Standard input and pipes can't be read twice and are not checked. Raises as read_ndjson does.
    """
    if path == "-" or Path(path).is_fifo() or Path(path).is_char_device():
        return
    records = read_ndjson(path)
    next(records)
    if path.endswith(".gz"):
        deque(records, maxlen=0)


def read_ndjson(path: str) -> Iterator[bytes]:
    """The lines of an NDJSON file: plain, .gz, or "-" for standard input; blank lines left out.

    Raises PlatformError where the file is missing, unreadable, a truncated .gz, or not NDJSON (its first record does
    not begin with a brace). What is wrong inside a record is the Lambda's to judge.
    """
    where = "standard input" if path == "-" else path
    count = 0
    try:
        with _open(path) as lines:
            for line in lines:
                data = line.strip(b"\r\n")
                if not data.strip():
                    continue
                if count == 0 and not data.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
                    raise _not_ndjson(where, data)
                count += 1
                yield data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PlatformError(
            where,
            f"the gzip data is damaged or cut off after {count:,} records ({type(error).__name__})",
            "Get the file again; what was loaded of it before is dropped as duplicates then",
        ) from None
    except OSError as error:
        raise PlatformError(where, f"cannot be read ({error.strerror})", "Check the path and its permissions") from None
    if count == 0:
        raise PlatformError(where, "holds no records", "Give one JSON object of the contract per line")


def _not_ndjson(where: str, first_line: bytes) -> PlatformError:
    if first_line.startswith(_GZIP_MAGIC):
        return PlatformError(where, "is gzip under another name", "Name it .gz, or pipe it through gunzip")
    return PlatformError(
        where,
        "not NDJSON: the first line is no JSON object",
        "Give one JSON object of the contract per line (data_catalog/transaction_contract.py)",
    )


def _open(path: str) -> BinaryIO:
    if path == "-":
        return sys.stdin.buffer
    if Path(path).is_dir():
        raise PlatformError(path, "is a directory", "Name an NDJSON file, plain or .gz")
    if path.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return Path(path).open("rb")


def main() -> None:
    from infrastructure.aws import client
    from infrastructure.settings import Settings

    parser = argparse.ArgumentParser(description="Put NDJSON of the contract on the account's stream.")
    parser.add_argument("--input", required=True, metavar="FILE", help="NDJSON, plain or .gz; - for standard input")
    arguments = parser.parse_args()
    settings = Settings()
    report = produce(read_ndjson(arguments.input), client("kinesis"), settings.stream_name)
    print(f"{report.records:,} records acknowledged in {report.calls:,} calls, {report.retried:,} put again")
    for key, records, amount in report.totals.lines():
        print(f"  {key.currency or '(unreadable)':12} {key.credit_debit_indicator or '':4} {records:>10,} {amount:>20}")


if __name__ == "__main__":
    main()
