"""Reads a file of fraud rules (TOML), and says of each fault where it is and what to do. Standard library only.

The shipped rules are such a file themselves, so that what a bank writes and what is shipped take the same path.
docs/etl.md#fraud-rules describes the form.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import (
    AMOUNT_PRECISION,
    AMOUNT_SCALE,
    CHANNELS,
    CREDIT_DEBIT_INDICATORS,
    FRAUD_ALERT_FIELDS,
    TRANSACTION_TYPES,
)
from data_processing.fraud_rules import (
    ANY,
    BUCKET_LENGTHS,
    COLUMNS,
    LONGEST_UNSEEN,
    Bucket,
    Conditions,
    History,
    Hours,
    Kind,
    Limits,
    Measure,
    Rule,
    Severity,
    Unseen,
)
from infrastructure.errors import PlatformError

SHIPPED = "fraud_rules.toml"  # beside this module, in the job's package too
_SUBJECTS = {"account": "account_id", "card": "card_token"}
_MEASURES = get_args(Kind)
_LENGTHS = {field.name: field.max_length for field in FRAUD_ALERT_FIELDS}
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_AMOUNTS_END = Decimal(10) ** (AMOUNT_PRECISION - AMOUNT_SCALE)
_REQUIRED = object()


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """The rules of the package: those of this project, or what FRAUD_RULES_FILE named when the package was built."""
    return parse_rules(resources.files(__package__).joinpath(SHIPPED).read_text("utf-8"), SHIPPED)


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a file. Raises PlatformError, which names the place in the file, on the first fault."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PlatformError(str(path), f"cannot be read ({error.strerror})", "Name a file of fraud rules") from None
    except UnicodeDecodeError:
        raise PlatformError(str(path), "is not UTF-8", "Save it as UTF-8") from None
    return parse_rules(text, str(path))


def rules_in_use(fraud_rules_file: str) -> tuple[Rule, ...]:
    """The rules of what FRAUD_RULES_FILE names; the shipped ones if it names nothing."""
    return read_rules(Path(fraud_rules_file)) if fraud_rules_file else shipped_rules()


def left_to_job(rules: Iterable[Rule]) -> set[str]:
    """The names of the rules that the stream leaves out."""
    return {rule.name for rule in rules if not rule.in_stream}


def parse_rules(text: str, where: str) -> tuple[Rule, ...]:
    """The rules of a file's text. where: the file's name, for errors."""
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise PlatformError(where, f"is no TOML: {error}", "Mend that line") from None
    top = _Table(document, where)
    limits = {name: _limits(_Table(value, f"{where}, limits.{name}")) for name, value in top.tables("limits")}
    rules = tuple(_rule(table, limits) for table in top.list_of_tables("rules"))
    top.nothing_else()
    names = [rule.name for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PlatformError(where, f"has two rules named {twice[0]}", "Name each differently: alerts are told by it")
    return rules


class _Table:
    """A table of the file. Each key is taken once; what is left over at the end was misspelt."""

    def __init__(self, value: Any, where: str) -> None:
        self.where = where
        if not isinstance(value, dict):
            raise self.error("is no table", "Write it as { key = value }")
        self._left = dict(value)
        self._known: list[str] = []

    def error(self, what: str, todo: str) -> PlatformError:
        return PlatformError(self.where, what, todo)

    def take(self, key: str, default: Any = _REQUIRED) -> Any:
        self._known.append(key)
        if key not in self._left and default is _REQUIRED and (near := _near(key, self._left)):
            raise self.error(f"has no {key}, but {near}", f"Rename it to {key}")
        value = self._left.pop(key, default)
        if value is _REQUIRED:
            raise self.error(f"has no {key}", "Add it")
        return value

    def text(self, key: str, choices: Iterable[str] = (), default: Any = _REQUIRED) -> str:
        value = self.take(key, default)
        if not isinstance(value, str):
            raise self.error(f"{key} is {value!r}", "Write text in quotes")
        choices = list(choices)
        if choices and value not in choices and value != default:
            raise self.error(f"{key} is {value!r}", _instead(value, choices))
        return value

    def texts(self, key: str, choices: Iterable[str]) -> tuple[str, ...]:
        value, choices = self.take(key, []), list(choices)
        if not isinstance(value, list):
            raise self.error(f"{key} is {value!r}", "Write a list in brackets")
        for each in value:
            if each not in choices:
                raise self.error(f"{key} has {each!r}", _instead(str(each), choices))
        return tuple(value)

    def whole(self, key: str, low: int, high: int, default: Any = _REQUIRED) -> int:
        value = self.take(key, default)
        if type(value) is not int or not low <= value <= high:
            raise self.error(f"{key} is {value!r}", f"Set it to a whole number, {low} to {high}")
        return value

    def truth(self, key: str, default: bool) -> bool:
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise self.error(f"{key} is {value!r}", "Set it to true or false")
        return value

    def table(self, key: str, default: Any = _REQUIRED) -> _Table:
        return _Table(self.take(key, default), f"{self.where}, {key}")

    def tables(self, key: str) -> list[tuple[str, Any]]:
        value = self.take(key, {})
        return list(_Table(value, f"{self.where}, {key}")._left.items())

    def list_of_tables(self, key: str) -> list[_Table]:
        value = self.take(key, [])
        if not isinstance(value, list):
            raise self.error(f"{key} is no list of tables", f"Write [[{key}]] above each")
        return [_Table(each, f"{self.where}, {key}[{number}]") for number, each in enumerate(value, 1)]

    def amounts(self) -> Limits:
        """All that the table holds, as amounts by currency."""
        for currency, amount in self._left.items():
            if currency not in CURRENCY_MINOR_UNITS:
                raise self.error(f"{currency} is no currency of ISO 4217", _instead(currency, CURRENCY_MINOR_UNITS))
            if not _is_amount(amount):
                todo = f"Set it to an amount above 0 in its major unit, with at most {AMOUNT_SCALE} decimals"
                raise self.error(f"{currency} is {amount!r}", todo)
        return {currency: Decimal(amount) for currency, amount in self._left.items()}

    def nothing_else(self) -> None:
        for key in self._left:
            raise self.error(f"has {key}, which has no meaning there", _instead(key, self._known))


def _is_amount(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        return False
    return 0 < value < _AMOUNTS_END and Decimal(value) == round(Decimal(value), AMOUNT_SCALE)


def _limits(table: _Table) -> Limits:
    found = table.amounts()
    if not found:
        raise table.error("names no currency", "Write a line such as EUR = 10_000")
    return found


def _rule(table: _Table, limits: Mapping[str, Limits]) -> Rule:
    name = table.text("name")
    if not _NAME.fullmatch(name) or len(name) > _LENGTHS["rule"]:
        todo = f"Use lower-case letters, digits and underscores, at most {_LENGTHS['rule']}"
        raise table.error(f"name is {name!r}", todo)
    table.where = f"{table.where} {name}"
    reason = table.text("reason")
    if not 0 < len(reason) <= _LENGTHS["reason"]:
        raise table.error(f"reason has {len(reason)} characters", f"Say it in 1 to {_LENGTHS['reason']}")
    bucket: Any = table.text("bucket", get_args(Bucket))
    longest = BUCKET_LENGTHS[bucket] // timedelta(minutes=1)
    severity: Any = table.text("severity", get_args(Severity))
    subject: Any = _SUBJECTS[table.text("subject", _SUBJECTS)]
    rule = Rule(
        name=name,
        severity=severity,
        subject=subject,
        reason=reason,
        concerned=_conditions(table.table("looks_at"), limits),
        bucket=bucket,
        least_evidence=table.whole("least_evidence", 1, 1000),
        window=timedelta(minutes=table.whole("window_minutes", 0, longest, 0)),
        last=_conditions(table.table("last", {}), limits),
        raised_by=tuple(_measure(each, limits) for each in table.list_of_tables("raised_by")),
        within=table.texts("same", ("currency",)),
        history=_history(table.take("history", None), table),
        in_stream=table.truth("in_stream", True),
    )
    table.nothing_else()
    _require_sense(rule, table)
    return rule


def _require_sense(rule: Rule, table: _Table) -> None:
    """Refuses what each key allows by itself and no window can mean."""
    if bool(rule.window) != bool(rule.raised_by):
        raise table.error(
            "has a window without raised_by, or raised_by without a window",
            "Give both window_minutes and raised_by, or neither for a rule on single transactions",
        )
    if rule.last != ANY and not rule.window:
        raise table.error("has last but no window", "Write its conditions into looks_at")
    if any(each.kind == "speed" for each in rule.raised_by) and "merchant_country" not in rule.concerned.present:
        raise table.error("measures speed without a country", 'Add present = ["merchant_country"] to looks_at')
    if "currency" not in rule.within and any(measure.kind == "total" for measure in rule.raised_by):
        raise table.error("sums amounts over currencies", 'Add same = ["currency"]')
    if rule.history:
        _require_sense_of_history(rule, table)


def _require_sense_of_history(rule: Rule, table: _Table) -> None:
    if rule.window:
        todo = "Leave out window_minutes and raised_by: a history is that of single transactions"
        raise table.error("has a history and a window", todo)
    if rule.subject != "account_id":
        raise table.error("asks for the history of a card", 'Set subject = "account": accounts are what is remembered')
    if rule.in_stream:
        todo = "Add in_stream = false: the job raises it"
        raise table.error("has a history, which the stream does not remember", todo)


def _history(value: Any, rule: _Table) -> History | None:
    if value is None:
        return None
    table = _Table(value, f"{rule.where}, history")
    unseen: Any = table.text("unseen", get_args(Unseen))
    history = History(
        unseen=unseen,
        within=timedelta(days=table.whole("within_days", 30, LONGEST_UNSEEN.days)),
        apart_from=timedelta(hours=table.whole("apart_from_hours", 0, 168)),
        # An account that should be unseen is known from before the time in which it should be.
        known_for=timedelta(days=table.whole("known_for_days", 1, LONGEST_UNSEEN.days) if unseen != "account" else 0),
    )
    table.nothing_else()
    return history


def _measure(table: _Table, limits: Mapping[str, Limits]) -> Measure:
    kind: Any = table.text("measure", _MEASURES)
    most = 100_000 if kind == "speed" else 1000
    at_least = _named(table, "at_least", limits) if kind == "total" else table.whole("at_least", 1, most)
    of = ANY if kind == "speed" else _conditions(table.table("of", {}), limits)
    measure = Measure(kind, at_least, of)
    table.nothing_else()
    return measure


def _conditions(table: _Table, limits: Mapping[str, Limits]) -> Conditions:
    hours = table.take("hours", None)
    conditions = Conditions(
        transaction_types=table.texts("transaction_types", TRANSACTION_TYPES),
        transaction_types_except=table.texts("transaction_types_except", TRANSACTION_TYPES),
        credit_debit_indicator=table.text("credit_debit_indicator", CREDIT_DEBIT_INDICATORS, ""),
        channels=table.texts("channels", CHANNELS),
        present=table.texts("present", COLUMNS),
        amount_at_least=_named(table, "amount_at_least", limits, None),
        amount_below=_named(table, "amount_below", limits, None),
        hours=None if hours is None else _hours(_Table(hours, f"{table.where}, hours")),
    )
    table.nothing_else()
    return conditions


def _hours(table: _Table) -> Hours:
    hours = Hours(table.whole("first", 0, 23), table.whole("last", 0, 23), table.text("time_zone", (), "UTC"))
    table.nothing_else()
    try:
        ZoneInfo(hours.time_zone)
    except (KeyError, ValueError, OSError):  # what zoneinfo raises for no zone, for no name, and for a directory's name
        what = f"time_zone {hours.time_zone!r} is not known"
        raise table.error(what, "Name one of the IANA's, such as Europe/Berlin") from None
    return hours


def _named(table: _Table, key: str, limits: Mapping[str, Limits], default: Any = _REQUIRED) -> Any:
    """The limits that a key names."""
    name = table.take(key, default)
    if name is default:
        return None
    if not isinstance(name, str) or name not in limits:
        raise table.error(f"{key} is {name!r}, which is no limit of the file", _instead(str(name), limits))
    return limits[name]


def _near(word: str, choices: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(word, list(choices), n=1)), None)


def _instead(word: str, choices: Iterable[str]) -> str:
    near = _near(word, choices) or _near(word.upper(), choices)
    if near:
        return f"Did you mean {near}?"
    few = list(choices)
    return f"Use one of {', '.join(few)}" if 0 < len(few) <= 20 else "Remove it"
