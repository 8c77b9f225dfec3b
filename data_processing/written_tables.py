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

    def write(self, kind: str, rows: DataFrame, order: Sequence[str], bounded: Sequence[str] = ()) -> Files:
        """Write the rows, a folder for each slice, sorted; returns their files. bounded: columns to tell bounds of."""
        table = f"{self._attempt}/{kind}"
        cut = self._cut and BY_KIND[kind].partition_column == "event_date"
        shares = int(self._spark.conf.get("spark.sql.shuffle.partitions") or 1)
        # A large run's month of ids is more than one task should write; by range, so that bounds of files stay apart.
        by_range = shares > 2 and not cut
        placed = rows.repartitionByRange(shares, "slice", *order) if by_range else rows.coalesce(1)
        writer = placed.sortWithinPartitions("slice", *order).write
        (writer if cut else writer.partitionBy("slice")).parquet(self._staging.uri(table))
        counted = self._slices(kind, bounded) if cut else self._counted(kind, bounded)
        files = [staged_file(kind, path, file) for path, file in counted.items()]
        if files:
            self._emit("write", table=kind, records=sum(row["records"] for row in files), files=len(files))
        return files

    def _counted(self, kind: str, bounded: Sequence[str]) -> dict[str, FileCount]:
        """By path: what the files hold that Spark wrote."""
        from data_processing import parquet_footers  # only a job that writes needs pyarrow

        return parquet_footers.counted(self._staging, self._staging.files(f"{self._attempt}/{kind}"), bounded)

    def _slices(self, kind: str, bounded: Sequence[str]) -> dict[str, FileCount]:
        """By path: what the slices hold that files will be cut of."""
        types = dict(typed_columns(BY_KIND[kind].fields))
        rows = self.read(kind, spark_ddl([*types.items(), ("slice", "string")]))
        values = {name: F.unix_date(name) if types[name] == "date" else F.col(name) for name in bounded}
        extremes = [F.struct(F.min(value), F.max(value)).alias(name) for name, value in values.items()]
        path = sliced(f"{self._attempt}/{kind}", ["slice"]).alias("path")
        found = rows.groupBy(path).agg(F.count("*").alias("records"), *extremes).collect()
        return {
            staged_path(row["path"], self._attempt): FileCount(
                row["records"], {name: tuple(row[name]) for name in bounded}
            )
            for row in found
        }

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
