"""Seeded faults for a run of the embedded stack: what AWS, networks and operators do to a pipeline.

`orchestrate_pipeline.py local --faults SEED` runs with them; tests/faults compares the outcome with a run without.
Each fault acts where it would: on the producer's client, on S3's answers, on the function's life, on the shards.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError, ReadTimeoutError
from moto.kinesis.models import Record

Handler = Callable[[dict[str, Any], Any], Any]

_THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
_RESHARD_EVERY_CALLS = 15
_MOST_SHARDS = 6


class FunctionKilled(Exception):
    """The function's process ended between two of its statements."""


class Faults:
    """One run's faults, drawn from a seed. happened counts them by name."""

    def __init__(self, seed: int) -> None:
        self.happened: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._die_before_put = 0

    def _draw(self, name: str, probability: float) -> bool:
        with self._lock:
            if self._random.random() >= probability:
                return False
            self.happened[name] += 1
            return True

    def kinesis(self, client: Any) -> Any:
        """The producer's client: throttled calls, partly taken calls, lost answers, shards split and merged."""
        return _FaultyKinesis(client, self)

    def handler(self, handler: Handler) -> Handler:
        """The function: killed between its puts, or done but reported as failed, so that its batch comes again."""

        def faulty(event: dict[str, Any], context: Any) -> Any:
            if self._draw("function killed between its puts", 0.08):
                self._die_before_put = self._random.randint(1, 3)
            answer = handler(event, context)
            self._die_before_put = 0
            if self._draw("function's answer lost after success", 0.08):
                raise FunctionKilled
            return answer

        return faulty

    def batch_size(self, configured: int) -> int:
        """Another batch boundary at each invocation, retries included."""
        return self._random.randint(max(1, configured // 8), configured)

    @contextmanager
    def on_s3(self, s3: Any) -> Iterator[None]:
        """S3 answers 503 Slow Down beyond botocore's own retries; the function dies before one of its puts."""

        def before_put(**_: Any) -> None:
            if self._die_before_put == 1:
                self._die_before_put = 0
                raise FunctionKilled
            self._die_before_put = max(0, self._die_before_put - 1)
            if self._draw("S3 answers 503", 0.05):
                answer = {"Error": {"Code": "SlowDown", "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 503}}
                raise ClientError(answer, "PutObject")

        s3.meta.events.register("before-call.s3.PutObject", before_put)
        try:
            yield
        finally:
            s3.meta.events.unregister("before-call.s3.PutObject", before_put)

    @contextmanager
    def on_clocks(self) -> Iterator[None]:
        """Arrival times that run ahead or behind by up to half an hour, and not in order."""
        made = Record.__init__

        def skewed(record: Any, *arguments: Any) -> None:
            made(record, *arguments)
            if self._draw("arrival clock skewed", 0.02):
                skew = timedelta(seconds=self._random.randint(-1800, 1800))
                record.created_at_datetime += skew
                record.created_at += skew.total_seconds()

        with patch.object(Record, "__init__", skewed):
            yield


class _FaultyKinesis:
    def __init__(self, client: Any, faults: Faults) -> None:
        self._client = client
        self._faults = faults
        self._calls = 0

    def put_records(self, StreamName: str, Records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        self._calls += 1
        if self._calls % _RESHARD_EVERY_CALLS == 0:
            self._reshard(StreamName)
        draw = self._faults._draw
        if draw("PutRecords throttled", 0.05):
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "PutRecords")
        if draw("PutRecords taken in part", 0.10):
            return self._put_some(StreamName, Records)
        answer: dict[str, Any] = self._client.put_records(StreamName=StreamName, Records=Records)
        if draw("PutRecords answer lost after success", 0.03):
            raise ReadTimeoutError(endpoint_url="https://kinesis")
        return answer

    def _put_some(self, stream: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        taken = [self._faults._random.random() < 0.7 for _ in records]
        chosen = [record for record, is_taken in zip(records, taken, strict=True) if is_taken]
        put = iter(self._client.put_records(StreamName=stream, Records=chosen)["Records"] if chosen else ())
        results = [next(put) if is_taken else _THROTTLED for is_taken in taken]
        return {"FailedRecordCount": taken.count(False), "Records": results}

    def _reshard(self, stream: str) -> None:
        """Split the widest open shard, or merge the first two neighbours where there are many."""
        pages = self._client.get_paginator("list_shards").paginate(StreamName=stream)
        shards = [shard for page in pages for shard in page["Shards"]]
        is_open = [s for s in shards if "EndingSequenceNumber" not in s["SequenceNumberRange"]]
        ranges = sorted(
            (int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"]), s["ShardId"])
            for s in is_open
        )
        if len(ranges) < _MOST_SHARDS and self._faults._draw("shard split", 1.0):
            low, high, shard = max(ranges, key=lambda one: one[1] - one[0])
            self._client.split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=str((low + high) // 2))
        elif self._faults._draw("shards merged", 1.0):
            (_, _, left), (_, _, right) = ranges[:2]
            self._client.merge_shards(StreamName=stream, ShardToMerge=left, AdjacentShardToMerge=right)
