"""Loads the runs of the Glue job into the warehouse, each once: one transaction per run, its ledger row last.

A run is pending while its result.json is in the curated bucket and its row is not in load_ledger. Runs are loaded in
the order of their manifests. After a kill at any point, or with several loaders at once, running it again loads each
run exactly once (data_storage/warehouse_load_sql.py says how).

Runs inside the Glue job: boto3's clients come as arguments, the rest is standard library and this project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from data_catalog.lake_layout import run_key, run_month, run_of
from data_catalog.lake_tables import BY_KIND
from data_governance.control_totals import ControlKey, ControlTotals, CuratedTotals
from data_governance.run_folders import month_of, results
from data_governance.run_result import PublishedFile, RunResult
from data_storage.sql_text import literal, within
from data_storage.warehouse_derived_sql import REACH_COLUMN
from data_storage.warehouse_load_sql import CopySource, anew_statements, copy_manifest, load_statements
from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.redshift_data import DataApi, StatementFailedError, WarehouseTarget, execute_batch, query
from infrastructure.aws.s3_objects import split_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table


__all__ = [
    "LedgerRow",
    "LoadReport",
    "WarehouseTarget",
    "ledger",
    "load_pending",
    "loaded_by_run",
    "loaded_totals",
    "pending_runs",
]

# Of two jobs that plan at the same time, one may write its manifest so much later.
_LONGEST_PLANNING = timedelta(days=1)

_RUNS_ASKED_AT_ONCE = 500

# The kinds of a run's files that COPY reads.
COPIED_KINDS = (
    "curated", "pending_transactions", "fraud_alerts", "fraud_alert_evidence", "token_links", "quarantine",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A loaded run, as load_ledger has it. Times are UTC, as text."""

    run_id: str
    manifest_created_at: str
    loaded_at: str
    files: int
    rows_staged: int
    rows_loaded: int
    fraud_alerts: int
    quarantined: int
    pending_loaded: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What one call's load of a run did. rows_staged - rows_loaded rows were in the warehouse already."""

    run_id: str
    rows_staged: int
    rows_loaded: int
    pending_loaded: int
    fraud_alerts: int


Tables = Callable[[str], "Table"]
Progress = Callable[[LoadReport, int], None]  # called with a loaded run and the number of runs left


def load_pending(
    data_api: DataApi,
    s3: S3Client,
    target: WarehouseTarget,
    curated_bucket: str,
    on_progress: Progress | None = None,
    tables: Tables | None = None,
) -> list[LoadReport]:
    """Load every pending run; what was loaded, in order. Raises PlatformError that names the statement at fault.

    data_api: boto3's redshift-data client, or its stand-in; s3: boto3's S3 client. tables: the lake's tables by name,
    to load runs whose own files were merged into others and removed.
    """
    runs = pending_runs(data_api, s3, target, curated_bucket)
    reports = []
    for place, run in enumerate(runs, 1):
        reports.append(load_run(data_api, s3, target, curated_bucket, run, tables))
        if on_progress is not None:
            on_progress(reports[-1], len(runs) - place)
    return reports


def pending_runs(data_api: DataApi, s3: S3Client, target: WarehouseTarget, curated_bucket: str) -> list[RunResult]:
    """The runs that have a result and no ledger row, in the order of their manifests' creation.

    Runs are planned and loaded one after the other. So only runs since the day before the newest loaded one are looked
    for, and those that were loaded once and have lost their ledger row.
    """
    ledger, history = f"{target.schema}.load_ledger", f"{target.schema}.load_history"
    newest = query(
        data_api, target, f"SELECT run_id, manifest_created_at FROM {ledger} ORDER BY manifest_created_at DESC LIMIT 1"
    )
    month = ""
    if newest and run_month(str(newest[0][0])):
        month = month_of(datetime.fromisoformat(str(newest[0][1])) - _LONGEST_PLANNING)
    since = f" WHERE manifest_created_at >= {literal(f'{month}-01')}" if month else ""
    loaded = {run_id for (run_id,) in query(data_api, target, f"SELECT run_id FROM {ledger}{since}")}
    taken_out = query(
        data_api,
        target,
        f"SELECT DISTINCT run_id FROM {history} AS loads"
        f" WHERE NOT EXISTS (SELECT 1 FROM {ledger} AS loaded WHERE loaded.run_id = loads.run_id)",
    )
    keys = {each.key for each in results(s3, curated_bucket, month) if run_of(each.key)[0] not in loaded}
    keys |= {run_key(str(run_id), "result.json") for (run_id,) in taken_out}
    runs = [
        RunResult.from_json(body, f"s3://{curated_bucket}/{key}")
        for key, body in s3_objects.bodies(s3, curated_bucket, sorted(keys))
    ]
    return sorted(runs, key=lambda run: (run.created_at, run.run_id))


