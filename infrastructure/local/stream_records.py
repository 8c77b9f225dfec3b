"""The emulated stream, made fit for a long run: constant-time puts, consumed records dropped, resharding as in AWS.

Kinesis keeps a consumed record until its retention ends. The embedded stack drops it as soon as the event source
mapping's checkpoint passes it, so that memory does not grow with the run. Records hold clear card numbers, so nothing
of them is ever written to disk.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.kinesis.models import Record, Shard, Stream, kinesis_backends

# One lock for all shards, because producer and poller are threads of one process and moto's shards have no lock.
_lock = threading.RLock()


def _put_record(shard: Any, partition_key: str, data: str, explicit_hash_key: str) -> str:
    with _lock:
        sequence_number = getattr(shard, "last_sequence_number", 0) + 1
        shard.last_sequence_number = sequence_number
        shard.records[sequence_number] = Record(partition_key, data, sequence_number, explicit_hash_key)
    return str(sequence_number)


def _get_records(shard: Any, last_sequence_id: str, limit: int | None) -> tuple[list[Record], int, int]:
    with _lock:
        after = int(last_sequence_id)
        found: list[Record] = []
        for sequence_number, record in shard.records.items():
            if sequence_number > after:
                found.append(record)
                if len(found) == limit:
                    break
        if not found:
            return [], after, 0
        newest = shard.records[next(reversed(shard.records))]
        return found, found[-1].sequence_number, int((newest.created_at - found[-1].created_at) * 1000)


def _records_stay_in_the_parent(reshard: Callable[..., None]) -> Callable[..., None]:
    """moto moves a parent shard's records into its children; Kinesis leaves them in the parent."""

    def resharded(stream: Any, *arguments: str) -> None:
        with _lock:
            parents = [stream.shards[name] for name in arguments if name in stream.shards]
            kept = [shard.records for shard in parents]
            for shard in parents:
                shard.records = OrderedDict()
            try:
                reshard(stream, *arguments)
            finally:
                for shard, records in zip(parents, kept, strict=True):
                    shard.records = records

    return resharded


def _open_shard_for_key(stream: Any, partition_key: str, explicit_hash_key: str | None) -> Any:
    """The open shard for a key. moto also puts into closed shards, and finds none for the last key of a range."""
    hashed = hashlib.md5(partition_key.encode(), usedforsecurity=False).hexdigest()  # Kinesis hashes keys with MD5
    key = int(explicit_hash_key) if explicit_hash_key else int(hashed, 16)
    with _lock:
        shards = [shard for shard in stream.shards.values() if shard.is_open]
    return next(shard for shard in shards if shard.starting_hash <= key <= shard.ending_hash)


class _Untracked(list[Any]):
    """moto keeps a list of every instance of a model; for records, that list would grow with the run."""

    def append(self, instance: Any) -> None:
        pass


@contextmanager
def patched_moto_kinesis() -> Iterator[None]:
    """Patch moto's shards and records for as long as the context is open."""
    with (
        patch.object(Record, "instances_tracked", _Untracked()),
        patch.object(Shard, "put_record", _put_record),
        patch.object(Shard, "get_records", _get_records),
        patch.object(Stream, "get_shard_for_key", _open_shard_for_key),
        patch.object(Stream, "split_shard", _records_stay_in_the_parent(Stream.split_shard)),
        patch.object(Stream, "merge_shards", _records_stay_in_the_parent(Stream.merge_shards)),
    ):
        yield


def drop_consumed(account_id: str, region: str, stream_name: str, shard_id: str, through: int) -> None:
    """Forget a shard's records up to and including a sequence number."""
    with _lock:
        records = kinesis_backends[account_id][region].streams[stream_name].shards[shard_id].records
        while records:
            first = next(iter(records))
            if first > through:
                break
            del records[first]
