"""What former runs committed, as a run reads it: the tables as they were when it began."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession

from data_catalog.lake_tables import BY_KIND, LAKE_TABLES
from data_processing.lake_catalog import LakeCatalog
from data_processing.staging import Staging
from infrastructure.aws.iceberg import files_on, sequence_number

if TYPE_CHECKING:
    from pyiceberg.table import Table


class FormerRuns:
    """What former runs committed, as it is when the run begins."""

    def __init__(self, spark: SparkSession, staging: Staging, catalog: LakeCatalog, attempt: str) -> None:
        self._spark = spark
        self._staging = staging
        self._attempt = attempt
        self._loaded = {table.name: catalog.table(table.name) for table in LAKE_TABLES}

    @property
    def snapshots(self) -> dict[str, dict[str, int | None]]:
        """The current snapshot of each table, and its sequence number."""
        return {
            name: {"snapshot_id": table.metadata.current_snapshot_id, "sequence_number": sequence_number(table)}
            for name, table in self._loaded.items()
        }

    def table(self, name: str) -> Table:
        return self._loaded[name]

    def rows(self, kind: str, days: Iterable[date] | None, schema: str) -> DataFrame | None:
        """Columns of the rows on these days, or of all; None if there are none. Files of other days are not read."""
        name = BY_KIND[kind].name
        locations = [file.file_path for file in files_on(self._loaded[name], days)]
        if not locations:
            return None
        uris = self._staging.read(locations, f"{self._attempt}/former/{name}")
        return self._spark.read.schema(schema).parquet(*uris)
