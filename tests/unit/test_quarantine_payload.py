"""What is stored of a bad record: as it was sent, without its card numbers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_ingestion.quarantine_payload import safe_payload
from tests.unit.kinesis_events import KEYS, TRANSACTION, encoded

TOKEN = KEYS.token("4111111111111111")
AS_TOKEN = f'"card_token":"{TOKEN}","card_last4":"1111"'


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
        ('{"card_number":null}', '{"card_number":"[removed]"}'),
        ('{"card_number"', '{"card_number"'),
        ('{"a":"4111\\t1111\\u00201111\\n1111"}', '{"a":"****\\t**** ****\\n1111"}'),
        ('{"a":"\\u0034111111111111111"}', '{"a":"************1111"}'),
        ('{"a":"\\uff14\\uff11\\uff11\\uff11111111111111"}', '{"a":"************1111"}'),
        ('{"a":"\\ud835\\udfd2111111111111111"}', '{"a":"************1111"}'),
        ('{"4111111111111111":4111111111111111}', '{"************1111":************1111}'),
        (
            "4\x001\x001\x001\x001\x001\x001\x001\x001\x001\x001\x001\x001\x001\x001\x001",
            "*\0" * 12 + "1\x001\x001\x001",
        ),
    ],
)
def test_card_numbers_are_gone(written: str, stored: str) -> None:
    assert payload(written.encode()) == stored


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
