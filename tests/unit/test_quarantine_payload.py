"""What is stored of a bad record: as it was sent, without its card numbers."""

from __future__ import annotations

import json
import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_ingestion.quarantine_payload import safe_payload
from tests.unit.kinesis_events import KEYS, TRANSACTION, card_number, encoded, luhn_digit

TOKEN = KEYS.token("4111111111111111")
AS_TOKEN = f'"card_token":"{TOKEN}","card_last4":"1111"'


def chain() -> list[str]:
    """Groups of digits in which the last four of each and the next group make a card number."""
    random_ = random.Random(5)
    groups = [card_number(random_, "mastercard")]
    while len(groups) < 500:
        body = "".join(random_.choices("0123456789", k=11))
        groups.append(body + luhn_digit(groups[-1][-4:] + body))
    return groups


CHAIN = chain()


def payload(data: bytes) -> str:
    return safe_payload(data, KEYS.token)


def test_a_record_without_card_numbers_is_kept_as_it_was_sent() -> None:
    data = encoded(
        TRANSACTION | {"description": "naïve 日本 \U0001f600", "x": [1.5, None, {"y": "DE89370400440532013000"}]}
    )
    assert payload(data) == data.decode()
    assert payload(data[:-5]) == data[:-5].decode()


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ('{"card_number":"4111111111111111","a":1}', "{" + AS_TOKEN + ',"a":1}'),
        ('{"card_number" : "4111-1111-1111-1111"}', "{" + AS_TOKEN + "}"),
        ('{"card_number":"4111111111111112"}', '{"card_number":"[removed]"}'),
        ('{"card_number":"secret"}', '{"card_number":"[removed]"}'),
        ('{"card_number":4111111111111112,"a":1}', '{"card_number":"[removed]","a":1}'),
        ('{"card_number":4.111111111111111e15}', '{"card_number":"[removed]"}'),
        ('{"card_number":["4111",{"x":"]}"},"12"],"a":1}', '{"card_number":"[removed]","a":1}'),
        ('{"card_number":{"pan":"12345"},"a":1}', '{"card_number":"[removed]","a":1}'),
        ('{"card_number":["4111"', '{"card_number":"[removed]"'),
        ('{"card_number":"4111111', '{"card_number":"[removed]"'),
        ('{"card_number":"41\\"11","a":1}', '{"card_number":"[removed]","a":1}'),
        ('{"card_number":"12","card_number":"34"}', '{"card_number":"[removed]","card_number":"[removed]"}'),
        ('{"Card_Number":"12","cardNumber":"34"}', '{"Card_Number":"[removed]","cardNumber":"[removed]"}'),
        ('{"card_n\\u0075mber":"12"}', '{"card_number":"[removed]"}'),
        ('{"x":{"card_number":"12"}}', '{"x":{"card_number":"[removed]"}}'),
        ('{"x":"{\\"card_number\\":\\"12\\"}"}', '{"x":"{\\"card_number\\":\\"[removed]\\"}"}'),
        ("{'card_number': '12', 'a': 1}", "{'card_number': '[removed]', 'a': 1}"),
        ("card_number=41111111 a=1", "card_number=******** a=1"),
        ("card number: 4111 1111, a", "card number: **** ****, a"),
        ('{"card_number":null}', '{"card_number":null}'),
        ('{"card_number": null , "a":1}', '{"card_number": null , "a":1}'),
        ('{"card_number":null 4111}', '{"card_number":"[removed]"}'),
        ('{"card_number":null4111', '{"card_number":"[removed]"'),
        ('{"card_number"', '{"card_number"'),
        ('{"a":"4111\\t1111\\u00201111\\n1111"}', '{"a":"****\\t**** ****\\n1111"}'),
        ('{"a":"\\u0034111111111111111"}', '{"a":"************1111"}'),
        ('{"a":"\\uff14\\uff11\\uff11\\uff11111111111111"}', '{"a":"************1111"}'),
        ('{"a":"\\ud835\\udfd2111111111111111"}', '{"a":"************1111"}'),
        ('{"4111111111111111":4111111111111111}', '{"************1111":************1111}'),
        ("x4" + "\x001" * 15, "x*" + "\0*" * 11 + "\x001" * 4),  # UTF-16 begun in the middle of a character
        ("4\0\0\0\0" + "1" * 15, "*\0\0\0\0" + "*" * 11 + "1111"),
        ("4" + "\x001" * 15, "*" * 12 + "1111"),  # UTF-16, cut off in its last character
        ('{"a":"C:\\\\u0031x"}', '{"a":"C:\\\\u0031x"}'),
        ('{"a":"\\\\u0034\\\\u0031' + "1" * 14 + '"}', '{"a":"' + "*" * 12 + '1111"}'),
        ('{"a":"{\\"b\\":\\"\\\\u0034' + "1" * 15 + '\\"}"}', '{"a":"{\\"b\\":\\"************1111\\"}"}'),
        (
            '{"a":"4111' + " " * 40 + "1111" + "-" * 40 + '11111111"}',
            '{"a":"****' + " " * 40 + "****" + "-" * 40 + '****1111"}',
        ),
    ],
)
def test_card_numbers_are_gone(written: str, stored: str) -> None:
    assert payload(written.encode()) == stored


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_utf_16_and_32_are_read_as_such(encoding: str) -> None:
    text = '{"card_number":"12","a":"4111\u30001111\u30001111\u30001111","b":"\uff14' + "\uff11" * 15 + '","c":"\u00fc"'
    stored = '{"card_number":"[removed]","a":"****\u3000****\u3000****\u30001111","b":"' + "*" * 12 + "\uff11" * 4
    assert payload(text.encode(encoding)).removeprefix("\ufeff") == stored + '","c":"\u00fc"'
    for cut in range(1, 8):
        part = f"pan 4111-1111-1111 1111{'x' * cut}".encode(encoding)[cut:-cut]
        assert not leaves(payload(part), "411111111111")


