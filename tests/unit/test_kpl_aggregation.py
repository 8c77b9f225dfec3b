"""A KPL aggregate is taken apart completely or not at all."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_ingestion.kpl_aggregation import MAGIC, BrokenAggregateError, aggregate, deaggregate, is_aggregate
from tests.unit.kinesis_events import aggregated, event_records


def sealed(message: bytes) -> bytes:
    return MAGIC + message + hashlib.md5(message).digest()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_records_come_out_as_they_went_in(datas: list[bytes]) -> None:
    assert deaggregate(aggregated(datas), at_most=20) == datas


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20), st.text(min_size=1, max_size=256))
def test_what_is_packed_comes_out_again(datas: list[bytes], key: str) -> None:
    assert deaggregate(aggregate(datas, key), at_most=20) == datas


def test_the_reference_implementation_takes_apart_what_is_packed() -> None:
    reference = pytest.importorskip("aws_kinesis_agg.deaggregator", reason="aws-kinesis-agg is not installed")
    datas = [f"record {index}".encode() * index for index in range(1, 40)]
    found = [each["kinesis"] for each in reference.deaggregate_records(event_records([aggregate(datas, "packed-7")]))]
    assert [base64.b64decode(each["data"]) for each in found] == datas
    assert {each["partitionKey"] for each in found} == {"packed-7"}


def test_the_reference_implementation_reads_the_same() -> None:
    reference = pytest.importorskip("aws_kinesis_agg.aggregator", reason="aws-kinesis-agg is not installed")
    datas = [f"record {index}".encode() * index for index in range(40)]
    aggregator = reference.RecordAggregator()
    for index, data in enumerate(datas):
        aggregator.add_user_record(f"key-{index % 3}", data, explicit_hash_key=str(index % 2))
    content = aggregator.clear_and_get().get_contents()[2]
    assert is_aggregate(content)
    assert deaggregate(content, at_most=40) == datas


@pytest.mark.parametrize(
    "data",
    [
        MAGIC,
        MAGIC + bytes(15),
        MAGIC + bytes(16),
        sealed(b""),
        aggregated([b"a"], digest=bytes(16)),
        aggregated([b"a"]) + b"\0",
        aggregated([b"a", b"b"], index=1),
        sealed(b"\x0a\x01k\x1a\x02\x08\x00"),  # a record without data
        sealed(b"\x0a\x01k\x1a\x03\x1a\x01a"),  # a record without a partition key
        sealed(b"\x0a\x01k\x1a\x07\x08\x00\x10\x00\x1a\x01a"),  # an explicit hash key that isn't there
        sealed(b"\x0a\x01k\x1a\x06\x08\x00\x1a\x02a"),  # data that runs over the end
        sealed(b"\x0a\x01k\x1a\x7f"),  # a record that runs over the end
        sealed(b"\xff" * 12),  # an integer of more than 64 bits
        sealed(b"\x0b"),  # a group, which protobuf 3 no longer has
        sealed(b"\x02\x01a"),  # field number 0
        sealed(b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01a\x00\x05"),  # the same after a sound record
        sealed(b"\x0a\x01k\x1a\x05\x08\x00\x1a\x01a\x18\x05"),  # a second record that is an integer
        sealed(b"\x0a\x01k\x08\x05\x1a\x05\x08\x00\x1a\x01a"),  # a second partition key that is an integer
        sealed(b"\x0a\x01k\x1a\x08\x08\x00\x1a\x01a\x1a\x01b"),  # a record with two data fields
        sealed(b"\x0a\x01k\x1a\x07\x08\x00\x08\x00\x1a\x01a"),  # a record with two partition keys
        sealed(b"\x1a"),
    ],
)
def test_what_is_inconsistent_is_refused_whole(data: bytes) -> None:
    with pytest.raises(BrokenAggregateError):
        deaggregate(data, at_most=10)


def test_tags_and_fields_of_later_versions_are_passed_over() -> None:
    record = b"\x08\x00\x1a\x01a\x22\x03tag\x29" + bytes(8)
    message = b"\x0a\x01k\x1a" + bytes([len(record)]) + record + b"\x2d" + bytes(4) + b"\x30\x07"
    assert deaggregate(sealed(message), at_most=10) == [b"a"]


def test_an_aggregate_of_too_many_records_is_refused() -> None:
    assert deaggregate(aggregated([b"a"] * 5), at_most=5) == [b"a"] * 5
    with pytest.raises(BrokenAggregateError):
        deaggregate(aggregated([b"a"] * 6), at_most=5)


def test_a_changed_byte_never_loses_a_record_silently() -> None:
    random_ = random.Random(3)
    datas = [b"a" * 50, b"b" * 50, b"c" * 50]
    whole = aggregated(datas)
    for place in range(len(MAGIC), len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << random_.randrange(8)
        with pytest.raises(BrokenAggregateError):
            deaggregate(bytes(changed), at_most=10)


@given(st.binary(max_size=200))
def test_no_other_error_whatever_the_message(message: bytes) -> None:
    with contextlib.suppress(BrokenAggregateError):
        deaggregate(sealed(message), at_most=10)
