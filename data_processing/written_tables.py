"""Writes the tables that derive from a run's staged one into its staging area, and tells their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_catalog.lake_tables import BY_KIND
from data_catalog.transaction_contract import spark_ddl, typed_columns
from data_processing.run_files import WHOLE, FileCount, partition_of, staged_path
from data_processing.staging import Staging

Files = list[dict[str, Any]]  # lines of the write-ahead list


class WrittenTables:
    """The tables of one attempt of a run.

    emit: told of each table that is written. cut: the run has few rows on each of many event dates; tables with
    partitions of these are staged whole, and the driver cuts their files (slice_files.py).
    """

    def __init__(
        self, spark: SparkSession, staging: Staging, attempt: str, emit: Callable[..., None], cut: bool = False
    ) -> None:
        self._spark = spark
        self._staging = staging
        self._attempt = attempt
        self._emit = emit
        self._cut = cut

    def write(self, kind: str, rows: DataFrame, order: Sequence[str], **bounds: Column) -> Files:
        """Write the rows, a folder for each slice, sorted; returns their files. bounds: columns to tell bounds of."""
        table = f"{self._attempt}/{kind}"
        written = self._staging.uri(table)
        cut = self._cut and BY_KIND[kind].partition_column == "event_date"
        shares = int(self._spark.conf.get("spark.sql.shuffle.partitions") or 1)
        # A large run's month of ids is more than one task should write; by range, so that bounds of files stay apart.
        by_range = shares > 2 and not cut
        placed = rows.repartitionByRange(shares, "slice", *order) if by_range else rows.repartition("slice")
        writer = placed.sortWithinPartitions("slice", *order).write
        (writer if cut else writer.partitionBy("slice")).parquet(written)
        if not self._staging.files(table):
            return []
        schema = spark_ddl([*typed_columns(BY_KIND[kind].fields), ("slice", "string")])
        extremes = [least_or_most(column).alias(f"{name}_{least_or_most.__name__}")
                    for name, column in bounds.items() for least_or_most in (F.min, F.max)]  # fmt: skip
        file_ = sliced(table, ["slice"]) if cut else F.input_file_name()
        by_file = self._spark.read.schema(schema).parquet(written).groupBy(file_.alias("file"))
        files = []
        for row in by_file.agg(F.count("*").alias("records"), *extremes).collect():
            file = FileCount()
            file.add(row["records"], **{name: (row[f"{name}_min"], row[f"{name}_max"]) for name in bounds})
            files.append(staged_file(kind, staged_path(row["file"], self._attempt), file))
        if not files:
            return []
        self._emit("write", table=kind, records=sum(row["records"] for row in files), files=len(files))
        return files

    def read(self, kind: str, schema: str) -> DataFrame:
        """Columns of what was written."""
        return self._spark.read.schema(schema).parquet(self._staging.uri(f"{self._attempt}/{kind}"))


def sliced(table: str, by: Sequence[str]) -> Column:
    """The path, as staged_path() reads it, of the slice that a row of a staged table is part of."""
    folder = [part for name in by for part in (F.lit(f"/{name}="), F.col(name))]
    return F.concat(F.lit(f"/{table}"), *folder, F.lit(f"/{WHOLE}"))


def staged_file(kind: str, path: str, file: FileCount) -> dict[str, Any]:
    """One line of the write-ahead list, still without key and size."""
    return {
        "kind": kind,
        "staged": path,
        "partition": partition_of(path),
        "records": file.records,
        "bounds": file.bounds,
    }
