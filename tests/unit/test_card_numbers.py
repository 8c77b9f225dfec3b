"""Card numbers are found however they are typed; IBANs and other digits are left alone."""

from __future__ import annotations

import base64
import gzip
import random
import time
import tracemalloc
import unicodedata
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_governance.card_brands import NETWORKS
from data_governance.card_numbers import (
    card_digits,
    fail_luhn,
    has_candidate,
    holds_card_number,
    identifier_holds_card_number,
    mask_card_numbers,
    passes_luhn,
)
from data_governance.card_screening import masked_texts
from data_governance.iban import IBAN_LENGTHS, is_iban
from tests.unit.kinesis_events import BRANDS, card_number, luhn_digit

# From the SWIFT registry's examples.
IBANS = [
    "AD1200012030200359100100", "AT611904300234573201", "BE68539007547034", "BH67BMAG00001299123456",
    "CH9300762011623852957", "CY17002001280000001200527600", "CZ6508000000192000145399", "DE89370400440532013000",
    "DK5000400440116243", "ES9121000418450200051332", "FI2112345600000785", "FR1420041010050500013M02606",
    "GB29NWBK60161331926819", "HU42117730161111101800000000", "IT60X0542811101000000123456", "LU280019400644750000",
    "MT84MALT011000012345MTLCAST001S", "NL91ABNA0417164300", "NO9386011117947", "PL61109010140000071219812874",
    "SE4550000000058398257466", "SK3112000000198742637541", "TR330006100519786457841326", "XK051212012345678906",
]  # fmt: skip


@pytest.mark.parametrize("brand", BRANDS)
def test_card_numbers_of_every_brand_are_found_and_all_but_four_digits_masked(brand: str) -> None:
    random_ = random.Random(brand)
    for _ in range(200):
        number = card_number(random_, brand)
        assert card_digits(number) == number
        assert mask_card_numbers(f"paid with {number}.") == f"paid with {'*' * (len(number) - 4)}{number[-4:]}."


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("4111-1111-1111-1111", "****-****-****-1111"),
        ("3782 822463 10005", "**** ****** *0005"),
        ("4111  1111 - 1111  1111", "****  **** - ****  1111"),
        ("4111      1111------1111" + " - " * 30 + "1111", "****      ****------****" + " - " * 30 + "1111"),
        ("4111\u30fc1111\u30fc1111\u30fc1111", "****\u30fc****\u30fc****\u30fc1111"),
        ("4\ufe0f\u20e3" + "1\ufe0f\u20e3" * 15, "*\ufe0f\u20e3" * 12 + "1\ufe0f\u20e3" * 4),
        ("\\u0034" + "1" * 15, "*" * 12 + "1111"),
        ("\\\\\\u0034" + "\\\\u0031" * 15, "*" * 12 + "\\\\u0031" * 4),
        ("4111\\t1111\\n11111111", "****\\t****\\n****1111"),
        ("\\ud835\\udfd2" + "1" * 15, "*" * 12 + "1111"),
        ("4111\u00a01111\u20091111\u20111111", "****\u00a0****\u2009****\u20111111"),
        ("4111\u200b1111\u00ad1111\ufeff1111", "****\u200b****\u00ad****\ufeff1111"),
        ("4111\n1111\t1111\r1111", "****\n****\t****\r1111"),
        ("4\0" * 1 + "1\0" * 14 + "1", "*\0" * 12 + "1\0" * 3 + "1"),
        ("\uff14" + "\uff11" * 15, "*" * 12 + "\uff11" * 4),
        ("\u0664" + "\u0661" * 15, "*" * 12 + "\u0661" * 4),
        ("4111 1111 1111 1111 12/26 cvv 123", "**** **** **** 1111 **/** cvv ***"),
        ("4111\\1111\\1111\\1111 4111.1111.1111.1111 \u00fc", "****\\****\\****\\1111 ****.****.****.1111 \u00fc"),
        ("Order%20for%20card%204111111111111111", "Order%20for%20card%20************1111"),
        ("12 4111 1111 1111 1111", "12 **** **** **** 1111"),
        ("card4111111111111111x", "card************1111x"),
        ("4111111111111111,5500005555555559", "************1111,************5559"),
        ("4111111111111111 5500005555555559", "************1111 ************5559"),
    ],
)
def test_card_numbers_in_every_dress_are_masked(text: str, masked: str) -> None:
    assert mask_card_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",  # fails the check
        "411111111111",  # 12 digits
        "41111111111111111111",  # 20 digits
        "00001234567890123456789012",  # a national account number of 26
        "2026-05-28 20:26:40",
        "4111\\1111\\1111\\ 4111.1111.1111 \u00fc",
        "00000000-0000-0000-0000-000000000000",
        "C:\\u0031\\n",
        "to 46925665-8229-4927-8d7e-b9f962f9da63, thanks",  # a UUID in which the card number's digits continue
        "invoice 2026/0317, 12 pieces at 99.90",
        *IBANS,
        *(" ".join(iban[place : place + 4] for place in range(0, len(iban), 4)) for iban in IBANS),
        *(f"to {iban}, thanks" for iban in IBANS),
        *(iban.lower() for iban in IBANS),
    ],
)
def test_ibans_and_other_digits_survive(text: str) -> None:
    assert mask_card_numbers(text) == text


