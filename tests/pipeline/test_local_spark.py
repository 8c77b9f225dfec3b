"""The session that the tests share leaves pytest as it was."""

from __future__ import annotations

import signal

from pyspark.sql import SparkSession


def test_an_interrupt_is_pytests_to_handle(spark: SparkSession) -> None:
    handler = signal.getsignal(signal.SIGINT)
    assert getattr(handler, "__module__", "") != type(spark.sparkContext).__module__
