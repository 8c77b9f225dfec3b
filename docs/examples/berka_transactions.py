"""A real bank's transactions through the pipeline: the Czech bank of the PKDD'99 Discovery Challenge ("Berka").

    .venv/bin/python docs/examples/berka_transactions.py convert trans.csv.gz > berka.ndjson
    .venv/bin/banking-data local --input berka.ndjson --workdir berka
    .venv/bin/python docs/examples/berka_transactions.py check trans.csv.gz --workdir berka

The source (trans.asc, semicolon-separated) has dates without times, and rows of one account and day in no order. The
order within a day follows from the balances: each balance is the one before it plus or minus the amount (within 10
haler, because the bank rounded what it printed, not what it kept). The place in the day becomes part of event_time, so
that the warehouse's last balance_after of each account can be compared with the source.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations
from pathlib import Path

from infrastructure.errors import PlatformError

CURRENCY = "CZK"

# (operation, k_symbol) -> transaction type; "" as k_symbol stands for any other. VYBER is cash, also as the
# undocumented type of 651 rows, which the balances prove to be debits. Interest has no operation at all.
_TYPES = {
    ("VKLAD", ""): "DEPOSIT",
    ("VYBER", "SLUZBY"): "FEE",
    ("VYBER", "SANKC. UROK"): "INTEREST",
    ("VYBER", ""): "WITHDRAWAL",
    ("VYBER KARTOU", ""): "WITHDRAWAL",
    ("PREVOD Z UCTU", ""): "TRANSFER",
    ("PREVOD NA UCET", "SIPO"): "PAYMENT",
    ("PREVOD NA UCET", "POJISTNE"): "PAYMENT",
    ("PREVOD NA UCET", "UVER"): "PAYMENT",
    ("PREVOD NA UCET", ""): "TRANSFER",
    ("", "UROK"): "INTEREST",
}
_CHANNELS = {"DEPOSIT": "BRANCH", "WITHDRAWAL": "BRANCH", "TRANSFER": "BRANCH", "PAYMENT": "BATCH"}
_DESCRIPTIONS = {
    "UROK": "Interest",
    "SLUZBY": "Statement fee",
    "SIPO": "Household payment",
    "DUCHOD": "Pension",
    "POJISTNE": "Insurance",
    "UVER": "Loan",
    "SANKC. UROK": "Penalty interest",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the source; amount unsigned, as there."""

    transaction_id: str
    account_id: str
    date: str  # YYYY-MM-DD
    credit: bool
    operation: str
    amount: Decimal
    balance: Decimal
    symbol: str
    partner_bank: str
    partner_account: str

    @property
    def signed_amount(self) -> Decimal:
        return self.amount if self.credit else -self.amount


def read_source(path: str) -> list[Row]:
    """All rows, in the file's order. PlatformError where the file can't be read or is another one."""
    try:
        with gzip.open(path, "rt") if path.endswith(".gz") else Path(path).open() as file:
            return [_row(row) for row in csv.DictReader(file, delimiter=";")]
    except (OSError, EOFError) as error:
        raise PlatformError(path, f"can't be read ({error})", "Name trans.asc, plain or .gz") from None
    except (KeyError, TypeError, ArithmeticError, UnicodeDecodeError):
        raise PlatformError(
            path, "has not the columns of trans.asc", "Name trans.asc of the PKDD'99 Discovery Challenge, plain or .gz"
        ) from None


def _row(row: dict[str, str]) -> Row:
    year, month, day = row["date"][:2], row["date"][2:4], row["date"][4:6]
    return Row(
        transaction_id=row["trans_id"],
        account_id=row["account_id"],
        date=f"19{year}-{month}-{day}",
        credit=row["type"] == "PRIJEM",
        operation=row["operation"],
        amount=Decimal(row["amount"]),
        balance=Decimal(row["balance"]),
        symbol=row["k_symbol"].strip(),
        partner_bank=row["bank"],
        partner_account=row["account"],
    )


def in_balance_order(rows: Iterable[Row]) -> Iterator[tuple[int, Row]]:
    """(place in the account's day, row), day by day; an account's rows in the order of its balances."""
    days: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        days[row.date][row.account_id].append(row)
    balances: dict[str, Decimal] = {}
    for date in sorted(days):
        for account, unordered in days[date].items():
            ordered = _chain(balances.get(account, Decimal(0)), unordered)
            balances[account] = ordered[-1].balance
            yield from enumerate(ordered)


