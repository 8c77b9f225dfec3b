"""For any input: no exception, each record in exactly one place, and the fast path agrees with the careful one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import (
    CHANNELS,
    CREDIT_DEBIT_INDICATORS,
    QUARANTINE_REASONS,
    STATUSES,
    TRANSACTION_TYPES,
)
from data_governance.control_totals import ControlTotals
from data_ingestion import transaction_batch
from data_ingestion.kpl_aggregation import is_aggregate
from data_ingestion.transaction_batch import BatchResult, control_entry, process_batch
from data_ingestion.transaction_generator import generate
from tests.unit.kinesis_events import (
    EVERY_FIELD,
    INCARNATION,
    KEYS,
    TRANSACTION,
    aggregated,
    card_number,
    encoded,
    event_records,
    landed,
    process,
    quarantined,
)

MUTATED, MUTATED_IN_SOAK = 20_000, 1_000_000
BATCH = 500


def carefully(datas: list[bytes]) -> BatchResult:
    """The batch with every record looked at singly."""

    def all_of_them(records: list[bytes], *_: Any) -> set[int]:
        return set(range(len(records)))

    with patch.object(transaction_batch, "uncertain", all_of_them):
        return process_batch(event_records(datas), INCARNATION, KEYS)


def balanced(result: BatchResult, datas: list[bytes]) -> None:
    """Nothing is missing, and the totals agree."""
    assert result.landed_records + sum(result.quarantined_by_reason.values()) == result.records
    assert result.landed.count(b"\n") == result.landed_records
    assert result.quarantined.count(b"\n") == result.records - result.landed_records
    assert result.streamed_totals == result.landed_totals + result.quarantined_totals
    assert result.streamed_totals.records == result.records
    assert result.quarantined_by_reason.keys() <= QUARANTINE_REASONS.keys()
    if not any(map(is_aggregate, datas)):
        streamed = ControlTotals()
        for data in datas:
            streamed.add(*control_entry(data))
        assert result.streamed_totals == streamed


_texts = st.one_of(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=20),
    st.text(alphabet=st.sampled_from("0123456789 -.:+TZabcE\n\0\u00a0\u0664\uff14é"), max_size=36),
    st.from_regex(r"[0-9]{10,24}", fullmatch=True),
    st.sampled_from(["4111111111111111", "4222222222222", "DE89370400440532013000", "NO9386011117947", ""]),
)
_values = st.one_of(
    _texts, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.lists(_texts, max_size=2)
)
_good: dict[str, st.SearchStrategy[Any]] = {
    "schema_version": st.sampled_from(["1.0", "1.1", "1.999"]),
    "transaction_id": st.from_regex(r"[!-~]{1,40}", fullmatch=True),
    "account_id": st.sampled_from(["DE89370400440532013000", "123456789", "NO9386011117947", "x"]),
    "transaction_type": st.sampled_from(TRANSACTION_TYPES),
    "credit_debit_indicator": st.sampled_from(CREDIT_DEBIT_INDICATORS),
    "amount": st.from_regex(r"[0-9]{1,14}(\.[0-9]{1,4})?", fullmatch=True),
    "currency": st.sampled_from(sorted(CURRENCY_MINOR_UNITS)),
    "event_time": st.datetimes().map(lambda time: time.isoformat() + random.Random(time.year).choice(["Z", "+09:00"])),
    "status": st.sampled_from(STATUSES),
    "channel": st.sampled_from(CHANNELS),
    "value_date": st.dates().map(str),
    "card_number": st.integers().map(lambda seed: card_number(random.Random(seed))),
    "balance_after": st.from_regex(r"-?[0-9]{1,14}(\.[0-9]{1,4})?", fullmatch=True),
    "merchant_country": st.sampled_from(["DE", "CZ", "XX"]),
    "merchant_category_code": st.from_regex(r"[0-9]{4}", fullmatch=True),
    "original_transaction_id": st.from_regex(r"[!-~]{1,40}", fullmatch=True),
    "description": _texts,
    "merchant_name": _texts,
    "counterparty_account": _texts,
}


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A transaction with some fields changed to good values, some to anything, written in one of the ways to write."""
    document = dict(TRANSACTION)
    for name in draw(st.lists(st.sampled_from(sorted(_good)), max_size=6)):
        document[name] = draw(_good[name])
    for name in draw(st.lists(st.sampled_from([*sorted(EVERY_FIELD), "unknown"]), max_size=2)):
        document[name] = draw(_values)
    text = json.dumps(document, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1])))
    if draw(st.integers(0, 9)) == 0:
        text = text[:-1] + f',"{draw(st.sampled_from(sorted(document)))}":{json.dumps(draw(_values))}}}'
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), min_size=1, max_size=12))
def test_the_fast_way_gives_what_the_careful_way_gives(datas: list[bytes]) -> None:
    result = process(*datas)
    balanced(result, datas)
    assert result == carefully(datas)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=10))
