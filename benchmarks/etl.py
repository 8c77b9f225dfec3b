"""The ETL job against the least that Spark can do with the same rows: a typed read and a Parquet write.

    python benchmarks/etl.py                       # 200,000 and 2,000,000 rows; minutes
    python benchmarks/etl.py --rows 50000 --plot   # docs/etl.svg too (needs matplotlib)

Each case runs in a process of its own, JVM and start included, and is measured in CPU seconds of all its processes
(what a cluster bills) beside wall seconds. The job is the whole job: planning, staging, checks, deduplication, fraud
rules, quarantine, publishing and result, on a lake of ordinary files.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.etl_lake import FileStore, write_lake
from infrastructure.local import glue_job
from infrastructure.local.java import find_java

ROOT = Path(__file__).resolve().parents[1]
PLOT = ROOT / "docs" / "etl.svg"
GOAL = 1.8
# The JVM as a cluster runs it: all its compilers.
_JAVA_OPTIONS = "-XX:+UseParallelGC"
CASES = ("start", "floor", "job", "duckdb")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 2_000_000])
    parser.add_argument("--small-objects", type=int, default=10_000, help="objects of the small files case")
    parser.add_argument("--plot", action="store_true", help=f"draw {PLOT.relative_to(ROOT)}")
    parser.add_argument("--case", nargs=2, metavar=("CASE", "LAKE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        _run_case(options.case[0], Path(options.case[1]))
        return
    results: dict[tuple[str, int], tuple[float, float]] = {}
    for rows in options.rows:
        with tempfile.TemporaryDirectory(prefix="etl-benchmark-") as directory:
            lake = Path(directory) / "lake"
            write_lake(lake, rows, objects=20)
            for case in CASES:
                results[case, rows] = _measured(case, lake)
            if rows == max(options.rows):
                shutil.rmtree(lake)
                write_lake(lake, rows, objects=options.small_objects)
                results["small", rows] = _measured("job", lake)
    _print(results, options.rows, options.small_objects)
    if options.plot:
        _plot(results, options.rows)


def _measured(case: str, lake: Path) -> tuple[float, float]:
    """CPU and wall seconds of a case in a process of its own."""
    for scratch in ("curated", "quarantine", "staging", "out"):
        shutil.rmtree(lake / scratch, ignore_errors=True)
    java = find_java()
    environment = glue_job.spark_environment(java, lake / "staging", _JAVA_OPTIONS)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([sys.executable, __file__, "--case", case, str(lake)], check=True, env=environment, stdout=2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{case:8} {cpu:8.1f} CPU s {time.monotonic() - started:8.1f} s", file=sys.stderr)
    return cpu, time.monotonic() - started


def _run_case(case: str, lake: Path) -> None:
    if case == "duckdb":
        _duckdb(lake)
        return
    from pyspark.sql import SparkSession

    from data_processing.spark_session import configure

    spark = configure(SparkSession.builder.appName(case).getOrCreate())
    raw = str(lake / "raw-bucket" / "raw" / "transactions")
    if case == "start":
        spark.range(1).count()
    elif case == "floor":
        _floor(spark, raw, str(lake / "out"))
    else:
        from data_processing.etl_run import Buckets
        from data_processing.etl_transaction_processing import process

        (result,) = process(
            spark, FileStore(lake), Buckets("raw-bucket", "curated", "quarantine"), str(lake / "staging")
        )
        assert result["curated"]["files"]
    spark.stop()


def _floor(spark: Any, raw: str, out: str) -> None:
    """What is left if nothing is checked: Spark's typed reader, Spark's writer, the same columns and codec."""
    from data_catalog.transaction_contract import LANDED_FIELDS, spark_ddl, typed_columns

    rows = spark.read.schema(spark_ddl(typed_columns(LANDED_FIELDS))).option("recursiveFileLookup", "true").json(raw)
    rows.write.parquet(out)


def _duckdb(lake: Path) -> None:
    """The same outcome by DuckDB: checks, deduplication, Parquet by disposition and date."""
    import duckdb

    from benchmarks.etl_lake import duckdb_query

    with duckdb.connect() as connection:
        connection.execute("SET threads = 2")
        connection.execute(duckdb_query(lake / "raw-bucket", lake / "out"))


def _print(results: dict[tuple[str, int], tuple[float, float]], sizes: list[int], small_objects: int) -> None:
    print(f"| case | {' | '.join(f'{rows:,} rows: CPU s | wall s' for rows in sizes)} |")
    print(f"|---|{'---|---|' * len(sizes)}")
    for case in CASES:
        cells = " | ".join("{:.1f} | {:.1f}".format(*results[case, rows]) for rows in sizes)
        print(f"| {case} | {cells} |")
    largest = max(sizes)
    print(f"| job, {small_objects:,} objects | {'| | ' * (len(sizes) - 1)}", end="")
    print("{:.1f} | {:.1f} |".format(*results["small", largest]))
    print()
    for rows in sizes:
        ratio = results["job", rows][0] / results["floor", rows][0]
        print(f"job / floor at {rows:,} rows: {ratio:.2f} (goal at 2,000,000: at most {GOAL})")
    print(f"small objects / 20 objects: {results['small', largest][0] / results['job', largest][0]:.2f} (goal: 1.3)")
    if len(sizes) > 1:
        first, last = min(sizes), largest
        grown = results["job", last][0] / results["job", first][0]
        print(f"rows grew {last / first:.1f} times, CPU {grown:.1f} times (goal: at most linear)")


def _plot(results: dict[tuple[str, int], tuple[float, float]], sizes: list[int]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "etl"
    import matplotlib.pyplot as pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.5))
    for case in CASES[1:]:
        axes.plot(sizes, [results[case, rows][0] for rows in sizes], marker="o", label=case)
    axes.set(xlabel="rows", ylabel="CPU seconds, start included", ylim=0, xlim=0)
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main()
