"""Spark as the job needs it, on Glue and on the laptop alike."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

# Session settings: in force for everything that the job reads and writes.
SETTINGS = {
    # Inferring join filters copies every expression of the rows: minutes of planning that gain nothing here.
    "spark.sql.constraintPropagation.enabled": "false",
    # No join here can spare files or rows by what its other side holds, and looking for that takes seconds a run.
    "spark.sql.optimizer.dynamicPartitionPruning.enabled": "false",
    "spark.sql.optimizer.runtime.bloomFilter.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    # The Parquet timestamp that every reader knows; Spark's default is the deprecated INT96.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Keep old dates as they are. By default Spark refuses dates that the Julian calendar counts differently.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # The job computes nothing twice, and searching its checks for common expressions takes longer than a small run.
    "spark.sql.subexpressionElimination.enabled": "false",
    # The JVM never compiles methods above 8,000 bytes, so Spark has to split generated code before that.
    "spark.sql.codegen.hugeMethodLimit": "8000",
    # By default each expression of a wide row becomes a method of its own. The JVM compiles fewer and larger ones in a
    # tenth less time.
    "spark.sql.codegen.methodSplitThreshold": "4000",
    # Generated code would keep a small hash map in front of the other one. Groups here are too many for it.
    "spark.sql.codegen.aggregate.map.twolevel.enabled": "false",
    # Thousands of folders, one a date, are listed by a few tasks, and small files are read many in a task: by default
    # each folder would be a task, and each file count for 4 MiB.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "32",
    "spark.sql.files.openCostInBytes": "262144",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.files.ignoreCorruptFiles": "false",
}


# What PySpark asks the JVM for by its short name, with every expression of every column.
_ASKED_FOR_OFTEN = ("functions", "PythonUtils", "org")


def configure(spark: SparkSession) -> SparkSession:
    """Set SETTINGS on a session."""
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    # The JVM searches all its jars for a short name each time: a quarter of the time of a small run.
    jvm: Any = spark.sparkContext._jvm
    for name in _ASKED_FOR_OFTEN:
        setattr(jvm, name, getattr(jvm, name))
    return spark
