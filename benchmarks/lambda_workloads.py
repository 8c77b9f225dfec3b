"""What the function is measured on: the generator's feeds, and those that it was not tuned for, with one thing changed
in each or one of the records."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.lambda_peers import Event
from data_governance.card_brands import passes_luhn
from data_ingestion import feed_faults, transaction_generator

Transaction = dict[str, Any]

FEEDS = {"valid records": False, "2% with faults": True}
_FIRST_SEQUENCE = 49590338271490256608559692538361571095921575989136588898
_ARRIVAL = 1_780_000_000.0


def event(records: Iterable[bytes]) -> Event:
    """A Lambda event of these records, a millisecond apart."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": f"{index}",
                    "sequenceNumber": str(_FIRST_SEQUENCE + index * 126_704),
                    "data": base64.b64encode(data).decode("ascii"),
                    "approximateArrivalTimestamp": _ARRIVAL + index / 1000,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000006:{_FIRST_SEQUENCE + index * 126_704}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda",
                "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/transactions",
            }
            for index, data in enumerate(records)
        ]
    }


def feed(count: int, faults: bool) -> list[bytes]:
    """The generator's transactions, half of them with a card; with the faults of its feed (2% of records) or not."""
    rates = feed_faults._FAULT_RATES
    kept = dict(rates)
    if not faults:
        rates.clear()
    try:
        return list(transaction_generator.generate(count, seed=1))
    finally:
        rates.update(kept)


def _set(**values: Callable[[random.Random], Any]) -> Callable[[Transaction, random.Random], None]:
    """Sets fields, to other values in each record."""

    def change(transaction: Transaction, random_: random.Random) -> None:
        transaction.update({name: make(random_) for name, make in values.items()})

    return change


def _digits(count: int) -> Callable[[random.Random], str]:
    return lambda random_: f"{random_.randrange(10 ** (count - 1), 10**count)}"


def _card(random_: random.Random, sign: str = " ") -> str:
    """A Visa number in groups of four."""
    digits = f"4{random_.randrange(10**14):014d}"
    number = next(digits + check for check in "0123456789" if passes_luhn(digits + check))
    return sign.join(number[start : start + 4] for start in range(0, 16, 4))


def _long_text(random_: random.Random) -> str:
    letters = "".join(random_.choices("áčďéěíňóřšťúůýžäöüßñç", k=467))
    return f"{letters[:200]} {random_.randrange(10**13):013d} {letters[200:]}"


def _with_needless_zeros(transaction: Transaction, _: random.Random) -> None:
    transaction["amount"] += "00" if "." in transaction["amount"] else ".00"


def _as_number(transaction: Transaction, _: random.Random) -> None:
    transaction["amount"] = float(transaction["amount"])


CHANGES: dict[str, Callable[[Transaction, random.Random], None]] = {
    "an unknown field in each record": _set(terminal=_digits(8)),
    "own account numbers of 16 digits": _set(account_id=_digits(16), counterparty_account=_digits(16)),
    "480 non-ASCII characters with 13 digits": _set(description=_long_text),
    "amounts as JSON numbers (all quarantined)": _as_number,
    "a status that is none (all quarantined)": _set(status=lambda _: "LOST"),
    "needless zeros in each amount": _with_needless_zeros,
    "ids of a date and a serial number": _set(transaction_id=lambda random_: f"20261123-{_digits(8)(random_)}"),
    "UUIDs as ids": _set(transaction_id=lambda random_: str(uuid.UUID(int=random_.getrandbits(128), version=4))),
    "references of 14 digits in each text": _set(
        description=lambda random_: f"Invoice 2026/03 ref {_digits(14)(random_)}"
    ),
    "a card number in each text": _set(description=lambda random_: f"Paid with {_card(random_)}, thank you"),
    "escapes and 19 digits in small groups in each text": _set(
        description=lambda random_: f"Invoice%202026%2F03 ref {_digits(4)(random_)} of {_digits(6)(random_)}"
    ),
    "escapes and 14 digits in one piece in each text": _set(
        description=lambda random_: f"Invoice%202026%2F03 ref {_digits(14)(random_)}"
    ),
    "an identifier that is a card number (all quarantined)": _set(original_transaction_id=lambda r: _card(r, "")),
}


def untuned(records: list[bytes]) -> dict[str, list[bytes]]:
    """The feeds by what is changed in them. records: valid ones."""
    feeds: dict[str, list[bytes]] = {}
    for name, change in CHANGES.items():
        random_ = random.Random(name)
        feeds[name] = []
        for data in records:
            transaction = json.loads(data)
            change(transaction, random_)
            feeds[name].append(json.dumps(transaction, ensure_ascii=False, separators=(",", ":")).encode())
    feeds[r"one \/ in the batch"] = [*records[:-1], _with_escaped_slash(records[-1])]
    feeds[r"a \/ in each record"] = list(map(_with_escaped_slash, records))
    feeds["records cut off (all quarantined)"] = [data[: len(data) * 2 // 3] for data in records]
    feeds["records in UTF-16 (all quarantined)"] = [data.decode().encode("utf-16") for data in records]
    feeds["records in Latin-1 (all quarantined)"] = list(map(_in_latin_1, records))
    return feeds


def _in_latin_1(data: bytes) -> bytes:
    text = json.dumps(json.loads(data) | {"merchant_name": "Café Zürich"}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("latin-1", "replace")


def _with_escaped_slash(data: bytes) -> bytes:
    text = json.dumps(json.loads(data) | {"description": "Invoice 1/2"}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("1/2", r"1\/2").encode()
