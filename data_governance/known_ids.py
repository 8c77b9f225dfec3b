"""Identifiers that are known by their own form, so that no digits inside them are taken for a card number.

IBANs by their check (ISO 13616), creditor references by theirs (ISO 11649), UUIDs of any version or none (RFC 9562),
hashes and ObjectIds by length, telephone numbers by their plus (E.164). Standard library only, because it goes into the
Lambda zip.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_governance.card_brands import is_card_number
from data_governance.iban import IBAN_LENGTHS, is_iban

# In one piece or in groups of four, upper or lower case, whatever stands beside it.
_IBAN_START = re.compile(r"[A-Za-z][A-Za-z][0-9]{2}([ ._/-]?)(?=[A-Za-z0-9])")
# A longer IBAN may have digits right behind it; a shorter one with more digits may be a card number behind two letters.
_SHORT_IBAN = 19
_CREDITOR_REFERENCE = re.compile(r"RF(?<![0-9A-Za-z]RF)[0-9]{2}[0-9A-Z]{1,21}(?![0-9A-Za-z])")
_TELEPHONE = re.compile(r"\+(?<![0-9A-Za-z].)[1-9](?:[ ()/.-]{0,2}[0-9]){6,14}(?![ ()/.-]{0,2}[0-9])")
# Hexadecimal, as long as an ObjectId, MD5, SHA-1 or a SHA-2 digest, with a letter at least; perhaps behind 0x.
_UUID_OR_HASH = re.compile(
    r"[0-9a-fA-F](?<![0-9A-WYZa-wyz].)"
    r"(?:[0-9a-fA-F]{7}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|[0-9a-fA-F]{23}(?:[0-9a-fA-F]{8}(?:[0-9a-fA-F]{8}(?:[0-9a-fA-F]{16}(?:[0-9a-fA-F]{8}"
    r"(?:[0-9a-fA-F]{32}(?:[0-9a-fA-F]{32})?)?)?)?)?)?)(?![0-9A-Za-z])"
)


def without_ids(text: str) -> str:
    """ASCII text with every such identifier replaced by question marks."""
    spans = [*_iban_spans(text), *_hexadecimal_spans(text)]
    spans += [match.span() for match in _CREDITOR_REFERENCE.finditer(text) if _has_its_check_digits(match[0])]
    spans += [match.span() for match in _TELEPHONE.finditer(text)]
    if not spans:
        return text
    kept = bytearray(text, "ascii")
    for start, end in spans:
        kept[start:end] = b"?" * (end - start)
    return kept.decode("ascii")


def _iban_spans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(match[0][:2].upper())
        if length is None:
            continue
        start, sign = match.start(), match[1]
        end = start + length + ((length - 1) // 4 if sign else 0)
        compact = text[start:end]
        if sign:
            if set(compact[4::5]) != {sign}:
                continue
            compact = compact.replace(sign, "")
        is_free = length > _SHORT_IBAN or not text[end : end + 1].isdigit()
        if is_free and is_iban(compact.upper()):
            yield start, end


def _has_its_check_digits(reference: str) -> bool:
    return int("".join([str(int(each, 36)) for each in reference[4:] + reference[:4]])) % 97 == 1


def _hexadecimal_spans(text: str) -> Iterator[tuple[int, int]]:
    for match in _UUID_OR_HASH.finditer(text):
        compact = match[0].replace("-", "")
        leading = compact[: len(compact) - len(compact.lstrip("0123456789"))]
        # One that begins with a card number, up to a letter, is taken for one (docs/lambda.md).
        if len(leading) < len(match[0]) and not is_card_number(leading):
            yield match.span()
