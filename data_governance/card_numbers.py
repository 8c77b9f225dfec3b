"""Card numbers (PANs) in text: the Luhn check, finding them however they were typed, and masking them.

A card number is a run of 13 to 19 digits that passes the Luhn check (ISO/IEC 7812-1), in one piece or in groups. Digits
of any script count, also those written as \\uXXXX. Between them may stand any number of white space characters, dashes,
control characters and invisible ones. IBANs are recognised by their own check (ISO 13616) and UUIDs by their form; both
are left as they are, and so is every other run of digits.

One random run of digits in ten passes the Luhn check, so one in ten of a bank's own numbers of 13 to 19 digits is taken
for a card number. docs/lambda.md says what to do about that.

Everything here takes time in proportion to the text's length, whatever the text is: a record can be 1 MiB of anything.
Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, compress, pairwise
from unicodedata import category

from data_governance.iban import IBAN_LENGTHS, is_iban

MIN_DIGITS, MAX_DIGITS = 13, 19
MASK = "*"
KEPT_DIGITS = 4  # the digits of card_last4; PCI DSS 3.4.1 allows showing them

# The ASCII characters that may stand between the digits of a card number.
_SEPARATORS = r"\x00-\x20\x7f\-"
# 13 digits that could belong to one number. A gap is scanned at most 12 times, once for each digit before it.
_CANDIDATE = re.compile(rf"[0-9](?:[{_SEPARATORS}]*+[0-9]){{{MIN_DIGITS - 1}}}")
_THIRTEEN_DIGITS = re.compile(rf"\d(?:\D*+\d){{{MIN_DIGITS - 1}}}")
_RUN = re.compile(rf"[0-9][0-9{_SEPARATORS}]*")

# Beyond ASCII: separators (Z*), dashes (Pd), marks without width (Mn, Me), and invisible characters: controls, formats,
# surrogates, private and unassigned ones (C*).
_SEPARATING = frozenset({"Zs", "Zl", "Zp", "Pd", "Mn", "Me", "Cc", "Cf", "Cs", "Co", "Cn"})
# Also characters that only look like a dash or a space, and U+FFFD, which stands for bytes that were no text.
_LIKE_SEPARATORS = frozenset(
    "\u02d7\u115f\u1160\u2043\u2053\u207b\u208b\u2212\u2500\u2501\u2796\u2800\u30fc\u3164\uff70\uffa0\ufffc\ufffd"
)

# A character as JSON may write it: itself or an escape. Any number of backslashes counts as one, because JSON inside
# JSON doubles them, and because a person can read a literal \u0034 too.
_WRITTEN = re.compile(
    r"\\++u[dD][89abAB][0-9a-fA-F]{2}\\++u[dD][c-fC-F][0-9a-fA-F]{2}|\\++(?:u[0-9a-fA-F]{4}|[bfnrt])?|.", re.DOTALL
)

# Upper or lower case, in one piece or with single spaces between groups, as on paper.
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})[0-9]{2}(?=[ ]?[A-Za-z0-9])")
_UUID = re.compile(
    r"(?<![0-9A-Za-z])"
    r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}\1[1-8][0-9a-fA-F]{3}\1[89abAB][0-9a-fA-F]{3}\1[0-9a-fA-F]{12}"
    r"(?![0-9A-Za-z])"
)
# A card number at the start of a UUID: a brand's prefix and length, not followed by a digit. See docs/lambda.md.
_BRANDED = re.compile(
    r"(?:4(?:[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # Amex, Diners, JCB
    r"|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}(?:[0-9]{3})?|62[0-9]{14,17}"  # Discover, UnionPay
    r"|(?:5018|5020|5038|6304|6759|676[1-3])[0-9]{10,15})(?![0-9])"  # Maestro
)

# The Luhn sum of every four-digit group (the two even places doubled): a card number takes four or five look-ups.
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_PLAIN_VALUE = bytes(max(0, byte - 48) if byte < 58 else 0 for byte in range(256))
_DOUBLED_VALUE = bytes(_DOUBLED[value] for value in _PLAIN_VALUE)
_PAIR_SUMS = [_DOUBLED[tens] + units for tens in range(10) for units in range(10)]
_GROUP_SUMS = bytes(high + low for high in _PAIR_SUMS for low in _PAIR_SUMS)


def passes_luhn(digits: str) -> bool:
    """Whether decimal digits (of any script, at most 20) pass the Luhn check."""
    number = int(digits)
    sums = _GROUP_SUMS
    high, low = divmod(number, 100_000_000)
    total = sums[low % 10_000] + sums[low // 10_000] + sums[high % 10_000]
    high //= 10_000
    return (total + sums[high % 10_000] + sums[high // 10_000]) % 10 == 0


def fail_luhn(numbers: Sequence[str]) -> list[int]:
    """The places of those ASCII digit strings (at most 20 digits each) that fail the Luhn check."""
    return [index for index, number in enumerate(numbers) if not passes_luhn(number)]


def card_digits(text: str) -> str | None:
    """The digits of a card_number field: ASCII, in one piece or with single spaces or dashes between; else None."""
    if not text.isdigit():
        if _CARD_FORM(text) is None:
            return None
        text = text.replace(" ", "").replace("-", "")
    return text if MIN_DIGITS <= len(text) <= MAX_DIGITS and text.isascii() and passes_luhn(text) else None


_CARD_FORM = re.compile("[0-9](?:[ -]?[0-9]){12,18}").fullmatch


def has_candidate(text: str) -> bool:
    """Whether 13 digits stand together, or might if something is escaped. Most texts end here."""
    if "\\" in text:
        return True
    if text.isascii():
        return _CANDIDATE.search(text) is not None
    return _THIRTEEN_DIGITS.search(text) is not None and _CANDIDATE.search(text.translate(_in_ascii)) is not None


def holds_card_number(text: str) -> bool:
    """Whether text holds a card number."""
    return has_candidate(text) and next(_card_places(_characters(text)), None) is not None


def identifier_holds_card_number(text: str) -> bool:
    """Whether an identifier holds a card number. Most candidates are IBANs, which are quickly recognised."""
    return not is_iban(text) and holds_card_number(text)


def mask_card_numbers(text: str) -> str:
    """The text with every digit of a card number but the last four replaced by "*"; separators stay.

    A digit that is written as an escape becomes one "*" too.
    """
    if not has_candidate(text):
        return text
    characters = _characters(text)
    places = list(_card_places(characters))
    if not places:
        return text
    masked = list(characters)
    for place in places:
        masked[place] = MASK
    return "".join(masked)


def _characters(text: str) -> Sequence[str]:
    """The text's characters, each as it is written: itself or its escape."""
    return _WRITTEN.findall(text) if "\\" in text else text


