"""Card numbers and authentication data in text, as one would look for them with the standard library. For the peers.

It is written to be fast by the usual means: one regular expression rules out most texts, and what can't be ruled out is
looked at the slow way. It finds what docs/lambda.md promises, with the differences that the page lists. Of the
platform's code it shares the issuers' table only.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import html
import quopri
import re
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable, Iterator

from data_governance.card_brands import NETWORKS

MASK = "*"
REMOVED = "[removed]"
MAX_DEPTH = 3

# 13 digits with anything between, or a piece that may be encoded. Most texts hold neither.
_has_digits = re.compile(r"(?:[^0-9]*+[0-9]){13}").match
_has_piece = re.compile(r"[A-Za-z0-9+/_-]{18}").search
_is_hexadecimal = re.compile(r"(?:[0-9a-fA-F]{2})+").fullmatch
_may_say_digits = re.compile(rb"(?:[^0-9]*+[0-9]){13}|.*?[A-Za-z0-9+/_-]{18}", re.DOTALL).match
_has_label = re.compile(r"cv[vcdnep]|cav|csc|cid|pin|track|code|value|number|pr.f", re.IGNORECASE).search
_has_escape = re.compile(r"[\\%=&]").search

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}").fullmatch
_UUID_OR_HASH = re.compile(
    r"(?<![0-9A-Za-z])(?=[0-9-]*[a-fA-F])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{24}|[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}|[0-9a-fA-F]{128})(?![0-9A-Za-z])"
)
_TELEPHONE = re.compile(r"(?<![0-9A-Za-z])\+[1-9](?:[ ()/.-]{0,2}[0-9]){6,14}(?![ ()/.-]{0,2}[0-9])")
_REFERENCE = re.compile(r"(?<![0-9A-Za-z])RF[0-9]{2}[0-9A-Z]{1,21}(?![0-9A-Za-z])")

_GROUPS = re.compile(r"[0-9]+(?:[\x00-\x20\x7f-]*[0-9]+)*")
_SAME_SIGN = re.compile(r"(?<![0-9])[0-9]+([^0-9A-Za-z]{1,11})[0-9]+(?:\1[0-9]+)*")
_GROUP = re.compile("[0-9]+")
_DATE = re.compile(
    r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[1-9]|[12][0-9]|3[01])(?:0[1-9]|1[0-2])(?:(?:19|20)[0-9]{2}|[0-3][0-9])"
    r"|[0-3][0-9](?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
).fullmatch
_GLUED = re.compile(
    r"(?:(?:0[1-9]|1[0-2])(?:20)?[2-4][0-9]|[2-4][0-9](?:0[1-9]|1[0-2]))(?:[0-9]{3,4})?|[0-9]{3,4}"
).fullmatch
_BEHIND = re.compile(
    r"[=Dd^][0-9 =^A-Za-z/]*|[^0-9A-Za-z]{0,6}(?:(?:exp|valid|thru)[a-z ]*[^0-9A-Za-z]{0,6})?"
    r"(?:(?:0[1-9]|1[0-2])[^0-9A-Za-z]{0,3}(?:20)?[2-4][0-9](?:[^0-9A-Za-z]*(?:cv[a-z]2?)?[^0-9A-Za-z]*[0-9]{3,4})?"
    r"|[0-9]{3,4})(?![0-9])",
    re.IGNORECASE,
)
_LABELLED = re.compile(
    r"(?<![A-Za-z])(?:(?:cv[vcdnep]2?|cav2?|csc|cid|(?:security|verification|validation|check)[ _](?:code|value|number)"
    r"|pr.f\w*)(?: ?(?:is|code|number|value))*[^0-9A-Za-z]{0,6}[0-9]{3,4}(?![0-9])"
    r"|pin ?block[^0-9A-Za-z]{0,6}[0-9A-Fa-f]{16}|pin(?: ?(?:is|code|number))*[^0-9A-Za-z]{0,6}[0-9]{4,12}(?![0-9])"
    r"|track ?[123]?[^0-9A-Za-z]{0,6}[0-9=^]{6,})",
    re.IGNORECASE,
)
_PIECE = re.compile(r"[A-Za-z0-9+/_-]{18,}={0,2}")
_DIGIT = re.compile("[0-9]")

_DOUBLED = str.maketrans("0123456789", "0246813579")
_LETTERS = {ord("A") + index: str(10 + index) for index in range(26)}
_IDEOGRAPHS = str.maketrans("〇一二三四五六七八九", "0123456789")


def _lengths_by_prefix() -> dict[str, frozenset[int]]:
    found: dict[str, frozenset[int]] = {}
    for lengths, prefixes in NETWORKS.values():
        for each in prefixes.split():
            first, _, last = each.partition("-")
            for prefix in range(int(first), int(last or first) + 1):
                found[str(prefix)] = found.get(str(prefix), frozenset()) | frozenset(map(int, lengths.split()))
    return found


_LENGTHS = _lengths_by_prefix()
_NO_LENGTHS: frozenset[int] = frozenset()


def luhn(number: str) -> bool:
    return (sum(map(int, number[::-2])) + sum(map(int, number[-2::-2].translate(_DOUBLED)))) % 10 == 0


def _is_issued(digits: str) -> bool:
    return any(len(digits) in _LENGTHS.get(digits[:size], _NO_LENGTHS) for size in range(1, 7))


def is_card_number(digits: str) -> bool:
    return 13 <= len(digits) <= 19 and _is_issued(digits) and luhn(digits)


def is_iban(text: str) -> bool:
    return _IBAN(text) is not None and int((text[4:] + text[:4]).translate(_LETTERS)) % 97 == 1


def holds_card_number(identifier: str) -> bool:
    """Whether an identifier holds one."""
    return not is_iban(identifier) and masked(identifier, with_labels=False) != identifier


def masked(text: str, with_labels: bool = True, depth: int = MAX_DEPTH) -> str:
    """The text with card numbers and authentication data masked.

    Of a text whose escapes hide one, what it says without them is masked and returned. What encodes one is removed.
    """
    plain = text if text.isascii() else _in_ascii(text)
    found = plain
    if with_labels and _has_label(plain) is not None:
        found = _LABELLED.sub(lambda match: _DIGIT.sub(MASK, match[0]), found)
    if _has_digits(plain) is not None:
        found = _without_card_numbers(found)
        for reading in _readings(plain) if _has_escape(plain) else ():
            if (hidden := _without_card_numbers(reading)) != reading:
                return hidden
    if depth and _has_piece(plain) is not None:
        found = _PIECE.sub(lambda match: REMOVED if _encodes_one(match[0], depth) else match[0], found)
    return text if found == plain else found


def _in_ascii(text: str) -> str:
    """Digits of any kind as ASCII digits, what is no letter as a space, letters as "?"."""
    text = unicodedata.normalize("NFKC", text).translate(_IDEOGRAPHS)
    if text.isascii():
        return text
    found = []
    for each in text:
        digit = unicodedata.digit(each, None)
        if each.isascii():
            found.append(each)
        else:
            found.append(str(digit) if digit is not None else "?" if each.isalpha() else " ")
    return "".join(found)


def _without_c_escapes(text: str) -> str:
    return codecs.decode(re.sub(r"\\+", r"\\", re.sub(r"\\u\{([0-9a-fA-F]{1,4})\}", _padded, text)), "unicode_escape")


def _padded(match: re.Match[str]) -> str:
    return f"\\u{match[1]:0>4}"


_DECODERS: dict[str, Callable[[str], str]] = {
    "\\": _without_c_escapes,
    "%": urllib.parse.unquote_plus,
    "=": lambda text: quopri.decodestring(text).decode("latin-1"),
    "&": html.unescape,
}


def _readings(text: str) -> Iterator[str]:
    """What the text says without escapes, three deep."""
    known = {text}
    latest = [text]
    for _ in range(MAX_DEPTH):
        further = []
        for each in latest:
            for sign, decode in _DECODERS.items():
                if sign not in each:
                    continue
                try:
                    reading = _in_ascii(decode(each))
                except (ValueError, UnicodeError):
                    continue
                if reading not in known:
                    known.add(reading)
                    further.append(reading)
                    yield reading
        latest = further


def _encodes_one(piece: str, depth: int) -> bool:
    said = [data.decode("latin-1") for data in _decoded(piece) if _may_say_digits(data)]
    if not said or is_iban(piece) or _UUID_OR_HASH.fullmatch(piece):
        return False
    return any(masked(text, False, depth - 1) != text for text in said)


_STANDARD = str.maketrans("-_", "+/")


def _decoded(piece: str) -> Iterator[bytes]:
    """What a piece says as base64 and as hex, decompressed."""
    compact = piece.rstrip("=").translate(_STANDARD)
    if len(compact) % 4 != 1:
        yield _decompressed(base64.b64decode(compact + "=" * (-len(compact) % 4)))
    if _is_hexadecimal(piece):
        yield _decompressed(bytes.fromhex(piece))


def _decompressed(data: bytes) -> bytes:
    if data[:1] in (b"\x1f", b"\x78"):
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, 256 * 1024)
    return data


def _without_card_numbers(text: str) -> str:
    """ASCII text with the card numbers in it masked but for their last four digits."""
    searched = text
    for pattern in (_UUID_OR_HASH, _TELEPHONE, _REFERENCE):
        searched = pattern.sub(_kept_out, searched)
    hidden: list[int] = []
    for match in _GROUPS.finditer(searched):
        if match.end() - match.start() >= 13:
            hidden += _places(text, [each.span() for each in _GROUP.finditer(searched, *match.span())])
    for match in _SAME_SIGN.finditer(searched):
        groups = [each.span() for each in _GROUP.finditer(searched, *match.span())]
        if _are_a_cards([end - start for start, end in groups]):
            hidden += _places(text, groups)
    if not hidden:
        return text
    characters = list(text)
    for place in hidden:
        characters[place] = MASK
    return "".join(characters)


def _kept_out(match: re.Match[str]) -> str:
    piece = match[0]
    leading = _GROUP.match(piece)
    if leading is not None and is_card_number(leading[0]):
        return piece
    return "?" * len(piece)


def _are_a_cards(sizes: list[int]) -> bool:
    return sizes[:2] == [4, 6] or sizes == [8, 8] or (len(sizes) > 2 and len(set(sizes[:-1])) == 1 and sum(sizes) >= 13)


def _places(text: str, groups: list[tuple[int, int]]) -> list[int]:
    """The digits to mask of card numbers that begin with a group and end with one, or with what is glued to one."""
    places = [place for start, end in groups for place in range(start, end)]
    digits = "".join([text[start:end] for start, end in groups])
    ends = set()
    starts = []
    count = 0
    for start, end in groups:
        starts.append(count)
        if end - start > 13:
            starts += [count + 2, count + 4]  # behind a date
        count += end - start
        ends.add(count)
    hidden: list[int] = []
    begin = 0
    for start in starts:
        if start < begin:
            continue
        first = min((end for end in ends if end > start), default=0)
        if _DATE(digits[start:first]):
            continue
        for length in range(min(19, count - start), 12, -1):
            end = start + length
            is_whole = end in ends or (14 <= length <= 16 and _GLUED(digits[end : min(e for e in ends if e > end)]))
            if is_whole and is_card_number(digits[start:end]):
                hidden += places[start : end - 4]
                behind = _BEHIND.match(text, places[end - 1] + 1)
                if behind is not None:
                    hidden += [place for place in range(*behind.span()) if text[place].isdigit()]
                begin = end
                break
    return hidden
