"""What is wrong with a raw row: Spark columns over line, row (its fields as text) and the typed columns. Pure.

A fault is "reason:field", with a reason of QUARANTINE_REASONS, or null. One regular expression proves the form (JSON,
types, lengths, sets) of a row that the landing wrote; every other row is checked field by field. The meaning (calendar,
scale by currency, ranges, references) is checked on all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from data_catalog.currencies import CURRENCY_MINOR_UNITS, LAST_EVENT_DATES
from data_catalog.landed_form import FLAT_OBJECT, MAX_LINE_BYTES, REPLACEMENT, value_form, whole
from data_catalog.transaction_contract import (
    AMOUNT_PRECISION,
    AMOUNT_SCALE,
    COUNTRIES,
    CREDIT_DEBIT_INDICATORS,
    EARLIEST_EVENT_YEAR,
    EVENT_TIME_AHEAD_SECONDS,
    LANDED_FIELDS,
    POSITION,
    Field,
    Type,
    typed_columns,
)

UNREADABLE_ROW = "unreadable_row"
DATES = tuple(field.name for field in LANDED_FIELDS if field.type is Type.DATE)

_FIELDS = {field.name: field for field in LANDED_FIELDS}
_TYPES = dict(typed_columns(LANDED_FIELDS))
_REASONS = {
    "schema_version": "unsupported_schema_version",
    "amount": "invalid_amount",
    "currency": "invalid_currency",
    "event_time": "invalid_event_time",
}
_SEQUENCE_NUMBER = whole(value_form(_FIELDS["sequence_number"]))
_MORE_DECIMALS = whole(rf"0*[0-9]{{1,{AMOUNT_PRECISION - AMOUNT_SCALE}}}\.[0-9]{{{AMOUNT_SCALE}}}[0-9]*[1-9][0-9]*")
# As at landing: digits beyond microseconds are cut off, and a leap second is the last microsecond of its minute. What
# does not end in Z is at fault, so that the last character need not be looked at.
_TIME = """CASE WHEN contains(row.{0}, '23:59:60') THEN concat(substring(row.{0}, 1, 17), '59.999999')
    ELSE substring(row.{0}, 1, least(26, octet_length(row.{0}) - 1)) END"""


def text(name: str) -> Column:
    """A field of the parsed row, as text from the JSON."""
    return F.col("row").getField(name)


def typed(name: str) -> Column:
    """The same in its curated type, or null if it has no such value. A row without a fault loses nothing here."""
    kind = _FIELDS[name].type
    if kind in (Type.STRING, Type.INTEGER):
        return text(name)
    # Times end in Z, the session's time zone. With any other zone Spark would compile a regular expression for each
    # value.
    value = _TIME.format(name) if kind is Type.TIMESTAMP else f"row.{name}"
    return F.expr(f"try_cast({value} AS {_TYPES[name]})")


def minor_units() -> Column:
    """The minor units of the row's currency; null for a currency that ISO 4217 doesn't know."""
    by_units: dict[int, list[str]] = {}
    for currency, units in CURRENCY_MINOR_UNITS.items():
        by_units.setdefault(units, []).append(currency)
    by_frequency = sorted(by_units.items(), key=lambda item: -len(item[1]))
    branches = [(_is_one_of("row.currency", currencies), units) for units, currencies in by_frequency]
    return reduce(lambda case, branch: case.when(*branch), branches[1:], F.when(*branches[0]))


def form() -> Column:
    """Over line, is_proven, row: what is wrong with the form; null if LINE proves that nothing is.

    A struct of fault; counts: whether the row can be counted under its currency and indicator, as leniently as at
    landing; placed: whether its position is known.
    """

    def looked_at(structure: Column) -> Column:
        return F.struct(
            _form_fault(structure).alias("fault"),
            _counts_in_totals(structure).alias("counts"),
            _is_placed(structure).alias("placed"),
        )

    return F.when(~F.col("is_proven"), _let(_has_structure(), looked_at))


def _let(value: Column, use: Callable[[Column], Column]) -> Column:
    """use(value), with the value computed only once."""
    return F.transform(F.array(value), use)[0]


def fault() -> Column:
    """The first fault of the row as "reason:field", or null; over form and the typed columns."""
    return F.coalesce(F.col("form.fault"), _meaning_fault())


def counts_in_totals() -> Column:
    """Whether a row at fault can be counted under its currency and indicator; over form and the typed columns."""
    return F.when(F.col("form.fault").isNotNull(), F.col("form.counts")).otherwise(F.col("units").isNotNull())


def _counts_in_totals(structure: Column) -> Column:
    return F.coalesce(
        structure
        & text("amount").rlike(whole(value_form(_FIELDS["amount"])))
        & minor_units().isNotNull()
        & _is_one_of("row.credit_debit_indicator", CREDIT_DEBIT_INDICATORS),
        F.lit(False),
    )


def is_placed() -> Column:
    """Whether the position of a row at fault is known; over form."""
    return F.coalesce("form.placed", F.lit(True))


def _is_placed(structure: Column) -> Column:
    """An unreadable line has no position, whatever its first object says."""
    all_there = F.concat(*(text(name).cast("string") for name in POSITION)).isNotNull()
    return F.coalesce(structure & all_there & text("sequence_number").rlike(_SEQUENCE_NUMBER), F.lit(False))


def _form_fault(structure: Column) -> Column:
    found = F.when(~structure, UNREADABLE_ROW)
    for field in LANDED_FIELDS:
        value = text(field.name)
        if field.required:
            found = found.when(value.isNull(), f"missing_field:{field.name}")
        if field.name == "amount":
            found = found.when(value.rlike(_MORE_DECIMALS), "amount_scale:amount")
        found = found.when(~value.cast("string").rlike(whole(value_form(field))), _fault_of(field))
    return found


def _fault_of(field: Field) -> str:
    return f"{_REASONS.get(field.name, 'invalid_value')}:{field.name}"


def _has_structure() -> Column:
    """One flat JSON object of the landed schema's fields and JSON types, each field once, in UTF-8."""
    line = F.col("line")
    return F.coalesce(
        (F.octet_length(line) <= MAX_LINE_BYTES)
        & line.rlike(FLAT_OBJECT)
        & _let(F.json_object_keys(line), lambda names: F.size(names) == F.size(F.array_distinct(names)))
        & _is_utf8(line),
        F.lit(False),
    )