class _InAscii(dict[int, int | str]):
    """For str.translate: keeps ASCII, turns digits of any script into ASCII digits and separators into spaces."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character.isdecimal():
            return str(int(character))
        return " " if category(character) in _SEPARATING or character in _LIKE_SEPARATORS else "?"


_in_ascii = _InAscii({code: code for code in range(128)})


def _read(written: str) -> str:
    """The character that this one, or this escape, stands for."""
    if len(written) == 1:
        return written
    escape = written.lstrip("\\")
    if escape[:1] != "u":
        return " " if escape else "\\"
    code = int(escape[1:5], 16)
    if len(escape) > 5:  # a pair of surrogates
        code = 0x10000 + (code - 0xD800 << 10) + int(escape[-4:], 16) - 0xDC00
    return chr(code)


def _card_places(characters: Sequence[str]) -> Iterator[int]:
    """The places of the digits to mask, ascending."""
    text = characters if isinstance(characters, str) else "".join(map(_read, characters))
    if not text.isascii():
        text = text.translate(_in_ascii)
    text = _without_ids(text)
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= MIN_DIGITS:
            places = [place for place, each in enumerate(run[0], run.start()) if each.isdigit()]
            if len(places) >= MIN_DIGITS:
                yield from _masked_places(text, places)


def _masked_places(text: str, places: list[int]) -> Iterator[int]:
    """Those of a run's digits that are to be masked.

    Tries spans between group boundaries, longest first, because a card number is often followed by more digits (an
    expiry date, a CVV). What is left becomes a group and is tried again.
    """
    count = len(places)
    is_end = [*(after - before > 1 for before, after in pairwise(places)), True]
    sums = _luhn_sums("".join([text[place] for place in places]).encode("ascii"))
    masked = bytearray(count)

    def mask(start: int, limit: int) -> None:
        for end in range(min(start + MAX_DIGITS, limit), start + MIN_DIGITS - 1, -1):
            if is_end[end - 1] and sums[end % 2][start] == sums[end % 2][end]:
                masked[start : end - KEPT_DIGITS] = b"\1" * (end - KEPT_DIGITS - start)
                return

    for start in range(count):
        if start == 0 or is_end[start - 1]:
            mask(start, count)
    place = 0
    while (start := masked.find(b"\1\0", place) + 1) > 0:
        following = masked.find(b"\1", start)
        mask(start, count if following < 0 else following)
        place = start
    return compress(places, masked)


def _luhn_sums(digits: bytes) -> tuple[list[int], list[int]]:
    """Luhn sums modulo 10 of the digits before each place: with the odd places doubled, and with the even ones.

    A span passes the check if the sums at its start and at its end agree. The parity of its end decides which sums.
    """
    plain, doubled = digits.translate(_PLAIN_VALUE), digits.translate(_DOUBLED_VALUE)
    even, odd = bytearray(plain), bytearray(plain)
    even[0::2] = doubled[0::2]
    odd[1::2] = doubled[1::2]
    return _sums(even), _sums(odd)


def _sums(values: Iterable[int]) -> list[int]:
    return [total % 10 for total in accumulate(values, initial=0)]


def _without_ids(text: str) -> str:
    """ASCII text with every IBAN and UUID replaced by question marks."""
    spans = [*_iban_spans(text), *_uuid_spans(text)]
    if not spans:
        return text
    kept = bytearray(text, "ascii")
    for start, end in spans:
        kept[start:end] = b"?" * (end - start)
    return kept.decode("ascii")


def _iban_spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the IBANs in text, in one piece or in groups of four, upper or lower case."""
    for match in _IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(match[1].upper())
        if length is None:
            continue
        start = match.start()
        compact = text[start : start + length]
        end = start + length
        if " " in compact:
            end += (length - 1) // 4
            compact = text[start:end].replace(" ", "")
        if is_iban(compact.upper()) and not text[end : end + 1].isalnum():
            yield start, end


def _uuid_spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the UUIDs (RFC 9562) in text, except those that begin with a card number."""
    for match in _UUID.finditer(text):
        number = _BRANDED.match(match[0].replace("-", ""))
        if number is None or not passes_luhn(number[0]):
            yield match.span()
