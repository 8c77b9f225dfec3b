"""Pieces of Redshift SQL that several statements share: literals, names, columns, positions in the stream. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise

from data_catalog.transaction_contract import POSITION, REPLACED, Field
from infrastructure.errors import PlatformError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# More dates than this are told as spans. A statement of the Data API has at most 100 KB.
MOST_DATES = 500
_SAFE_TEXT = re.compile(r"[A-Za-z0-9_.:/@+=, -]*")


def literal(value: str | date | datetime) -> str:
    """A value as an SQL literal. Refuses text that would need escaping, since Redshift reads backslashes as escapes."""
    if isinstance(value, datetime):
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
    else:
        text = value.isoformat() if isinstance(value, date) else value
    if not _SAFE_TEXT.fullmatch(text):
        raise ValueError("not a plain value")
    return f"'{text}'"


def text(value: str, length: int = 64) -> str:
    """Text as an output column, with a cast: Redshift gives a bare literal no type and cannot convert it later."""
    return f"CAST({literal(value)} AS VARCHAR({length}))"


def within(column: str, dates: Iterable[date]) -> str:
    """The column is one of the dates, as literals: only they let Redshift skip the blocks of other dates.

    Beyond MOST_DATES it is within as many spans, which leave out the widest gaps between the dates. What lies in the
    smaller ones is read, and matches nothing.
    """
    ordered = sorted(set(dates))
    if not ordered:
        return "1 = 0"
    between = f"{column} BETWEEN {literal(ordered[0])} AND {literal(ordered[-1])}"
    if len(ordered) <= MOST_DATES:
        return f"{between} AND {column} IN ({', '.join(map(literal, ordered))})"
    widest = sorted(pairwise(ordered), key=lambda gap: gap[1] - gap[0])[-(MOST_DATES - 1) :]
    begins = [ordered[0], *sorted(after for _, after in widest)]
    ends = [*sorted(before for before, _ in widest), ordered[-1]]
    spans = [f"{column} BETWEEN {literal(begin)} AND {literal(end)}" for begin, end in zip(begins, ends, strict=True)]
    return f"{between} AND ({' OR '.join(spans)})"


def checked_name(name: str) -> str:
    """The name, if it needs no quotes. Raises PlatformError otherwise."""
    if not _NAME.fullmatch(name):
        raise PlatformError(f"schema {name!r}", "is no plain lower-case name", "Use letters, digits and underscores")
    return name


def column_list(fields: Sequence[Field], prefix: str = "") -> str:
    """The columns of a table, each with a prefix such as "fact."."""
    return ", ".join(prefix + field.name for field in fields)


def position(table: str = "", replayed: bool = True) -> str:
    """A row's position in the stream, as text that sorts by it: that of the row it replaces, then its own.

    Sequence numbers are integers of up to 128 digits. A space, which no identifier holds, sorts before all others.
    replayed: whether the rows have the columns of a replaced position (contract 1.1).
    """
    prefix = f"{table}." if table else ""
    own = [prefix + name for name in POSITION]
    replaced = [prefix + name for name in REPLACED]
    place = [f"COALESCE({one}, {other})" for one, other in zip(replaced, own, strict=True)] if replayed else own
    return " || ' ' || ".join([*_sortable(place), *_sortable(own)])


def _sortable(place: Sequence[str]) -> list[str]:
    incarnation, shard, number, sub_number = place
    return [incarnation, shard, f"LPAD({number}, 128, '0')", f"LPAD(CAST({sub_number} AS VARCHAR(20)), 20, '0')"]
