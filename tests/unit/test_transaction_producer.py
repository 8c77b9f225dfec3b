"""The producer loses nothing and keeps the order of a key, whatever Kinesis answers."""

import gzip
import itertools
import json
import math
import os
import random
import threading
import tracemalloc
from collections import defaultdict, deque

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from data_ingestion import transaction_input
from data_ingestion.kpl_aggregation import deaggregate, is_aggregate
from data_ingestion.transaction_input import MAX_RECORD_BYTES, Line, check_readable, read_lines
from data_ingestion.transaction_producer import MAX_RECORDS_PER_CALL, MOST_REFUSALS_TOLD, outgoing, paced, produce
from infrastructure.errors import PlatformError


def record(account, number):
    body = {"account_id": account, "n": number, "amount": "1.50", "currency": "EUR", "credit_debit_indicator": "DBIT"}
    return json.dumps(body).encode()


class Stream:
    """A stream that accepts all, some or none of a call's records, as Kinesis does, and may lose its answer."""

    def __init__(self, seed=0, fail_each=0.0, throttle_call=0.0, lose_answer=0.0, refuse_after=math.inf):
        self.taken = []
        self.calls = []
        self._random = random.Random(seed)
        self._fail_each, self._throttle_call, self._lose_answer = fail_each, throttle_call, lose_answer
        self._refuse_after = refuse_after

    def put_records(self, StreamName, Records):
        assert 1 <= len(Records) <= MAX_RECORDS_PER_CALL
        if len(self.calls) >= self._refuse_after:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "PutRecords")
        self.calls.append(Records)
        if self._random.random() < self._throttle_call:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "PutRecords")
        results = []
        for entry in Records:
            if self._random.random() < self._fail_each:
                results.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
            else:
                self.taken.append(entry["Data"])
                results.append({"SequenceNumber": str(len(self.taken)), "ShardId": "shardId-000000000000"})
        if self._random.random() < self._lose_answer:
            raise ReadTimeoutError(endpoint_url="https://kinesis")
        return {"FailedRecordCount": sum("ErrorCode" in r for r in results), "Records": results}


def arrived(stream):
    """The transactions that the stream took, as the landing function reads them: aggregates taken apart."""
    return [
        data
        for taken in stream.taken
        for data in (deaggregate(taken, at_most=1000) if is_aggregate(taken) else [taken])
    ]


def lines(records):
    return [Line(number, data) for number, data in enumerate(records, 1)]


def no_pause(seconds):
    assert seconds >= 0


def first_arrivals(taken):
    """For each account, the numbers of its records in the order of their first arrival."""
    order: defaultdict[str, list[int]] = defaultdict(list)
    for data in taken:
        body = json.loads(data)
        if body["n"] not in order[body["account_id"]]:
            order[body["account_id"]].append(body["n"])
    return order


@given(
    st.lists(st.integers(0, 5), max_size=300),
    st.integers(0, 2**32),
    st.sampled_from([(0, 0, 0), (0.3, 0, 0), (0.1, 0.3, 0), (0.1, 0.1, 0.2)]),
    st.booleans(),
)
def test_every_record_arrives_and_the_first_puts_of_a_key_keep_their_order(accounts, seed, faults, packing):
    records = [record(f"account-{account}", number) for number, account in enumerate(accounts)]
    stream = Stream(seed, *faults)
    report = produce(lines(records), stream, "s", pause=no_pause, packing=packing, now=lambda: 0.0)
    assert set(arrived(stream)) == set(records)
    assert report.records == len(records) == report.totals.records
    assert report.next_line == len(records) + 1
    for numbers in first_arrivals(arrived(stream)).values():
        assert numbers == sorted(numbers)


def test_a_call_holds_at_most_one_record_of_a_key():
    stream = Stream()
    produce(lines([record("same", n) for n in range(5)] + [record("other", 9)]), stream, "s", pause=no_pause)
    for call in stream.calls:
        keys = [entry["PartitionKey"] for entry in call]
        assert len(keys) == len(set(keys))