def test_a_card_number_beside_an_iban_is_masked_and_the_iban_is_not() -> None:
    text = "NO93 8601 1117 947 4111 1111 1111 1111 DE89 3704 0044 0532 0130 00"
    assert mask_card_numbers(text) == "NO93 8601 1117 947 **** **** **** 1111 DE89 3704 0044 0532 0130 00"


def test_what_only_looks_like_an_iban_protects_nothing() -> None:
    assert mask_card_numbers("DK4111111111111111") == "DK************1111"
    assert mask_card_numbers("XX 4111111111111111") == "XX ************1111"


@given(st.text(alphabet=st.sampled_from("0123456789 -ABx*\u00a0\u0664\u0301"), max_size=60))
@example("4111 1111 1111 1111 1111 1111 1111 1111")
def test_what_is_masked_holds_no_card_number_any_more(text: str) -> None:
    masked = mask_card_numbers(text)
    assert not holds_card_number(masked)
    assert len(masked) == len(text)
    assert all(after in ("*", before) for before, after in zip(text, masked, strict=True))


def test_card_numbers_that_chain_are_all_masked() -> None:
    """The last four digits of each group make a card number of Visa's with the next group."""
    random_ = random.Random(9)
    groups = ["550000000000400" + luhn_digit("550000000000400")]
    while len(groups) < 50:
        body = "".join(random_.choices("0123456789", k=8)) + "4" + "".join(random_.choices("0123456789", k=2))
        groups.append(body + luhn_digit(groups[-1][-4:] + body))
    masked = mask_card_numbers(" ".join(groups))
    assert not holds_card_number(masked)
    assert masked.split()[0] == "*" * 16


@given(st.text(max_size=80), st.randoms(use_true_random=False), st.sampled_from(["", " ", "-", "\u00a0", " - "]))
def test_a_card_number_put_into_any_text_is_gone(text: str, random_: random.Random, separator: str) -> None:
    number = card_number(random_)
    dressed = separator.join(number[place : place + 4] for place in range(0, len(number), 4))
    masked = mask_card_numbers(f"{text}|{dressed}|{text}")
    assert dressed not in masked


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_candidates_are_never_missed(text: str) -> None:
    if holds_card_number(text):
        assert has_candidate(text)


_PIECES = st.sampled_from(
    ["4111111111111111", "4111 1111 1111 1111", "1234567890123", "12345678", "cvv 123", "Prüfnummer: 123", "ščř" * 9,
     "\u0663", "\u2013", "\0", "%34", "=34", "NDExMTExMTExMTExMTExMQ==", "34" * 16, "RF18", "Faktura č. ", " ", "."]
)  # fmt: skip


@given(st.lists(st.one_of(st.none(), st.lists(_PIECES, max_size=8).map("".join)), max_size=6))
def test_a_column_of_texts_is_masked_as_each_text_by_itself(column: list[str | None]) -> None:
    assert [*masked_texts(column)] == [text and mask_card_numbers(text) for text in column]


def test_separators_are_all_that_unicode_calls_space_dash_control_format_or_mark_without_room() -> None:
    for code in range(0x110000):
        character = chr(code)
        if unicodedata.category(character) in ("Zs", "Zl", "Zp", "Pd", "Cc", "Cf", "Mn", "Me"):
            dressed = character.join(("4111", "1111", "1111", "1111"))
            assert holds_card_number(dressed), f"U+{code:04X}"


@given(st.integers(0, 10**19 - 1), st.integers(13, 19))
def test_luhn_is_that_of_the_standard(number: int, length: int) -> None:
    digits = str(number).rjust(length, "0")[-length:]
    valid = luhn_digit(digits[:-1]) == digits[-1]
    assert passes_luhn(digits) is valid
    assert fail_luhn(["4111111111111111", digits]) == ([] if valid else [1])


