"""Seeded faults for a run of the embedded stack: what AWS, networks and operators do to a pipeline.

`banking-data local --faults SEED` runs with them; tests/faults compares the outcome with that of a run without. Each
fault acts where it would in an account: on the producer's client, S3's answers, the function's process, the shards, the
processes of the job and of the loader. Every kind of KINDS happens even in a small run; the seed decides where, and how
often beyond once.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from unittest.mock import patch

from botocore.exceptions import ClientError, ReadTimeoutError
from moto.kinesis.models import Record

from infrastructure.aws.redshift_data import StatementFailedError
from infrastructure.local.glue_job import JobKilled
from infrastructure.local.redshift.data_api import Session
from infrastructure.local.redshift.postgresql import Warehouse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


Handler = Callable[[dict[str, Any], Any], Any]
Progress = Callable[[dict[str, Any]], None]
Result = TypeVar("Result")

_THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
_MOST_SHARDS = 6
_JOB_STAGES = ("manifest", "stage", "transform", "publish")
_FIRST_LOAD_STATEMENTS = 16  # every load has more statements than this


class Kind(NamedTuple):
    """The chance of a fault at each opportunity, and the opportunity by which it has happened at least once."""

    probability: float
    at_latest: int


KINDS: dict[str, Kind] = {
    "PutRecords throttled": Kind(0.05, 2),
    "PutRecords taken in part": Kind(0.10, 2),
    "PutRecords answer lost after success": Kind(0.03, 2),
    "shard split": Kind(0.03, 1),
    "shards merged": Kind(0.03, 2),
    "batch cut at another boundary": Kind(1.0, 1),
    "function killed between its puts": Kind(0.05, 2),
    "function's answer lost after success": Kind(0.08, 2),
    "S3 answers 503 to a quarantine put": Kind(0.05, 2),
    "S3 answers 503 to a raw put": Kind(0.05, 3),
    "arrival clock ahead": Kind(0.01, 100),
    "arrival clock behind": Kind(0.01, 100),
    "Glue job killed": Kind(0.0, 1),
    "warehouse session aborted": Kind(0.0, 1),
    "loader killed while its batch runs on": Kind(0.0, 1),
}


class _FunctionKilled(BaseException):
    """The function's process ended between two of its puts. A BaseException, so that the function cannot catch it."""


class FunctionDied(Exception):
    """What the Lambda service sees when the function's process ended."""


class LoaderKilled(Exception):
    """The loader's process ended."""


