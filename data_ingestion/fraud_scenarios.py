"""Made-up fraud, with labels, and honest customers who look like it. The same seed gives the same scenarios.

Each kind enacts what a rule is for, not the rule: amounts, counts and pauses are drawn around what thieves do, so that
some stay below every limit. For each kind there is an honest likeness, drawn as widely, which a rule should leave
alone. Labels never stand in a record, because the contract has no field for them: they are a file of their own.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TextIO

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import SCHEMA_VERSION
from data_ingestion.feed_faults import Transaction
from data_ingestion.made_accounts import Account, account_number, amount_text, made_account, rfc3339, transaction_id

LABEL_FIELDS = ("transaction_id", "scenario", "scenario_id", "euros")
_FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
_DAYS = 4
# When accounts did something before: few days for all, because each date is a partition of the lake.
_LONG_AGO = datetime(2025, 7, 15, 9, tzinfo=UTC)
_LATELY = datetime(2026, 1, 15, 9, tzinfo=UTC)
# What a euro is about worth, to draw the same amounts in every currency.
PER_EURO = {"EUR": 1.0, "USD": 1.0, "GBP": 0.87, "CZK": 25.0, "JPY": 165.0, "BHD": 0.4}
_HOMES = {"EUR": "DE", "USD": "US", "GBP": "GB", "CZK": "CZ", "JPY": "JP", "BHD": "BH"}
# Where a cloned card is used, and where people fly: kilometres from each home are roughly right.
_ABROAD = {
    "DE": ("JP", 9000), "US": ("BR", 7000), "GB": ("AE", 5500), "CZ": ("TH", 8700), "JP": ("DE", 9000),
    "BH": ("GB", 5100),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scenario:
    """What one account did. kind: the rule that is for it. euros: by transaction, about its amount in euros. before:
    how many of its transactions, the first ones, are what it did before, and no fraud in any case."""

    kind: str
    is_fraud: bool
    number: int
    transactions: tuple[Transaction, ...]
    euros: tuple[float, ...]
    before: int = 0


class _Story:
    """Tells what an account does, one transaction after the other."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_
        self.account: Account = made_account(random_)
        self.home = _HOMES[self.account.currency]
        self.now = _FIRST_DAY + timedelta(days=_DAYS) * random_.random()
        self.told: list[Transaction] = []
        self.euros: list[float] = []
        self.before = 0

    @contextmanager
    def earlier(self, at: datetime) -> Iterator[None]:
        """Tell what the account did on that day, some time before."""
        now, self.now = self.now, at
        self.wait(0, 600)
        yield
        self.now, self.before = now, len(self.told)

    def somebody(self) -> str:
        """An account to pay to."""
        return account_number(self.random, "EUR")

    def at_hour(self, first: float, last: float) -> None:
        """Go on at a moment between these hours (UTC) of the day."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        self.now = midnight + timedelta(hours=self.random.uniform(first, last))

    def wait(self, shortest: float, longest: float) -> None:
        """Minutes."""
        self.now += timedelta(minutes=self.random.uniform(shortest, longest))

    def tell(self, kind: str, indicator: str, channel: str, euros: float, **fields: str) -> None:
        units = CURRENCY_MINOR_UNITS[self.account.currency]
        amount = Decimal(euros * PER_EURO[self.account.currency]).quantize(Decimal(1).scaleb(-units))
        self.euros.append(round(euros, 2))
        self.told.append(
            {
                "schema_version": SCHEMA_VERSION,
                "transaction_id": transaction_id(self.random),
                "account_id": self.account.number,
                "transaction_type": kind,
                "credit_debit_indicator": indicator,
                "amount": amount_text(max(amount, Decimal(1).scaleb(-units)), self.account.currency),
                "currency": self.account.currency,
                "event_time": rfc3339(self.random, self.now),
                "status": "BOOKED",
                "channel": channel,
            }
            | fields
        )

    def buy(self, euros: float, channel: str = "WEB", country: str | None = None) -> None:
        shop = {"merchant_name": "Shop", "merchant_category_code": "5999", "merchant_country": country or self.home}
        self.tell("CARD_PURCHASE", "DBIT", channel, euros, card_number=self.account.card, **shop)

    def send(self, euros: float, kind: str = "TRANSFER", channel: str = "MOBILE", to: str = "") -> None:
        self.tell(kind, "DBIT", channel, euros, counterparty_account=to or self.somebody())

    def receive(self, euros: float) -> None:
        self.tell("TRANSFER", "CRDT", "API", euros, counterparty_account=self.somebody())


def _large_amount(story: _Story, is_fraud: bool) -> None:
    """The account is emptied in one transfer; or a house, a car is paid."""
    story.at_hour(7, 20)
    story.send(story.random.uniform(8_000, 60_000) if is_fraud else story.random.uniform(2_000, 20_000))


def _night_high_value(story: _Story, is_fraud: bool) -> None:
    """Who took over the account moves money while its owner sleeps; or a late bill is paid."""
    story.at_hour(0, 5) if is_fraud else story.at_hour(-3, 6)
    story.send(story.random.uniform(2_500, 14_000) if is_fraud else story.random.uniform(200, 6_000), "PAYMENT", "WEB")


def _structured_deposits(story: _Story, is_fraud: bool) -> None:
    """Cash is paid in just below the threshold; or a shop pays in what it took."""
    for _ in range(story.random.randint(3, 6) if is_fraud else story.random.randint(1, 4)):
        euros = story.random.uniform(2_500, 9_900) if is_fraud else story.random.uniform(500, 3_500)
        story.tell("DEPOSIT", "CRDT", story.random.choice(("ATM", "BRANCH")), euros)
        story.wait(60, 900)


def _mule_account(story: _Story, is_fraud: bool) -> None:
    """Stolen money comes in and goes on at once; or a salary comes in, and rent and bills are paid."""
    came = story.random.uniform(2_000, 12_000) if is_fraud else story.random.uniform(1_800, 6_000)
    story.receive(came)
    parts = story.random.randint(1, 3)
    goes = story.random.uniform(0.85, 0.98) if is_fraud else story.random.uniform(0.2, 0.95)
    for _ in range(parts):
        story.wait(10, 240) if is_fraud else story.wait(30, 1_200)
        story.send(came * goes / parts)


def _rapid_account_use(story: _Story, is_fraud: bool) -> None:
    """A script empties the account by small payments; or somebody pays the month's bills in a row."""
    for _ in range(story.random.randint(8, 30) if is_fraud else story.random.randint(3, 11)):
        story.send(story.random.uniform(20, 400), "PAYMENT")
        story.wait(0.2, 4) if is_fraud else story.wait(1, 10)


