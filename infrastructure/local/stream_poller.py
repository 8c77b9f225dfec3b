"""Lambda's event source mapping for a Kinesis stream, in one thread.

Does what the Lambda service does between stream and function, by the mapping's own configuration: batches by size,
window and payload; parent shards before their children; a retried batch starts at the lowest failed sequence number; a
batch that is out of attempts or too old goes to the on-failure queue as positions, never as payload.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

Record = Mapping[str, Any]
Handler = Callable[[dict[str, Any], Any], Mapping[str, Any] | None]

_MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_ENVELOPE_BYTES = 500  # bytes of a record in the event besides its base64
_READ_LIMIT = 10_000
_IDLE_SECONDS = 0.02
_DISCOVERY_SECONDS = 1.0
_FIRST_RETRY_PAUSE_SECONDS = 0.05
_LONGEST_RETRY_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class MappingConfiguration:
    """The parameters of Lambda's CreateEventSourceMapping that matter here; ages and windows in seconds."""

    stream_arn: str
    function_arn: str
    batch_size: int
    batch_window_seconds: float
    maximum_retry_attempts: int
    maximum_record_age_seconds: int
    on_failure_queue_url: str | None
    is_enabled: bool = True

    @property
    def stream_name(self) -> str:
        return self.stream_arn.rsplit("/", 1)[1]


class FunctionThrottled(Exception):
    """Raised by a handler that was refused concurrency: there was no invocation, and the batch is tried again."""


class Observer(Protocol):
    """Is told what Lambda counts."""

    def invoked(self, records: list[Record], failed: bool) -> None:
        """The function was invoked with these records. failed: it raised or died."""

    def throttled(self) -> None:
        """The function was refused concurrency."""


class _Nobody:
    def invoked(self, records: list[Record], failed: bool) -> None:
        pass

    def throttled(self) -> None:
        pass


@dataclass(slots=True)
class Delivered:
    """What the mapping has done so far.

    landing_ms: per record, milliseconds from arrival to the handler's success; batches: when each succeeded, and how
    many records it had, which are the next ones of landing_ms.
    """

    records: int = 0
    invocations: int = 0
    failed_invocations: int = 0
    given_up_records: int = 0
    landing_ms: array[float] = field(default_factory=lambda: array("f"))
    batches: list[tuple[datetime, int]] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """The number of records that the stream no longer has to keep."""
        return self.records + self.given_up_records


@dataclass(slots=True)
class _Shard:
    shard_id: str
    parents: tuple[str, ...]
    iterator: str | None
    waiting: list[Record] = field(default_factory=list)
    waiting_since: float = 0.0
    attempts: int = 0
    retry_at: float = 0.0
    closed: bool = False

    @property
    def drained(self) -> bool:
        return not self.waiting and (self.closed or self.iterator is None)