def test_packed_records_fill_kilobytes_and_all_of_an_account_go_under_one_key():
    records = [record(f"account-{number % 5000}", number) for number in range(20_000)]
    stream = Stream()
    produce(lines(records), stream, "s", pause=no_pause, packing=True, now=lambda: 0.0)
    assert set(arrived(stream)) == set(records)

    def kilobytes(datas):
        return sum(-(-len(data) // 1024) for data in datas)

    assert kilobytes(stream.taken) * 5 < kilobytes(records)
    keys = defaultdict(set)
    for call in stream.calls:
        for entry in call:
            for data in deaggregate(entry["Data"], at_most=1000) if is_aggregate(entry["Data"]) else [entry["Data"]]:
                keys[json.loads(data)["account_id"]].add(entry["PartitionKey"])
    assert {len(each) for each in keys.values()} == {1}


def test_a_pack_is_never_larger_than_it_may_be_but_for_a_large_record():
    records = [record("same", number) + b" " * 5_000 for number in range(20)] + [record("same", 20) + b" " * 50_000]
    stream = Stream()
    produce(lines(records), stream, "s", pause=no_pause, packing=True, now=lambda: 0.0)
    assert arrived(stream) == records
    assert sorted(len(data) > 25 * 1024 for data in stream.taken) == [False] * 5 + [True]


def test_what_comes_slowly_is_not_held_back_to_be_packed():
    clock = itertools.count()  # a second passes whenever it is asked
    stream = Stream()
    records = [record("same", number) for number in range(9)]
    produce(lines(records), stream, "s", pause=no_pause, packing=True, now=lambda: float(next(clock)))
    assert arrived(stream) == records
    assert len(stream.calls) > 1


def test_totals_count_each_record_once_however_often_it_was_put():
    stream = Stream(seed=3, fail_each=0.5)
    report = produce(lines([record(str(n), n) for n in range(200)]), stream, "s", pause=no_pause)
    assert report.retried > 0
    assert report.totals.rows() == [
        {"currency": "EUR", "credit_debit_indicator": "DBIT", "records": 200, "amount": "300.00"}
    ]


def test_what_was_put_again_without_an_answer_is_told_apart_from_throttling():
    lost = produce(lines([record(str(n), n) for n in range(600)]), Stream(seed=1, lose_answer=0.5), "s", pause=no_pause)
    assert lost.uncertain.records == lost.retried > 0
    throttled = produce(
        lines([record(str(n), n) for n in range(600)]), Stream(seed=1, fail_each=0.3), "s", pause=no_pause
    )
    assert throttled.uncertain.records == 0 < throttled.retried


def test_a_stream_that_takes_nothing_ends_with_an_error_that_says_what_to_do():
    with pytest.raises(PlatformError, match="run the same command again"):
        produce(lines([record("a", 1)]), Stream(fail_each=1.0), "s", pause=no_pause)


def test_a_missing_stream_is_no_matter_for_retries():
    class Missing:
        def put_records(self, **_):
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": ""}}, "PutRecords")

    with pytest.raises(PlatformError, match="apply --only data_ingestion"):
        produce(lines([record("a", 1)]), Missing(), "s", pause=no_pause)


def test_a_record_too_large_for_kinesis_is_named_by_its_line_and_the_others_are_put():
    large = record("4111111111111111", 1) + b" " * 1024 * 1024
    stream = Stream()
    report = produce(lines([record("a", 0), large, record("b", 2)]), stream, "s", pause=no_pause)
    assert len(stream.taken) == report.records == 2
    assert [line for line, _ in report.refusals] == [2]
    assert "longer than Kinesis takes" in report.refusals[0][1]
    assert "4111111111111111" not in str(report.refusals)


def test_of_many_lines_that_are_no_records_all_are_counted_and_the_first_are_named():
    faulty = [Line(number, b"", "UTF-16 or UTF-32, not UTF-8") for number in range(1, 101)]
    report = produce([*faulty, Line(101, record("a", 1))], Stream(), "s", pause=no_pause)
    assert report.refused == {"UTF-16 or UTF-32, not UTF-8": 100}
    assert [line for line, _ in report.refusals] == list(range(1, MOST_REFUSALS_TOLD + 1))
    assert report.next_line == 102


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 2**32), st.integers(1, 30), st.booleans())
def test_who_goes_on_from_the_line_that_was_told_loses_nothing(accounts, seed, refusing_after, packing):
    """The stream gives up after some calls. What it accepted and what follows the named line are all records."""
    records = [record(f"account-{account}", number) for number, account in enumerate(accounts)]
    stream = Stream(seed, fail_each=0.3, refuse_after=refusing_after)
    told: list[int] = []
    try:
        on_progress = lambda report: told.append(report.next_line)  # noqa: E731
        produce(lines(records), stream, "s", on_progress, pause=no_pause, packing=packing, now=lambda: 0.0)
    except PlatformError:
        after = records[(told[-1] if told else 1) - 1 :]
        assert set(arrived(stream)) | set(after) == set(records)
    else:
        assert set(arrived(stream)) == set(records)