def _rapid_card_use(story: _Story, is_fraud: bool) -> None:
    """A stolen card is used as fast as it goes; or a family buys tickets, snacks and drinks."""
    for _ in range(story.random.randint(4, 10) if is_fraud else story.random.randint(2, 6)):
        story.buy(story.random.uniform(20, 150), "WEB" if is_fraud else "POS")
        story.wait(0.2, 3) if is_fraud else story.wait(1, 8)


def _card_testing(story: _Story, is_fraud: bool) -> None:
    """Small purchases tell whether the card works, then comes a large one; or coffee, then the week's groceries."""
    for _ in range(story.random.randint(2, 6) if is_fraud else story.random.randint(1, 3)):
        story.buy(story.random.uniform(0.5, 5.5) if is_fraud else story.random.uniform(2, 8))
        story.wait(0.5, 12) if is_fraud else story.wait(5, 60)
    story.buy(story.random.uniform(120, 1_200) if is_fraud else story.random.uniform(40, 260))


def _implausible_travel(story: _Story, is_fraud: bool) -> None:
    """A copy of the card is used abroad while its owner has it at home; or the owner flies there."""
    country, kilometres = _ABROAD[story.home]
    story.buy(story.random.uniform(10, 90), "POS")
    flight = kilometres / 850 * 60
    story.wait(10, flight + 120) if is_fraud else story.wait(flight + 90, flight + 600)
    story.buy(story.random.uniform(30, 400), "POS", country)


def _new_payee(story: _Story, is_fraud: bool) -> None:
    """Who took over the account pays himself, mostly after a small try; or a craftsman is paid once more, sometimes a
    new one."""
    known, paid = story.somebody(), story.somebody()
    with story.earlier(_LATELY):
        story.send(story.random.uniform(20, 900), to=known)
    if is_fraud and story.random.random() < 0.6:
        story.send(story.random.uniform(1, 50), to=paid)
        story.wait(5, 1_800)
    if not is_fraud and story.random.random() < 0.9:
        paid = known
    story.send(story.random.uniform(2_000, 12_000) if is_fraud else story.random.uniform(500, 8_000), to=paid)


def _dormant_account(story: _Story, is_fraud: bool) -> None:
    """Savings that nobody looks at are taken, mostly after a small try; or their owner moves some to the account for
    everyday, as so often."""
    everyday = story.somebody()
    with story.earlier(_LONG_AGO):
        story.send(story.random.uniform(20, 900), to=everyday)
    if not is_fraud and story.random.random() < 0.9:
        with story.earlier(_LATELY):
            story.send(story.random.uniform(20, 900), to=everyday)
    if is_fraud and story.random.random() < 0.6:
        story.buy(story.random.uniform(1, 20))
        story.wait(5, 1_800)
    to = everyday if not is_fraud else story.somebody()
    story.send(story.random.uniform(700, 9_000) if is_fraud else story.random.uniform(200, 5_000), to=to)


_KINDS: dict[str, Callable[[_Story, bool], None]] = {
    "large_amount": _large_amount,
    "night_high_value": _night_high_value,
    "structured_deposits": _structured_deposits,
    "mule_account": _mule_account,
    "rapid_account_use": _rapid_account_use,
    "rapid_card_use": _rapid_card_use,
    "card_testing": _card_testing,
    "implausible_travel": _implausible_travel,
    "new_payee": _new_payee,
    "dormant_account": _dormant_account,
}


def scenarios(each: int, seed: int, honest: int = 1) -> Iterator[Scenario]:
    """So many frauds of each kind, and honest likenesses, honest for each; every one by an account of its own."""
    random_ = random.Random(seed)  # nosec B311 # made-up data, the same for a seed
    number = 0
    for _ in range(each):
        for kind, told_by in _KINDS.items():
            for is_fraud in (True, *([False] * honest)):
                story = _Story(random_)
                told_by(story, is_fraud)
                number += 1
                yield Scenario(kind, is_fraud, number, tuple(story.told), tuple(story.euros), story.before)


def write_labels(frauds: Iterable[Scenario], file: TextIO) -> None:
    """Write LABEL_FIELDS of each transaction that is fraud, as CSV."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(LABEL_FIELDS)
    for each in frauds:
        told = list(zip(each.transactions, each.euros, strict=True))
        for transaction, euros in told[each.before :]:
            if each.is_fraud:
                writer.writerow([transaction["transaction_id"], each.kind, each.number, euros])
