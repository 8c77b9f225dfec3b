"""Reads a producer's input: NDJSON of the contract, plain, .gz or from standard input, as numbered lines.

A line that cannot be a record (too long, of another encoding, or a piece of pretty-printed JSON) is reported by its
number and stops nothing. What is wrong inside a record is for the landing function to judge.
"""

from __future__ import annotations

import gzip
import math
import sys
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from infrastructure.errors import PlatformError

MAX_RECORD_BYTES = 1024 * 1024  # Kinesis' limit for a record, including its partition key

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WIDE_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
# How the lines of a JSON object begin that is printed over several lines.
_PRETTY_PRINTED = (b"}", b"]", b'"')

# NDJSON of transactions shrinks to a tenth or twentieth; what is made to fill a disk or a day, to a thousandth.
_MOST_EXPANSION = 200
_ALWAYS_READ = 64 * 1024 * 1024
_MOST_BLANK_LINES = 1_000_000  # in a row

TOO_LONG = f"longer than Kinesis takes ({MAX_RECORD_BYTES:,} bytes)"


class Line(NamedTuple):
    """A line of the input: its number from 1, its bytes, and why it cannot be a record, or ""."""

    number: int
    data: bytes
    fault: str = ""


def check_readable(path: str) -> None:
    """Read a file through before anything is produced, so that a damaged file changes nothing.

    Standard input and pipes cannot be read twice and are not checked. Raises as read_lines does.
    """
    if path == "-" or Path(path).is_fifo() or Path(path).is_char_device():
        return
    lines = read_lines(path)
    next(line for line in lines if not line.fault)
    if path.endswith(".gz"):
        deque(lines, maxlen=0)


def read_lines(path: str, first: int = 1) -> Iterator[Line]:
    """The lines of an NDJSON file from a line on: plain, .gz, or "-" for standard input; blank lines are left out.

    Raises PlatformError if the file is missing, unreadable, a truncated .gz, not NDJSON (its first line cannot be a
    record, or none can), or ends before the first line asked for.
    """
    where = "standard input" if path == "-" else path
    lines = records = 0
    refused: Line | None = None
    try:
        with _open(path) as file:
            for line in _numbered(where, file, _most_bytes(path)):
                lines = line.number
                if lines == 1 or records == 0:
                    _require_ndjson(where, line)
                if line.fault:
                    refused = refused or line
                else:
                    records += 1
                if line.number >= first:
                    yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PlatformError(
            where,
            f"the gzip data is damaged or cut off after {records:,} records ({type(error).__name__})",
            "Get the file again; what was loaded of it before is dropped as duplicates then",
        ) from None
    except OSError as error:
        raise PlatformError(where, f"cannot be read ({error.strerror})", "Check the path and its permissions") from None
    if not records:
        told = f": line {refused.number} is {refused.fault}" if refused else ""
        raise PlatformError(where, f"holds no records{told}", "Give one JSON object of the contract per line")
    if lines < first:
        raise PlatformError(where, f"ends at line {lines:,}, before line {first:,}", "There is nothing left to put")


def _most_bytes(path: str) -> float:
    """How much a .gz may hold, from its size; what is not compressed may hold anything."""
    if not path.endswith(".gz") or not Path(path).is_file():
        return math.inf
    return max(_ALWAYS_READ, _MOST_EXPANSION * Path(path).stat().st_size)


def _numbered(where: str, file: BinaryIO, most_bytes: float) -> Iterator[Line]:
    """The lines that are not blank. Of a longer line, no more than a record's limit is held."""
    number = blank = read = 0
    while data := file.readline(MAX_RECORD_BYTES + 2):
        number += 1
        read += len(data)
        too_long = len(data.rstrip(b"\r\n")) > MAX_RECORD_BYTES
        while not data.endswith(b"\n") and read <= most_bytes and (rest := file.readline(MAX_RECORD_BYTES)):
            too_long, data = True, rest
            read += len(data)
        blank = 0 if data.strip() or too_long else blank + 1
        if read > most_bytes or blank > _MOST_BLANK_LINES:
            what = (
                f"{_MOST_BLANK_LINES:,} blank lines in a row" if blank else f"{_MOST_EXPANSION} times its size or more"
            )
            raise PlatformError(
                where, f"holds {what} by line {number:,}", "See what it is; unpack it first to load it all"
            )
        if too_long:
            yield Line(number, b"", TOO_LONG)
            continue
        data = data.strip(b"\r\n")
        if number == 1:
            data = data.removeprefix(_BYTE_ORDER_MARK)  # the file's byte order mark, not the record's
        if not blank:
            yield Line(number, data, _fault(data))


def _fault(data: bytes) -> str:
    if data.startswith((_BYTE_ORDER_MARK, *_WIDE_BYTE_ORDER_MARKS)):
        return "preceded by a byte order mark"
    if b"\0" in data:
        return "UTF-16 or UTF-32, not UTF-8"
    content = data.strip()
    if content in (b"{", b"[") or content.startswith(_PRETTY_PRINTED):
        return "a piece of pretty-printed JSON"
    return ""


def _require_ndjson(where: str, line: Line) -> None:
    """Refuse a file whose beginning shows that it is not NDJSON."""
    data = line.data
    if data.startswith(_GZIP_MAGIC):
        raise PlatformError(where, "is gzip under another name", "Name it .gz, or pipe it through gunzip")
    if b"\0" in data or data.startswith(_WIDE_BYTE_ORDER_MARKS):
        raise PlatformError(where, "is UTF-16 or UTF-32", "Save it as UTF-8")
    if not line.fault and not data.lstrip().startswith(b"{"):
        raise PlatformError(
            where,
            f"not NDJSON: line {line.number} is no JSON object",
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
