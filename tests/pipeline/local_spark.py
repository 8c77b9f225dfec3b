"""Spark for the tests of the ETL, with the job's settings."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from data_processing.spark_session import configure
from infrastructure.local.java import find_java


@contextmanager
def local_spark() -> Iterator[SparkSession]:
    """A session; without code generation, since compiling costs more than data of this size."""
    os.environ["JAVA_HOME"] = str(find_java().home)
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    interrupt = signal.getsignal(signal.SIGINT)
    session = (
        SparkSession.builder.master("local[2]")
        .appName("tests")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .config(
            "spark.driver.extraJavaOptions", "-XX:+UseParallelGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
        )
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.adaptive.enabled", "false")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .getOrCreate()
    )
    # Spark's context has put a handler in its place, which would outlive the context and fail without it.
    signal.signal(signal.SIGINT, interrupt)
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield configure(session)
    finally:
        session.stop()
