"""The leak hunt: 10,000 card numbers planted everywhere, none of which may leave the function.

They are searched for in clear (with any separators, escaped or not), in base64 at any alignment and in hex: in what is
written to S3, logs, metrics, standard output and error, exceptions and returned values.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import logging
import random
import re
import traceback
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from data_catalog.transaction_contract import TRANSACTION_FIELDS
from data_ingestion import process_transaction_lambda, transaction_batch
from infrastructure.aws import clients
from infrastructure.errors import PlatformError
from tests.unit.kinesis_events import (
    BRANDS,
    EVERY_FIELD,
    TRANSACTION,
    aggregated,
    card_number,
    encoded,
    event_records,
    gunzipped,
    luhn_digit,
    transaction,
)

CARDS = 10_000
_RUN = re.compile(r"\d{13,}")
_DIGITS = re.compile(rb"[0-9]{13,}")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}")
_HEX = re.compile(rb"(?:3[0-9]){13,}")
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")
_ESCAPED_SPACE = re.compile(r"\\+[bfnrt]")

_SEPARATORS = (
    "\u00a0", "\u2009", "\u2011", "  ", " - ", "\u200b", "\t", "\r\n", " " * 9, "-" * 9, "\u3000", "\u30fc", "\ufe0f",
    "\u0301", "\U000e0101",
)  # fmt: skip

Plant = Callable[[str, random.Random], bytes]


def dressed(number: str, random_: random.Random) -> str:
    """A number as people and systems write it: in one piece, in groups, with all kinds of spaces and dashes."""
    separator = random_.choice(("", "", " ", "-", *_SEPARATORS))
    sizes = (4, 6, 5, 4) if len(number) == 15 else (4, 4, 4, 4, 4)
    places = [sum(sizes[:count]) for count in range(len(sizes))]
    return separator.join(number[place : place + size] for place, size in zip(places, sizes, strict=True)).rstrip(
        separator or " "
    )


def _in_field(number: str, random_: random.Random) -> bytes:
    name = random_.choice([field.name for field in TRANSACTION_FIELDS])
    around = random_.choice(("{}", "{}", "x{}", "{}y", "card {} ok", "#{}#", "{} 12/27 123"))
    return encoded(EVERY_FIELD | {name: around.format(dressed(number, random_))})


def _as_card_number(number: str, random_: random.Random) -> bytes:
    return encoded(TRANSACTION | {"card_number": number})


def _as_bad_card_number(number: str, random_: random.Random) -> bytes:
    return encoded(TRANSACTION | {"card_number": random_.choice((f"{number}\n", f"{number}x", f" {number}", [number]))})


def _with_another_fault(number: str, random_: random.Random) -> bytes:
    return encoded(EVERY_FIELD | {"card_number": dressed(number, random_), "status": "LOST"})


def _as_json_number(number: str, random_: random.Random) -> bytes:
    name = random_.choice([field.name for field in TRANSACTION_FIELDS])
    return encoded(EVERY_FIELD | {name: int(number)})


def _in_a_key(number: str, random_: random.Random) -> bytes:
    return encoded(EVERY_FIELD | {dressed(number, random_): 1, "status": random_.choice(("BOOKED", "LOST"))})


def _in_an_unknown_field(number: str, random_: random.Random) -> bytes:
    return encoded(EVERY_FIELD | {"pan": number, "deep": {"er": [dressed(number, random_)]}, "channel": "LOST"})


def _in_free_text(number: str, random_: random.Random) -> bytes:
    text = (
        f"{random_.choice(('paid', 'Zahlung Übertrag', '支払'))} {dressed(number, random_)} {random_.randrange(10**6)}"
    )
    return encoded(EVERY_FIELD | {random_.choice(("description", "merchant_name")): text})


def _in_broken_json(number: str, random_: random.Random) -> bytes:
    data = encoded(EVERY_FIELD | {"card_number": number, "description": dressed(number, random_)})
    return data[: random_.randrange(len(data) // 2, len(data))]


def _twice(number: str, random_: random.Random) -> bytes:
    return encoded(TRANSACTION)[:-1] + f',"amount":"{number}","card_number":"{number}"}}'.encode()


def _two_objects(number: str, random_: random.Random) -> bytes:
    return encoded(TRANSACTION) + encoded(TRANSACTION | {"card_number": number})


def _escaped(number: str, random_: random.Random) -> bytes:
    text = "".join(f"\\u{ord(digit):04x}" if random_.random() < 0.5 else digit for digit in number)
    name = random_.choice(("description", "card_number", "account_id", "card_n\\u0075mber"))
    return encoded(TRANSACTION)[:-2] + f'","{name}":"{text}"}}'.encode()


def _other_digits(number: str, random_: random.Random) -> bytes:
    zero = random_.choice((0xFF10, 0x0660, 0x0966, 0x1D7CE))
    text = "".join(chr(zero + int(digit)) for digit in number)
    return encoded(EVERY_FIELD | {random_.choice(("description", "account_id", "card_number")): text})


def _no_json(number: str, random_: random.Random) -> bytes:
    around = random_.choice(("{}", "card_number={};", "<pan>{}</pan>", "{{'card_number': '{}'}}", "a,b,{},c"))
    return around.format(dressed(number, random_)).encode()


def _other_encoding(number: str, random_: random.Random) -> bytes:
    encodings = ("utf-16", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "cp037", "utf-8-sig")
    data = f"pan {dressed(number, random_)} ".encode(random_.choice(encodings), "replace")
    return data[: len(data) - random_.randrange(3)]


def _escaped_twice(number: str, random_: random.Random) -> bytes:
    text = "".join(f"{random_.choice((chr(92) * 2, chr(92) * 4))}u{ord(digit):04X}" for digit in number)
    name = random_.choice(("description", "merchant_name", "x", "transaction_id"))
    return encoded(TRANSACTION)[:-2] + f'","{name}":"{text}"}}'.encode()


def _escaped_between(number: str, random_: random.Random) -> bytes:
    document = TRANSACTION | {random_.choice(("description", "x")): dressed(number, random_)}
    text = json.dumps(document | {"y": json.dumps(document)})
    return text[: len(text) - random_.randrange(3)].encode()


def _invalid_utf8(number: str, random_: random.Random) -> bytes:
    return encoded(EVERY_FIELD | {"description": dressed(number, random_)}).replace(b"Caf", b"\xff\xfe")


def _aggregated(number: str, random_: random.Random) -> bytes:
    datas = [encoded(EVERY_FIELD | {"card_number": number}), _in_free_text(number, random_)]
    return aggregated(datas, index=random_.choice((0, 5)))


def _escaped_beside(number: str, random_: random.Random) -> bytes:
    escape = random_.choice(("%20", "%22", "=20", "=3D", "\\x20", "\\040", "&#32;", "&nbsp;", "%2520", "&amp;#32;"))
    return encoded(EVERY_FIELD | {_any_field(random_): f"card{escape}{number}{random_.choice(('', escape))}"})


def _escaped_whole(number: str, random_: random.Random) -> bytes:
    form = random_.choice(
        ("%{:02X}", "={:02X}", "\\x{:02x}", "\\{:03o}", "&#{};", "&#x{:x};", "%25{:02X}", "&amp;#{};")
    )
    return encoded(EVERY_FIELD | {_any_field(random_): "".join(form.format(ord(digit)) for digit in number)})


def _with_signs(number: str, random_: random.Random) -> bytes:
    groups = [number[place : place + 4] for place in range(0, 16, 4)] if len(number) == 16 else [*number]
    text = random_.choice((*(sign.join(groups) for sign in "./_:,|"), json.dumps(groups), json.dumps([*number])))
    return encoded(EVERY_FIELD | {_any_field(random_): text})


def _glued(number: str, random_: random.Random) -> bytes:
    behind = random_.choice(("1226", "12/26", " 12/26 737", "=26121011234000012300?"))
    has_code = len(number) in (15, 16) and number[0] != "1"  # UATP's have none
    return encoded(EVERY_FIELD | {_any_field(random_): number + (behind if has_code else " 12/26")})


def _in_base64(number: str, random_: random.Random) -> bytes:
    text = random_.choice(("{}", "card {} ok", "x{}")).format(number).encode()
    written = random_.choice((base64.b64encode(text), base64.b64encode(gzip.compress(text)), text.hex().encode()))
    return encoded(EVERY_FIELD | {_any_field(random_): written.decode()})


def _record_encoded(number: str, random_: random.Random) -> bytes:
    data = encoded(EVERY_FIELD | {"card_number": number, "description": dressed(number, random_), "cvv": "737"})
    if random_.random() < 0.4:
        data = gzip.compress(data)
    for _ in range(random_.choice((1, 1, 2))):
        data = random_.choice((base64.b64encode, base64.encodebytes, lambda each: each.hex().encode()))(data)
    return random_.choice((data, encoded({"body": data.decode(), "isBase64Encoded": True})))


def _any_field(random_: random.Random) -> str:
    return random_.choice([field.name for field in TRANSACTION_FIELDS if field.name != "card_number"])


PLANTS: tuple[Plant, ...] = (
    _escaped_beside, _escaped_whole, _with_signs, _glued, _in_base64, _record_encoded,
    _in_field, _in_field, _in_field, _in_field, _as_card_number, _as_bad_card_number, _with_another_fault,
    _as_json_number, _in_a_key, _in_an_unknown_field, _in_free_text, _in_broken_json, _twice, _two_objects, _escaped,
    _other_digits, _no_json, _other_encoding, _other_encoding, _escaped_twice, _escaped_between, _invalid_utf8,
    _aggregated,
)  # fmt: skip


def planted(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(card number, record that holds it), for every brand and every place in turn."""
    random_ = random.Random(seed)
    brands = list(BRANDS)
    for index in range(count):
        number = card_number(random_, brands[index % len(brands)])
        yield number, PLANTS[index // len(brands) % len(PLANTS)](number, random_)


def leaks(text: str, numbers: set[str]) -> set[str]:
    """Those of the numbers that can be read in the text: in clear, in base64, in hex."""
    found = set(_in_clear("|".join((text, *_strings(text))), numbers))
    raw = text.encode("utf-8", "replace")
    for match in _HEX.finditer(raw):
        found.update(_in_clear(bytes.fromhex(match[0].decode()).decode("ascii"), numbers))
    for match in _BASE64.finditer(raw):
        for offset in range(4):
            chunk = match[0][offset:].translate(bytes.maketrans(b"-_", b"+/"))
            decoded = base64.b64decode(chunk + b"A" * (-len(chunk) % 4))
            if decoded.startswith(b"\x1f\x8b"):
                with contextlib.suppress(zlib.error):
                    decoded = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(decoded)
            for run in _DIGITS.findall(decoded.translate(None, b"\0")):
                found.update(_windows(run.decode("ascii"), numbers))
    return found


def _strings(text: str) -> Iterator[str]:
    """The keys and values in those lines of the text that are JSON."""
    for line in text.splitlines():
        try:
            values = [json.loads(line)]
        except (ValueError, RecursionError):
            continue
        while values:
            value = values.pop()
            if isinstance(value, dict):
                values += [*value, *value.values()]
            elif isinstance(value, list):
                values += value
            elif isinstance(value, str):
                yield value


def _in_clear(text: str, numbers: set[str]) -> Iterator[str]:
    if "\\" in text:
        text = _ESCAPED_SPACE.sub(" ", _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for run in _RUN.findall(text.translate({ord(each): _digit(each) for each in set(text)})):
        yield from _windows(run, numbers)


def _digit(character: str) -> str:
    """The digit that the character is, nothing if it cannot be seen between digits, else the character itself."""
    normal = unicodedata.normalize("NFKC", character)
    if character.isdecimal() or normal.isdecimal():
        return str(unicodedata.decimal(normal[0]))
    unseen = unicodedata.category(character)[0] in "ZC" or unicodedata.category(character) in ("Pd", "Mn", "Me")
    return "" if unseen or character in "\u30fc\ufffd" else character


def _windows(run: str, numbers: set[str]) -> Iterator[str]:
    for length in range(13, 20):
        for place in range(len(run) - length + 1):
            if run[place : place + length] in numbers:
                yield run[place : place + length]


class MemoryS3:
    """Keeps every object that is put."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, ChecksumAlgorithm: str) -> None:
        assert ChecksumAlgorithm == "CRC32"
        self.objects[f"{Bucket}/{Key}"] = Body

    def everything(self) -> str:
        texts = [
            (gunzipped(body) if key.endswith(".gz") else body).decode("utf-8") for key, body in self.objects.items()
        ]
        return "\n".join([*self.objects, *texts])


class MemorySecrets:
    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        key = base64.b64encode(bytes(range(32))).decode()
        return {"SecretString": json.dumps({"current": 1, "keys": {"1": key}})}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryS3]:
    memory = MemoryS3()
    for name, value in {
        "RAW_BUCKET": "raw",
        "QUARANTINE_BUCKET": "quarantine",
        "TOKENIZATION_SECRET_ID": "secret",
        "STREAM_INCARNATION": "20261123T125500Z",
        "METRICS_NAMESPACE": "Test",
        "POWERTOOLS_SERVICE_NAME": "process-transaction",
        "LOG_LEVEL": "DEBUG",
    }.items():
        monkeypatch.setenv(name, value)
    services: dict[str, Any] = {"s3": memory, "secretsmanager": MemorySecrets()}
    monkeypatch.setattr(clients, "client", lambda service: services[service])
    process_transaction_lambda.reset()
    yield memory
    process_transaction_lambda.reset()


def test_the_hunt_finds_what_is_there() -> None:
    number = "4111111111111111"
    for text in (
        number,
        "x4111 1111-1111\u00a01111y",
        "99" + number + "99",
        base64.b64encode(b"a" + number.encode()).decode(),
        base64.urlsafe_b64encode(b"\xfb\xefab" + number.encode()).decode(),
        number.encode().hex(),
        "\uff14" + "\uff11" * 15,
        "\\u0034111111111111111",
        "4\x001" + "\x001" * 14,
        *(
            json.dumps({"payload": separator.join(number)})
            for separator in ("\0", "\t", "\u00a0", "\U000e0101", *_SEPARATORS)
        ),
        json.dumps({"payload": json.dumps({"x": ["\t".join(number)]})}),
        json.dumps({"payload": "".join(f"\\u{ord(digit):04x}" for digit in number)}),
        json.dumps({"payload": base64.b64encode(number.encode("utf-16")).decode()}),
        json.dumps({number: 1}),
        base64.b64encode(gzip.compress(number.encode(), mtime=0)).decode(),
    ):
        assert leaks(text, {number}) == {number}, text
    assert leaks("4111111111111112 4111.1111", {number}) == set()
    assert leaks(json.dumps({"a": number[:8], "b": number[8:]}), {number}) == set()


FAILING_STEPS: tuple[tuple[ModuleType, str], ...] = (
    (process_transaction_lambda, "process_batch"),
    (process_transaction_lambda, "_write"),
    (process_transaction_lambda, "_report"),
    (transaction_batch, "decode_records"),
    (transaction_batch, "uncertain"),
    (transaction_batch, "validate"),
    (transaction_batch, "landed_rows"),
    (transaction_batch, "quarantined_rows"),
)


def _raised(event: dict[str, Any], step: tuple[ModuleType, str]) -> str:
    """What Lambda would print if a step failed with its input in the error's text: the whole traceback."""

    def fails(*arguments: Any, **named: Any) -> Any:
        raise ValueError(f"could not handle {arguments!r} of {event!r}")

    with patch.object(*step, fails), pytest.raises(PlatformError) as caught:
        process_transaction_lambda.handler(event, None)
    assert caught.value.__context__ is None and caught.value.__cause__ is None
    assert "ValueError" in str(caught.value)
    return "".join(traceback.format_exception(caught.value))


def test_none_of_10000_card_numbers_gets_out(
    s3: MemoryS3, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    plants = list(planted(CARDS, seed=20_261_123))
    numbers = {number for number, _ in plants}
    assert len(numbers) > CARDS * 0.999
    returned, raised = [], []
    for start in range(0, CARDS, 500):
        datas = [data for _, data in plants[start : start + 500]]
        event = {"Records": event_records(datas, first=10**55 + start * 1000)}
        raised.append(_raised(event, FAILING_STEPS[start // 500 % len(FAILING_STEPS)]))
        returned.append(process_transaction_lambda.handler(event, None))
    captured = capfd.readouterr()
    everything = "\n".join([s3.everything(), captured.out, captured.err, caplog.text, repr(returned), *raised])
    assert len(s3.objects) == 3 * CARDS // 500
    assert len(raised) >= len(FAILING_STEPS)
    assert '"message":"batch landed"' in captured.out
    found = leaks(everything, numbers)
    # the number of leaks only, so that the test itself leaks none
    assert not found, f"{len(found)} card numbers got out"


def test_what_stood_in_card_number_is_gone_whether_valid_or_not(s3: MemoryS3) -> None:
    random_ = random.Random(7)
    wrong = []
    for index in range(1_000):
        number = card_number(random_)
        bad = number[:-1] + str((int(luhn_digit(number[:-1])) + 1 + index % 9) % 10)
        wrong.append(bad)
    datas = [_spoiled(number, random_) for number in wrong]
    process_transaction_lambda.handler({"Records": event_records(datas)}, None)
    assert not leaks(s3.everything(), set(wrong))


def _spoiled(number: str, random_: random.Random) -> bytes:
    plant = random_.choice((_as_card_number, _as_bad_card_number, _with_another_fault, _two_objects))
    data = plant(number, random_)
    return data if random_.random() < 0.8 else data[: data.index(b'"card_number"') + 16 + random_.randrange(20)]


@pytest.mark.parametrize("step", FAILING_STEPS, ids=lambda step: step[1])
def test_an_unexpected_error_carries_no_record(
    s3: MemoryS3, capfd: pytest.CaptureFixture[str], step: tuple[ModuleType, str]
) -> None:
    number = "4111111111111111"
    datas = [encoded(TRANSACTION | {"card_number": number}), transaction(amount=number)]
    printed = _raised({"Records": event_records(datas)}, step)
    captured = capfd.readouterr()
    assert not leaks(printed + captured.out + captured.err, {number})
