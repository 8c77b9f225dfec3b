"""The rows that a batch writes: landed transactions and quarantined records. Pure.

The row types are an allow-list, the contract's LANDED_FIELDS and QUARANTINE_FIELDS. Neither has a field for a card
number, so none can be written by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from itertools import compress, repeat
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from data_catalog.transaction_contract import LANDED_FIELDS, QUARANTINE_FIELDS, Field
from data_governance.card_numbers import identifier_holds_card_number
from data_governance.tokenization import TokenKeys
from data_ingestion.control_entries import Entry
from data_ingestion.kinesis_records import Records
from data_ingestion.quarantine_payload import safe_payloads
from data_ingestion.transaction_validation import RECEIVED_FIELDS, Fault

STAGE = "landing"


class Origin(NamedTuple):
    """What all rows of a batch have in common."""

    stream_incarnation: str
    shard_id: str
    landed_at: datetime


def _row_type(name: str, fields: Sequence[Field], first: Sequence[str] = ()) -> Any:
    """A struct to encode rows with: the contract's fields, these first; absent values are not written."""
    order = [*first, *(field.name for field in fields if field.name not in first)]
    return msgspec.defstruct(name, [(each, Any, None) for each in order], omit_defaults=True, gc=False)


_RECEIVED = tuple(field.name for field in RECEIVED_FIELDS if field.name != "card_number")
LandedRow = _row_type("LandedRow", LANDED_FIELDS, _RECEIVED)
QuarantinedRow = _row_type("QuarantinedRow", QUARANTINE_FIELDS)


def landed_rows(
    columns: dict[str, Sequence[Any]], records: Records, origin: Origin, token_keys: TokenKeys
) -> list[Any]:
    """The rows of valid transactions. Given are their values by field name, and their records.

    card_number: the digits of a PAN, or a false value.
    """
    cards = columns["card_number"]
    tokens: list[Any] = [None] * len(cards)
    last_digits: list[Any] = [None] * len(cards)
    with_card = list(compress(range(len(cards)), cards))
    numbers = [cards[index] for index in with_card]
    for index, token in zip(with_card, token_keys.tokens(numbers), strict=True):
        tokens[index] = token
        last_digits[index] = cards[index][-4:]
    former_tokens: Iterable[Any] = repeat(None)
    if token_keys.former is not None:
        by_place = dict(zip(with_card, token_keys.tokens(numbers, token_keys.former), strict=True))
        former_tokens = map(by_place.get, range(len(cards)))
    return list(
        map(
            LandedRow,
            *(columns[name] for name in _RECEIVED),
            tokens,
            former_tokens,
            last_digits,
            repeat(origin.stream_incarnation),
            repeat(origin.shard_id),
            records.sequence_numbers,
            records.sub_sequence_numbers,
            records.arrivals,
            repeat(origin.landed_at),
        )
    )


def quarantined_rows(
    faults: Sequence[Fault],
    records: Records,
    documents: Sequence[dict[str, Any] | None],
    cleared: Set[str],
    entries: Sequence[Entry],
    origin: Origin,
    token_keys: TokenKeys,
) -> list[Any]:
    """The rows of bad records.

    documents: the plain ones. cleared: identifiers that hold no card number. entries: what each record counts for.
    """
    payloads = safe_payloads(records.data, documents, cleared, token_keys.card_fields)
    return [
        QuarantinedRow(
            reason=fault.reason,
            stage=STAGE,
            field=fault.field or UNSET,
            transaction_id=_transaction_id(data, document, cleared),
            currency=key.currency or UNSET,
            credit_debit_indicator=key.credit_debit_indicator or UNSET,
            amount=format(amount, "f"),
            stream_incarnation=origin.stream_incarnation,
            shard_id=origin.shard_id,
            sequence_number=sequence_number,
            sub_sequence_number=sub_sequence_number,
            arrival_time=arrival,
            fingerprint=token_keys.fingerprint(data),
            payload=payload,
        )
        for fault, (key, amount), document, payload, data, sequence_number, sub_sequence_number, arrival in zip(
            faults, entries, documents, payloads, *records, strict=True
        )
    ]


class _Identified(msgspec.Struct, gc=False):
    transaction_id: str


_decode_id = msgspec.json.Decoder(_Identified).decode
_is_transaction_id = re.compile("[!-~]{1,64}").fullmatch


def _transaction_id(data: bytes, document: dict[str, Any] | None, cleared: Set[str]) -> Any:
    try:
        found = document["transaction_id"] if document is not None else _decode_id(data).transaction_id
        is_safe = found in cleared or not identifier_holds_card_number(found)
        return found if _is_transaction_id(found) and is_safe else UNSET
    except Exception:  # absent, no text, or no JSON; msgspec's errors quote values, so nothing of them is kept
        return UNSET