def test_a_rate_is_kept_by_waiting():
    """Each line is taken when it is due; who was held up in between catches up."""
    clock = [0.0]

    def pause(seconds):
        clock[0] += seconds

    taken = []
    for line in paced(lines([record("a", n) for n in range(6)]), 10.0, pause, lambda: clock[0]):
        taken.append(round(clock[0], 6))
        if line.number == 3:
            clock[0] += 0.25
    assert taken == [0.0, 0.1, 0.2, 0.45, 0.45, 0.5]


def test_a_record_without_readable_account_still_goes():
    assert outgoing(b'{"account_id":').partition_key.startswith("unreadable-")
    assert outgoing(b'{"account_id":17}').partition_key.startswith("unreadable-")
    assert outgoing(b'{"account_id":"DE1"}').partition_key == "DE1"


def test_calls_stay_within_kinesis_bytes():
    stream = Stream()
    produce(lines([record(str(n), n) + b" " * 900_000 for n in range(12)]), stream, "s", pause=no_pause)
    assert max(sum(len(entry["Data"]) for entry in call) for call in stream.calls) <= 5 * 1024 * 1024
    assert len(stream.taken) == 12


def test_ndjson_is_read_plain_and_compressed(tmp_path):
    plain, packed = tmp_path / "t.ndjson", tmp_path / "t.ndjson.gz"
    plain.write_bytes(b'{"a":1}\r\n\n{"b":2}')
    packed.write_bytes(gzip.compress(b'{"a":1}\n{"b":2}\n'))
    assert [line.data for line in read_lines(str(plain))] == [b'{"a":1}', b'{"b":2}']
    assert [line.data for line in read_lines(str(packed))] == [b'{"a":1}', b'{"b":2}']


def test_lines_keep_their_numbers_from_any_line_on(tmp_path):
    path = tmp_path / "t.ndjson"
    path.write_bytes(b'{"a":1}\n\n{"b":2}\n{"c":3}\n')
    assert [(line.number, line.data) for line in read_lines(str(path), 2)] == [(3, b'{"b":2}'), (4, b'{"c":3}')]
    with pytest.raises(PlatformError, match="ends at line 4, before line 9"):
        list(read_lines(str(path), 9))


def test_the_byte_order_mark_at_the_head_of_a_file_is_the_files_own(tmp_path):
    path = tmp_path / "t.ndjson"
    path.write_bytes(b'\xef\xbb\xbf{"a":1}\n{"b":2}\n')
    assert list(read_lines(str(path))) == [Line(1, b'{"a":1}'), Line(2, b'{"b":2}')]


@pytest.mark.parametrize(
    ("spoiled", "fault"),
    [
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        ('{"a":1}'.encode("utf-16-le"), "UTF-16"),
        (b"{", "pretty-printed"),
        (b'  "account_id": "DE1",', "pretty-printed"),
        (b"},", "pretty-printed"),
        (b'{"a":"' + b"x" * MAX_RECORD_BYTES + b'"}', "longer than Kinesis takes"),
        (b"x" * (3 * MAX_RECORD_BYTES), "longer than Kinesis takes"),
    ],
    ids=["mark", "utf-16", "brace", "member", "end", "long", "very long"],
)
def test_a_line_that_is_no_record_is_told_by_its_number_and_stops_nothing(tmp_path, spoiled, fault):
    path = tmp_path / "t.ndjson"
    path.write_bytes(b'{"a":1}\n' + spoiled + b'\n{"b":2}')
    first, bad, last = read_lines(str(path))
    assert (first.data, last.data, last.number) == (b'{"a":1}', b'{"b":2}', 3)
    assert bad.number == 2 and fault in bad.fault


