"""What one run did, apart from all that its workdir holds: by what each stage says of itself. Cost follows the run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import date

from data_catalog.lake_layout import RAW_CONTROL_PREFIX, arrival_day, batch_of, run_key
from data_governance.control_totals import ControlTotals
from data_governance.lake_reader import LakeReader
from data_governance.reconciliation import HOPS
from data_governance.run_result import RunResult
from data_storage.warehouse_loader import loaded_by_run
from infrastructure.local.warehouse import EmbeddedWarehouse


def this_run(
    lake: LakeReader,
    warehouse: EmbeddedWarehouse,
    incarnation: str,
    days: Iterable[date],
    produced: ControlTotals,
    run_ids: Collection[str],
) -> dict[str, ControlTotals]:
    """Control totals by hop: what was put into a stream incarnation and landed on these days, and what the ETL runs of
    these ids made of what was pending. Copies of a quarantined record count as quarantined."""
    streamed, landed, quarantined = ControlTotals(), ControlTotals(), ControlTotals()
    prefixes = {arrival_day(RAW_CONTROL_PREFIX, day) for day in days}
    keys = (key for prefix in sorted(prefixes) for key in lake.keys("raw", prefix))
    own = (key for key in keys if (batch := batch_of(key)) is not None and batch.incarnation == incarnation)
    for _, body in lake.bodies("raw", own):
        control = json.loads(body)
        streamed += ControlTotals.from_rows(control["streamed"])
        landed += ControlTotals.from_rows(control["landed"])
        quarantined += ControlTotals.from_rows(control["quarantined"])
    results = [_result(lake, run_id) for run_id in run_ids]
    ended = {name: ControlTotals() for name in ("quarantined", "duplicate", "erased", "curated", "ledger", "pending")}
    for result in results:
        for name, totals in ended.items():
            totals += result.control_totals.get(name, ControlTotals())
    found = ended | {
        "produced": produced,
        "streamed": streamed,
        "landed": landed,
        "quarantined": quarantined + ended["quarantined"],
        "loaded": _loaded(warehouse, results),
    }
    return {hop: found[hop] for hop in HOPS if hop != "erased" or found[hop].records}


def _result(lake: LakeReader, run_id: str) -> RunResult:
    return RunResult.from_json(lake.body("curated", run_key(run_id, "result.json")), f"run {run_id}")


def _loaded(warehouse: EmbeddedWarehouse, results: Collection[RunResult]) -> ControlTotals:
    dates = {
        result.run_id: [file.partition_date for file in (*result.curated, *result.pending_transactions)]
        for result in results
        if result.rows
    }
    by_run = loaded_by_run(warehouse.data_api, warehouse.auditor, dates) if dates else {}
    total = ControlTotals()
    for held in by_run.values():
        total += held.all
    return total
