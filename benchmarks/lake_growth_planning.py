"""What a plan costs in a lake of any age (benchmarks/lake_growth.py)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import boto3

from benchmarks.goals import Goal
from benchmarks.growing_lake import CURATED_BUCKET, NOW, QUARANTINE_BUCKET, RAW_BUCKET, RETENTION
from data_processing.planning import next_manifest
from data_processing.raw_zone import LandedBuckets
from data_processing.run_state import RunState

_SERVER = Path(__file__).with_name("growing_lake.py")
_RUNS = (10, 1000, 10_000)


class Measured(NamedTuple):
    """CPU seconds and MiB at the peak of a plan; how many objects it took."""

    cpu: float
    mib: float
    objects: int


def measured() -> list[Goal]:
    """Measure, print the table; the goals."""
    cases = {f"{runs:,} former runs": _measure(runs) for runs in _RUNS}
    cases["10,000 former runs, all hours due"] = _measure(_RUNS[-1], "full-reach")
    first = next(iter(cases.values()))
    print("| planning | CPU s | x | MiB | x | objects taken |\n|---|---:|---:|---:|---:|---:|")
    for name, found in cases.items():
        cpu, mib = found.cpu / first.cpu, found.mib / first.mib
        print(f"| {name} | {found.cpu:.2f} | {cpu:.1f} | {found.mib:.0f} | {mib:.1f} | {found.objects:,} |")
    _, grown, old, _ = cases.values()
    return [
        Goal("CPU s of a plan after 10,000 runs", old.cpu, 5),
        Goal("MiB of a plan after 10,000 runs", old.mib, 200),
        Goal("CPU of a plan after 10,000 runs / after 1,000", old.cpu / grown.cpu, 1.2),
    ]


def _measure(runs: int, *lake: str) -> Measured:
    with _lake(runs, *lake) as port:
        command = [sys.executable, __file__, str(port)]
        return Measured(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


@contextmanager
def _lake(runs: int, *lake: str) -> Iterator[int]:
    """The port of a made-up lake."""
    with tempfile.TemporaryDirectory(prefix="growing-lake-") as directory:
        told = Path(directory) / "port"
        with subprocess.Popen([sys.executable, str(_SERVER), str(runs), str(told), *lake]) as server:
            try:
                while not (told.exists() and told.read_text()):
                    server.poll()
                    if server.returncode is not None:
                        raise SystemExit("the made-up lake ended")
                    time.sleep(0.1)
                yield int(told.read_text())
            finally:
                server.terminate()


def _plan(port: int) -> None:
    """Plan a run as the job does, and tell what it took."""
    s3 = boto3.client(
        "s3", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="key", aws_secret_access_key="secret",
    )  # fmt: skip
    started = time.process_time()
    state = RunState(s3, CURATED_BUCKET)
    state.open_manifests(state.runs())
    manifest = next_manifest(LandedBuckets(s3, RAW_BUCKET, QUARANTINE_BUCKET), state, RETENTION, NOW)
    cpu = time.process_time() - started
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    print(json.dumps([cpu, peak, len(manifest.objects) if manifest else 0]))


if __name__ == "__main__":
    _plan(int(sys.argv[1]))
