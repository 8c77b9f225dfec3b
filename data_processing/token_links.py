"""One card over rotations of the token key: a run's new links, and the first token of each card. DataFrames; pure.

While a rotation overlaps, a row carries its card's tokens under the former and the current key. Each pair is kept once,
with the card's first known token, so that any token leads to one name of the card in a single join. The table has a row
for each card and rotation: it grows with the cards, not with the lake.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from data_catalog.transaction_contract import TOKEN_LINK_FIELDS, spark_ddl, typed_columns

HELD = spark_ddl([column for column in typed_columns(TOKEN_LINK_FIELDS) if column[0].endswith("card_token")])
_VERSION = r"^(\d+)_"


def new_links(rows: DataFrame, held: DataFrame | None, run_id: str) -> DataFrame:
    """TOKEN_LINK_FIELDS of the pairs in these rows that are not held yet, each once.

    rows: card_token, former_card_token, event_time. held: HELD of former runs. A run that takes up several rotations at
    once, as after a rebuild, links them in the order of their versions.
    """
    pairs = rows.where(F.col("former_card_token").isNotNull()).groupBy("card_token", "former_card_token")
    found = pairs.agg(F.to_date(F.min("event_time")).alias("event_date"))
    if held is not None:
        found = found.join(held.select("card_token"), "card_token", "left_anti")
    found = found.withColumn("version", F.regexp_extract("card_token", _VERSION, 1).cast("int")).persist()
    versions = sorted(row["version"] for row in found.select("version").distinct().collect())
    linked: DataFrame | None = None
    for version in versions:
        links = _with_first(found.where(F.col("version") == version), held)
        held = both(held, links.select("card_token", "former_card_token", "first_card_token"))
        linked = both(linked, links)
    linked = linked if linked is not None else _with_first(found, None)
    return linked.withColumn("run_id", F.lit(run_id)).select(*(field.name for field in TOKEN_LINK_FIELDS))


def _with_first(pairs: DataFrame, held: DataFrame | None) -> DataFrame:
    if held is None:
        return pairs.withColumn("first_card_token", F.col("former_card_token"))
    before = held.select(F.col("card_token").alias("former_card_token"), F.col("first_card_token").alias("before"))
    first = F.coalesce("before", "former_card_token")
    return pairs.join(before, "former_card_token", "left").withColumn("first_card_token", first).drop("before")


def both(held: DataFrame | None, more: DataFrame) -> DataFrame:
    """Held links and further ones; columns that the held ones lack, as a partition's, are left out."""
    return more if held is None else held.unionByName(more.select(*held.columns))


def first_tokens(links: DataFrame | None, transactions: DataFrame) -> DataFrame | None:
    """card_token, first_card_token of every token of the cards in these transactions; None without links. Persisted."""
    if links is None:
        return None
    tokens = transactions.select("card_token").where(F.col("card_token").isNotNull()).distinct()
    first = F.coalesce("first_card_token", "card_token").alias("first_card_token")
    firsts = tokens.join(links.select("card_token", "first_card_token"), "card_token", "left").select(first).distinct()
    of_cards = links.join(firsts, "first_card_token", "left_semi").select("card_token", "first_card_token").distinct()
    return of_cards.persist()


def by_first_token(transactions: DataFrame, firsts: DataFrame | None) -> DataFrame:
    """The transactions with each card named by its first token. firsts: first_tokens()."""
    if firsts is None:
        return transactions
    named = transactions.join(firsts, "card_token", "left")
    return named.withColumn("card_token", F.coalesce("first_card_token", "card_token")).select(*transactions.columns)
