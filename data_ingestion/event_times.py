"""Event times: RFC 3339 text -> UTC, never later than the text says. Pure.

Digits beyond microseconds are cut off, because rounding would move 23:59:59.9999999 into another day. A leap second,
which no datetime can hold, becomes the last microsecond of its minute.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}):(\d{2})(\.\d+)?(Z|z|[+-](?:[01]\d|2[0-3]):?[0-5]\d)", re.ASCII
).fullmatch
_is_certain = re.compile(r"0000-00-00T00:00:00(?:\.0+)?(?:Z|[+-]00:00)").fullmatch
_is_offset = re.compile(r"[+-](?:[01]\d|2[0-3]):[0-5]\d", re.ASCII).fullmatch
_SHAPE = bytes(ord("0") if byte in b"0123456789" else byte for byte in range(256))
_ANY = "1970-01-01T00:00:00Z"
_LAST_OF_MINUTE = timedelta(seconds=59, microseconds=999_999)


def utc_time(text: str) -> datetime | None:
    """The time in UTC; None if the text is no RFC 3339 time with an offset, or has no UTC (in year 1 or 9999)."""
    match = _RFC3339(text)
    if match is None:
        return None
    day, minute, second, fraction, offset = match.groups(default="")
    is_leap_second = second == "60"
    seconds = "00" if is_leap_second else second + fraction
    try:
        time = datetime.fromisoformat(f"{day}T{minute}:{seconds}{offset.upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    if not is_leap_second:
        return time
    return time + _LAST_OF_MINUTE if (time.hour, time.minute) == (23, 59) else None


def utc_times(texts: Sequence[str]) -> list[datetime | None]:
    """utc_time of each. Texts of a common shape ("0000-00-00T00:00:00.000Z") are read without a look at each."""
    shapes = "\n".join(texts).encode("utf-8", "replace").translate(_SHAPE).split(b"\n")
    doubtful = {shape for shape in set(shapes) if not _is_certain_shape(shape)}
    # datetime takes an offset of 75 minutes.
    offsets = {text[-6:] for text in texts if text[-1:] != "Z"}
    if len(shapes) != len(texts) or not all(_is_offset(offset) for offset in offsets if offset[:1] in "+-"):
        return list(map(utc_time, texts))
    places = [place for place, shape in enumerate(shapes) if shape in doubtful] if doubtful else []
    certain = list(texts)
    for place in places:
        certain[place] = _ANY
    try:
        times = list(map(datetime.fromisoformat, certain))
        found: list[datetime | None] = [time if time.tzinfo is UTC else time.astimezone(UTC) for time in times]
    except (ValueError, OverflowError):
        return list(map(utc_time, texts))
    for place in places:
        found[place] = utc_time(texts[place])
    return found


@lru_cache(4096)
def _is_certain_shape(shape: bytes) -> bool:
    return _is_certain(shape.decode("ascii", "replace")) is not None
