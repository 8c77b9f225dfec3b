"""Packs several records into one Kinesis record as the KPL does, and splits such a record.

The format (awslabs/amazon-kinesis-producer, aggregation-format.md): magic bytes, a protobuf message, the MD5 of that
message. aws_kinesis_agg silently drops records after a bad index and prints raw data to stderr; here a record is split
completely or not at all.

Standard library only: the message has four fields, and the protobuf package would double the function's size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

MAGIC = b"\xf3\x89\x9a\xc2"
_DIGEST_BYTES = 16

# Field numbers of AggregatedRecord and of its Record.
_PARTITION_KEYS, _EXPLICIT_HASH_KEYS, _RECORDS = 1, 2, 3
_PARTITION_KEY_INDEX, _EXPLICIT_HASH_KEY_INDEX, _DATA = 1, 2, 3
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class BrokenAggregateError(ValueError):
    """The bytes begin like an aggregate but are none. Quotes no content."""


def is_aggregate(data: bytes) -> bool:
    """Whether the record claims to be an aggregate. No JSON text begins with these bytes."""
    return data.startswith(MAGIC)


def aggregate(datas: Sequence[bytes], partition_key: str) -> bytes:
    """One record of several, all under the partition key with which it is put.

    Consumers that check the key of each record inside (the KCL does) find it in the shard in which the whole one lies.
    """
    message = _field(_PARTITION_KEYS, partition_key.encode())
    for data in datas:
        message += _field(_RECORDS, bytes([_PARTITION_KEY_INDEX << 3 | _VARINT, 0]) + _field(_DATA, data))
    return MAGIC + message + hashlib.md5(message, usedforsecurity=False).digest()


def _field(number: int, value: bytes) -> bytes:
    length, size = len(value), bytearray()
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | _BYTES, *size, length]) + value


def deaggregate(data: bytes, at_most: int) -> list[bytes]:
    """The records inside, in order.

    Raises BrokenAggregateError on any inconsistency, so that none is lost silently, and on more than at_most records.
    """
    message = data[len(MAGIC) : -_DIGEST_BYTES]
    if len(data) < len(MAGIC) + _DIGEST_BYTES or hashlib.md5(message, usedforsecurity=False).digest() != data[-16:]:
        raise BrokenAggregateError("the digest does not match")
    keys = {_PARTITION_KEYS: 0, _EXPLICIT_HASH_KEYS: 0}
    records: list[bytes] = []
    for number, value in _fields(message):
        if number > _RECORDS:
            continue  # a field of a later version
        if not isinstance(value, bytes):
            raise BrokenAggregateError("a field of another type")
        if number in keys:
            keys[number] += 1
        else:
            records.append(value)
            if len(records) > at_most:
                raise BrokenAggregateError("it holds too many records")
    if not records:
        raise BrokenAggregateError("it holds no record")
    return [_data(record, keys[_PARTITION_KEYS], keys[_EXPLICIT_HASH_KEYS]) for record in records]


def _data(record: bytes, partition_keys: int, explicit_hash_keys: int) -> bytes:
    found: dict[int, int | bytes] = {}
    for number, value in _fields(record):
        if number <= _DATA and number in found:
            raise BrokenAggregateError("a field that stands twice")
        found[number] = value
    data = found.get(_DATA)
    partition_key = found.get(_PARTITION_KEY_INDEX)
    explicit_hash_key = found.get(_EXPLICIT_HASH_KEY_INDEX, -1)
    if not isinstance(data, bytes):
        raise BrokenAggregateError("a record without data")
    if not isinstance(partition_key, int) or partition_key >= partition_keys:
        raise BrokenAggregateError("a partition key index out of range")
    if not isinstance(explicit_hash_key, int) or explicit_hash_key >= explicit_hash_keys:
        raise BrokenAggregateError("an explicit hash key index out of range")
    return data


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protobuf message; values are integers and byte strings."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise BrokenAggregateError("a field without a number")
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise BrokenAggregateError("an unknown wire type")
        if place + length > len(message):
            raise BrokenAggregateError("a field that runs over the end")
        yield number, message[place : place + length]
        place += length


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if place >= len(message):
            break
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise BrokenAggregateError("a broken integer")
