"""Which transactions could stand in a window that raises a rule: mostly few. Pure: DataFrame -> DataFrame.

One sort finds them for all rules on accounts and one for those on cards; each sorts few columns. The windows
themselves, of which each rule sorts its own, are then formed of these transactions alone. A window that ends or begins
at a transaction holds no more than what lies within its length on both sides, and rules are monotone. So no window is
missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from data_processing.fraud_conditions import any_of, by_currency, satisfies
from data_processing.fraud_rules import Measure, Rule

# A difference of sums of fractions in binary is off by less.
_TOLERANCE = 1e-6


def suspects(transactions: DataFrame, rules: Sequence[Rule]) -> DataFrame:
    """The moments at which a subject did what could raise a rule: the subject, at, and a boolean by the name of each
    rule; each once.

    rules: with windows, and of one subject.
    """
    subject = rules[0].subject
    needed = {f"counted {rule.name} {name}": column for rule in rules for name, column in _counted(rule).items()}
    looked_at = transactions.where(F.col(subject).isNotNull() & any_of(satisfies(rule.concerned) for rule in rules))
    counted = looked_at.select(subject, "at", *(column.alias(name) for name, column in needed.items()))
    flagged = counted.select(subject, "at", *(_could_raise(rule).alias(rule.name) for rule in rules))
    return flagged.where(any_of(F.col(rule.name) for rule in rules)).distinct()


def of_suspects(transactions: DataFrame, suspected: DataFrame, rules: Sequence[Rule]) -> DataFrame:
    """The transactions at suspected moments that the rules look at, with a boolean for each rule."""
    joined = transactions.join(suspected, [rules[0].subject, "at"])
    looked_at = {rule.name: F.col(rule.name) & satisfies(rule.concerned) for rule in rules}
    return joined.withColumns(looked_at).where(any_of(F.col(rule.name) for rule in rules))


def _counted(rule: Rule) -> dict[str, Column]:
    """What a transaction counts for in each of the rule's measures; "last", whether a window may end with it."""
    concerned = satisfies(rule.concerned)
    counts = {"last": (concerned & satisfies(rule.last)).cast("int")}
    for number, measure in enumerate(rule.raised_by):
        is_measured = concerned & satisfies(measure.of)
        if measure.kind == "total" and not isinstance(measure.at_least, int):
            # Fractions of the limits of several currencies together are at least those of one.
            share = F.col("amount").cast("double") / by_currency(measure.at_least).cast("double")
            counts[str(number)] = F.coalesce(F.when(is_measured, share), F.lit(0.0))
        elif measure.kind == "uses":
            counts[str(number)] = is_measured.cast("int")
        else:
            counts[str(number)] = F.when(is_measured, F.col("merchant_country"))
    return counts


def _could_raise(rule: Rule) -> Column:
    reach = rule.reach
    ordered = Window.partitionBy(rule.subject).orderBy("at")

    def nearby(name: str) -> Column:
        """The sum of what lies within the window's length on both sides: a difference of sums that grow row by row."""
        counts = F.col(f"counted {rule.name} {name}")
        until = F.sum(counts).over(ordered.rangeBetween(Window.unboundedPreceding, reach))
        before = F.sum(counts).over(ordered.rangeBetween(Window.unboundedPreceding, -reach - 1))
        return until - F.coalesce(before, F.lit(0))

    def could_reach(number: int, measure: Measure) -> Column:
        if measure.kind == "uses":
            return nearby(str(number)) >= measure.least_uses
        if measure.kind == "total":
            return nearby(str(number)) >= 1 - _TOLERANCE
        if measure.least_uses < 2:
            return F.lit(True)
        always = ordered.rangeBetween(Window.unboundedPreceding, Window.unboundedFollowing)
        country = F.col(f"counted {rule.name} {number}")
        return F.min(country).over(always) != F.max(country).over(always)

    asked = [could_reach(number, measure) for number, measure in enumerate(rule.raised_by)]
    return F.coalesce(reduce(lambda one, other: one & other, asked, nearby("last") > 0), F.lit(False))