def test_any_bytes_are_quarantined_and_counted(datas: list[bytes]) -> None:
    result = process(*datas)
    balanced(result, datas)
    assert not result.landed


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records(), min_size=1, max_size=6), st.lists(records(), min_size=1, max_size=3))
def test_records_in_an_aggregate_fare_as_those_outside(datas: list[bytes], others: list[bytes]) -> None:
    alone, together = process(*datas), process(*others, aggregated(datas))
    assert together.records == len(datas) + len(others)
    assert together.streamed_totals == alone.streamed_totals + process(*others).streamed_totals
    inner = [row for row in landed(together) if int(row["sequence_number"]) % 2**20 == _sequence(len(others)) % 2**20]
    places = ("sequence_number", "sub_sequence_number", "arrival_time", "landed_at")
    assert [without(row, places) for row in inner] == [without(row, places) for row in landed(alone)]


def _sequence(index: int) -> int:
    return int(event_records([b""] * (index + 1))[index]["kinesis"]["sequenceNumber"])


def without(row: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def mutated(count: int, seed: int) -> Iterator[bytes]:
    """Records of the generator with one to four changes of the kinds that transport, bugs and malice make."""
    random_ = random.Random(seed)
    pool = [*generate(400, seed), encoded(EVERY_FIELD), encoded(TRANSACTION | {"x": {"y": [1, {"z": None}]}})]
    pool += [json.dumps(json.loads(each), indent=1).encode() for each in pool[:20] if each.endswith(b"}")]
    pool.append(aggregated(pool[:3]))
    for _ in range(count):
        data = bytearray(random_.choice(pool))
        for _ in range(random_.randint(1, 4)):
            _mutate(data, random_, pool)
        yield bytes(data)


_SPLICES = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xf3\x89\x9a\xc2", b"null",
    b"NaN", b"1e309", b"-0", b"\\u0000", b"\\ud800", b"\\u0022", b'"amount":"1"', b',"amount":"2"', b'"card_number":',
    b"\n", b"4111 1111 1111 1111", b"4222222222222", b"99999999999999", b"DE89370400440532013000", "\u0664".encode(),
    b"[" * 50,
)  # fmt: skip


def _mutate(data: bytearray, random_: random.Random, pool: list[bytes]) -> None:
    place = random_.randrange(len(data) + 1)
    end = min(len(data), place + random_.randrange(1, 12))
    match random_.randrange(8):
        case 0 if data:
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
        case 1:
            data[place:end] = b""
        case 2:
            data[place:place] = random_.choice(_SPLICES)
        case 3:
            data[place:end] = random_.choice(_SPLICES)
        case 4:
            data[place:place] = data[place:end]
        case 5:
            del data[place:]
        case 6:
            other = random_.choice(pool)
            data[place:] = other[random_.randrange(len(other)) :]
        case _:
            data[place:place] = random_.randbytes(random_.randrange(1, 9))


def fuzz(count: int, seed: int, compared_every: int) -> None:
    """Process mutated records in batches; every so many batches compare with the careful path."""
    reasons: set[str] = set()
    landed_records = 0
    for number, start in enumerate(range(0, count, BATCH)):
        datas = list(mutated(min(BATCH, count - start), seed + number))
        result = process(*datas)
        balanced(result, datas)
        if number % compared_every == 0:
            assert result == carefully(datas)
        reasons |= result.quarantined_by_reason.keys()
        landed_records += result.landed_records
    assert landed_records > count // 100
    assert len(reasons) > 12


def test_mutated_records_leave_no_exception_and_balance() -> None:
    fuzz(MUTATED, seed=1, compared_every=4)


@pytest.mark.soak
def test_a_million_mutated_records_leave_no_exception_and_balance() -> None:
    fuzz(MUTATED_IN_SOAK, seed=1_000, compared_every=20)


def test_a_retry_with_other_boundaries_lands_the_same_rows() -> None:
    datas = list(generate(400, seed=21))
    records_ = event_records(datas)
    whole = process_batch(records_, INCARNATION, KEYS)
    halves = [process_batch(part, INCARNATION, KEYS) for part in (records_[:150], records_[150:])]
    rows = [without(row, ("landed_at",)) for half in halves for row in landed(half)]
    assert rows == [without(row, ("landed_at",)) for row in landed(whole)]
    assert [row for half in halves for row in quarantined(half)] == quarantined(whole)
