"""Spark as the job needs it, on Glue and on the laptop alike."""

from __future__ import annotations

from pyspark.sql import SparkSession

# Session settings: in force for everything that the job reads and writes.
SETTINGS = {
    # Inferring filters for joins copies every expression of the rows: minutes of planning for nothing here.
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    # The Parquet timestamp that every reader knows; Spark's default is the deprecated INT96.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Dates as they are, however old: by default Spark refuses those that an older calendar counts otherwise.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # The job computes nothing twice; looking for it in so many checks takes longer than the job's small runs.
    "spark.sql.subexpressionElimination.enabled": "false",
    # The JVM never compiles a method above 8,000 bytes: Spark shall split what would be one.
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
}


def configure(spark: SparkSession) -> SparkSession:
    """Set SETTINGS on a session."""
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    return spark