class Faults:
    """The faults of one run, drawn from a seed. happened counts them by name; its names are those of KINDS."""

    def __init__(self, seed: int) -> None:
        self.happened: Counter[str] = Counter()
        self._opportunities: Counter[str] = Counter()
        # Each kind has its own generator, so that the order of threads does not change what is drawn.
        self._random = {name: random.Random(f"{seed} {name}") for name in KINDS}  # nosec B311 # faults, the same for a seed
        self._lock = threading.Lock()
        self._puts = 0  # of the current invocation

    def happens(self, name: str) -> bool:
        """Whether the fault happens at this opportunity."""
        kind = KINDS[name]
        with self._lock:
            self._opportunities[name] += 1
            is_due = not self.happened[name] and self._opportunities[name] >= kind.at_latest
            by_chance = self._random[name].random() < kind.probability
            self.happened[name] += is_due or by_chance
            return is_due or by_chance

    def of(self, name: str) -> random.Random:
        """The generator that decides a fault's details."""
        return self._random[name]

    def kinesis(self, client: Any) -> Any:
        """The producer's client: throttled calls, partly accepted calls, lost answers, shards split and merged."""
        return _FaultyKinesis(client, self)

    def handler(self, handler: Handler) -> Handler:
        """The function: killed between its puts, or done but reported as failed, so that its batch comes again."""

        def faulty(event: dict[str, Any], context: Any) -> Any:
            self._puts = 0
            try:
                answer = handler(event, context)
            except _FunctionKilled:
                raise FunctionDied from None
            if self.happens("function's answer lost after success"):
                raise FunctionDied
            return answer

        return faulty

    def batch_size(self, configured: int) -> int:
        """A different batch size at each invocation, retries included."""
        self.happens("batch cut at another boundary")
        return self.of("batch cut at another boundary").randint(max(1, configured // 8), configured)

    @contextmanager
    def on_s3(self, s3: S3Client) -> Iterator[None]:
        """S3 answers 503 Slow Down beyond botocore's own retries; the function dies after one of its puts."""

        def before_put(params: dict[str, Any], **_: Any) -> None:
            if self._puts and self.happens("function killed between its puts"):
                raise _FunctionKilled
            zone = "quarantine" if params["Key"].startswith("quarantine/") else "raw"
            if self.happens(f"S3 answers 503 to a {zone} put"):
                answer: Any = {
                    "Error": {"Code": "SlowDown", "Message": ""},
                    "ResponseMetadata": {"HTTPStatusCode": 503},
                }
                raise ClientError(answer, "PutObject")
            self._puts += 1

        s3.meta.events.register("before-parameter-build.s3.PutObject", before_put)
        try:
            yield
        finally:
            s3.meta.events.unregister("before-parameter-build.s3.PutObject", before_put)

    @contextmanager
    def on_clocks(self) -> Iterator[None]:
        """Arrival times that are up to half an hour early or late, and out of order."""
        made = Record.__init__

        def skewed(record: Any, *arguments: Any) -> None:
            made(record, *arguments)
            for name, direction in (("arrival clock ahead", 1), ("arrival clock behind", -1)):
                if self.happens(name):
                    skew = timedelta(seconds=direction * self.of(name).randint(1, 1800))
                    record.created_at_datetime += skew
                    record.created_at += skew.total_seconds()

        with patch.object(Record, "__init__", skewed):
            yield

    def job_progress(self, on_progress: Progress) -> Progress:
        """The Glue job: killed once, with its JVM, when it reports a stage."""
        fatal = self.of("Glue job killed").choice(_JOB_STAGES)

        def faulty(event: dict[str, Any]) -> None:
            on_progress(event)
            if event["stage"] == fatal and not self.happened["Glue job killed"]:
                self.happens("Glue job killed")
                raise JobKilled

        return faulty

    @contextmanager
    def on_loads(self, data_api: Any, warehouse: Warehouse) -> Iterator[Any]:
        """The loader's client: one session is aborted between two statements, one loader dies after a submit."""
        left = self.of("warehouse session aborted").randrange(_FIRST_LOAD_STATEMENTS)
        run = Session.run

        def run_or_die(session: Any, statement: Any) -> str:
            nonlocal left
            if session._in_transaction:
                if left == 0 and self.happens("warehouse session aborted"):
                    with warehouse.connect() as other:
                        other.execute("SELECT pg_terminate_backend(%s, 10000)", [session.connection.info.backend_pid])
                left -= 1
            return run(session, statement)

        with patch.object(Session, "run", run_or_die):
            yield _DyingLoader(data_api, self)

    def survive(self, action: Callable[[], Result]) -> Result:
        """Run the action again as long as an injected fault ended it, as people and schedules do."""
        while True:
            before = self.happened.total()
            try:
                return action()
            except (JobKilled, LoaderKilled, StatementFailedError):
                if self.happened.total() == before:
                    raise


class _DyingLoader:
    """The Data API's client of a loader that is killed after it has submitted a batch."""

    def __init__(self, client: Any, faults: Faults) -> None:
        self._client = client
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def batch_execute_statement(self, **parameters: Any) -> Any:
        answer = self._client.batch_execute_statement(**parameters)
        happened = self._faults.happened
        if happened["warehouse session aborted"] and not happened["loader killed while its batch runs on"]:
            self._faults.happens("loader killed while its batch runs on")
            raise LoaderKilled
        return answer


class _FaultyKinesis:
    def __init__(self, client: Any, faults: Faults) -> None:
        self._client = client
        self._faults = faults
        # of the open shards; empty after resharding, until they are listed again
        self._ranges: list[tuple[int, int, str]] = []

    def put_records(self, StreamName: str, Records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        happens = self._faults.happens
        self._reshard(StreamName)
        if happens("PutRecords throttled"):
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "PutRecords")
        if happens("PutRecords taken in part"):
            return self._put_some(StreamName, Records)
        answer: dict[str, Any] = self._client.put_records(StreamName=StreamName, Records=Records)
        if happens("PutRecords answer lost after success"):
            raise ReadTimeoutError(endpoint_url="https://kinesis")
        return answer

    def _put_some(self, stream: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
        chance = self._faults.of("PutRecords taken in part")
        taken = [chance.random() < 0.7 for _ in records]
        chosen = [record for record, is_taken in zip(records, taken, strict=True) if is_taken]
        put = iter(self._client.put_records(StreamName=stream, Records=chosen)["Records"] if chosen else ())
        results = [next(put) if is_taken else _THROTTLED for is_taken in taken]
        return {"FailedRecordCount": taken.count(False), "Records": results}

    def _reshard(self, stream: str) -> None:
        """Split a shard or merge two neighbours, keeping their number within bounds."""
        ranges = self._ranges = self._ranges or self._open_ranges(stream)
        if len(ranges) < _MOST_SHARDS and self._faults.happens("shard split"):
            low, high, shard = self._faults.of("shard split").choice(ranges)
            middle = str((low + high) // 2)
            self._client.split_shard(StreamName=stream, ShardToSplit=shard, NewStartingHashKey=middle)
            self._ranges = []
        elif len(ranges) > 1 and self._faults.happened["shard split"] and self._faults.happens("shards merged"):
            left = self._faults.of("shards merged").randrange(len(ranges) - 1)
            (_, _, shard), (_, _, neighbour) = ranges[left : left + 2]
            self._client.merge_shards(StreamName=stream, ShardToMerge=shard, AdjacentShardToMerge=neighbour)
            self._ranges = []

    def _open_ranges(self, stream: str) -> list[tuple[int, int, str]]:
        """First hash key, last hash key and id of each open shard, sorted by first hash key."""
        pages = self._client.get_paginator("list_shards").paginate(StreamName=stream)
        return sorted(
            (
                int(shard["HashKeyRange"]["StartingHashKey"]),
                int(shard["HashKeyRange"]["EndingHashKey"]),
                shard["ShardId"],
            )
            for page in pages
            for shard in page["Shards"]
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]
        )
