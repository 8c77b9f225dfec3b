"""Made-up accounts, amounts and moments, as transactions of the contract name them. A seeded source makes the same."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_ingestion.feed_faults import made_card_number

_CURRENCY_WEIGHTS = {"EUR": 45, "USD": 15, "GBP": 15, "CZK": 10, "JPY": 10, "BHD": 5}
_IBAN_COUNTRIES = {"EUR": "DE", "GBP": "GB", "CZK": "CZ", "BHD": "BH"}
_ID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(slots=True, eq=False)
class Account:
    number: str
    currency: str
    card: str
    balance: Decimal
    sends_booking_date: bool


def made_account(random_: random.Random) -> Account:
    currency = random_.choices(list(_CURRENCY_WEIGHTS), list(_CURRENCY_WEIGHTS.values()))[0]
    opening = money(random_, currency, 500, 20_000)
    number, card = account_number(random_, currency), made_card_number(random_)
    return Account(number, currency, card, opening, random_.random() < 0.5)


def account_number(random_: random.Random, currency: str) -> str:
    """An IBAN with valid check digits, or an own account number where the country has no IBAN."""
    country = _IBAN_COUNTRIES.get(currency)
    if country is None:
        return f"{random_.randrange(10**9, 10**10)}"
    bank = {"DE": "10070024", "GB": "MIDL400512", "CZ": "0800000019", "BH": "BBME"}[country]
    length = {"DE": 22, "GB": 22, "CZ": 24, "BH": 22}[country] - 4 - len(bank)
    basic = bank + "".join(random_.choices("0123456789", k=length))
    digits = "".join(str(int(character, 36)) for character in basic + country + "00")
    return f"{country}{98 - int(digits) % 97:02d}{basic}"


def money(random_: random.Random, currency: str, low: int, high: int) -> Decimal:
    minor_units = CURRENCY_MINOR_UNITS[currency]
    factor = 150 if currency == "JPY" else 1
    scale = 10**minor_units * factor
    return Decimal(random_.randrange(low * scale, high * scale)).scaleb(-minor_units)


def amount_text(amount: Decimal, currency: str) -> str:
    return f"{amount:.{CURRENCY_MINOR_UNITS[currency]}f}"


def transaction_id(random_: random.Random) -> str:
    return "".join(random_.choices(_ID_ALPHABET, k=26))


def rfc3339(random_: random.Random, moment: datetime) -> str:
    """Milliseconds with one of the offsets that a bank's systems send."""
    offset = random_.choice((timedelta(0), timedelta(hours=1), timedelta(hours=-5), timedelta(hours=9)))
    text = (moment + offset).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"
    if not offset:
        return text + "Z"
    sign = "+" if offset > timedelta(0) else "-"
    return f"{text}{sign}{abs(offset).seconds // 3600:02d}:00"
