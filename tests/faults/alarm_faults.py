"""The faults that the alarms are there for: what breaks, for how long, and which alarms that is to raise."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from data_storage.repeated_ids import look_for_repeated_ids, removal, repeated_finals
from data_storage.warehouse_loader import load_pending
from infrastructure.aws import clients
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.references import (
    fraud_failures_queue_name,
    fraud_topic_name,
    webhook_failures_queue_name,
    webhook_function_name,
    webhook_queue_name,
)
from tests.faults.watched_pipeline import RECORD_AGE_MINUTES, RECORDS_A_MINUTE, WatchedPipeline
from tests.pipeline.curated_runs import BUCKET, put_run, transaction
from tests.pipeline.warehouse_bench import open_bench

Broken = Callable[[WatchedPipeline], contextlib.AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """words: what is broken, as the table of docs/monitoring.md says it; broken: a context in which it is, and after
    which it is mended; minutes: how long it lasts; raises: exactly the alarms that it raises."""

    words: str
    broken: Broken
    minutes: int
    raises: frozenset[str]


def _refused(status: int, code: str) -> tuple[AWSResponse, dict[str, Any]]:
    """An answer of a service, in the form that botocore's before-call takes instead of a call."""
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return AWSResponse("https://refused", status, HTTPHeaders(), None), answer


@contextlib.contextmanager
def _answered(client: Any, operation: str, answer: Callable[[], Any]) -> Iterator[None]:
    """Calls of this operation get this answer; where it is None, they are carried out."""
    event = f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}"

    def before_call(**_: Any) -> Any:
        return answer()

    client.meta.events.register(event, before_call)
    try:
        yield
    finally:
        client.meta.events.unregister(event, before_call)


def _puts_refused(code: str) -> Broken:
    """The first put of each minute is refused, record by record; the producer's next try is taken."""

    @contextlib.contextmanager
    def broken(pipeline: WatchedPipeline) -> Iterator[None]:
        kinesis = pipeline.client("kinesis")
        put, refused = kinesis.put_records, set()

        def put_records(**request: Any) -> Mapping[str, Any]:
            if pipeline.minutes in refused:
                answer: Mapping[str, Any] = put(**request)
                return answer
            refused.add(pipeline.minutes)
            records = [{"ErrorCode": code, "ErrorMessage": code} for _ in request["Records"]]
            return {"FailedRecordCount": len(records), "Records": records}

        with patch.object(kinesis, "put_records", put_records):
            yield

    return broken


@contextlib.contextmanager
def _somebody_reads_along(pipeline: WatchedPipeline) -> Iterator[None]:
    throttled = set()

    def answer() -> Any:
        if pipeline.minutes in throttled:
            return None
        throttled.add(pipeline.minutes)
        return _refused(400, "ProvisionedThroughputExceededException")

    with _answered(pipeline.client("kinesis"), "GetRecords", answer):
        yield


@contextlib.contextmanager
def _mapping_disabled(pipeline: WatchedPipeline) -> Iterator[None]:
    lambda_, function = pipeline.client("lambda"), pipeline.settings.function_name
    (mapping,) = lambda_.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    yield
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextlib.contextmanager
def _no_concurrency(pipeline: WatchedPipeline) -> Iterator[None]:
    lambda_, function = pipeline.client("lambda"), pipeline.settings.function_name
    lambda_.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    with _not_landing(pipeline):
        yield
    lambda_.delete_function_concurrency(FunctionName=function)


@contextlib.contextmanager
def _not_landing(pipeline: WatchedPipeline) -> Iterator[None]:
    pipeline.lands = False
    yield
    pipeline.lands = True


def _s3_answers(status: int, code: str) -> Broken:
    @contextlib.contextmanager
    def broken(pipeline: WatchedPipeline) -> Iterator[None]:
        of_the_function = clients.client("s3")
        with _not_landing(pipeline), _answered(of_the_function, "PutObject", lambda: _refused(status, code)):
            yield

    return broken


@contextlib.contextmanager
def _batch_given_up(pipeline: WatchedPipeline) -> Iterator[None]:
    with _s3_answers(403, "AccessDenied")(pipeline):
        yield
    sqs = pipeline.client("sqs")
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=pipeline.settings.on_failure_queue_name)["QueueUrl"])


@contextlib.contextmanager
def _producer_breaks_the_contract(pipeline: WatchedPipeline) -> Iterator[None]:
    pipeline.broken_lines = RECORDS_A_MINUTE // 2
    yield
    pipeline.broken_lines = 0


@contextlib.contextmanager
def _job_fails(pipeline: WatchedPipeline) -> Iterator[None]:
    pipeline.metrics.run_ended(succeeded=True)
    pipeline.works = False
    pipeline.run_job(curated_bucket=f"{pipeline.settings.prefix}-gone")
    yield
    pipeline.works = True
    pipeline.run_job()


