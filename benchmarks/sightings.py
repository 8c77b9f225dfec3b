"""What a batch costs beside ever more sightings: CPU seconds of finding its own, of searching the held, of what is new.

    python benchmarks/sightings.py [--held 1 10 40]    (millions of rows)

The held ones are of accounts with twenty months and twenty counterparties each. docs/etl.md has the figures.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.fraud_rules import cpu_seconds

BATCH = 50_000
_OF_AN_ACCOUNT = 40
_NOW = 1_772_409_600  # 2 March 2026
_STEP = 25 * 86_400


def held(spark: Any, rows: int, directory: Path) -> Any:
    """Made-up sightings, sorted by account, in four files."""
    from pyspark.sql import functions as F

    from data_processing.sightings import HELD

    number = F.col("id")
    step = F.floor(number / (rows // _OF_AN_ACCOUNT))
    payee = F.when(step % 2 == 1, _account("payee", number))
    made = spark.range(rows).select(
        _account("account", number % (rows // _OF_AN_ACCOUNT)).alias("account_id"),
        payee.alias("counterparty_account"),
        F.timestamp_seconds(_NOW - step * _STEP).alias("first_seen"),
    )
    made.repartition(4).sortWithinPartitions("account_id").write.parquet(str(directory))
    return spark.read.schema(HELD).parquet(str(directory))


def batch(spark: Any, accounts: int, directory: Path) -> Any:
    """Payments of so many accounts, each to somebody new."""
    from pyspark.sql import functions as F

    number = F.col("id")
    made = spark.range(BATCH).select(
        _account("account", F.pmod(F.xxhash64(number), F.lit(accounts))).alias("account_id"),
        _account("new", number).alias("counterparty_account"),
        F.lit("PAYMENT").alias("transaction_type"),
        F.lit("DBIT").alias("credit_debit_indicator"),
        F.lit("BOOKED").alias("status"),
        F.timestamp_seconds(_NOW + number).alias("event_time"),
    )
    made.write.parquet(str(directory))
    return spark.read.parquet(str(directory))


def _account(kind: str, number: Any) -> Any:
    from pyspark.sql import functions as F

    digits = F.pmod(F.xxhash64(F.concat(F.lit(kind), number)), F.lit(10**18)).cast("string")
    return F.concat(F.lit("DE"), F.lpad(digits, 20, "0"))


def measured(spark: Any, new: Any, known: Any) -> list[float]:
    """CPU seconds of each part, at the third time."""
    from data_processing import sightings

    for _ in range(3):
        took = [cpu_seconds(spark)]
        found = sightings.sightings(new).persist()
        found.count()
        took.append(cpu_seconds(spark))
        same = sightings.of_same(known, found, broadcast=True).persist()
        same.count()
        took.append(cpu_seconds(spark))
        sightings.beyond(found, same, "run").count()
        took.append(cpu_seconds(spark))
        found.unpersist()
        same.unpersist()
    return [after - before for before, after in pairwise(took)]


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--held", type=int, nargs="+", default=[1, 10, 40], help="millions of rows")
    options = parser.parse_args(None if arguments is None else list(arguments))

    from infrastructure.local.glue_job import java_options, spark_environment
    from infrastructure.local.java import find_java

    with tempfile.TemporaryDirectory() as directory:
        os.environ |= spark_environment(find_java(), Path(directory), java_options(10 * BATCH))
        from pyspark.sql import SparkSession

        from data_processing.spark_session import configure

        spark = configure(SparkSession.builder.getOrCreate())
        spark.conf.set("spark.sql.shuffle.partitions", "2")
        print("| millions held | MB | own | search | new |\n|---:|---:|---:|---:|---:|")
        for millions in options.held:
            place = Path(directory) / str(millions)
            known = held(spark, millions * 1_000_000, place / "held")
            new = batch(spark, millions * 1_000_000 // _OF_AN_ACCOUNT, place / "batch")
            size = sum(file.stat().st_size for file in (place / "held").glob("*.parquet")) / 1e6
            print(
                f"| {millions} | {size:.0f} | "
                + " | ".join(f"{each:.1f}" for each in measured(spark, new, known))
                + " |"
            )
        spark.stop()


if __name__ == "__main__":
    main()
