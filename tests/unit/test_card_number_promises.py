"""What docs/lambda.md promises about card numbers and authentication data, line by line, and what it excludes."""

from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest

from data_governance.card_numbers import holds_card_number, identifier_holds_card_number, mask_card_numbers
from tests.unit.docs_tables import first_cells
from tests.unit.kinesis_events import outcome, transaction

PAN = "4111111111111111"
FOURS = [PAN[place : place + 4] for place in range(0, 16, 4)]


def each(form: str) -> str:
    """Every digit of the number as an escape."""
    return "".join(form.format(ord(digit)) for digit in PAN)


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


FOUND: dict[str, list[str]] = {
    "one piece, or groups with white space, dashes, invisible or control characters between": [
        PAN,
        " ".join(FOURS),
        "4111-1111-1111-1111",
        "4111 11111111 1111",
        " ".join(PAN),
        "\u00a0".join(FOURS),
        "3782 822463 10005",
        "4111\u200b1111\u20111111\t1111",
    ],
    "letters or signs right beside it": [f"card{PAN}x", f"#{PAN}#", f"pan={PAN}", f"paid,{PAN},ok", f"DK{PAN}"],
    "groups of a card's sizes with one and the same sign between": [
        *(sign.join(FOURS) for sign in "._/:,;|+*'~\u00b7\u2022"),
        " / ".join(FOURS),
        "3782.822463.10005",
        "41111111/11111111",
        "41.11.11.11.11.11.11.11",
        ".".join(PAN),
    ],
    "an array of pieces": [
        json.dumps(FOURS),
        json.dumps(list(map(int, FOURS))),
        json.dumps(list(PAN)),
        json.dumps([PAN[:8], PAN[8:]]),
        json.dumps(FOURS, indent=2),
    ],
    "digits of any script, superscript, subscript, circled, ideographs": [
        "\uff14" + "\uff11" * 15,
        "\u0664" + "\u0661" * 15,
        "\u2074" + "\u00b9" * 15,
        "\u2084" + "\u2081" * 15,
        "\u2463" + "\u2460" * 15,
        "\u2477" + "\u2474" * 15,
        "四" + "一" * 15,
        "\u2074\u00b9\u00b9\u00b9 " + "\u00b9\u00b9\u00b9\u00b9 " * 3,
        "4\ufe0f\u20e3" + "1\ufe0f\u20e3" * 15,
    ],
    "escapes of JSON and C": [
        each("\\u{:04x}"),
        each("\\\\u{:04x}"),
        each("\\u{{{:x}}}"),
        each("\\U{:08x}"),
        each("\\x{:02x}"),
        each("\\{:03o}"),
        f"\\x20{PAN}",
        f"\\040{PAN}",
        f"\\n{PAN}",
        "4111\\t1111\\u00a01111\\xc2\\xa01111",
    ],
    "escapes of URLs": [
        each("%{:02X}"),
        f"card%20{PAN}",
        f"%22{PAN}%22",
        "4111%201111%C2%A01111%2D1111",
        "+".join(FOURS),
    ],
    "quoted-printable": [
        each("={:02X}"),
        f"card =20{PAN}",
        f"pan=3D{PAN}",
        "41111111=\r\n11111111",
        "pan=4111=201111=201111=201111",
    ],
    "escapes of HTML": [each("&#{};"), each("&#x{:x};"), "&nbsp;".join(FOURS), "4111&ndash;1111&#160;1111&#xA0;1111"],
    "escapes in escapes, three deep": [
        each("%25{:02X}"),
        f"card%252520{PAN}",
        each("&amp;#{};"),
        each("%26%23{}%3B"),
        each("=25{:02X}"),
        each("\\\\x5cx{:02x}"),
    ],
    "base64, hex, gzip or zlib in them, one in another, three deep": [
        base64_of(PAN.encode()),
        base64_of(b"x" + PAN.encode()),
        base64_of(" ".join(FOURS).encode()),
        base64.urlsafe_b64encode(b"\xfb\xef" + PAN.encode()).decode(),
        f"data:text/plain;base64,{base64_of(PAN.encode())}",
        base64_of(gzip.compress(PAN.encode(), mtime=0)),
        base64_of(zlib.compress(f"card {PAN}".encode())),
        PAN.encode().hex(),
        " ".join(FOURS).encode().hex().upper(),
        gzip.compress(PAN.encode(), mtime=0).hex(),
        base64_of(PAN.encode().hex().encode()),
        base64_of(PAN.encode()).encode().hex(),
        base64_of(base64_of(PAN.encode()).encode()),
        base64_of(base64_of(base64_of(PAN.encode()).encode()).encode()),
        base64_of(PAN.encode("utf-16")),
    ],
    "an expiry date or a code glued to it": [
        f"{PAN}1226",
        f"{PAN}122026",
        f"{PAN}2612",
        f"{PAN}737",
        f"{PAN}1226737",
        f"{PAN}12/26",
        f"1226{PAN}",
        f"12/26{PAN}",
        "3782822463100051234",
    ],
}

