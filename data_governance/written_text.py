"""What a text says without its escapes and encodings: each way to read it, and where its characters stood.

Escapes of JSON and C (\\u0034, \\x34, \\064), URLs (%34), quoted-printable (=34) and HTML (&#52;) are taken away one
kind at a time, up to three deep, because nobody can tell whether "=41" is an A or the beginning of a number. Base64 and
hex are decoded, and gzip and zlib in them.

Everything takes time in proportion to the text's length. Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

import base64
import contextlib
import html
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple
from unicodedata import category, digit

# Escapes inside escapes, and encodings inside encodings.
MAX_DEPTH = 3
# A text with escapes of more kinds in each other is made to cost time.
_MAX_READINGS = 24
_MAX_DECOMPRESSED = 256 * 1024

# Digits that are no decimals of a script: superscripts, circled ones and so on (Unicode's Numeric_Type=Digit), and the
# ideographs.
_IDEOGRAPHS = "〇一二三四五六七八九"
_ASTRAL_DIGITS = "\U00010a40-\U00010a43\U00010e60-\U00010e68\U00011052-\U0001105a\U0001f100-\U0001f10a"
_OTHER_DIGITS = (
    "\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea"
    "\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792" + _IDEOGRAPHS
)
OTHER_DIGITS = _OTHER_DIGITS + _ASTRAL_DIGITS
# Beyond ASCII: separators (Z*), dashes (Pd), marks without width (Mn, Me), and invisible characters: controls, formats,
# surrogates, private and unassigned ones (C*).
_SEPARATING = frozenset({"Zs", "Zl", "Zp", "Pd", "Mn", "Me", "Cc", "Cf", "Cs", "Co", "Cn"})
# Also characters that only look like a dash or a space, and U+FFFD, which stands for bytes that were no text.
_LIKE_SEPARATORS = frozenset(
    "\u02d7\u115f\u1160\u2043\u2053\u207b\u208b\u2212\u2500\u2501\u2796\u2800\u30fc\u3164\uff70\uffa0\ufffc\ufffd"
)
# Those of them that are letters to a regular expression.
SEPARATING_LETTERS = "\u115f\u1160\u30fc\u3164\uff70\uffa0"


# Beyond ASCII: what is no letter; decimals; letters that count as neither. One class each is faster than one of all.
_NO_PLAIN_LETTERS = (
    re.compile(r"[^\x00-\x7f\w]"),
    re.compile(r"[^\x00-\x7f\D]"),
    re.compile(f"[{_OTHER_DIGITS}{SEPARATING_LETTERS}]"),
)
_ASTRAL = (re.compile(f"[{_ASTRAL_DIGITS}]"),)
_MOST_REPLACED = 30


class _InAscii(dict[int, str]):
    """For str.translate, character by character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        value = _IDEOGRAPHS.find(character) if character in _IDEOGRAPHS else digit(character, None)
        if code < 128:
            found = character
        elif value is not None:
            found = str(value)
        else:
            found = " " if category(character) in _SEPARATING or character in _LIKE_SEPARATORS else "?"
        self[code] = found
        return found


_in_ascii = _InAscii()


# In UTF-8 the first bytes of U+00C0 to U+023F and U+0400 to U+047F, where all are letters or "?" anyway; the further
# bytes of any character; and ASCII.
LETTER_BYTES = bytes([*range(0xC3, 0xC9), 0xD0, 0xD1])
FURTHER_BYTES = bytes(range(0x80, 0xC0))
_PLAIN_BYTES = bytes(range(128)) + LETTER_BYTES + FURTHER_BYTES


def with_letters_in_ascii(text: str) -> str | None:
    """What in_ascii() gives where only letters of European languages are beyond ASCII, in little time; else None."""
    if text.encode("utf-8", "surrogatepass").translate(None, _PLAIN_BYTES):
        return None
    return text.encode("ascii", "replace").decode("ascii")


