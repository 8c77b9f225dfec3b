"""The job tells IBANs as data_governance/iban.py does, in Spark's own expressions."""

from __future__ import annotations

import random

from data_governance.iban import IBAN_LENGTHS, is_iban
from data_processing.account_schemes import account_scheme

# Shaped like one: no check digits, a country without IBANs, no countries, lower case, too short.
NONE = [
    "SA00012345678901", "CA0001234567890123", "LN00012345678901", "AC12345678901234", "QQ99123456789012345",
    "de89370400440532013000", "DE8937040044053201300", "DE89370400440532013O00", "1234567890", "A", "DE",
]  # fmt: skip


def numbers():
    """Of each country, sound ones in digits and with letters, and each with one character changed."""
    draw = random.Random(7)
    for country, length in IBAN_LENGTHS.items():
        for characters in ("0123456789", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
            for _ in range(3):
                account = "".join(draw.choices(characters, k=length - 4))
                check = 98 - int("".join(str(int(each, 36)) for each in f"{account}{country}00")) % 97
                sound = f"{country}{check:02}{account}"
                place = draw.randrange(length)
                yield sound
                yield sound[:place] + draw.choice("0123456789AZ") + sound[place + 1 :]


def test_spark_knows_an_iban_by_country_length_and_check_digits(spark):
    accounts = [*numbers(), *NONE, "DE89370400440532013000"]
    rows = spark.createDataFrame([(each,) for each in accounts], "account_id string")
    found = dict(map(tuple, rows.select("account_id", account_scheme("account_id")).collect()))
    expected = {each: "IBAN" if is_iban(each) else "BBAN" for each in accounts}
    assert found == expected
    assert {expected[each] for each in NONE} == {"BBAN"}
    assert list(expected.values()).count("IBAN") > len(IBAN_LENGTHS) * 5
