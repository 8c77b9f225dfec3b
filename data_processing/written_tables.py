"""Writes the tables that derive from a run's staged one into its staging area, and tells their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from data_catalog.lake_tables import BY_KIND
from data_catalog.transaction_contract import spark_ddl, typed_columns
from data_processing.run_files import FileCount, partition_of, staged_path
from data_processing.staging import Staging

Files = list[dict[str, Any]]  # lines of the write-ahead list


class WrittenTables:
    """The tables of one attempt of a run. emit: told of each table that is written."""

    def __init__(self, spark: SparkSession, staging: Staging, attempt: str, emit: Callable[..., None]) -> None:
        self._spark = spark
        self._staging = staging
        self._attempt = attempt
        self._emit = emit

    def write(self, kind: str, rows: DataFrame, order: Sequence[str], **bounds: Column) -> Files:
        """Write the rows, a folder for each slice, sorted; returns their files. bounds: columns to tell bounds of."""
        written = self._staging.uri(f"{self._attempt}/{kind}")
        shares = int(self._spark.conf.get("spark.sql.shuffle.partitions") or 1)
        # A large run's month of ids is more than one task should write; by range, so that bounds of files stay apart.
        placed = rows.repartitionByRange(shares, "slice", *order) if shares > 2 else rows.repartition("slice")
        ordered = placed.sortWithinPartitions("slice", *order)
        ordered.write.partitionBy("slice").parquet(written)
        if not self._staging.files(f"{self._attempt}/{kind}"):
            return []
        schema = spark_ddl([*typed_columns(BY_KIND[kind].fields), ("slice", "string")])
        extremes = [least_or_most(column).alias(f"{name}_{least_or_most.__name__}")
                    for name, column in bounds.items() for least_or_most in (F.min, F.max)]  # fmt: skip
        by_file = self._spark.read.schema(schema).parquet(written).groupBy(F.input_file_name().alias("file"))
        files = []
        for row in by_file.agg(F.count("*").alias("records"), *extremes).collect():
            file = FileCount()
            file.add(row["records"], **{name: (row[f"{name}_min"], row[f"{name}_max"]) for name in bounds})
            files.append(staged_file(kind, staged_path(row["file"], self._attempt), file))
        self._emit("write", table=kind, records=sum(row["records"] for row in files), files=len(files))
        return files

    def read(self, kind: str, schema: str) -> DataFrame:
        """Columns of what was written."""
        return self._spark.read.schema(schema).parquet(self._staging.uri(f"{self._attempt}/{kind}"))


def staged_file(kind: str, path: str, file: FileCount) -> dict[str, Any]:
    """One line of the write-ahead list, still without key and size."""
    return {
        "kind": kind,
        "staged": path,
        "partition": partition_of(path),
        "records": file.records,
        "bounds": file.bounds,
    }