def load_run(
    data_api: DataApi,
    s3: S3Client,
    target: WarehouseTarget,
    curated_bucket: str,
    run: RunResult,
    tables: Tables | None = None,
) -> LoadReport:
    """Load one run in one transaction. Does nothing if the ledger has the run already. tables: as of load_pending."""
    kinds = {kind: getattr(run, kind) for kind in COPIED_KINDS if kind != "quarantine" or run.quarantine_bucket}
    if tables is not None:
        kinds = {kind: _files_now(tables(BY_KIND[kind].name), files) for kind, files in kinds.items()}
    manifests = {kind: _put_manifest(s3, curated_bucket, run, kind, files) for kind, files in kinds.items() if files}
    source = CopySource(target.copy_role_arn, manifests, shared=tables is not None)
    again = query(data_api, target, f"SELECT 1 FROM {target.schema}.load_history WHERE run_id = {literal(run.run_id)}")
    if again:
        _execute(data_api, target, f"anew-{run.run_id}", anew_statements(run.run_id, target.schema))
    name = f"load-{run.run_id}"
    try:
        try:
            _execute(data_api, target, name, load_statements(run, target.schema, source, again=bool(again)))
        except StatementFailedError as error:
            if REACH_COLUMN not in error.what:
                raise
            # A late row changes a balance or a merchant of long ago. This is rare, and then all dates are read.
            statements = load_statements(run, target.schema, source, again=bool(again), bounded=False)
            _execute(data_api, target, name, statements)
    except StatementFailedError as error:
        if "rows_staged" in error.what:
            raise StatementFailedError(
                f"run {run.run_id}",
                f"its files do not hold the {run.rows} rows that its result counts; nothing was loaded",
                "Its files were merged into others: load --from-snapshot. Or restore their versions",
                aborted=False,
            ) from None
        raise
    (row,) = ledger(data_api, target, run.run_id)
    return LoadReport(run.run_id, row.rows_staged, row.rows_loaded, row.pending_loaded, row.fraud_alerts)


def _files_now(table: Table, files: Sequence[PublishedFile]) -> list[PublishedFile]:
    """The files that hold now, among others, what a run once wrote into these."""
    days = {file.partition_date for file in files}
    return [
        PublishedFile(split_location(found.file_path)[1], found.file_size_in_bytes, found.record_count, min(days))
        for found in files_on(table, days)
    ]


def _execute(data_api: DataApi, target: WarehouseTarget, name: str, statements: Sequence[str]) -> None:
    execute_batch(data_api, target, statements, name, _client_token(data_api, target, name, statements))


def _put_manifest(s3: S3Client, bucket: str, run: RunResult, kind: str, files: Sequence[PublishedFile]) -> str:
    """Write COPY's manifest beside the run's result; returns its URL."""
    key = run_key(run.run_id, f"copy_{kind}.manifest")
    of_files = run.quarantine_bucket if kind == "quarantine" else bucket
    s3.put_object(Bucket=bucket, Key=key, Body=copy_manifest(of_files, files), ContentType="application/json")
    return f"s3://{bucket}/{key}"