def in_ascii(text: str) -> str:
    """The text, character by character: digits of any kind as ASCII digits, separators as spaces, others as "?"."""
    if text.isascii():
        return text
    plain = with_letters_in_ascii(text)
    if plain is not None:
        return plain
    # Most characters are letters, which encode() makes "?" at once. The few others are replaced one after the other.
    replaced = 0
    is_astral = len(text.encode("utf-16-le", "surrogatepass")) > 2 * len(text)
    for pattern in _NO_PLAIN_LETTERS + _ASTRAL if is_astral else _NO_PLAIN_LETTERS:
        while match := pattern.search(text):
            if replaced == _MOST_REPLACED:
                return text.translate(_in_ascii)
            text = text.replace(match[0], _in_ascii[ord(match[0])])
            replaced += 1
    return text.encode("ascii", "replace").decode("ascii")


class Reading(NamedTuple):
    """One way to read a text. places: where each character begins in the text, and where the last one ends."""

    text: str
    places: Sequence[int]


class _Escape(NamedTuple):
    sign: str
    pattern: re.Pattern[str]
    meaning: Callable[[str], str]  # what an escape stands for: one character, or none


def _utf8(introducer: str) -> str:
    """A pattern of the bytes of one UTF-8 character, each in hex behind the introducer; or of any one byte."""
    more = rf"{introducer}[89abAB][0-9a-fA-F]"
    return (
        rf"{introducer}[c-dC-D][0-9a-fA-F]{more}|{introducer}[eE][0-9a-fA-F](?:{more}){{2}}"
        rf"|{introducer}[fF][0-7](?:{more}){{3}}|{introducer}[0-9a-fA-F]{{2}}"
    )


_HEX_BYTES = re.compile("[0-9a-fA-F]{2}")


def _from_bytes(written: str) -> str:
    found = bytes.fromhex("".join(_HEX_BYTES.findall(written)))
    return found.decode("utf-8", "replace")[:1] if len(found) > 1 else chr(found[0])


def _from_url(written: str) -> str:
    return " " if written == "+" else _from_bytes(written)


def _from_quoted_printable(written: str) -> str:
    return "" if written[-1] == "\n" else _from_bytes(written)  # a line that goes on


def _from_html(written: str) -> str:
    return html.unescape(written)[:1]


def _from_backslash(written: str) -> str:
    escape = written.lstrip("\\")
    if not escape:
        return "\\"
    kind, value = escape[0], escape[1:].strip("{}")
    if kind == "x":
        return _from_bytes(written)
    if kind in "uU":
        code = int(value[:4] if "\\" in value else value, 16)
        if "\\" in value:  # a pair of surrogates
            code = 0x10000 + (code - 0xD800 << 10) + int(value[-4:], 16) - 0xDC00
        return chr(code) if code < 0x110000 else "\ufffd"
    return chr(int(escape, 8) & 0xFF) if escape.isdigit() else " "


