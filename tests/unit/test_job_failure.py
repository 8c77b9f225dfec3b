"""The one line that says why the Glue job ended."""

import pytest

from infrastructure.local.job_failure import cause

SPARK = """\
24/11/24 15:00:00 ERROR Executor: Exception in task 0.0 in stage 1.0 (TID 1)
java.io.IOException: an earlier attempt
Traceback (most recent call last):
  File "etl_transaction_processing.py", line 140, in <module>
    main(sys.argv)
py4j.protocol.Py4JJavaError: An error occurred while calling o88.parquet.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed 1 times
\tat org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2856)
"""


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (
            SPARK + "Caused by: org.apache.spark.SparkException: Task failed while writing rows.\n\tat a.b(C.scala:1)\n"
            "Caused by: java.io.IOException: No space left on device\n\t... 3 more\n",
            "java.io.IOException: No space left on device",
        ),
        (
            SPARK + "Caused by: java.lang.OutOfMemoryError: Java heap space\n",
            "java.lang.OutOfMemoryError: Java heap space",
        ),
        (SPARK, "org.apache.spark.SparkException"),
        (
            SPARK + "Caused by: org.apache.spark.SparkNumberException: [CAST_INVALID_INPUT] 'secret' is\n",
            "org.apache.spark.SparkNumberException: [CAST_INVALID_INPUT]",
        ),
        (SPARK + "Caused by: com.example.OddException: secret\n", "com.example.OddException"),
        (
            "pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND] Path does not exist: secret\n",
            "pyspark.errors.exceptions.captured.AnalysisException: [PATH_NOT_FOUND]",
        ),
        ("ValueError: 'secret'\n", "ValueError"),
        (
            "PermissionError: [Errno 13] Permission denied: '/x'\n",
            "PermissionError: [Errno 13] Permission denied: '/x'",
        ),
        ("24/11/24 WARN Utils: an Error is nothing yet\n", "no error was written"),
        ("", "no error was written"),
    ],
)
def test_the_innermost_cause_is_told_without_a_records_content(log: str, says: str) -> None:
    assert cause(log) == says
