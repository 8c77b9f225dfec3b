"""Feeds that the function was not tuned for: the generator's, with one thing changed in each or one of the records."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from typing import Any

Transaction = dict[str, Any]


def _set(**values: Callable[[random.Random], Any]) -> Callable[[Transaction, random.Random], None]:
    """Sets fields, to other values in each record."""

    def change(transaction: Transaction, random_: random.Random) -> None:
        transaction.update({name: make(random_) for name, make in values.items()})

    return change


def _digits(count: int) -> Callable[[random.Random], str]:
    return lambda random_: f"{random_.randrange(10 ** (count - 1), 10**count)}"


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
    return feeds


def _with_escaped_slash(data: bytes) -> bytes:
    text = json.dumps(json.loads(data) | {"description": "Invoice 1/2"}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("1/2", r"1\/2").encode()