class StreamPoller:
    """Reads a stream's shards from the oldest record and invokes a handler with batches, until told to finish."""

    def __init__(
        self,
        mapping: MappingConfiguration,
        handler: Handler,
        kinesis: Any,
        sqs: Any,
        on_checkpoint: Callable[[str, int], None] = lambda shard_id, sequence_number: None,
        on_progress: Callable[[int], None] = lambda delivered: None,
        batch_size: Callable[[int], int] = lambda configured: configured,
        observer: Observer | None = None,
    ) -> None:
        """batch_size: from the configured size, the size of the next batch (fault injection varies it)."""
        self._mapping = mapping
        self._handler = handler
        self._kinesis = kinesis
        self._sqs = sqs
        self._on_checkpoint = on_checkpoint
        self._on_progress = on_progress
        self._batch_size = batch_size
        self._observer = observer or _Nobody()
        self._shards: dict[str, _Shard] = {}
        self._no_more_input = threading.Event()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="event-source-mapping", daemon=True)
        self.delivered = Delivered()

    def start(self) -> None:
        self._thread.start()

    def finish(self, check_seconds: float = 0.2) -> Delivered:
        """Deliver everything on the stream, then stop. Raises the error that ended the mapping, if one did."""
        self._no_more_input.set()
        while self._thread.is_alive():
            self._thread.join(check_seconds)
        if self._error is not None:
            raise self._error
        return self.delivered

    def abandon(self) -> None:
        """Stop after the current invocation; what is left on the stream stays there."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def failed(self) -> bool:
        return self._error is not None

    def _run(self) -> None:
        try:
            next_discovery = 0.0
            while self._mapping.is_enabled and not self._stop.is_set():
                ending = self._no_more_input.is_set()
                if time.monotonic() >= next_discovery:
                    self._discover_shards()
                    next_discovery = time.monotonic() + _DISCOVERY_SECONDS
                moved = [self._advance(shard, ending) for shard in list(self._shards.values())]
                if any(moved):
                    continue
                if ending and not any(shard.waiting for shard in self._shards.values()) and not self._discover_shards():
                    return
                time.sleep(_IDLE_SECONDS)
        except BaseException as error:
            self._error = error

    def _discover_shards(self) -> bool:
        """Look for new shards, because the stream can be resharded at any time; whether there are any."""
        known = len(self._shards)
        for page in self._kinesis.get_paginator("list_shards").paginate(StreamName=self._mapping.stream_name):
            for shard in page["Shards"]:
                parents = tuple(shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if shard.get(name))
                self._shards.setdefault(shard["ShardId"], _Shard(shard["ShardId"], parents, None))
        return len(self._shards) > known

    def _advance(self, shard: _Shard, ending: bool) -> bool:
        """Read from the shard, and invoke if a batch is due; whether anything happened."""
        if any(not self._shards[parent].drained for parent in shard.parents if parent in self._shards):
            return False
        read = self._read(shard)
        if not shard.waiting or time.monotonic() < shard.retry_at:
            return read
        window_over = time.monotonic() - shard.waiting_since >= self._mapping.batch_window_seconds
        full = len(shard.waiting) >= self._mapping.batch_size
        if full or window_over or shard.attempts or ((ending or shard.closed) and not read):
            self._invoke(shard)
            return True
        return read

    def _read(self, shard: _Shard) -> bool:
        if shard.closed or len(shard.waiting) >= self._mapping.batch_size:
            return False
        if shard.iterator is None:
            shard.iterator = self._kinesis.get_shard_iterator(
                StreamName=self._mapping.stream_name, ShardId=shard.shard_id, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        limit = min(_READ_LIMIT, self._mapping.batch_size - len(shard.waiting))
        try:
            response = self._kinesis.get_records(ShardIterator=shard.iterator, Limit=limit)
        except self._kinesis.exceptions.ProvisionedThroughputExceededException:
            return False  # somebody else reads this shard too
        shard.iterator = response.get("NextShardIterator")
        records = response["Records"]
        if records and not shard.waiting:
            shard.waiting_since = time.monotonic()
        shard.waiting.extend(records)
        if not records and self._is_closed(shard):
            shard.closed = True
        return bool(records)

    def _is_closed(self, shard: _Shard) -> bool:
        """Whether the shard was split or merged. moto gives closed shards iterators forever, so its children decide."""
        return shard.iterator is None or any(shard.shard_id in other.parents for other in self._shards.values())

    def _invoke(self, shard: _Shard) -> None:
        batch = self._cut(shard.waiting)
        try:
            failed_from = self._call(shard, batch)
        except FunctionThrottled:
            self._observer.throttled()
            shard.retry_at = time.monotonic() + _LONGEST_RETRY_PAUSE_SECONDS
            return
        self.delivered.invocations += 1
        done = batch if failed_from is None else batch[:failed_from]
        if done:
            self._checkpoint(shard, done)
            shard.attempts = 0
        if failed_from is None:
            return
        self.delivered.failed_invocations += 1
        shard.attempts += 1
        left = batch[failed_from:]
        age = (datetime.now(UTC) - left[0]["ApproximateArrivalTimestamp"]).total_seconds()
        out_of_attempts = 0 <= self._mapping.maximum_retry_attempts < shard.attempts
        too_old = 0 <= self._mapping.maximum_record_age_seconds < age
        if out_of_attempts or too_old:
            self._give_up(shard, left, "RetryAttemptsExhausted" if out_of_attempts else "MaximumRecordAgeExceeded")
        else:
            pause = min(_LONGEST_RETRY_PAUSE_SECONDS, _FIRST_RETRY_PAUSE_SECONDS * 2**shard.attempts)
            shard.retry_at = time.monotonic() + pause

    def _cut(self, waiting: list[Record]) -> list[Record]:
        """The longest run of records that fits the batch size and Lambda's payload limit; at least one."""
        size = 0
        longest = waiting[: self._batch_size(self._mapping.batch_size)]
        for count, record in enumerate(longest):
            size += len(record["Data"]) * 4 // 3 + _ENVELOPE_BYTES
            if size > _MAX_PAYLOAD_BYTES and count:
                return longest[:count]
        return longest

    def _call(self, shard: _Shard, batch: list[Record]) -> int | None:
        """Invoke; returns None on success, else the index of the first record to retry."""
        try:
            response = self._handler(self._event(shard, batch), None)
        except FunctionThrottled:
            raise
        except Exception:
            # The function raised or died: Lambda keeps the batch and retries it, whatever the reason was.
            self._observer.invoked(batch, failed=True)
            return 0
        self._observer.invoked(batch, failed=False)
        failures = (response or {}).get("batchItemFailures") or []
        if not failures:
            return None
        failed = {failure["itemIdentifier"] for failure in failures}
        return next((i for i, record in enumerate(batch) if record["SequenceNumber"] in failed), 0)

    def _event(self, shard: _Shard, batch: list[Record]) -> dict[str, Any]:
        """The event in the form of Lambda's Kinesis integration."""
        region = self._mapping.stream_arn.split(":")[3]
        return {
            "Records": [
                {
                    "kinesis": {
                        "kinesisSchemaVersion": "1.0",
                        "partitionKey": record["PartitionKey"],
                        "sequenceNumber": record["SequenceNumber"],
                        "data": base64.b64encode(record["Data"]).decode(),
                        "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
                    },
                    "eventSource": "aws:kinesis",
                    "eventVersion": "1.0",
                    "eventID": f"{shard.shard_id}:{record['SequenceNumber']}",
                    "eventName": "aws:kinesis:record",
                    "invokeIdentityArn": self._mapping.function_arn,
                    "awsRegion": region,
                    "eventSourceARN": self._mapping.stream_arn,
                }
                for record in batch
            ]
        }

    def _checkpoint(self, shard: _Shard, done: list[Record]) -> None:
        now = datetime.now(UTC)
        self.delivered.landing_ms.extend(
            (now - record["ApproximateArrivalTimestamp"]).total_seconds() * 1000 for record in done
        )
        self.delivered.batches.append((now, len(done)))
        self.delivered.records += len(done)
        self._drop(shard, len(done), done[-1])
        self._on_progress(self.delivered.records)

    def _drop(self, shard: _Shard, count: int, last: Record) -> None:
        del shard.waiting[:count]
        shard.waiting_since = time.monotonic()
        self._on_checkpoint(shard.shard_id, int(last["SequenceNumber"]))

    def _give_up(self, shard: _Shard, left: list[Record], condition: str) -> None:
        """Positions only, as Lambda's SQS destination gets them; the payload would contain card numbers."""
        if self._mapping.on_failure_queue_url is not None:
            body = {
                "requestContext": {
                    "functionArn": self._mapping.function_arn,
                    "condition": condition,
                    "approximateInvokeCount": shard.attempts,
                },
                "KinesisBatchInfo": {
                    "shardId": shard.shard_id,
                    "startSequenceNumber": left[0]["SequenceNumber"],
                    "endSequenceNumber": left[-1]["SequenceNumber"],
                    "approximateArrivalOfFirstRecord": left[0]["ApproximateArrivalTimestamp"].isoformat(),
                    "approximateArrivalOfLastRecord": left[-1]["ApproximateArrivalTimestamp"].isoformat(),
                    "batchSize": len(left),
                    "streamArn": self._mapping.stream_arn,
                },
            }
            self._sqs.send_message(QueueUrl=self._mapping.on_failure_queue_url, MessageBody=json.dumps(body))
        self.delivered.given_up_records += len(left)
        shard.attempts = 0
        self._drop(shard, len(left), left[-1])
