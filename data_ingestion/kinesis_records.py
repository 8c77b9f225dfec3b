"""The records of a Lambda event from Kinesis, with KPL aggregates split into their records. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from data_ingestion.kpl_aggregation import MAGIC, BrokenAggregateError, deaggregate
from infrastructure.errors import PlatformError

# Lambda passes at most 6 MB, which hold fewer than 25,000 of the shortest transactions. Aggregates of more records hold
# something else, and their rows could fill the function's memory: such a batch would block its shard.
MAX_AGGREGATED = 25_000


class Records(NamedTuple):
    """Records of one shard in their order, as parallel lists."""

    data: list[bytes]
    sequence_numbers: list[str]
    sub_sequence_numbers: list[int]
    arrivals: list[datetime]

    def part(self, start: int, end: int) -> Records:
        """The records from start up to, not including, end."""
        return Records(
            self.data[start:end],
            self.sequence_numbers[start:end],
            self.sub_sequence_numbers[start:end],
            self.arrivals[start:end],
        )

    def without(self, places: Sequence[int]) -> Records:
        """The records except those at these places, which are ascending."""
        kept = self.part(0, len(self.data))
        for column in kept:
            for place in reversed(places):
                del column[place]
        return kept

    def at(self, places: Sequence[int]) -> Records:
        """The records at these places."""
        return Records(
            [self.data[place] for place in places],
            [self.sequence_numbers[place] for place in places],
            [self.sub_sequence_numbers[place] for place in places],
            [self.arrivals[place] for place in places],
        )


class ShardBatch(NamedTuple):
    """One event. first, last: sequence numbers of its first and last Kinesis record."""

    shard_id: str
    first: str
    last: str
    bytes_received: int
    records: Records


def read_event(event_records: Sequence[Any]) -> ShardBatch:
    """The batch in an event's "Records". Raises PlatformError if they are no Kinesis records.

    An aggregate that cannot be split safely stays one record, as it came; so do aggregates beyond MAX_AGGREGATED
    records.
    """
    try:
        records = _columns([event_record["kinesis"] for event_record in event_records])
        shard_id = str(event_records[0]["eventID"]).partition(":")[0]
    except (msgspec.ValidationError, LookupError, TypeError):
        shard_id = ""
    if not shard_id:
        raise PlatformError(
            "transaction batch",
            "the event holds no Kinesis records",
            "Invoke the function through its event source mapping, or test it with the console's Kinesis event",
        )
    aggregates = [data for data in records.data if data[:4] == MAGIC]
    return ShardBatch(
        shard_id=shard_id,
        first=records.sequence_numbers[0],
        last=records.sequence_numbers[-1],
        bytes_received=sum(map(len, records.data)),
        records=_taken_apart(records) if aggregates else records,
    )


def _columns(kinesis: list[Any]) -> Records:
    """msgspec decodes base64 four times as fast as the standard library, and converts seconds since 1970 to times."""
    return Records(
        data=msgspec.convert([each["data"] for each in kinesis], list[bytes]),
        sequence_numbers=msgspec.convert([each["sequenceNumber"] for each in kinesis], list[str]),
        sub_sequence_numbers=[0] * len(kinesis),
        arrivals=msgspec.convert(
            [each["approximateArrivalTimestamp"] for each in kinesis], list[datetime], strict=False
        ),
    )


def _taken_apart(records: Records) -> Records:
    apart = Records([], [], [], [])
    left = MAX_AGGREGATED
    for data, number, _, arrival in zip(*records, strict=True):
        inner = _inner_records(data, left)
        if inner is None:
            inner = [data]
        else:
            left -= len(inner)
        apart.data.extend(inner)
        apart.sequence_numbers.extend([number] * len(inner))
        apart.sub_sequence_numbers.extend(range(len(inner)))
        apart.arrivals.extend([arrival] * len(inner))
    return apart


def _inner_records(data: bytes, at_most: int) -> list[bytes] | None:
    if data.startswith(MAGIC):
        try:
            return deaggregate(data, at_most)
        except BrokenAggregateError:
            pass
    return None