def test_one_wrong_digit_is_always_found() -> None:
    for place in range(16):
        for digit in "0123456789":
            changed = "4111111111111111"[:place] + digit + "4111111111111111"[place + 1 :]
            assert passes_luhn(changed) is (changed == "4111111111111111")


@pytest.mark.parametrize("iban", IBANS)
def test_ibans_are_recognised_and_a_wrong_digit_or_length_is_not(iban: str) -> None:
    assert is_iban(iban)
    assert not is_iban(iban + "0")
    assert not is_iban(iban[:-1])
    assert not is_iban(iban.lower())
    assert not is_iban(iban[:2] + f"{(int(iban[2:4]) + 1) % 97:02d}" + iban[4:])
    assert not identifier_holds_card_number(iban)


@given(st.text(max_size=40))
@example("DE")
@example("DE8937040044053201300\u0663")
@example("DE\u0668937040044053201300")
@example("DE89_70400440532013000")
def test_is_iban_takes_any_text(text: str) -> None:
    if is_iban(text):
        assert text.isascii() and text.isalnum() and text[:2] in IBAN_LENGTHS


def test_identifiers_that_banks_use_are_not_taken_for_card_numbers() -> None:
    random_ = random.Random(5)
    uuids = [uuid.UUID(int=random_.getrandbits(128), version=4) for _ in range(20_000)]
    assert not any(identifier_holds_card_number(str(each)) for each in uuids)
    assert not any(identifier_holds_card_number(each.hex) for each in uuids)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111a000000000000abc",
        "41111111-1111-1111-a000-000000000abc",
        "55000055-5555-5559-b000-4bc000000000",
        "37828224-6310-4051-ab10-0000000000ff",  # no card number: there are 16 digits, and only 15 of them pass
    ],
)
def test_a_uuid_that_begins_with_a_card_number_is_taken_for_one(text: str) -> None:
    is_one = text[0] != "3"
    assert identifier_holds_card_number(text) is is_one
    assert (mask_card_numbers(f"id {text} ok") != f"id {text} ok") is is_one


def test_one_random_uuid_in_24_000_is_taken_for_a_card_number() -> None:
    # A property of the rule (docs/lambda.md). Only UUIDs that begin with 12 digits are drawn, which are 1 in 282.
    random_ = random.Random(8)
    drawn, taken = 60_000, 0
    for _ in range(drawn):
        first = f"{random_.randrange(10**12):012d}"
        taken += identifier_holds_card_number(str(uuid.UUID(first + f"{random_.getrandbits(80):020x}", version=4)))
    assert 0.5 < taken / drawn * (10 / 16) ** 12 * 24_000 < 1.5


@pytest.mark.parametrize(("network", "lengths", "prefixes"), [(name, *each) for name, each in NETWORKS.items()])
def test_every_number_of_a_networks_ranges_is_found_and_none_of_another_length(
    network: str, lengths: str, prefixes: str
) -> None:
    random_ = random.Random(network)
    for prefix in prefixes.split():
        first, _, last = prefix.partition("-")
        for length in map(int, lengths.split()):
            start = str(random_.randint(int(first), int(last or first)))
            body = start + "".join(random_.choices("0123456789", k=length - len(start) - 1))
            assert holds_card_number(f"x{body}{luhn_digit(body)}y")


def test_a_first_group_is_a_date_only_if_the_calendar_has_such_a_day() -> None:
    assert not holds_card_number("231120-2600000006"), "the 23rd of November 2020"
    assert passes_luhn("2311202600000006")
    assert holds_card_number("2311202600000006")
    body = "231320260000000"
    assert holds_card_number(f"231320-26{body[8:]}{luhn_digit(body)}"), "no 13th month"


def test_escapes_of_many_kinds_in_each_other_cost_no_more_than_their_length() -> None:
    """A text that can be read in too many ways has all its digits masked."""
    text = "&amp;%3D25%5C%5Cx3425%26%2352%3B=3D34\\u0034 41111111" * 40
    start = time.process_time()
    assert "4" not in mask_card_numbers(text) or not holds_card_number(mask_card_numbers(text))
    assert time.process_time() - start < 30


def test_what_a_base64_text_says_is_looked_into_no_deeper_than_three_times() -> None:
    text = "4111111111111111"
    for _ in range(3):
        text = base64.b64encode(text.encode()).decode()
        assert holds_card_number(text)
    assert not holds_card_number(base64.b64encode(text.encode()).decode())


def test_a_compressed_text_of_many_megabytes_is_read_in_part_only() -> None:
    bomb = base64.b64encode(gzip.compress(b" " * 50_000_000)).decode()
    tracemalloc.start()
    mask_card_numbers(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
