"""The ETL job against the least that Spark can do with the same rows: a typed read and a Parquet write.

    python benchmarks/etl.py                       # 200,000 and 2,000,000 rows; minutes
    python benchmarks/etl.py --rows 50000 --plot   # docs/etl.svg too (needs matplotlib)

Each case runs in a process of its own, JVM and start included, and is measured in CPU seconds of Python and JVM (what a
cluster bills) beside wall seconds, and in the peak memory of both. The job is the whole job: planning, staging, checks,
deduplication, fraud rules, quarantine, publishing and result, on a lake of ordinary files. The status is 1 where a goal
is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.etl_lake import FileStore, write_lake
from infrastructure.local import glue_job
from infrastructure.local.java import find_java

ROOT = Path(__file__).resolve().parents[1]
PLOT = ROOT / "docs" / "etl.svg"
# The goals. The ratio to the floor is stated for this many rows, because the start weighs too much on fewer.
FLOOR_GOAL, FLOOR_GOAL_ROWS = 3, 2_000_000
SMALL_OBJECTS_GOAL = 1.3
# Python holds what the driver collects. The JVM's memory is its heap (1 GiB), which it fills, and what lies outside.
PYTHON_GROWTH_GOAL = 1.2
JVM_GOAL_MIB = 1536
# The JVM as a cluster runs it: all its compilers.
_JAVA_OPTIONS = "-XX:+UseParallelGC"
CASES = ("start", "floor", "job", "duckdb")
SMALL = "job, small objects"


class Measured(NamedTuple):
    """A case's CPU and wall seconds, and the peak memory in MiB of Python and of the JVM."""

    cpu: float
    wall: float
    python: float
    jvm: float