@contextlib.contextmanager
def _job_does_not_run(pipeline: WatchedPipeline) -> Iterator[None]:
    pipeline.metrics.run_ended(succeeded=True)
    pipeline.works = False
    yield
    pipeline.works = True
    pipeline.metrics.run_ended(succeeded=True)


@contextlib.contextmanager
def _raw_object_cannot_be_read(pipeline: WatchedPipeline) -> Iterator[None]:
    """The fraud function is told of an object that is none of the landing's, and fails as often as it may."""
    sqs, settings = pipeline.client("sqs"), pipeline.settings
    failed = sqs.get_queue_url(QueueName=fraud_failures_queue_name(settings))["QueueUrl"]
    place = {"Bucket": settings.bucket("raw"), "Key": "raw/transactions/arrival_date=2026-03-02/arrival_hour=09/bad.gz"}
    pipeline.client("s3").put_object(**place, Body=b"no gzip")
    with pipeline.ticking(), pipeline.stack.fraud_function() as running:
        assert running is not None
        running.finish()
    yield
    pipeline.client("s3").delete_object(**place)
    sqs.purge_queue(QueueUrl=failed)


@contextlib.contextmanager
def _fraud_mapping_disabled(pipeline: WatchedPipeline) -> Iterator[None]:
    pipeline.detects = "not"
    yield
    pipeline.detects = "counted"


def _fraud_function_refused(service: str, operation: str, amount: str = "") -> Broken:
    """By its bucket or its topic, while it looks at what lands; amount: of the transactions."""

    @contextlib.contextmanager
    def broken(pipeline: WatchedPipeline) -> Iterator[None]:
        pipeline.detects, pipeline.amount = "really", amount
        with _answered(clients.client(service), operation, lambda: _refused(400, "AccessDeniedException")):
            yield
        pipeline.detects, pipeline.amount = "counted", ""

    return broken


@contextlib.contextmanager
def _webhook_out_of_reach(pipeline: WatchedPipeline) -> Iterator[None]:
    """An alert is told, and posted where nobody listens; the pauses between the attempts are left out."""
    sqs, settings, stack = pipeline.client("sqs"), pipeline.settings, pipeline.stack
    alert = {"alert_id": "a" * 64, "raised_at": "2026-03-02T08:04:08Z"}
    pipeline.client("sns").publish(TopicArn=settings.arn("sns", fraud_topic_name(settings)), Message=json.dumps(alert))
    queue, function = webhook_queue_name(settings), webhook_function_name(settings)
    with pipeline.ticking(), stack.function_behind(queue, function, stack.workdir.webhook_log) as running:
        running.finish()
    yield
    sqs.purge_queue(QueueUrl=sqs.get_queue_url(QueueName=webhook_failures_queue_name(settings))["QueueUrl"])


def _called_by(pipeline: WatchedPipeline, event: Mapping[str, Any]) -> None:
    """The trail's event of a call by an administrator."""
    who = f"arn:aws:sts::{pipeline.settings.account_id}:assumed-role/admin/somebody"
    pipeline.metrics.audited(pipeline.client("logs"), {"userIdentity": {"arn": who}, **event})


@contextlib.contextmanager
def _token_key_read(pipeline: WatchedPipeline) -> Iterator[None]:
    name = pipeline.settings.tokenization_secret_name
    pipeline.client("secretsmanager").get_secret_value(SecretId=name)
    event = {"eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue"}
    _called_by(pipeline, event | {"requestParameters": {"secretId": name}})
    yield


@contextlib.contextmanager
def _stream_read(pipeline: WatchedPipeline) -> Iterator[None]:
    kinesis, name = pipeline.client("kinesis"), pipeline.settings.stream_name
    shard = kinesis.list_shards(StreamName=name)["Shards"][0]["ShardId"]
    kinesis.get_shard_iterator(StreamName=name, ShardId=shard, ShardIteratorType="LATEST")
    event = {"eventSource": "kinesis.amazonaws.com", "eventName": "GetShardIterator"}
    _called_by(pipeline, event | {"resources": [{"ARN": pipeline.settings.stream_arn}]})
    yield


@contextlib.contextmanager
def _id_final_twice(pipeline: WatchedPipeline) -> Iterator[None]:
    """The same id in two runs further apart than the window, which the job's daily look finds."""
    with Warehouse(pipeline.stack.workdir.warehouse) as server, open_bench(server) as bench:

        def look() -> None:
            namespace, cloudwatch = pipeline.settings.metrics_namespace, pipeline.client("cloudwatch")
            look_for_repeated_ids(bench.data_api, bench.s3, cloudwatch, bench.target, BUCKET, namespace)

        for name, month in (("first", 1), ("second", 6)):
            put_run(
                bench.s3,
                name,
                [transaction(1, event_time=datetime(2026, month, 1, tzinfo=UTC), sequence_number=str(month))],
            )
        list(load_pending(bench.data_api, bench.s3, bench.target, BUCKET))
        look()
        yield
        bench.batch(*removal(bench.target.schema, repeated_finals(bench.data_api, bench.target)))
        _a_day_later(pipeline)
        look()


