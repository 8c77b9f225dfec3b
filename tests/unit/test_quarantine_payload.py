"""What is stored of a bad record: as it was sent, without its card numbers."""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import json
import quopri
import random
import re
import time
import urllib.parse
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_ingestion.quarantine_payload import safe_payload, safe_payloads
from data_ingestion.transaction_screening import cleared_identifiers
from data_ingestion.transaction_validation import plain_document
from tests.unit.kinesis_events import EVERY_FIELD, KEYS, TRANSACTION, encoded, event_records, luhn_digit

TOKEN = KEYS.token("4111111111111111")
AS_TOKEN = f'"card_token":"{TOKEN}","card_last4":"1111"'


def chain() -> list[str]:
    """Groups of digits in which the last four of each and the next group make a card number of Visa's."""
    random_ = random.Random(5)
    groups = ["550000000000400" + luhn_digit("550000000000400")]
    while len(groups) < 500:
        body = "".join(random_.choices("0123456789", k=8)) + "4" + "".join(random_.choices("0123456789", k=2))
        groups.append(body + luhn_digit(groups[-1][-4:] + body))
    return groups


CHAIN = chain()


def payload(data: bytes) -> str:
    return safe_payload(data, KEYS.card_fields)


def test_a_record_without_card_numbers_is_kept_as_it_was_sent() -> None:
    data = encoded(EVERY_FIELD | {"card_number": None, "description": "naïve 日本 \U0001f600", "status": "LOST"})
    assert payload(data) == data.decode()
    assert payload(data[:-5]) == data[:-5].decode()
    for text in (json.dumps(TRANSACTION, indent=2), json.dumps(TRANSACTION | {"amount": 67.50})):
        assert payload(text.encode()) == text


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ('{"card_number":"4111111111111111","status":"LOST"}', "{" + AS_TOKEN + ',"status":"LOST"}'),
        ('{"card_number" : "4111-1111-1111-1111"}', "{" + AS_TOKEN + "}"),
        ('{"card_number":"4111111111111112"}', '{"card_number":"[removed]"}'),
        ('{"card_number":"secret"}', '{"card_number":"[removed]"}'),
        ('{"card_number":4111111111111112,"amount":1}', '{"card_number":"[removed]","amount":1}'),
        ('{"card_number":4.111111111111111e15}', '{"card_number":"[removed]"}'),
        ('{"card_number":["4111",{"x":"]}"},"12"],"amount":1}', '{"card_number":"[removed]","amount":1}'),
        ('{"card_number":{"pan":"12345"},"amount":1}', '{"card_number":"[removed]","amount":1}'),
        ('{"card_number":["4111"', '{"card_number":"[removed]"'),
        ('{"card_number":"4111111', '{"card_number":"[removed]"'),
        ('{"card_number":"41\\"11","amount":1}', '{"card_number":"[removed]","amount":1}'),
        ('{"card_number":"12","card_number":"34"}', '{"card_number":"[removed]","card_number":"[removed]"}'),
        ('{"Card_Number":"12","cardNumber":"34"}', '{"Card_Number":"[removed]","cardNumber":"[removed]"}'),
        ('{"card_n\\u0075mber":"12"}', '{"card_number":"[removed]"}'),
        ('{"card_number":null}', '{"card_number":null}'),
        ('{"card_number": null , "amount":1}', '{"card_number": null , "amount":1}'),
        ('{"card_number":null 4111}', '{"card_number":"[removed]"}'),
        ('{"card_number":null4111', '{"card_number":"[removed]"'),
        ('{"card_number"', '{"card_number"'),
        ('{"description":"4111\\t1111\\u00201111\\n1111"}', '{"description":"****\\t****\\u0020****\\n1111"}'),
        ('{"description":"\\u0034' + "1" * 15 + '"}', '{"description":"************1111"}'),
        ('{"description":"\\uff14' + "\\uff11" * 3 + "1" * 12 + '"}', '{"description":"************1111"}'),
        ('{"description":"\\ud835\\udfd2' + "1" * 15 + '"}', '{"description":"************1111"}'),
        ('{"description":4111111111111111}', '{"description":************1111}'),
        ('{"description":"C:\\\\u0031x"}', '{"description":"C:\\\\u0031x"}'),
        ('{"description":"\\\\u0034\\\\u0031' + "1" * 14 + '"}', '{"description":"' + "*" * 12 + '1111"}'),
        ('{"description":"{\\"b\\":\\"4' + "1" * 15 + '\\"}"}', '{"description":"{\\"b\\":\\"************1111\\"}"}'),
        (
            '{"merchant_name":"4111' + " " * 40 + "1111" + "-" * 40 + '11111111"}',
            '{"merchant_name":"****' + " " * 40 + "****" + "-" * 40 + '****1111"}',
        ),
        ('{"transaction_id":"4111111111111111"}', '{"transaction_id":"************1111"}'),
        ('{"amount":4111111111111111.00}', '{"amount":************1111.00}'),
    ],
)
def test_card_numbers_are_gone(written: str, stored: str) -> None:
    assert payload(written.encode()) == stored


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ('{"cvv":"737","status":"LOST"}', '{"cvv":"[removed]","status":"LOST"}'),
        ('{"amount":1,"pin_block":"0592389FFFED1737"}', '{"amount":1,"pin_block":"[removed]"}'),
        ('{"track2":";4111111111111111=26121011737?"}', '{"track2":"[removed]"}'),
        ('{"card_holder":"J DOE","ammount":"1.00"}', '{"card_holder":"[removed]","ammount":"[removed]"}'),
        ('{"737":1,"cvv737":"x"}', '{"[removed]":"[removed]","[removed]":"[removed]"}'),
        ('{"card":{"cvv":"737","status":"BOOKED"}}', '{"card":"[removed]"}'),
        ('{"amount":["737"],"description":{"cvv":"737"}}', '{"amount":"[removed]","description":"[removed]"}'),
        ('{"status":"737","channel":"cvv737"}', '{"status":"***","channel":"cvv***"}'),
        ('{"description":"4111111111111111 12/27 737"}', '{"description":"************1111 **/** ***"}'),
        ('{"description":"cvv 737 ok"}', '{"description":"cvv *** ok"}'),
        ('{"amount":1,"cvv":737', '{"amount":1,"cvv":"[removed]"'),
        ('{"amount":1,"cvv":"73', '{"amount":1,"cvv":"[removed]"'),
        ('{"amount":1}{"cvv":"737"}', '{"amount":1}{"cvv":"[removed]"}'),
        ('[{"amount":1,"cvv":"737"}]', '[{"amount":1,"cvv":"[removed]"}]'),
        ("{'cvv': '737', 'amount': 1}", "{'cvv': '***', 'amount': *}"),
        ("card_number=4111 cvv=737", "card_number=**** cvv=***"),
        ("<cvv>737</cvv>", "<cvv>***</cvv>"),
        ("T1,4111 1111,\u0667\u0663\u0667,12/27", "T*,**** ****,***,**/**"),
        ('{"description":"Groceries","x', '{"description":"Groceries","x'),
    ],
)
def test_authentication_data_is_gone_and_so_is_what_might_be(written: str, stored: str) -> None:
    assert payload(written.encode()) == stored