Results = dict[tuple[str, int], Measured]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 2_000_000])
    parser.add_argument("--small-objects", type=int, default=10_000, help="objects of the small files case")
    parser.add_argument("--plot", action="store_true", help=f"draw {PLOT.relative_to(ROOT)}")
    parser.add_argument("--case", nargs=2, metavar=("CASE", "LAKE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        _run_case(options.case[0], Path(options.case[1]))
        return 0
    sizes = sorted(options.rows)
    results: Results = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory(prefix="etl-benchmark-") as directory:
            lake = Path(directory) / "lake"
            write_lake(lake, rows, objects=20)
            for case in CASES:
                results[case, rows] = _measured(case, lake)
            if rows == sizes[-1]:
                shutil.rmtree(lake)
                write_lake(lake, rows, objects=options.small_objects)
                results[SMALL, rows] = _measured("job", lake)
    _print(results, sizes)
    if options.plot:
        _plot(results, sizes)
    return 0 if _print_goals(results, sizes) else 1


def _measured(case: str, lake: Path) -> Measured:
    """Run a case in a process of its own, which tells its CPU seconds and peak memory as its last line."""
    for scratch in ("curated", "quarantine", "staging", "out"):
        shutil.rmtree(lake / scratch, ignore_errors=True)
    java = find_java()
    environment = glue_job.spark_environment(java, lake / "staging", _JAVA_OPTIONS)
    command = [sys.executable, __file__, "--case", case, str(lake)]
    started = time.monotonic()
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    measured = Measured(told["cpu"], time.monotonic() - started, told["python"], told["jvm"])
    print("{:8} {:8.1f} CPU s {:8.1f} s {:6.0f} + {:.0f} MiB".format(case, *measured), file=sys.stderr)
    return measured


def tell_usage(jvm: int | None = None) -> None:
    """Print CPU and peak memory of this process, and of its JVM (by process id) while it still runs."""
    processes = [os.getpid()] if jvm is None else [os.getpid(), jvm]
    cpu = sum(_cpu_seconds(process) for process in processes)
    print(json.dumps({"cpu": cpu, "python": _peak_mib(os.getpid()), "jvm": _peak_mib(jvm) if jvm else 0}))


def _cpu_seconds(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _peak_mib(process: int) -> float:
    """The program's own peak; getrusage's may be that of the process which started it, if that was higher."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _run_case(case: str, lake: Path) -> None:
    if case == "duckdb":
        _duckdb(lake)
        tell_usage()
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
        from infrastructure.local.emulator import emulated_aws
        from tests.pipeline.etl_lake import make_tables

        store: Any = FileStore(lake)
        buckets = Buckets("raw-bucket", "curated", "quarantine")
        with emulated_aws():
            (result,) = process(spark, store, buckets, make_tables(store, buckets), str(lake / "staging"))
        assert result.curated
    spark.stop()
    gateway = spark.sparkContext._gateway
    assert gateway is not None
    tell_usage(gateway.proc.pid)


def _floor(spark: Any, raw: str, out: str) -> None:
    """The least that is left without any checks: Spark's typed reader and writer, the same columns and codec."""
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


def _print(results: Results, sizes: list[int]) -> None:
    columns = "CPU s | wall s | Python MiB | JVM MiB"
    print(f"| case | {' | '.join(f'{rows:,} rows: {columns}' for rows in sizes)} |")
    print(f"|---|{'---:|' * (4 * len(sizes))}")
    for case in (*CASES, SMALL):
        cells = ["{:.1f} | {:.1f} | {:.0f} | {:.0f}".format(*results.get((case, rows), [0] * 4)) for rows in sizes]
        cells = [cell if (case, rows) in results else " | | | " for cell, rows in zip(cells, sizes, strict=True)]
        print(f"| {case} | {' | '.join(cells)} |")


def ratios(results: Results, sizes: list[int]) -> dict[str, float]:
    """CPU seconds relative to the case that each is compared with."""
    found = {}
    for rows in sizes:
        for case in ("job", "duckdb"):
            found[f"{case} / floor, {rows:,} rows"] = results[case, rows].cpu / results["floor", rows].cpu
    found["small / 20 objects"] = results[SMALL, sizes[-1]].cpu / results["job", sizes[-1]].cpu
    return found


def _print_goals(results: Results, sizes: list[int]) -> bool:
    """Print each goal and the result; whether no goal is missed."""
    first, last = sizes[0], sizes[-1]
    by = ratios(results, sizes)
    job, small_job = results["job", last], results["job", first]
    goals = [("small objects / 20 objects", by["small / 20 objects"], SMALL_OBJECTS_GOAL)]
    if last >= FLOOR_GOAL_ROWS:
        goals.append((f"job / floor at {last:,} rows", by[f"job / floor, {last:,} rows"], FLOOR_GOAL))
    if last > first:
        goals.append((f"growth of CPU from {first:,} to {last:,} rows", job.cpu / small_job.cpu, last / first))
        goals.append(("growth of Python's memory", job.python / small_job.python, PYTHON_GROWTH_GOAL))
    goals.append(("MiB of the JVM", job.jvm, JVM_GOAL_MIB))
    print("\n| goal | at most | measured | |\n|---|---:|---:|---|")
    for name, measured, most in goals:
        print(f"| {name} | {most:,.4g} | {measured:,.4g} | {'met' if measured <= most else 'MISSED'} |")
    return all(measured <= most for _, measured, most in goals)


def _plot(results: Results, sizes: list[int]) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "etl"
    import matplotlib.pyplot as pyplot

    bars = ratios(results, sizes)
    figure, axes = pyplot.subplots(figsize=(7, 0.9 + 0.4 * len(bars)))
    drawn = axes.barh(list(bars), list(bars.values()), color=["C0" if "job" in name else "C7" for name in bars])
    axes.bar_label(drawn, fmt="%.2f", padding=3)
    axes.axvline(FLOOR_GOAL, color="C3", linewidth=1, linestyle="--")
    axes.set(xlabel=f"ratio of CPU seconds; dashed: goal at {FLOOR_GOAL_ROWS:,} rows")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    raise SystemExit(main())