@contextlib.contextmanager
def _conflicting_records(pipeline: WatchedPipeline) -> Iterator[None]:
    pipeline.put_conflict()
    pipeline.minute()
    pipeline.run_job()
    yield


@contextlib.contextmanager
def _producers_silent(pipeline: WatchedPipeline) -> Iterator[None]:
    pipeline.records = 0
    yield
    pipeline.records = RECORDS_A_MINUTE


@contextlib.contextmanager
def _raw_object_lost(pipeline: WatchedPipeline) -> Iterator[None]:
    """reconcile --metric looks once a day."""
    s3, bucket = pipeline.client("s3"), pipeline.settings.bucket("raw")
    found = s3.list_objects_v2(Bucket=bucket, Prefix="raw/")["Contents"]
    key = max(each["Key"] for each in found)
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=key)
    pipeline.command("reconcile", "--metric", status=1)  # what is not curated yet is told, but not counted
    yield
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    _a_day_later(pipeline)
    pipeline.command("reconcile", "--metric", status=1)  # what is not curated yet is told, but not counted


@contextlib.contextmanager
def _alarm_removed_by_hand(pipeline: WatchedPipeline) -> Iterator[None]:
    """plan --metric looks once a day; here at the part that was changed."""
    name = f"{pipeline.settings.prefix}-iterator-age"
    pipeline.client("cloudwatch").delete_alarms(AlarmNames=[name])
    pipeline.command("plan", "--metric", "--only", "monitoring", status=2)
    yield
    pipeline.stack.provision(only=("monitoring",))
    _a_day_later(pipeline)
    pipeline.command("plan", "--metric", "--only", "monitoring", status=0)


def _a_day_later(pipeline: WatchedPipeline) -> None:
    pipeline.pass_time(timedelta(days=1))
    pipeline.metrics.run_ended(succeeded=True)


def _fault(words: str, broken: Broken, minutes: int, *raises: str) -> Fault:
    return Fault(words, broken, minutes, frozenset(raises))


FAULTS = (
    _fault("a producer sends an id again with another amount", _conflicting_records, 1, "conflicts"),
    _fault("a run of the job fails, and none follows", _job_fails, 70, "job-failed", "job-late"),
    _fault("Kinesis fails puts with InternalFailure", _puts_refused("InternalFailure"), 6, "puts-failed"),
    _fault(
        "Kinesis throttles puts",
        _puts_refused("ProvisionedThroughputExceededException"),
        6,
        "puts-throttled",
    ),
    _fault("somebody else uses up the reads of a shard", _somebody_reads_along, 6, "reads-throttled"),
    _fault("the event source mapping is disabled", _mapping_disabled, 15, "landing-stopped"),
    _fault("the function may not put into raw", _s3_answers(403, "AccessDenied"), 4, "landing-errors"),
    _fault("the function has no concurrency", _no_concurrency, 5, "landing-throttled"),
    _fault("S3 answers SlowDown, a while", _s3_answers(503, "SlowDown"), 9, "iterator-age"),
    _fault("S3 answers SlowDown, longer", _s3_answers(503, "SlowDown"), 18, "iterator-age", "batches-given-back"),
    _fault(
        "the function may not put into raw until a batch is given up",
        _batch_given_up,
        RECORD_AGE_MINUTES + 5,
        "landing-errors",
        "iterator-age",
        "landing-silent",
        "batches-given-up",
    ),
    _fault("a raw object cannot be read", _raw_object_cannot_be_read, 1, "fraud-objects-given-up"),
    _fault("the fraud function may not read raw", _fraud_function_refused("s3", "GetObject"), 3, "fraud-errors"),
    _fault("nobody takes the objects from the fraud queue", _fraud_mapping_disabled, 26, "fraud-objects-waiting"),
    _fault(
        "the fraud topic refuses an alert",
        _fraud_function_refused("sns", "Publish", amount="20000.00"),
        1,
        "fraud-alerts-not-told",
    ),
    _fault("nobody listens where alerts are posted to", _webhook_out_of_reach, 1, "fraud-webhooks-given-up"),
    _fault("a producer breaks the contract", _producer_breaks_the_contract, 15, "quarantine-rate"),
    _fault("the job is not started", _job_does_not_run, 70, "job-late"),
    _fault("the producers are silent", _producers_silent, 22, "landing-silent"),
    _fault("a raw object is lost, and back before the next day's look", _raw_object_lost, 1, "balance-off"),
    _fault("an alarm is deleted, and made again before the next day's look", _alarm_removed_by_hand, 1, "drift-found"),
    _fault("an id is final twice, and removed before the next day's look", _id_final_twice, 1, "repeated-ids"),
    _fault("an administrator reads the tokenisation keys", _token_key_read, 1, "token-key-read-by-others"),
    _fault("an administrator starts to read the stream", _stream_read, 1, "stream-read-by-others"),
)
