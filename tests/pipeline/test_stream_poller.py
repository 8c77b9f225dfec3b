"""The embedded event source mapping does what Lambda's does: order, retries, checkpoints, giving up, resharding."""

import base64
import gc
import json

import boto3
import pytest
from moto.kinesis.models import Record

from infrastructure.local.emulator import emulated_aws
from infrastructure.local.stream_poller import MappingConfiguration, StreamPoller
from infrastructure.local.stream_records import drop_consumed, patched_moto_kinesis

ACCOUNT, REGION, STREAM = "123456789012", "us-east-1", "transactions"


@pytest.fixture
def aws(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with emulated_aws(), patched_moto_kinesis():
        kinesis = boto3.client("kinesis")
        kinesis.create_stream(StreamName=STREAM, ShardCount=2)
        sqs = boto3.client("sqs")
        queue = sqs.create_queue(QueueName="failures")["QueueUrl"]
        yield kinesis, sqs, queue


def put(kinesis, records):
    """records: (partition key, text)."""
    entries = [{"PartitionKey": key, "Data": text.encode()} for key, text in records]
    for start in range(0, len(entries), 500):
        assert kinesis.put_records(StreamName=STREAM, Records=entries[start : start + 500])["FailedRecordCount"] == 0


def mapping(aws, handler, **configuration):
    kinesis, sqs, queue = aws
    defaults = {
        "stream_arn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{STREAM}",
        "function_arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f",
        "batch_size": 100,
        "batch_window_seconds": 0,
        "maximum_retry_attempts": 3,
        "maximum_record_age_seconds": -1,
        "on_failure_queue_url": queue,
    }

    def forget(shard_id, sequence_number):
        drop_consumed(ACCOUNT, REGION, STREAM, shard_id, sequence_number)

    return StreamPoller(MappingConfiguration(**defaults | configuration), handler, kinesis, sqs, forget)


def texts(event):
    return [base64.b64decode(record["kinesis"]["data"]).decode() for record in event["Records"]]


class Recorder:
    """A function that keeps what it was invoked with and answers as it is told."""

    def __init__(self, *answers):
        self.batches = []
        self.answers = list(answers)

    def __call__(self, event, context):
        self.batches.append(texts(event))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer(event) if callable(answer) else answer


def fails_at(index):
    return lambda event: {
        "batchItemFailures": [{"itemIdentifier": event["Records"][index]["kinesis"]["sequenceNumber"]}]
    }


def delivered(aws, handler, **configuration):
    running = mapping(aws, handler, **configuration)
    running.start()
    return running.finish()


def test_every_record_is_delivered_once_and_in_order_per_key(aws):
    put(aws[0], [(f"account-{n % 7}", f"{n % 7}:{n}") for n in range(1_000)])
    function = Recorder()
    assert delivered(aws, function).records == 1_000
    seen = [text for batch in function.batches for text in batch]
    for account in range(7):
        of_account = [int(text.split(":")[1]) for text in seen if text.startswith(f"{account}:")]
        assert of_account == list(range(account, 1_000, 7))


def test_batches_are_cut_at_the_batch_size(aws):
    put(aws[0], [("one-key", str(n)) for n in range(250)])
    function = Recorder()
    delivered(aws, function, batch_size=100)
    assert [len(batch) for batch in function.batches] == [100, 100, 50]


def test_a_dead_function_gets_the_whole_batch_again(aws):
    put(aws[0], [("key", str(n)) for n in range(3)])
    function = Recorder(RuntimeError("died"), None)
    result = delivered(aws, function)
    assert function.batches == [["0", "1", "2"], ["0", "1", "2"]]
    assert (result.failed_invocations, result.records) == (1, 3)


def test_the_lowest_failed_sequence_number_is_the_checkpoint(aws):
    put(aws[0], [("key", str(n)) for n in range(4)])
    function = Recorder(fails_at(2), None)
    delivered(aws, function)
    assert function.batches == [["0", "1", "2", "3"], ["2", "3"]]


def test_out_of_attempts_the_queue_gets_positions_and_no_payload(aws):
    put(aws[0], [("key", "secret-payload")])
    function = Recorder(*[RuntimeError("died")] * 4)
    result = delivered(aws, function, maximum_retry_attempts=2)
    assert (len(function.batches), result.given_up_records) == (3, 1)
    _, sqs, queue = aws
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(message["Body"])
    assert body["KinesisBatchInfo"]["startSequenceNumber"] == "1"
    assert body["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert "secret-payload" not in message["Body"]
    assert base64.b64encode(b"secret-payload").decode() not in message["Body"]


def test_records_stay_in_a_split_shard_and_are_delivered_before_its_children(aws):
    kinesis = aws[0]
    put(kinesis, [("key", str(n)) for n in range(20)])
    for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
        low = int(shard["HashKeyRange"]["StartingHashKey"])
        high = int(shard["HashKeyRange"]["EndingHashKey"])
        kinesis.split_shard(StreamName=STREAM, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((low + high) // 2))
    put(kinesis, [("key", str(n)) for n in range(20, 40)])
    function = Recorder()
    delivered(aws, function)
    assert len(function.batches) == 2, "what was put after the split came from a child"
    assert [int(text) for batch in function.batches for text in batch] == list(range(40))


def test_a_shard_that_is_closed_takes_no_more_records(aws):
    kinesis = aws[0]
    shards = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]]
    kinesis.merge_shards(StreamName=STREAM, ShardToMerge=shards[0], AdjacentShardToMerge=shards[1])
    entries = [{"PartitionKey": str(n), "Data": b"x"} for n in range(20)]
    answer = kinesis.put_records(StreamName=STREAM, Records=entries)
    assert {record["ShardId"] for record in answer["Records"]} == {"shardId-000000000002"}


def test_consumed_records_are_dropped_so_that_memory_stays_flat(aws):
    from moto.kinesis.models import kinesis_backends

    put(aws[0], [(str(n), str(n)) for n in range(500)])
    delivered(aws, Recorder())
    shards = kinesis_backends[ACCOUNT][REGION].streams[STREAM].shards.values()
    assert sum(len(shard.records) for shard in shards) == 0


def test_sequence_numbers_go_on_after_records_were_dropped(aws):
    kinesis = aws[0]
    put(kinesis, [("key", "a"), ("key", "b")])
    delivered(aws, Recorder())
    answer = kinesis.put_record(StreamName=STREAM, PartitionKey="key", Data=b"c")
    assert answer["SequenceNumber"] == "3"


def test_nothing_of_a_delivered_record_stays_in_memory(aws):
    put(aws[0], [(f"k{n}", "a card number stood here") for n in range(300)])
    running = mapping(aws, lambda event, context: None)
    running.start()
    assert running.finish().records == 300
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Record)]