def _client_token(data_api: DataApi, target: WarehouseTarget, name: str, statements: Sequence[str]) -> str:
    """All loaders that make the same attempt send the same token, so the Data API runs it once and all wait for it.

    An attempt that ended occupies its token for eight hours, and the run may have to be loaded again within them: after
    a failure, a repair by hand or a restore of the warehouse. So the number of ended attempts, which the Data API lists
    for a day, is part of the next token.
    """
    ended = 0
    following: dict[str, str] = {}
    while True:
        page = data_api.list_statements(StatementName=name, Status="ALL", **following)
        ended += sum(
            statement["StatementName"] == name and statement["Status"] in ("FAILED", "ABORTED", "FINISHED")
            for statement in page["Statements"]
        )
        if not page.get("NextToken"):
            break
        following = {"NextToken": page["NextToken"]}
    content = "\n".join([target.name, name, str(ended), *statements])
    return hashlib.sha256(content.encode()).hexdigest()


def ledger(
    data_api: DataApi, target: WarehouseTarget, run_id: str | None = None, planned_since: date | None = None
) -> list[LedgerRow]:
    """The loaded runs in the order of their manifests; only the one that is named, or those planned since a day."""
    where = f"WHERE run_id = {literal(run_id)}" if run_id is not None else ""
    if planned_since is not None:
        where = f"WHERE manifest_created_at >= {literal(planned_since.isoformat())}"
    rows = query(
        data_api,
        target,
        "SELECT run_id, manifest_created_at, loaded_at, files, rows_staged, rows_loaded, fraud_alerts, quarantined,"
        " COALESCE(pending_loaded, 0)"
        f" FROM {target.schema}.load_ledger {where} ORDER BY manifest_created_at, run_id",
    )
    return [LedgerRow(*row) for row in rows]  # type: ignore[arg-type]


def loaded_totals(
    data_api: DataApi, target: WarehouseTarget, run_id: str | None = None, event_date: str | None = None
) -> CuratedTotals:
    """Control totals of facts and pending items, counted there now; of one run's rows, or one day's, if it is named."""
    where = ""
    if run_id is not None:
        where = f"WHERE run_id = {literal(run_id)}"
    elif event_date is not None:
        where = f"WHERE event_date = {literal(event_date)}"
    return CuratedTotals(
        *(_totals_of(data_api, target, table, where) for table in ("fact_transactions", "pending_transactions"))
    )


def loaded_by_run(
    data_api: DataApi, target: WarehouseTarget, runs: Mapping[str, Collection[date]]
) -> dict[str, CuratedTotals]:
    """Control totals of what the warehouse holds of some runs, which have rows of these event dates."""
    found: dict[str, CuratedTotals] = {}
    for ids in _parts(sorted(runs)):
        dates = {day for run_id in ids for day in runs[run_id]}
        for place, table in enumerate(("fact_transactions", "pending_transactions")):
            rows = query(
                data_api,
                target,
                "SELECT run_id, currency, credit_debit_indicator, COUNT(*), SUM(amount)"
                f" FROM {target.schema}.{table} WHERE run_id IN ({', '.join(map(literal, ids))})"
                f" AND {within('event_date', dates)} GROUP BY run_id, currency, credit_debit_indicator",
            )
            for run_id, currency, indicator, records, amount in rows:
                held = found.setdefault(str(run_id), CuratedTotals())
                key = ControlKey(str(currency), str(indicator))
                (held.ledger, held.pending)[place].add(key, Decimal(str(amount)), int(str(records)))
    return found


def _parts(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(run_ids), _RUNS_ASKED_AT_ONCE):
        yield run_ids[begin : begin + _RUNS_ASKED_AT_ONCE]


def _totals_of(data_api: DataApi, target: WarehouseTarget, table: str, where: str) -> ControlTotals:
    rows = query(
        data_api,
        target,
        "SELECT currency, credit_debit_indicator, COUNT(*), SUM(amount)"
        f" FROM {target.schema}.{table} {where} GROUP BY currency, credit_debit_indicator",
    )
    totals = ControlTotals()
    for currency, indicator, records, amount in rows:
        totals.add(ControlKey(str(currency), str(indicator)), Decimal(str(amount)), int(str(records)))
    return totals
