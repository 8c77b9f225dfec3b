"""Runs the Glue job on the laptop: the same script, in a process of its own, on local Spark.

Spark needs a Java (infrastructure/local/java.py finds one). The job reads and writes the emulated S3 through
AWS_ENDPOINT_URL; Spark itself works on the local disk, in the staging directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infrastructure.errors import PlatformError
from infrastructure.local.java import Java
from infrastructure.local.job_failure import cause

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = PROJECT / "data_processing" / "etl_transaction_processing.py"
_RUNTIME = Path(__file__).resolve().parent / "glue_runtime"
_LOG = "glue-job.log"

CORES = 2
# With this heap and Spark's memory outside of it, the JVM stays below 1.5 GiB.
_HEAP = "1g"
_JAVA_OPTIONS = "-XX:+UseParallelGC -Xshare:auto"
# Up to this many records the optimizing compiler costs more time than it saves (measured).
_QUICKLY_COMPILED = "-XX:TieredStopAtLevel=1"
_RECORDS_WORTH_OPTIMIZING = 300_000
_SPARK = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.adaptive.enabled": "false",
}
_SECONDS_TO_STOP = 10

Progress = Callable[[dict[str, Any]], None]


class JobFailedError(PlatformError):
    """The job ended by an error that it did not explain; its log has the details."""


class JobKilled(Exception):
    """Raised by on_progress to have the job killed at once (SIGKILL)."""


def run_glue_job(
    arguments: Mapping[str, str],
    environment: Mapping[str, str],
    java: Java,
    staging_directory: Path,
    on_progress: Progress = lambda event: None,
    records: int = 0,
) -> list[dict[str, Any]]:
    """Run the job to its end; returns the "result" event of each run that it finished, none if nothing was pending.

    arguments: the job's (--JOB_NAME and --staging_directory are added); environment: what the process needs to reach
    the emulated AWS; on_progress: called with each of the job's events ({"stage": ...}, docs/etl.md); records: roughly
    how many are waiting, to choose the JVM's options. Raises PlatformError if the job fails; its log stays in the
    staging directory. Interrupted, it leaves no process behind.
    """
    staging_directory.mkdir(parents=True, exist_ok=True)
    log = staging_directory / _LOG
    results: list[dict[str, Any]] = []
    failure: dict[str, Any] | None = None
    environment = spark_environment(java, staging_directory, java_options(records)) | dict(environment)
    with log.open("wb") as errors, _process(arguments, environment, staging_directory, errors) as process:
        for event in _events(process):
            if event["stage"] == "result":
                results.append(event)
            if event["stage"] == "error":
                failure = event
                continue
            try:
                on_progress(event)
            except JobKilled:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        status = process.wait()
    if failure:
        raise PlatformError(failure["where"], failure["what"], failure["todo"])
    if status != 0:
        why = cause(log.read_text(errors="replace"))
        raise JobFailedError("Glue job", f"ended with status {status}: {why}", f"Its log is {log}")
    return results


@contextlib.contextmanager
def _process(
    arguments: Mapping[str, str], environment: Mapping[str, str], staging: Path, errors: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """The job's process and its JVM, in a process group of their own that ends with the context."""
    given = {"JOB_NAME": "etl-transactions", "staging_directory": str(staging)} | dict(arguments)
    command = [sys.executable, str(_RUNTIME / "run_job.py"), str(SCRIPT)]
    command += [part for name, value in given.items() for part in (f"--{name}", value)]
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,  # held open: see run_job.py
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,  # Ctrl-C goes to the parent only, which then stops the group
    )
    try:
        yield process
    finally:
        _stop(process)


def java_options(records: int) -> str:
    """The JVM's options for a job over roughly this many records."""
    return _JAVA_OPTIONS if records > _RECORDS_WORTH_OPTIMIZING else f"{_JAVA_OPTIONS} {_QUICKLY_COMPILED}"


def spark_environment(java: Java, directory: Path, options: str) -> dict[str, str]:
    """This process's environment with what PySpark needs to start; its scratch lies below the directory."""
    local = {
        "spark.local.dir": directory,
        "spark.sql.warehouse.dir": directory / "warehouse",
        "spark.jars.ivy": directory / "ivy",  # not in the user's home, which may be missing
    }
    settings = " ".join(f'--conf "{name}={value}"' for name, value in (_SPARK | local).items())
    return {
        **os.environ,
        "JAVA_HOME": str(java.home),
        "SPARK_CONF_DIR": str(_RUNTIME / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": f"--master local[{CORES}] --driver-memory {_HEAP} {settings} "
        f'--driver-java-options "{options}" pyspark-shell',
    }


def _events(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON lines among what the job prints."""
    assert process.stdout is not None
    for line in process.stdout:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "stage" in event:
                yield event


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process group: SIGTERM, then SIGKILL. A group that has ended is left alone."""
    for stop, patience in ((signal.SIGTERM, _SECONDS_TO_STOP), (signal.SIGKILL, None)):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, stop)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # a JVM may outlive its Python process
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