def leaves(stored: str, digits: str) -> bool:
    return digits in re.sub("[^0-9]", "", stored)


@pytest.mark.parametrize(
    "body",
    [
        b"\\",
        b'"',
        b"1 ",
        b"1\\t",
        b"1\\u00a0",
        "1\u0301".encode(),
        b"4111 1111 ",
        b"4",
        b"111111111111" + b" " * 1000 + b"x",
        b"card ",
        b"card" + b" " * 1000,
        b"card_number:",
        b'"card_number":[',
        b'"card_number":"',
        b'\\"card_number\\":',
        b'"card_number":null,',
        b"\\\\u0034",
        b"\\u00",
        b"\\ud83d",
        b"4\0",
        b"\0" * 3 + b"4",
        b"DE89 3704 0044 0532 0130 00 ",
        b"DE89 ",
        b"46925665-8229-4927-ad7e-b9f962f9da63 ",
        b"46925665-",
        " ".join(CHAIN).encode() + b" ",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_the_largest_record_of_anything_takes_time_in_proportion(body: bytes) -> None:
    """1 MiB takes at most a second in linear time, and an hour in quadratic time."""
    data = b'{"description":"' + body * (2**20 // len(body))
    start = time.process_time()
    payload(data)
    assert time.process_time() - start < 60


def test_a_quarantined_record_keeps_its_uuid() -> None:
    for id_ in ("46925665-8229-4927-8d7e-b9f962f9da63", "46925665822949278d7eb9f962f9da63"):
        data = encoded(TRANSACTION | {"transaction_id": id_, "amount": "1.001"})
        assert payload(data) == data.decode()


def test_bytes_that_are_no_text_leave_nothing_that_could_be_read_back() -> None:
    ebcdic = "card 4111111111111111".encode("cp037")
    assert set(payload(ebcdic)) <= set("\ufffd@k") | {"\x81", "\x99", "\x84"}
    assert payload(b"4111\xff1111\xfe11111111") == "****\ufffd****\ufffd****1111"
    assert "4111111111111111" not in payload("4111111111111111".encode("utf-16")).replace("\0", "")


@given(st.binary(max_size=300))
def test_any_bytes_become_text_that_can_be_stored(data: bytes) -> None:
    json.dumps(payload(data)).encode("utf-8")
    payload(data).encode("utf-8")


@given(st.text(alphabet=st.sampled_from("card_number\":{}[]\\, 41'u03"), max_size=80))
def test_the_value_of_card_number_never_survives(text: str) -> None:
    assert '"7777' not in payload(('{"card_number":"7777' + text + '","card_number":"7777"').encode())