def test_the_beginning_of_a_card_number_that_was_cut_off_is_gone() -> None:
    assert (
        payload(b'{"amount":"1.00","description":"card 411111111111')
        == '{"amount":"1.00","description":"card ' + "*" * 12
    )
    assert payload(b'{"amount":"1.00","account_id":41111111111') == '{"amount":"1.00","account_id":' + "*" * 11
    assert payload(b'{"amount":"1.00","description":"room 12') == '{"amount":"1.00","description":"room 12'


RECORD = encoded(EVERY_FIELD)


@pytest.mark.parametrize(
    "data",
    [
        base64.b64encode(RECORD),
        base64.urlsafe_b64encode(RECORD),
        base64.encodebytes(RECORD),
        base64.b64encode(gzip.compress(RECORD, mtime=0)),
        base64.b64encode(zlib.compress(RECORD)),
        base64.b64encode(base64.b64encode(RECORD)),
        RECORD.hex().encode(),
        RECORD.hex().upper().encode(),
        gzip.compress(RECORD, mtime=0).hex().encode(),
        RECORD.hex(" ").encode(),
        base64.b32encode(RECORD),
        encoded({"body": base64.b64encode(RECORD).decode(), "isBase64Encoded": True}),
        encoded({"Records": event_records([RECORD])}),
        encoded({"records": [{"recordId": "1", "data": base64.b64encode(RECORD).decode()}]}),
        encoded({"description": base64.b64encode(RECORD).decode()}),
        encoded({"description": base64.b64encode(gzip.compress(RECORD, mtime=0)).decode()}),
        encoded({"counterparty_account": b"4111111111111111".hex()}),
        urllib.parse.quote(RECORD).encode(),
        urllib.parse.quote(urllib.parse.quote(RECORD)).encode(),
        urllib.parse.urlencode(EVERY_FIELD).encode(),
        quopri.encodestring(RECORD),
        html.escape(RECORD.decode()).encode(),
        json.dumps(RECORD.decode()).encode(),
        repr(RECORD).encode(),
        b"data:application/json;base64," + base64.b64encode(RECORD),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_of_an_encoded_record_nothing_can_be_read_back(data: bytes) -> None:
    number = "4111111111111111"
    assert leaks_of(data.decode(), number), "what was sent holds it"
    assert not leaks_of(payload(data), number)


def leaks_of(text: str, number: str) -> bool:
    """Whether the number can be read in the text after taking away what can be taken away, up to four times."""
    seen = found = {text}
    for _ in range(4):
        found = {each for text in found for each in _decodings(text)} - seen
        seen = seen | found
    return any(number in each for each in seen)


def _decodings(text: str) -> Iterator[str]:
    yield urllib.parse.unquote_plus(text)
    yield html.unescape(text)
    yield quopri.decodestring(text.encode("latin-1", "replace")).decode("latin-1")
    yield re.sub(r"\\+x([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), text)
    for piece in re.findall(r"[A-Za-z0-9+/_\n-]{16,}", text):
        compact = piece.replace("\n", "").replace("-", "+").replace("_", "/")
        for decode in (base64.b64decode, base64.b32decode, bytes.fromhex):
            with contextlib.suppress(ValueError, zlib.error):
                padded = compact + "=" * (-len(compact) % (8 if decode is base64.b32decode else 4))
                data = decode(compact if decode is bytes.fromhex else padded)
                yield data.decode("latin-1")
                yield zlib.decompress(data, zlib.MAX_WBITS | 32).decode("latin-1")
    with contextlib.suppress(ValueError, zlib.error):
        yield bytes.fromhex(text).decode("latin-1")


@pytest.mark.parametrize(
    "changed",
    [
        {"original_transaction_id": "4111111111111111"},
        {"transaction_id": "4111-1111-1111-1111", "account_id": "4111-1111-1111-1111"},
        {"description": "4111 1111 1111 1111, cvv 123", "merchant_name": "4111111111111111"},
        {"card_number": "4111111111111111", "account_id": "5500000000000004"},
        {"card_number": "4111111111111112"},
        {"status": "4111"},
        {"cvv": "123"},
    ],
)
def test_a_record_whose_document_is_known_is_stored_like_one_that_is_parted_into_fields(
    changed: dict[str, str],
) -> None:
    data = encoded(EVERY_FIELD | changed)
    document = plain_document(data)
    assert document is not None
    (stored,) = safe_payloads([data], [document], cleared_identifiers([document]), KEYS.card_fields)
    assert stored == payload(data)
    assert not {"4111111111111111", "4111-1111-1111-1111", "5500000000000004"} & set(json.loads(stored).values())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_utf_16_and_32_are_read_as_such(encoding: str) -> None:
    text = '{"card_number":"12","description":"4111\u30001111\u30001111\u30001111","x":"1","merchant_name":"\u00fc'
    stored = '{"card_number":"[removed]","description":"****\u3000****\u3000****\u30001111","x":"[removed]"'
    assert payload(text.encode(encoding)).removeprefix("\ufeff") == stored + ',"merchant_name":"\u00fc'
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
def test_a_large_record_of_anything_takes_time_in_proportion(body: bytes) -> None:
    """256 KiB take less than a second in linear time, and minutes in quadratic time."""
    data = b'{"description":"' + body * (2**18 // len(body))
    start = time.process_time()
    payload(data)
    assert time.process_time() - start < 30


def test_a_quarantined_record_keeps_its_uuid() -> None:
    for id_ in ("46925665-8229-4927-8d7e-b9f962f9da63", "46925665822949278d7eb9f962f9da63"):
        data = encoded(TRANSACTION | {"transaction_id": id_, "amount": "1.001"})
        assert payload(data) == data.decode()


def test_bytes_that_are_no_text_leave_nothing_that_could_be_read_back() -> None:
    ebcdic = "card 4111111111111111".encode("cp037")
    assert set(payload(ebcdic)) <= set("\ufffd@k") | {"\x81", "\x99", "\x84"}
    assert payload(b"4111\xff1111\xfe11111111") == "****\ufffd****\ufffd********"
    assert "4111111111111111" not in payload("4111111111111111".encode("utf-16")).replace("\0", "")


@given(st.binary(max_size=300))
def test_any_bytes_become_text_that_can_be_stored(data: bytes) -> None:
    json.dumps(payload(data)).encode("utf-8")
    payload(data).encode("utf-8")


@given(st.text(alphabet=st.sampled_from("card_number\":{}[]\\, 41'u03"), max_size=80))
def test_the_value_of_card_number_never_survives(text: str) -> None:
    assert '"7777' not in payload(('{"card_number":"7777' + text + '","card_number":"7777"').encode())
