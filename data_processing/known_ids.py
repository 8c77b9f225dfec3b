"""Which ids of a batch are curated already, and as what: a search in the table transaction_ids that follows the batch.

An identical duplicate has the event date of the first; a later state of a transaction, or a conflicting one, mostly
lies some days off. So the table is searched on the batch's event dates and a window around each. Of its files only
those are read whose bounds meet what the batch brings on a date near theirs: where ids come in order of time, hardly
any others. What lies outside of the window goes unseen here; `reconcile --ids` finds it in the warehouse.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_catalog.transaction_contract import EARLIEST_EVENT_YEAR, TRANSACTION_ID_FIELDS, spark_ddl, typed_columns
from infrastructure.aws.iceberg import bounds_of, files_on, number_of

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

DEFAULT_WINDOW_DAYS = 45
# A batch of so many ids is sent to every executor (some 50 MB); a larger one is joined by shuffling.
BROADCAST_IDS = 1_000_000
# Dates that an event may have at most differ from those in its text by this (another offset than UTC).
_SLACK_DAYS = 1

_LATEST_YEAR = 9000
_IDS = spark_ddl(typed_columns(TRANSACTION_ID_FIELDS))


@dataclass(frozen=True, slots=True)
class Span:
    """What a batch brings on one event date: its number of ids, the least and the greatest."""

    day: date
    ids: int
    first: str
    last: str


def batch_ids(lines: DataFrame) -> DataFrame:
    """value -> transaction_id, day (text), as far as readable: a row without either needs no comparison."""
    return lines.select(
        _text_of("transaction_id", r'([!#-\[\]-~]{1,64})"').alias("transaction_id"),
        F.substring(_text_of("event_time", r"(\d{4}-\d\d-\d\d)"), 1, 10).alias("day"),
    )


def _text_of(name: str, form: str) -> Column:
    """A field of a JSON line. A line without a backslash, as nearly all are, is searched: parsing takes longer."""
    searched = F.regexp_extract("value", rf'"{name}"\s*:\s*"{form}', 1)
    parsed = F.from_json("value", f"{name} string").getField(name)
    return F.when(F.col("value").contains("\\"), parsed).otherwise(searched)


def spans(ids: DataFrame) -> list[Span]:
    """The spans of batch_ids(), by date. Dates that no transaction can have are left out: their rows are refused."""
    by_day = ids.groupBy("day").agg(
        F.max("day").alias("text"),  # a condition on the group itself would be computed for every row
        F.count("*").alias("ids"),
        F.min("transaction_id").alias("first"),
        F.max("transaction_id").alias("last"),
    )
    readable = F.col("text").rlike(r"\A\d{4}-\d\d-\d\d\z") & F.col("last").isNotNull()
    dated = by_day.where(readable).withColumn("date", F.expr("try_cast(text AS date)"))
    found = dated.where(F.year("date").between(EARLIEST_EVENT_YEAR, _LATEST_YEAR)).collect()
    # Sorted here, because Spark would run the search twice, to see how the dates lie before it sorts them.
    return sorted(
        (Span(row["date"], row["ids"], row["first"], row["last"]) for row in found), key=lambda span: span.day
    )


def files_to_search(table: Table, of: Sequence[Span], window_days: int) -> list[DataFile]:
    """The files of the table that may hold one of the ids. window_days: 0 for the whole table."""
    reach = window_days + _SLACK_DAYS
    if not window_days:
        return [file for file in files_on(table) if _may_hold(table, file, of)]
    days = {span.day + timedelta(days=off) for span in of for off in range(-reach, reach + 1)}
    numbers = [number_of(span.day) for span in of]
    found = []
    for file in files_on(table, days):
        first, last = bounds_of(table, file, "event_date") or (numbers[0], numbers[-1])
        near = of[bisect_left(numbers, first - reach) : bisect_right(numbers, last + reach)]
        if _may_hold(table, file, near):
            found.append(file)
    return found


def _may_hold(table: Table, file: DataFile, of: Sequence[Span]) -> bool:
    ids = bounds_of(table, file, "transaction_id")
    return bool(of) if ids is None else any(span.first <= ids[1] and ids[0] <= span.last for span in of)


def known(spark: SparkSession, uris: Sequence[str], ids: DataFrame, of: Sequence[Span]) -> DataFrame:
    """transaction_id, content_hash, status of the batch's ids that these files hold.

    The batch goes to the files: each is read where it lies, once, and what does not meet the batch is dropped there.
    """
    table = spark.read.schema(_IDS).parquet(*uris).select("transaction_id", "content_hash", "status")
    wanted = ids.select("transaction_id").distinct()
    if sum(span.ids for span in of) <= BROADCAST_IDS:
        wanted = F.broadcast(wanted)
    return table.join(wanted, "transaction_id", "left_semi")
