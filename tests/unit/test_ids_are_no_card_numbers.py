"""Identifiers that banks use are not taken for card numbers; how many of those are that can't be told from one."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import uuid
from collections.abc import Callable
from datetime import date, timedelta

import pytest

from data_governance.card_numbers import identifier_holds_card_number, mask_card_numbers
from data_governance.iban import IBAN_LENGTHS
from tests.unit.docs_tables import first_cells, rows
from tests.unit.kinesis_events import luhn_digit


def digits(random_: random.Random, count: int) -> str:
    return "".join(random_.choices("0123456789", k=count))


def checked(body: str) -> str:
    return body + luhn_digit(body)


def day(random_: random.Random) -> date:
    return date(2015, 1, 1) + timedelta(days=random_.randrange(6_000))


def iban(random_: random.Random) -> str:
    country = random_.choice(sorted(IBAN_LENGTHS))
    account = digits(random_, IBAN_LENGTHS[country] - 4)
    return f"{country}{98 - _mod_97(account + country + '00'):02d}{account}"


def _mod_97(text: str) -> int:
    return int("".join(str(int(character, 36)) for character in text)) % 97


def uuid_of(version: int | None) -> Callable[[random.Random], str]:
    return lambda random_: str(uuid.UUID(int=random_.getrandbits(128), version=version))


# How an id of each kind is made. At most one in a thousand of it is taken for a card number.
IDS: dict[str, list[Callable[[random.Random], str]]] = {
    "a date and a serial number": [
        lambda r: f"{day(r):%Y%m%d}-{r.randrange(10**6):08d}",
        lambda r: f"{day(r):%Y%m%d}-{digits(r, 8)}",
        lambda r: f"{day(r):%Y%m%d}{digits(r, 8)}",
        lambda r: f"{day(r)}-{digits(r, 10)}",
        lambda r: f"{day(r):%Y%m%d}{digits(r, 9)}",
        lambda r: f"{day(r):%d%m%Y}-{digits(r, 8)}",
        lambda r: f"{day(r):%d-%m-%Y}-{digits(r, 8)}",
        lambda r: f"{day(r):%y%m%d}-{digits(r, 10)}",
        lambda r: f"{digits(r, 4)}-{day(r):%Y%m%d}-{digits(r, 6)}",
        lambda r: f"{day(r):%d.%m.%Y}.{digits(r, 8)}",
        lambda r: f"TRX_{day(r):%Y%m%d}_{digits(r, 8)}",
    ],
    "UUID of any version, or none": [
        uuid_of(4),
        uuid_of(1),
        uuid_of(None),
        lambda r: uuid.UUID(int=r.getrandbits(128)).hex,
        lambda r: str(uuid.UUID(int=0)),
        lambda r: f"urn:uuid:{uuid.UUID(int=r.getrandbits(128))}",
        lambda r: f"{{{uuid.UUID(int=r.getrandbits(128))}}}".upper(),
    ],
    "MD5": [lambda r: hashlib.md5(r.randbytes(9)).hexdigest()],
    "SHA-1, SHA-256, SHA-512": [
        lambda r: hashlib.sha1(r.randbytes(9)).hexdigest(),
        lambda r: hashlib.sha256(r.randbytes(9)).hexdigest(),
        lambda r: hashlib.sha512(r.randbytes(9)).hexdigest(),
    ],
    "ObjectId": [lambda r: f"{r.getrandbits(96):024x}"],
    "ULID": [lambda r: "".join(r.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=26))],
    "random base64 and hex": [
        lambda r: base64.urlsafe_b64encode(r.randbytes(16)).decode(),
        lambda r: base64.b64encode(r.randbytes(32)).decode(),
        lambda r: f"{r.getrandbits(64):016x}",
    ],
    "IBAN, whatever stands beside it": [
        iban,
        lambda r: f"{iban(r)}EUR",
        lambda r: f"IBAN{iban(r)}",
        lambda r: f"IBAN:{iban(r)}/{digits(r, 4)}",
        lambda r: f"{iban(r)}-{day(r):%Y%m%d}",
        lambda r: " ".join(re.findall(".{1,4}", iban(r))),
        lambda r: f"to {iban(r)} {digits(r, 4)} {digits(r, 4)}",
    ],
    "creditor reference (RF)": [
        lambda r: f"RF{98 - _mod_97((body := digits(r, 16)) + 'RF00'):02d}{body}",
    ],
    "KID and OCR of a customer and an invoice": [
        lambda r: checked(f"{r.randrange(10**5):07d}{r.randrange(10**6):07d}"),
        lambda r: checked(f"{r.randrange(10**8):014d}"),
        lambda r: checked(digits(r, r.randrange(2, 12))),
        lambda r: checked(digits(r, 24)),
    ],
    "IMEI and ICCID": [
        lambda r: checked("35" + digits(r, 12)),
        lambda r: checked(r.choice(("01", "86", "99")) + digits(r, 12)),
        lambda r: checked("89" + digits(r, 16)),
        lambda r: checked("89" + digits(r, 17)),
    ],
    "Unix time and snowflake": [
        lambda r: str(r.randrange(1_600_000_000_000, 2_000_000_000_000)),
        lambda r: str(r.randrange(16 * 10**14, 2 * 10**15)),
        lambda r: str(r.randrange(16 * 10**17, 2 * 10**18)),
        lambda r: str(r.randrange(10**17, 2 * 10**17)),
    ],
    "telephone number with its plus": [
        lambda r: f"+49 {digits(r, 3)} {digits(r, 8)}",
        lambda r: f"+{r.randrange(1, 10)}{digits(r, 11)}",
    ],
    "Kinesis sequence number, QR reference of 27 digits": [lambda r: "4959" + digits(r, 52), lambda r: digits(r, 27)],
}

# What can't be told from a card number: how it is made.
LIKE_CARD_NUMBERS: dict[str, Callable[[random.Random], str]] = {
    "own number of 13 digits, EAN-13": lambda r: digits(r, 13),
    "own number of 14 digits": lambda r: digits(r, 14),
    "own number of 15 digits": lambda r: digits(r, 15),
    "own number of 16 digits": lambda r: digits(r, 16),
    "own number of 17 digits": lambda r: digits(r, 17),
    "own number of 18 digits": lambda r: digits(r, 18),
    "own number of 19 digits": lambda r: digits(r, 19),
    "own number of 20 digits": lambda r: digits(r, 20),
    "date without its century and a serial number, 16 digits in one piece": lambda r: f"{day(r):%y%m%d}{digits(r, 10)}",
    "reference of 16 digits with Luhn's check digit that begins with any": lambda r: checked(digits(r, 15)),
}


def share_taken(make: Callable[[random.Random], str], count: int) -> float:
    random_ = random.Random(11)
    return sum(identifier_holds_card_number(make(random_)) for _ in range(count)) / count


def test_each_kind_of_id_in_the_table_is_tested() -> None:
    assert first_cells("ids that are not taken") == list(IDS)
    assert first_cells("can't be told from a card number") == list(LIKE_CARD_NUMBERS)


@pytest.mark.parametrize("kind", IDS)
def test_at_most_one_id_in_a_thousand_is_taken_for_a_card_number(kind: str) -> None:
    for make in IDS[kind]:
        assert share_taken(make, 4_000) <= 0.001
        random_ = random.Random(12)
        texts = [f"ref {make(random_)} ok" for _ in range(1_000)]
        assert sum(mask_card_numbers(text) != text for text in texts) <= 2


@pytest.mark.parametrize("kind", LIKE_CARD_NUMBERS)
def test_the_share_that_can_not_be_told_from_card_numbers_is_published(kind: str) -> None:
    published = {row[0]: row[1] for row in rows("can't be told from a card number")}[kind]
    share = float(published.removesuffix("%")) / 100
    assert 0.7 * share < share_taken(LIKE_CARD_NUMBERS[kind], 20_000) < 1.4 * share
