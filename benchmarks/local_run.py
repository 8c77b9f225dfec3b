"""The whole pipeline on the embedded stack: seconds per stage, and peak memory, by number of transactions.

    python benchmarks/local_run.py [N ...]        default: 20000 200000

Prints a table, and the ratio of each figure to the first N's: memory should stay near 1, time follow N. Memory is the
peak resident set of the driver (this is what must not grow) and of all processes of the run together, sampled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
from rich import box
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
_SAMPLE_SECONDS = 0.2
_MIB = 1024 * 1024


def main() -> int:
    counts = [int(text) for text in sys.argv[1:]] or [20_000, 200_000]
    table = Table(title="Embedded run", box=box.SIMPLE_HEAD)
    table.add_column("")
    rows: dict[str, list[float]] = {}
    for count in counts:
        table.add_column(f"{count:,}", justify="right")
        for name, value in measure(count).items():
            rows.setdefault(name, []).append(value)
    for name, values in rows.items():
        cells = [f"{values[0]:,.1f}", *(f"{value:,.1f} ({value / values[0]:.2f}x)" for value in values[1:])]
        table.add_row(name, *cells)
    Console(width=110).print(table)
    return 0


def measure(transactions: int) -> dict[str, float]:
    """Seconds per stage and in all, and peak memory in MiB, of one run."""
    command = [sys.executable, str(ROOT / "scripts" / "orchestrate_pipeline.py"), "local", "--json"]
    started = time.monotonic()
    with subprocess.Popen(
        [*command, "--transactions", str(transactions)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        peaks = {"driver MiB": 0.0, "all processes MiB": 0.0}
        sampler = threading.Thread(target=_sample, args=(process.pid, peaks), daemon=True)
        sampler.start()
        output, _ = process.communicate()
    wall = time.monotonic() - started
    run = json.loads(output)
    if not run["balanced"]:
        raise SystemExit(f"the run of {transactions:,} does not balance")
    stages = {f"{name} s": stage["seconds"] for name, stage in run["stages"].items()}
    return stages | {"wall s": wall} | peaks


def _sample(pid: int, peaks: dict[str, float]) -> None:
    """Keep the highest resident set sizes until the process is gone. Shared pages count for each process."""
    try:
        driver = psutil.Process(pid)
        while True:
            sizes = [driver.memory_info().rss]
            for child in driver.children(recursive=True):
                try:
                    sizes.append(child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            peaks["driver MiB"] = max(peaks["driver MiB"], sizes[0] / _MIB)
            peaks["all processes MiB"] = max(peaks["all processes MiB"], sum(sizes) / _MIB)
            time.sleep(_SAMPLE_SECONDS)
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    sys.exit(main())