AUTHENTICATION_DATA: dict[str, list[str]] = {
    "a code with its label": [
        "cvv 737",
        "CVV2: 737",
        "cvc=737",
        "CID 1737",
        "csc is 737",
        "security code: 737",
        "card_verification_value 737",
        '"cvv":"737"',
        "Prüfziffer 737",
    ],
    "a PIN or PIN block with its label": ["PIN 1737", "pin: 173737", "pin code 1737", "PIN block 0592389FFFED1737"],
    "track data with its label, or behind a card number": [
        f";{PAN}=26121011737=17370?",
        f"%B{PAN}^DOE/JOHN^2612101173717370?",
        f"{PAN}D261210117370",
        "track 2: 26121011737",
    ],
    "an expiry date and a code behind a card number": [
        f"{PAN} 12/26 737",
        f"{PAN} 737",
        f"{PAN} exp 12/26 cvv 737",
        f"{' '.join(FOURS)} 12-2026, 737",
        f"{PAN}1226737",
        f"{PAN} valid thru 12/26 CVC: 737",
    ],
}

NOT_FOUND: dict[str, list[str]] = {
    "a number that no payment network issues": ["0000000000000000", "7992739871300000", "2026112300000012"],
    "digits inside a longer unbroken run": [f"98{PAN}1", f"{PAN}55555", f"000012345{PAN}"],
    "letters or words between the digits, and numbers in words": [
        "4111x1111x1111x1111",
        "4111 and 1111 and 1111 and 1111",
    ],
    "groups of other sizes, or with changing signs": ["41.111.111.1111.1111", "4111.1111/1111:1111"],
    "a first group that is a date, or any group of eight digits that is one (YYYYMMDD)": [
        "26112300-20261123",
        "231120-2600000006",
        "23-11-2026-00000007",
    ],
    "pieces in several fields or objects": ['{"a":"41111111"},{"b":"11111111"}'],
    "base32, ASCII85 and other encodings, and what is encrypted": [
        base64.b32encode(PAN.encode()).decode(),
        base64.a85encode(PAN.encode()).decode(),
    ],
    "digits inside a UUID or a hash, but at its beginning": [
        "a4111111-1111-1111-1000-000000000000",
        f"abc{PAN}0123456789abc",
    ],
    "digits inside a valid IBAN or creditor reference, or behind the plus of a telephone number": [
        "DK5000400440116243",
        "RF18539007547034",
        "+4222222222222",
    ],
    "authentication data with no label that does not stand behind a card number": ["737", "room 737", "2612101173700"],
}


@pytest.mark.parametrize(
    ("title", "tested"),
    [("found", FOUND), ("authentication data", AUTHENTICATION_DATA), ("not found", NOT_FOUND)],
    ids=lambda each_: each_ if isinstance(each_, str) else "",
)
def test_each_line_of_the_table_is_tested(title: str, tested: dict[str, list[str]]) -> None:
    assert first_cells(title) == list(tested)


@pytest.mark.parametrize("form", FOUND)
def test_card_numbers_are_found_as_promised(form: str) -> None:
    for text in FOUND[form]:
        masked = mask_card_numbers(f"paid {text} ok")
        assert holds_card_number(text), text
        assert identifier_holds_card_number(text), text
        assert not holds_card_number(masked), text
        assert "1111 1111 1111" not in masked and PAN not in masked


@pytest.mark.parametrize("form", FOUND)
def test_a_transaction_with_one_in_its_text_lands_without_it_and_with_one_in_an_identifier_does_not_land(
    form: str,
) -> None:
    for text in FOUND[form]:
        assert outcome(transaction(description=f"paid {text}")) == "landed"
        if len(text) <= 64 and text.isascii() and text.isprintable() and " " not in text:
            assert outcome(transaction(original_transaction_id=text)) == "card_number_in_identifier", text


@pytest.mark.parametrize("form", AUTHENTICATION_DATA)
def test_authentication_data_is_masked_as_promised(form: str) -> None:
    for text in AUTHENTICATION_DATA[form]:
        masked = mask_card_numbers(f"paid {text}")
        assert "737" not in masked, text
        assert len(masked) == len(text) + 5


@pytest.mark.parametrize("form", NOT_FOUND)
def test_what_is_excluded_is_left_as_it_is(form: str) -> None:
    for text in NOT_FOUND[form]:
        assert mask_card_numbers(f"paid {text} ok") == f"paid {text} ok"
