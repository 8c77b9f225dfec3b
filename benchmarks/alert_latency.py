"""From arrival in the stream to the fraud alert on its topic, on the embedded stack at a modest rate, with its parts.

    python benchmarks/alert_latency.py [TPS SECONDS [PROFILE]]        default: 20 60 balanced

Settings are the defaults, or a profile's (LATENCY_PROFILE). One transaction in ten is large and raises an alert; every
part is measured on what the two functions themselves log and count. Exit status 1 if the 95th percentile is above ten
seconds.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from data_ingestion import process_transaction_lambda
from data_ingestion.transaction_generator import generate
from data_ingestion.transaction_input import Line
from data_ingestion.transaction_producer import produce
from infrastructure.local.pipeline import function_runtime
from infrastructure.local.run_report import percentiles
from infrastructure.local.stack import EmbeddedStack
from infrastructure.local.workdir import Workdir
from infrastructure.settings_source import settings_from

GOAL_MS = 10_000
_PARTS = ("security", "data_storage", "data_ingestion", "data_processing")
_EACH = 20  # put together, as a producer does


def main() -> int:
    tps, seconds = map(int, sys.argv[1:3]) if len(sys.argv) >= 3 else (20, 60)
    profile = sys.argv[3] if len(sys.argv) == 4 else "balanced"
    settings = settings_from({"LATENCY_PROFILE": profile})
    with contextlib.ExitStack() as exits:
        workdir = Workdir(None)
        exits.callback(workdir.close)
        stack = exits.enter_context(EmbeddedStack(settings, workdir))
        stack.provision(workdir.begin_incarnation().id, only=_PARTS)
        stack.open_for_data()
        fraud = exits.enter_context(stack.fraud_function())
        assert fraud is not None
        with function_runtime(stack):
            mapping = stack.event_source_mapping(process_transaction_lambda.handler, lambda delivered: None)
            mapping.start()
            for lines in _paced(tps, seconds):
                produce(lines, stack.client("kinesis"), stack.settings.stream_name)
            delivered = mapping.finish()
        fraud.finish()
        alerts, objects = _logged(workdir.fraud_log)
    rows = {
        "arrival to object in S3 (window, landing)": list(delivered.landing_ms),
        "the fraud function, an object": objects,
        "arrival to alert": alerts,
    }
    table = Table(title=f"{tps} transactions a second for {seconds} s, {profile}", box=box.SIMPLE_HEAD)
    for column in ("milliseconds", "p50", "p95", "max", "number"):
        table.add_column(column, justify="left" if column == "milliseconds" else "right")
    for name, values in rows.items():
        found = percentiles(values)
        table.add_row(name, f"{found['p50']:,.0f}", f"{found['p95']:,.0f}", f"{max(values):,.0f}", f"{len(values):,}")
    Console(width=100).print(table)
    p95 = percentiles(alerts)["p95"]
    return 0 if p95 is not None and p95 <= GOAL_MS else 1


def _paced(tps: int, seconds: int) -> Iterator[list[Line]]:
    """Transactions of now, a few at a time, at this rate."""
    made = [document for data in generate(2 * tps * seconds, seed=29) if (document := _readable(data))]
    began, number = time.monotonic(), 0
    while number < tps * seconds:
        lines = []
        for _ in range(_EACH):
            number += 1
            lines.append(Line(number, json.dumps(_of_now(made[number], large=number % 10 == 0)).encode()))
        time.sleep(max(0.0, began + number / tps - time.monotonic()))
        yield lines


def _readable(data: bytes) -> dict[str, Any] | None:
    """A generated record; None for one that is made to be refused as no JSON object."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _of_now(transaction: dict[str, Any], large: bool) -> dict[str, Any]:
    changed = {"event_time": datetime.now(UTC).isoformat(), "status": "BOOKED"}
    alert = {"transaction_type": "DEPOSIT", "credit_debit_indicator": "CRDT", "currency": "EUR", "amount": "20000.00"}
    return transaction | changed | (alert if large else {})


def _logged(log: Path) -> tuple[list[float], list[float]]:
    """Milliseconds of each alert, and of each object."""
    alerts, objects = [], []
    for line in map(json.loads, log.read_text().splitlines()):
        alerts += line.get("AlertLatency", [])
        if line.get("message") == "object examined":
            objects.append(line["milliseconds"])
    return alerts, objects


if __name__ == "__main__":
    sys.exit(main())