# Any number of backslashes counts as one, because JSON inside JSON doubles them, and a person reads \u0034 too.
_BACKSLASH = re.compile(
    r"\\++[uU][dD][89abAB][0-9a-fA-F]{2}\\++[uU][dD][c-fC-F][0-9a-fA-F]{2}|\\++u\{[0-9a-fA-F]{1,6}\}"
    r"|\\++U[0-9a-fA-F]{8}|\\++u[0-9a-fA-F]{4}|" + _utf8(r"\\++x") + r"|\\++(?:[0-7]{3}|[bfnrtv])?"
)
# Letters are never escaped in quoted-printable, so that the "=41" of "pan=4111" is none.
_ESCAPES = (
    _Escape("\\", _BACKSLASH, _from_backslash),
    _Escape("%", re.compile(rf"{_utf8('%')}|\+"), _from_url),
    _Escape("=", re.compile(rf"(?!=[4-7])(?:{_utf8('=')})|=\r?\n"), _from_quoted_printable),
    _Escape("&", re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"), _from_html),
)
holds_escape = re.compile(r"[\\%=&](?:(?<=\\)|(?<=[%=])[0-9a-fA-F]{2}|(?<==)\r?\n|(?<=&)[#A-Za-z])").search


def readings(text: str) -> list[Reading]:
    """The text as it stands and without its escapes, one kind after the other; nothing if there are too many ways."""
    found = [Reading(text, range(len(text) + 1))]
    if holds_escape(text) is None:
        return found
    known = {text}
    latest = found
    for _ in range(MAX_DEPTH):
        without = {each.text: each for reading in latest for each in _without_one_kind(reading)}
        latest = [each for read, each in without.items() if read not in known]
        known.update(without)
        found = found + latest
        if len(found) > _MAX_READINGS:
            return []
    return found


def _without_one_kind(reading: Reading) -> Iterator[Reading]:
    for escape in _ESCAPES:
        if escape.sign in reading.text and (without := _without(reading, escape)) is not None:
            yield without


def _without(reading: Reading, escape: _Escape) -> Reading | None:
    """The reading without one kind of escapes; None if it has none."""
    text, places = reading
    parts: list[str] = []
    kept: list[int] = []
    end = 0
    for match in escape.pattern.finditer(text):
        meaning = escape.meaning(match[0])
        parts += (text[end : match.start()], meaning)
        kept += places[end : match.start()]
        kept += places[match.start() : match.start() + len(meaning)]
        end = match.end()
    if not end:
        return None
    return Reading("".join((*parts, text[end:])), [*kept, *places[end:]])


# A piece that may be base64 or hex of 13 digits or more.
ENCODED_LENGTH = 18
_PIECE = re.compile(rf"[A-Za-z0-9+/_-]{{{ENCODED_LENGTH},}}+")
# What tells such a piece from a word or an identifier. Base64 of digits, perhaps with spaces or dashes between (13 of
# them hold nine in any alignment), of gzip or zlib; hex of digits, of gzip or of text; 32 characters that are not all
# hexadecimal.
_BASE64_DIGITS = "[CDSTijyz][AEIMQUYcgk0][w-z0-5gt]"
SHORT_BASE64 = (
    rf"[ILMNOHe](?:(?<=[ILMNO]){_BASE64_DIGITS}(?:[ILMNO]{_BASE64_DIGITS}){{2}}"
    r"|(?:(?<=H)4sI|(?<=e)(?:J|N|AE|F))[A-Za-z0-9+/_-]{14})"
)
holds_short_base64 = re.compile(SHORT_BASE64).search
_HEX_DIGITS = re.compile(r"[23][0-9dD](?:3[0-9]|20|2[dD]){12}")
_HEX_GZIP = re.compile(r"1[fF]8[bB][0-9a-fA-F]{28}")
_HEX_TEXT = re.compile(r"[2-7][0-9a-fA-F](?:[2-7][0-9a-fA-F]){19}")
LONG_PIECE = 32
_LONG_PIECE = re.compile(rf"[A-Za-z0-9+/_-]{{{LONG_PIECE},}}+")
_is_hexadecimal = re.compile(r"[0-9a-fA-F-]*").fullmatch
_HEX = re.compile("(?:[0-9a-fA-F]{2}){13,}")
_BASE64_OF_ANY_KIND = str.maketrans("-_", "+/")


def holds_encoding(text: str) -> bool:
    """Whether a text may hold base64 or hex of a card number."""
    if len(text) < ENCODED_LENGTH:
        return False
    if holds_short_base64(text) or _HEX_DIGITS.search(text) or _HEX_GZIP.search(text):
        return True
    if len(text) < LONG_PIECE:
        return False
    return _HEX_TEXT.search(text) is not None or not all(map(_is_hexadecimal, _LONG_PIECE.findall(text)))


def encoded_pieces(text: str) -> list[re.Match[str]]:
    """The pieces of a text that may be base64 or hex of a card number."""
    if not holds_encoding(text if text.isascii() else text.encode("ascii", "ignore").decode("ascii")):
        return []
    return [each for each in _PIECE.finditer(text) if holds_encoding(each[0])]


def decoded(piece: str) -> Iterator[str]:
    """What such a piece may say: as base64 and as hex, decompressed where that is gzip or zlib; bytes as Latin-1."""
    compact = piece.translate(_BASE64_OF_ANY_KIND)
    for start in range(4):  # it may begin behind letters that do not belong to it
        aligned = compact[start:]
        yield _text(base64.b64decode(aligned + "A" * (-len(aligned) % 4)))
    for start in range(2):
        for run in _HEX.findall(piece, start):
            yield _text(bytes.fromhex(run))


def _text(data: bytes) -> str:
    if data[:1] in (b"\x1f", b"\x78"):  # gzip, zlib
        with contextlib.suppress(zlib.error):
            data = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data, _MAX_DECOMPRESSED)
    return data.decode("latin-1")