def _chain(opening: Decimal, rows: list[Row]) -> list[Row]:
    """The rows in the order whose balances follow best from the opening one; at most a handful a day."""

    def off(order: Iterable[Row]) -> Decimal:
        before = (opening, *(row.balance for row in order))
        return sum(
            (abs(b + row.signed_amount - row.balance) for b, row in zip(before, order, strict=False)), Decimal(0)
        )

    return list(min((list(order) for order in permutations(rows)), key=off)) if len(rows) > 1 else rows


def transaction(place: int, row: Row) -> dict[str, str]:
    """The row as a transaction of the contract. Noon UTC is the same date in the whole of Europe."""
    symbol = row.symbol if (row.operation, row.symbol) in _TYPES else ""
    kind = _TYPES[row.operation, symbol]
    fields = {
        "schema_version": "1.0",
        "transaction_id": f"berka-{row.transaction_id}",
        "account_id": row.account_id,
        "transaction_type": kind,
        "credit_debit_indicator": "CRDT" if row.credit else "DBIT",
        "amount": str(row.amount),
        "currency": CURRENCY,
        "event_time": f"{row.date}T12:00:{place:02d}Z",
        "value_date": row.date,
        "status": "BOOKED",
        "channel": "ATM" if row.operation == "VYBER KARTOU" else _CHANNELS.get(kind, "BATCH"),
        "balance_after": str(row.balance),
        "counterparty_account": row.partner_account,
        "counterparty_bank": row.partner_bank,
        "description": _DESCRIPTIONS.get(row.symbol, ""),
    }
    return {name: value for name, value in fields.items() if value}


def convert(source: str) -> None:
    for place, row in in_balance_order(read_source(source)):
        sys.stdout.write(json.dumps(transaction(place, row)) + "\n")


_LAST_BALANCES = """
    SELECT account_id, balance_after FROM (
        SELECT account_id, balance_after, ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY event_time DESC) AS newest
        FROM banking.fact_transactions) AS booked
    WHERE newest = 1"""
_SIGNED_SUM = """
    SELECT SUM(CASE credit_debit_indicator WHEN 'CRDT' THEN amount ELSE -amount END) FROM banking.fact_transactions"""


def check(source: str, workdir: str) -> None:
    """Hold the warehouse of a workdir to the source: each account's last balance, and the sum of signed amounts."""
    from infrastructure.local.redshift.postgresql import query

    rows = [row for _, row in in_balance_order(read_source(source))]
    expected = {row.account_id: row.balance for row in rows}
    expected_sum = sum((row.signed_amount for row in rows), Decimal(0))
    warehouse = Path(workdir) / "warehouse"
    found = dict(query(warehouse, _LAST_BALANCES))
    ((found_sum,),) = query(warehouse, _SIGNED_SUM)
    wrong = [account for account in expected.keys() | found.keys() if expected.get(account) != found.get(account)]
    print(f"{len(rows):,} transactions, {len(expected):,} accounts in the source; {len(found):,} in the warehouse")
    print(f"last balances that differ: {len(wrong)}")
    print(f"sum of signed amounts: {expected_sum:,.2f} in the source, {found_sum:,.2f} in the warehouse")
    if wrong or found_sum != expected_sum:
        raise PlatformError("warehouse", f"differs from the source, first in account {min(wrong, default='?')}", "")


def main() -> int:
    parser = argparse.ArgumentParser(description="The PKDD'99 bank's transactions as input of the pipeline.")
    commands = parser.add_subparsers(dest="command", required=True)
    converting = commands.add_parser("convert", help="print the source as NDJSON of the contract")
    converting.add_argument("source", help="trans.asc, plain or .gz")
    checking = commands.add_parser("check", help="compare a workdir's warehouse with the source")
    checking.add_argument("source", help="trans.asc, plain or .gz")
    checking.add_argument("--workdir", required=True, metavar="DIR")
    arguments = parser.parse_args()
    try:
        if arguments.command == "convert":
            convert(arguments.source)
        else:
            check(arguments.source, arguments.workdir)
    except PlatformError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
