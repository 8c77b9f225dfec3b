"""What a reconciliation costs in a lake of any age (benchmarks/lake_growth.py).

A lake of ordinary files: raw objects of 50 records with their control objects, and for every ten of them a run with a
curated file. Measured are the first reconciliation, which counts everything, and the one after an hour's objects more.
"""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow
import pyarrow.parquet

from benchmarks.etl_lake import FileStore
from benchmarks.goals import Goal
from data_catalog.lake_layout import Batch, run_key
from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.kept_measures import KeptMeasures
from data_governance.kept_totals import KeptTotals
from data_governance.lake_reader import LakeReader
from data_governance.run_result import PublishedFile, RunResult
from infrastructure.settings import Settings

_CASES = ((1, 240), (10, 240), (100, 240), (2557, 10))  # days, objects a day
_ROWS_AN_OBJECT, _OBJECTS_A_RUN = 50, 10
_BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
_RETENTION = timedelta(days=7)
_SETTINGS = Settings()


class Measured(NamedTuple):
    """CPU seconds and MiB at the peak of the first and of the next reconciliation; how many records were counted."""

    first: float
    again: float
    mib: float
    records: int


def measured() -> list[Goal]:
    """Measure, print the table; the goals."""
    cases = {case: _measure(*case) for case in _CASES}
    one = cases[_CASES[0]]
    print("| reconcile | everything: CPU s | x | what is new: CPU s | x | MiB | records |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for (days, objects), found in cases.items():
        everything, again = found.first / one.first, found.again / one.again
        print(
            f"| days: {days:,}, objects a day: {objects} | {found.first:.2f} | {everything:.1f} | {found.again:.2f} "
            f"| {again:.1f} | {found.mib:.0f} | {found.records:,} |"
        )
    _, grown, old, seven_years = cases.values()
    return [
        Goal("CPU of reconcile for what is new at 100 days / at 10", old.again / grown.again, 1.5),
        Goal("CPU s of reconcile for what is new after seven years", seven_years.again, 10),
    ]


def _measure(days: int, objects: int) -> Measured:
    with tempfile.TemporaryDirectory(prefix="reconcile-benchmark-") as directory:
        command = [sys.executable, __file__, directory, str(days), str(objects)]
        return Measured(*json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def _reconcile(directory: Path, days: int, objects: int) -> None:
    """Make the lake, reconcile it twice, and tell what it took."""
    s3: Any = FileStore(directory)
    for purpose in ("raw", "curated", "quarantine"):
        (directory / _SETTINGS.bucket(purpose)).mkdir()
    for day in range(days):
        _write_day(s3, _BEGIN + timedelta(days=day), day * objects, objects)
    end = _BEGIN + timedelta(days=days)
    first, _ = _timed(s3, end)
    _write_day(s3, end, days * objects, max(1, objects // 24))
    again, records = _timed(s3, end + timedelta(hours=1))
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))
    print(json.dumps([first, again, peak, records]))


def _timed(s3: Any, now: datetime) -> tuple[float, int]:
    started = time.process_time()
    kept = KeptTotals(s3, _SETTINGS.bucket("curated"))
    found = KeptMeasures(LakeReader(s3, _SETTINGS, _no_table), kept, _RETENTION, None).measure(now)
    return time.process_time() - started, found.measured.landed.records


def _no_table(name: str) -> Any:
    raise SystemExit(f"table {name} is not part of this benchmark")


def _write_day(s3: Any, day: datetime, first_object: int, objects: int) -> None:
    """Raw and control objects of a day, and a run for every few of them."""
    money = {"amount": "1.00", "currency": "EUR", "credit_debit_indicator": "DBIT"}
    for number in range(first_object, first_object + objects):
        at = day + (number - first_object) * timedelta(days=1) / objects
        first = number * _ROWS_AN_OBJECT
        batch = Batch("20260301T000000Z", "shardId-000000000000", first, first + _ROWS_AN_OBJECT - 1)
        position = {"stream_incarnation": batch.incarnation, "shard_id": batch.shard_id, "sub_sequence_number": 0}
        rows = [position | money | {"sequence_number": str(n)} for n in range(first, first + _ROWS_AN_OBJECT)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        s3.put_object(_SETTINGS.bucket("raw"), batch.raw_key(at), gzip.compress(lines.encode(), 1))
        control = {"stream_incarnation": batch.incarnation, "streamed": _euros(_ROWS_AN_OBJECT).rows()}
        s3.put_object(_SETTINGS.bucket("raw"), batch.control_key(at), json.dumps(control).encode())
        if (number + 1) % _OBJECTS_A_RUN == 0:
            _write_run(s3, f"{at:%Y-%m}-{number:016}", at, _OBJECTS_A_RUN * _ROWS_AN_OBJECT)


def _write_run(s3: Any, run_id: str, at: datetime, records: int) -> None:
    values = {"currency": "EUR", "credit_debit_indicator": "DBIT", "status": "BOOKED"}
    columns: dict[str, Any] = {name: [value] * records for name, value in values.items()}
    columns["amount"] = pyarrow.array([Decimal(1)] * records, pyarrow.decimal128(18, 4))
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink)
    day: date = at.date()
    key = f"curated/transactions/data/{day}/{run_id}.parquet"
    s3.put_object(_SETTINGS.bucket("curated"), key, sink.getvalue())
    files = (PublishedFile(key, len(sink.getvalue()), records, day),)
    result = RunResult(run_id, at, files, (), {}, control_totals={"duplicate": ControlTotals()})
    s3.put_object(_SETTINGS.bucket("curated"), run_key(run_id, "manifest.json"), b"{}")
    s3.put_object(_SETTINGS.bucket("curated"), run_key(run_id, "result.json"), result.to_json())


def _euros(records: int) -> ControlTotals:
    totals = ControlTotals()
    totals.add(ControlKey("EUR", "DBIT"), Decimal(records), records)
    return totals


if __name__ == "__main__":
    _reconcile(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
