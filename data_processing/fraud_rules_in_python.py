"""Evaluates the fraud rules (fraud_rules.py) over the transactions of one subject, for the stream. Pure.

The second evaluator beside fraud_rules_in_spark.py; a differential test on random histories holds the two equal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from data_catalog.country_distances import least_distance
from data_processing.fraud_rules import BUCKET_LENGTHS, Conditions, Limits, Measure, Rule
from data_processing.landed_transactions import Transaction, micros

Raised = dict[int, list[Transaction]]
_REJECTED = "REJECTED"
_MICROS_PER_HOUR = 3_600_000_000


def concerned(rule: Rule, transactions: Iterable[Transaction]) -> Iterator[Transaction]:
    """The transactions that the rule looks at."""
    for each in transactions:
        if each.status != _REJECTED and getattr(each, rule.subject) is not None and satisfies(rule.concerned, each):
            yield each


def raised(rule: Rule, transactions: Collection[Transaction], new: Collection[Transaction]) -> Raised:
    """The alerts of one subject, by the start of their buckets (microseconds since 1970), each with its evidence.

    transactions: those of the subject that the rule looks at, in any order, each put once. new: those among them that
    are looked at for the first time: only windows that hold one are examined.
    """
    found: dict[int, dict[Transaction, None]] = defaultdict(dict)
    for window in _windows(rule, transactions):
        if not any(each in new for each in window):
            continue
        last_at = window[-1].at
        tips = [each for each in window if each.at == last_at and satisfies(rule.last, each)]
        if any(all(_is_reached(measure, window, tip) for measure in rule.raised_by) for tip in tips):
            found[_bucket(rule, last_at)].update(dict.fromkeys(window))
    return {bucket: list(evidence) for bucket, evidence in found.items()}


def satisfies(conditions: Conditions, one: Transaction) -> bool:
    """Whether a transaction satisfies the conditions."""
    return (
        (not conditions.transaction_types or one.transaction_type in conditions.transaction_types)
        and one.transaction_type not in conditions.transaction_types_except
        and conditions.credit_debit_indicator in ("", one.credit_debit_indicator)
        and (not conditions.channels or one.channel in conditions.channels)
        # A field that every landed row has, and that no rule reads otherwise, is no attribute here.
        and all(getattr(one, name, "") is not None for name in conditions.present)
        and (conditions.amount_at_least is None or _is_at_least(one.amount, conditions.amount_at_least, one.currency))
        and (conditions.amount_below is None or _is_below(one.amount, conditions.amount_below, one.currency))
        and (conditions.hours is None or _hour(one, conditions.hours.time_zone) in conditions.hours.included)
    )


def _windows(rule: Rule, transactions: Iterable[Transaction]) -> Iterator[Sequence[Transaction]]:
    """Each window that ends at a transaction: sorted by event time, then by content."""
    reach = rule.reach
    for apart in _kept_apart(rule, transactions):
        if not rule.window:
            yield from ([each] for each in apart)
            continue
        ordered = sorted(apart, key=lambda each: (each.at, each.content_hash))
        first = 0
        for place, one in enumerate(ordered):
            if ordered[place + 1 : place + 2] and ordered[place + 1].at == one.at:
                continue  # a window ends with all that happened at its last moment
            while ordered[first].at < one.at - reach:
                first += 1
            yield ordered[first : place + 1]


def _kept_apart(rule: Rule, transactions: Iterable[Transaction]) -> Collection[list[Transaction]]:
    groups: dict[tuple[str, ...], list[Transaction]] = defaultdict(list)
    for each in transactions:
        groups[tuple(getattr(each, name) for name in rule.within)].append(each)
    return groups.values()


def _is_reached(measure: Measure, window: Sequence[Transaction], tip: Transaction) -> bool:
    """tip: the one of the window's last transactions that it is said to end at."""
    measured = [each for each in window if satisfies(measure.of, each)]
    if isinstance(measure.at_least, int):
        if measure.kind == "speed":
            return any(_is_too_fast(each, tip, measure.at_least) for each in window)
        if measure.kind == "uses":
            return len({each.transaction_id for each in measured}) >= measure.at_least
        return len({each.merchant_country for each in measured} - {None}) >= measure.at_least
    return _is_at_least(_total(measured), measure.at_least, tip.currency)


def _is_too_fast(one: Transaction, tip: Transaction, least_speed: int) -> bool:
    """Whether nobody who used the card at one could have come to the tip, at this speed (km/h)."""
    distance = least_distance(one.merchant_country or "", tip.merchant_country or "")
    return distance > 0 and distance * _MICROS_PER_HOUR >= least_speed * (tip.at - one.at)


def _total(window: Iterable[Transaction]) -> Decimal:
    """The sum of the amounts, in which of two puts of one transaction, one behind the other, the greater counts."""
    puts: dict[str, list[Decimal]] = defaultdict(list)
    for each in window:
        puts[each.transaction_id].append(each.amount)
    return sum(
        (sum(amounts) - sum(map(min, amounts, amounts[1:]), Decimal(0)) for amounts in puts.values()), Decimal(0)
    )


def _is_at_least(amount: Decimal, limits: Limits, currency: str) -> bool:
    return currency in limits and amount >= limits[currency]


def _is_below(amount: Decimal, limits: Limits, currency: str) -> bool:
    return currency in limits and amount < limits[currency]


def _hour(one: Transaction, time_zone: str) -> int:
    # Lambda's Python has no data of time zones, and UTC needs none.
    return one.event_time.hour if time_zone == "UTC" else one.event_time.astimezone(_zone(time_zone)).hour


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _bucket(rule: Rule, at: int) -> int:
    length = micros(BUCKET_LENGTHS[rule.bucket])
    return at - at % length