def _is_utf8(line: Column) -> Column:
    """Whether every U+FFFD in the decoded line was in the file, rather than replacing bytes that could not be decoded.

    Not by decode(), which replaces in Spark 3 and raises in Spark 4, nor by is_valid_utf8(), which Spark 3 lacks.
    """
    decoded = F.length(F.regexp_replace(line, f"[^{REPLACEMENT}]", ""))
    written = F.octet_length(line) - F.octet_length(F.replace(line, F.lit(REPLACEMENT), F.lit("")))
    return decoded * len(REPLACEMENT.encode()) == written


def _meaning_fault() -> Column:
    """Over the typed columns, which the step before has cast, and two fields whose text says more than their value."""
    units, amount = F.col("units"), F.col("amount_text")
    point = F.instr(amount, ".")
    # Zeros behind the minor units are no fault; they are rare, and slow to cut off.
    has_more = (point > 0) & (F.octet_length(amount) - point > units)
    decimals = F.when(has_more, F.length(F.expr("rtrim('0', amount_text)")) - point)
    ahead = F.expr(f"INTERVAL {EVENT_TIME_AHEAD_SECONDS} SECONDS")
    earliest = F.lit(f"{EARLIEST_EVENT_YEAR}-01-01")
    found = (
        F.when(units.isNull(), "invalid_currency:currency")
        .when(decimals > units, "amount_scale:amount")
        .when(F.col("amount") <= 0, "invalid_amount:amount")
        .when(_is_no_time("event_time", earliest), "invalid_event_time:event_time")
        .when(_is_no_time("arrival_time", earliest), "invalid_value:arrival_time")
        .when(_is_no_time("landed_at", earliest), "invalid_value:landed_at")
        .when(F.col("event_time") > F.col("arrival_time") + ahead, "event_time_in_future:event_time")
        .when(F.to_date("event_time") > _last_event_date(), "invalid_currency:currency")
    )
    for name in DATES:
        is_none = F.col(f"{name}_text").isNotNull() & F.col(name).isNull()
        found = found.when(is_none | (F.col(name) < earliest.cast("date")), f"invalid_value:{name}")
    no_original = (F.col("transaction_type") == "REVERSAL") & F.col("original_transaction_id").isNull()
    return found.when(no_original, "missing_original_transaction:original_transaction_id").when(
        ~_is_one_of("merchant_country", COUNTRIES), "invalid_value:merchant_country"
    )


def _last_event_date() -> Column:
    """The last event date of the row's currency; null, which no date is beyond, unless it is withdrawn."""
    dates = ", ".join(f"'{currency}', DATE'{day}'" for currency, day in LAST_EVENT_DATES.items())
    return F.when(_is_one_of("currency", LAST_EVENT_DATES), F.expr(f"map({dates})[currency]"))


def _is_no_time(name: str, earliest: Column) -> Column:
    return F.col(name).isNull() | (F.col(name) < earliest.cast("timestamp"))


def _is_one_of(column: str, values: Collection[str]) -> Column:
    """Null if the column is. Built as SQL text: hundreds of Column objects would each take a round trip to the JVM."""
    return F.expr(f"{column} IN ({', '.join(repr(value) for value in sorted(values))})")