def test_a_pretty_printed_file_holds_no_record_and_says_why(tmp_path):
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"account_id": "DE1", "amount": "1.00"}, indent=2))
    with pytest.raises(PlatformError, match="holds no records: line 1 is a piece of pretty-printed JSON"):
        check_readable(str(path))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("wide.ndjson", '{"a":1}\n'.encode("utf-16"), "is UTF-16 or UTF-32"),
        ("wide.ndjson", '{"a":1}\n'.encode("utf-16-be"), "is UTF-16 or UTF-32"),
        ("empty.ndjson", b"\n", "holds no records"),
        ("list.json", b'[{"a":1}]', "not NDJSON"),
        ("table.csv", b"id,amount\n1,2\n", "not NDJSON"),
        ("cut.ndjson.gz", gzip.compress(b'{"a":1}\n' * 10_000, mtime=0)[:-20], "damaged or cut off"),
        ("fake.ndjson.gz", b'{"a":1}\n', "damaged or cut off"),
    ],
)
def test_what_is_no_ndjson_is_refused_before_anything_is_produced(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(PlatformError, match=says):
        check_readable(str(path))


def test_a_missing_file_and_a_directory_say_so(tmp_path):
    with pytest.raises(PlatformError, match="No such file"):
        check_readable(str(tmp_path / "absent.ndjson"))
    with pytest.raises(PlatformError, match="is a directory"):
        check_readable(str(tmp_path))


def test_a_pipe_is_read_once_only(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[b'{"a":1}\n{"b":2}\n'], daemon=True)
    check_readable(str(pipe))  # nobody writes to it yet, so reading would wait forever
    writer.start()
    assert [line.data for line in read_lines(str(pipe))] == [b'{"a":1}', b'{"b":2}']
    writer.join()


def test_gzip_under_another_name_is_said(tmp_path):
    path = tmp_path / "input.ndjson"
    path.write_bytes(gzip.compress(b'{"a":1}\n'))
    with pytest.raises(PlatformError, match="is gzip under another name"):
        check_readable(str(path))


def test_a_stream_that_refuses_at_once_tells_the_line_that_was_asked_for():
    with pytest.raises(PlatformError, match="all lines before line 500"):
        produce([Line(500, record("a", 1))], Stream(refuse_after=0), "s", pause=no_pause, first_line=500)


def most_memory(work):
    tracemalloc.start()
    try:
        with pytest.raises(PlatformError) as raised:
            work()
        return str(raised.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [b'{"a":1}\n' + b"x" * 20_000_000, b'{"a":1}\n' * 300_000],
    ids=["one line without end", "very many lines"],
)
def test_a_small_gzip_that_holds_very_much_is_refused_on_the_way_and_never_held(tmp_path, monkeypatch, content):
    monkeypatch.setattr(transaction_input, "_ALWAYS_READ", 1_000_000)  # 64 MiB in truth
    path = tmp_path / "bomb.ndjson.gz"
    path.write_bytes(gzip.compress(content, 9))
    told, peak = most_memory(lambda: deque(read_lines(str(path)), maxlen=0))
    assert "holds 200 times its size or more" in told
    assert peak < 5_000_000


def test_a_file_of_blank_lines_is_refused_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(transaction_input, "_MOST_BLANK_LINES", 10_000)  # a million in truth
    path = tmp_path / "blank.ndjson"
    path.write_bytes(b'{"a":1}\n' + b"\n \r\n" * 6_000)
    told, _ = most_memory(lambda: deque(read_lines(str(path)), maxlen=0))
    assert "holds 10,000 blank lines in a row by line 10,002" in told


def test_a_large_gzip_of_transactions_is_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(transaction_input, "_ALWAYS_READ", 1_000)
    path = tmp_path / "large.ndjson.gz"
    records = [record(f"A{number}", number) for number in range(5_000)]
    path.write_bytes(gzip.compress(b"\n".join(records), 9))
    assert [line.data for line in read_lines(str(path))] == records
