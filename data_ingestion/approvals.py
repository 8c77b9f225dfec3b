"""Approved identifiers: the way in for a record whose id was taken for a card number and is none. Pure.

An approval is a line of NDJSON below approved/ in the quarantine bucket: the position of the quarantined record, the
field whose value may stand, who approved it, when, and why. It names no value. A replay honours it and repeats it in
its control object, so that it can be read beside what landed by it for as long as the record itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from data_catalog.transaction_contract import POSITION
from data_governance.card_numbers import holds_card_number
from data_ingestion.corrected_records import Position
from data_ingestion.event_times import utc_time
from data_ingestion.transaction_validation import LONG_IDENTIFIERS
from infrastructure.errors import PlatformError

_MAX_LENGTH = 500
_WORDS = ("field", "approved_by", "approved_at", "reason")


@dataclass(frozen=True, slots=True)
class Approval:
    """One identifier of one quarantined record that is known to be no card number."""

    where: str
    position: Position
    field: str
    approved_by: str
    approved_at: str
    reason: str

    def row(self) -> dict[str, object]:
        """The approval as it is kept beside what landed by it."""
        return asdict(self) | {"position": list(self.position)}


def parse(where: str, lines: Iterable[bytes]) -> Iterator[Approval]:
    """The approvals of one object. Raises PlatformError that names the line, and quotes nothing of it."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _approval(f"{where} line {number}", line)


def _approval(place: str, line: bytes) -> Approval:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict) or row.keys() != {*POSITION, *_WORDS}:
        raise _refused(place, f"is no JSON object with {', '.join((*POSITION, *_WORDS))}")
    words = {name: row[name] for name in _WORDS}
    if not all(isinstance(word, str) and 0 < len(word.strip()) <= _MAX_LENGTH for word in words.values()):
        raise _refused(place, f"says not in words who approved it, when and why (up to {_MAX_LENGTH} characters each)")
    if words["field"] not in LONG_IDENTIFIERS:
        raise _refused(place, f"names another field than {', '.join(LONG_IDENTIFIERS)}")
    if utc_time(words["approved_at"]) is None:
        raise _refused(place, "has an approved_at that is no RFC 3339 time with an offset")
    if any(map(holds_card_number, words.values())):
        raise _refused(place, "holds a card number")
    return Approval(place, Position(*(row[name] for name in POSITION)), **words)


def _refused(place: str, what: str) -> PlatformError:
    return PlatformError(place, what, "Correct it (docs/operations.md) and replay again; nothing was written")
