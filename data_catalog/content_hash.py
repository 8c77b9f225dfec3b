"""The content hash of a transaction, which tells a duplicate from a conflict. Pure; standard library only.

The Glue job computes it with Spark (data_processing/transformations.py), the fraud stream with content_hash(); a test
holds the two equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from data_catalog.transaction_contract import (
    AMOUNT_SCALE,
    FIRST_VERSION,
    LANDED_FIELDS,
    TRANSACTION_FIELDS,
    Field,
    Type,
)

# A transaction's content, independent of its delivery: no position, no token (its key rotates), no contract version.
CONTENT_FIELDS = tuple(
    field
    for field in LANDED_FIELDS
    if field.name in {each.name for each in TRANSACTION_FIELDS} | {"card_last4"} and field.name != "schema_version"
)
SEPARATOR = "\u001f"

_FIRST = tuple(field for field in CONTENT_FIELDS if field.since == FIRST_VERSION)
_LATER = tuple(field for field in CONTENT_FIELDS if field.since != FIRST_VERSION)
_SCALE = Decimal(1).scaleb(-AMOUNT_SCALE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def content_hash(row: Mapping[str, str | None]) -> str:
    """SHA-256, in hexadecimal digits, of a landed row's content in one normal form: 1.5 is 1.50, null is not empty.

    row: the landed fields as text. Free text alone can hold the separator: its lengths stand in front. Fields of later
    versions stand behind, by name, and only where they are there.
    """
    free = [row.get(field.name) for field in _FIRST if field.free_text]
    parts = ["" if text is None else str(len(text)) for text in free]
    parts += [_normal(field, row.get(field.name)) for field in _FIRST]
    parts += [f"{field.name}={_normal(field, value)}" for field in _LATER if (value := row.get(field.name)) is not None]
    return hashlib.sha256(SEPARATOR.join(parts).encode()).hexdigest()


def micros_of(text: str) -> int:
    """A landed time, such as 2026-03-02T08:15:30.25Z, as microseconds since 1970.

    Digits beyond microseconds are cut off, and a leap second is the last microsecond of its minute. Raises ValueError
    if the text is no such time.
    """
    time = f"{text[:17]}59.999999" if text[11:19] == "23:59:60" else text[:26].removesuffix("Z")
    if not text.endswith("Z"):
        raise ValueError("a landed time ends in Z")
    passed = datetime.fromisoformat(time).replace(tzinfo=UTC) - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _normal(field: Field, value: str | None) -> str:
    if value is None:
        return ""
    if field.type is Type.TIMESTAMP:
        return str(micros_of(value))
    if field.type is Type.DECIMAL:
        return format(Decimal(value).quantize(_SCALE) + 0, "f")  # + 0 makes -0 a zero
    return value
