"""Which uses of a card came sooner after one in another country than anyone travels. Pure: DataFrame -> DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from data_catalog.country_distances import BOXES, least_distance

_MICROS_PER_HOUR = 3_600_000_000
_ROW = ("transaction_id", "content_hash", "at")


def with_speed(rows: DataFrame, subject: Sequence[str], reach: int, least_speed: int, name: str) -> DataFrame:
    """Adds a boolean column: whether a former row of the same subject, no older than reach (microseconds), lies so far
    from this one that the speed (km/h) between them is at least least_speed.

    rows: subject, transaction_id, content_hash, at (microseconds), merchant_country. Of the former rows in a country
    the last is the one with the greatest speed. So each row is compared with one row for each other country of its
    subject, and the work grows with the rows times their countries.
    """
    countries = F.collect_set("merchant_country").over(Window.partitionBy(*subject))
    abroad = rows.withColumn("countries", countries).where(F.size("countries") > 1)
    others = F.explode(F.array_except("countries", F.array("merchant_country")))
    ends = abroad.select(*subject, *_ROW, "merchant_country", others.alias("place"), F.lit(None).alias("used_at"))
    starts = abroad.select(
        *subject, *_ROW, F.lit(None).alias("merchant_country"), F.col("merchant_country").alias("place"),
        F.col("at").alias("used_at"),
    )  # fmt: skip
    until_now = Window.partitionBy(*subject, "place").orderBy("at").rangeBetween(Window.unboundedPreceding, 0)
    since = ends.unionByName(starts).select("*", F.max("used_at").over(until_now).alias("last_used_at"))
    took = F.col("at") - F.col("last_used_at")
    since = since.where(F.col("merchant_country").isNotNull() & (took <= reach))
    first, second = F.least("merchant_country", "place"), F.greatest("merchant_country", "place")
    distances = rows.sparkSession.createDataFrame(_distances(), "first string, second string, km long")
    known = since.withColumn("first", first).withColumn("second", second).join(
        F.broadcast(distances), ["first", "second"]
    )  # fmt: skip
    too_fast = known.where(F.col("km") * _MICROS_PER_HOUR >= least_speed * took)
    found = too_fast.select(*subject, *_ROW).distinct().withColumn(name, F.lit(True))
    return rows.join(found, [*subject, *_ROW], "left").withColumn(name, F.coalesce(name, F.lit(False)))


@cache
def _distances() -> list[tuple[str, str, int]]:
    """Pairs of countries that lie apart, in alphabetical order, and kilometres."""
    pairs = ((*pair, least_distance(*pair)) for pair in combinations(sorted(BOXES), 2))
    return [pair for pair in pairs if pair[2]]
