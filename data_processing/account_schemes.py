"""Whether an account number is an IBAN, by the registry of data_governance/iban.py, in Spark's own expressions.

A Python function would send every row through another process. Tests compare this with is_iban().
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from data_governance.iban import IBAN_LENGTHS

_HALF = 15  # digits processed at a time, because a bigint holds 18


def account_scheme(column: str) -> Column:
    """IBAN if the account number has the country's length and valid check digits (mod 97 = 1), else BBAN."""
    lengths = ", ".join(repr(f"{country}{length}") for country, length in sorted(IBAN_LENGTHS.items()))
    has_length = F.expr(f"concat(substring({column}, 1, 2), length({column})) IN ({lengths})")
    in_digits = has_length & F.col(column).rlike(r"\A[A-Z]{2}[0-9]+\z")
    with_letters = has_length & F.col(column).rlike(r"\A[A-Z]{2}[0-9]{2}[A-Z0-9]+\z")
    remainder = F.when(in_digits, F.expr(_remainder_of_digits(column))).when(
        with_letters, F.expr(_remainder_with_letters(column))
    )
    return F.when(remainder == 1, "IBAN").otherwise("BBAN")


def _remainder_of_digits(column: str) -> str:
    """The number mod 97 of account, country (A is 10, Z is 35) and check digits; the account has only digits."""
    first = f"bigint(substring({column}, 5, {_HALF}))"
    second = f"coalesce(try_cast(substring({column}, {5 + _HALF}) AS bigint), 0L)"
    powers = ", ".join(str(10**length % 97) for length in range(_HALF + 1))
    shift = f"element_at(array({powers}), length(substring({column}, {5 + _HALF})) + 1)"
    country = " + ".join(f"(ascii(substring({column}, {at}, 1)) - 55) * {10**shift}" for at, shift in ((1, 4), (2, 2)))
    check = f"int(substring({column}, 3, 2))"
    return f"((({first} % 97) * {shift} + {second} % 97) % 97 * {10**6 % 97} + {country} + {check}) % 97"


def _remainder_with_letters(column: str) -> str:
    """The same with letters anywhere, nine digits at a time, because there are up to 68 digits."""
    digits = f"concat(substring({column}, 5), substring({column}, 1, 4))"
    for value, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 10):
        digits = f"replace({digits}, '{letter}', '{value}')"
    step = "bigint((remainder * pow(10, length(part)) + bigint(part)) % 97)"
    return f"aggregate(regexp_extract_all({digits}, '([0-9]{{1,9}})', 1), 0L, (remainder, part) -> {step})"
