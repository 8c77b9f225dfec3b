"""Which numbers can be a payment card's: issuer prefixes and lengths by network, and the Luhn check (ISO/IEC 7812-1).

A number is taken for a card's if a network issues that prefix in that length and the check digit is right. What this
can't tell from a card is an identifier that begins like one and is as long: one in ten of those passes the check.

Standard library only, because it goes into the Lambda zip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

MIN_DIGITS, MAX_DIGITS = 13, 19
ISSUER_DIGITS = 6

# Network -> (lengths, prefixes; a range by its first and last). From the table of issuer identification numbers in
# Wikipedia's "Payment card number" (November 2025), networks that ended included; Diners Club's ranges from Discover's
# compliance guide; Elo and Hipercard from braintree/credit-card-type (card-types.ts).
NETWORKS: dict[str, tuple[str, str]] = {
    "Visa": ("13 16 19", "4"),
    "Mastercard": ("16", "51-55 2221-2720"),
    "American Express": ("15", "34 37"),
    "Diners Club": ("14 16 19", "300-305 3095 36 38-39"),
    "Discover": ("16 17 18 19", "6011 644-649 65"),
    "JCB": ("16 17 18 19", "3528-3589"),
    "UnionPay": ("16 17 18 19", "62 81"),
    "Maestro": ("13 14 15 16 17 18 19", "5018 5020 5038 5893 6304 6759 6761-6763"),
    "Switch, Solo": ("16 18 19", "564182 633110 6333-6334 6767"),
    "Laser": ("16 17 18 19", "6304 6706 6709 6771"),
    "RuPay": ("16", "60 65 81-82 508 353 356"),
    "UkrCard": ("16 17 18 19", "604001-604200"),
    "InterPayment": ("16 17 18 19", "636"),
    "InstaPayment": ("16", "637-639"),
    "GPN": ("16 18 19", "1946 50 56 58 60-63"),
    "Verve": ("16 18 19", "506099-506198 507865-507964 650002-650027"),
    "Elo": ("16", "504175 506699-506778 509 627780 636297 636368"),
    "Hipercard": ("16", "606282 637095 637568 637599 637609 637612"),
    "T-Union": ("19", "31"),
    "Mir": ("16 17 18 19", "2200-2204"),
    "BORICA": ("16", "2205"),
    "Troy": ("16", "65 9792"),
    "UzCard": ("16", "8600 5614"),
    "Humo": ("16", "9860"),
    "NAPAS": ("16 19", "9704"),
    "Belkart": ("16", "9112"),
    "UATP": ("15", "1"),
}


def _ranges() -> Iterator[tuple[str, str, frozenset[int]]]:
    """(first prefix, last prefix, lengths)."""
    for lengths, prefixes in NETWORKS.values():
        for prefix in prefixes.split():
            first, _, last = prefix.partition("-")
            yield first, last or first, frozenset(map(int, lengths.split()))


_RANGES = tuple(_ranges())


@lru_cache(10_000)
def card_lengths(issuer: str) -> tuple[int, ...]:
    """The lengths, longest first, of card numbers that begin with these six digits; empty if none does.

    Cached by issuer, never by card number.
    """
    found: set[int] = set()
    for first, last, lengths in _RANGES:
        if first <= issuer[: len(first)] <= last:
            found |= lengths
    return tuple(sorted(found, reverse=True))


def beginnings() -> dict[tuple[str, int], str]:
    """The second digits of card numbers, by their first digit and how many digits they have at least."""
    found: dict[tuple[str, int], str] = {}
    for two in map("{:02d}".format, range(100)):
        lengths = [
            each for first, last, each in _RANGES if first[:2] <= two[: len(first)] and two[: len(last)] <= last[:2]
        ]
        if lengths:
            key = two[0], min(map(min, lengths))
            found[key] = found.get(key, "") + two[1]
    return found


def is_card_number(digits: str) -> bool:
    """Whether ASCII digits are a card number: prefix and length of a network, and the check digit."""
    return len(digits) in card_lengths(digits[:ISSUER_DIGITS]) and passes_luhn(digits)


# The Luhn sum of every four-digit group (the two even places doubled): a card number takes four or five look-ups.
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
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
