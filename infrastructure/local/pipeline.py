"""A whole run on the embedded stack: provision, produce and land, curate, load, reconcile.

Every stage is the code that runs in the account; this file only calls them in order. After a kill at any point, the
same command with the same workdir completes the work: each stage starts with what an earlier run left open.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from data_governance.alert_comparison import alerts_in_table, compare_alerts, curated_dates
from data_governance.lake_measures import Lake
from data_governance.lake_reader import LakeReader
from data_ingestion import process_transaction_lambda
from data_ingestion.transaction_generator import generate
from data_ingestion.transaction_input import Line, check_readable, read_lines
from data_ingestion.transaction_producer import ProduceReport, produce
from data_processing.fraud_rule_file import left_to_job, rules_in_use
from data_storage import warehouse_loader
from data_storage.repeated_ids import look_for_repeated_ids
from data_storage.trace import Tracer
from infrastructure.aws.clients import client
from infrastructure.errors import PlatformError
from infrastructure.local import glue_job
from infrastructure.local.account_metrics import AccountMetrics
from infrastructure.local.faults import Faults
from infrastructure.local.java import Java, find_java
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.local.run_page.alarms_of_run import judged
from infrastructure.local.run_page.collect import document
from infrastructure.local.run_page.document import Document
from infrastructure.local.run_page.figures import read_figures
from infrastructure.local.run_page.html import page
from infrastructure.local.run_report import RunReport
from infrastructure.local.stack import NOT_ENFORCED, EmbeddedStack
from infrastructure.local.stages import Stages
from infrastructure.local.stream_poller import StreamPoller
from infrastructure.local.this_run import this_run
from infrastructure.local.warehouse import EmbeddedWarehouse, embedded_settings, open_warehouse
from infrastructure.local.workdir import Workdir
from infrastructure.planning.apply import Outcome
from infrastructure.references import fraud_table_name


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the `local` command was asked for. fresh: remove first what the workdir holds."""

    transactions: int
    seed: int
    input: str | None = None
    workdir: str | None = None
    faults: int | None = None  # the seed of injected faults
    fresh: bool = False

    @property
    def source(self) -> str:
        """Where the transactions come from, in words."""
        if self.input is not None:
            return "standard input" if self.input == "-" else Path(self.input).name
        return f"{self.transactions:,} generated, seed {self.seed}"


# The embedded stream lies in memory. The producer waits while this many records are on it.
_MOST_ON_THE_STREAM = 10_000


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended. workdir: where all of it is kept, None if nothing is."""

    report: RunReport
    document: Document
    workdir: Workdir | None


def run(options: RunOptions, stages: Stages) -> Ended:
    """Run the whole pipeline.

    Raises PlatformError for everything that the user can fix: input, workdir, Java, PostgreSQL.
    """
    if options.input is not None:
        check_readable(options.input)
    java = find_java()
    settings = embedded_settings()
    report = RunReport(source=options.source, started_at=stages.started_at, java=f"{java.version} ({java.source})")
    with contextlib.ExitStack() as exits:
        workdir = Workdir(options.workdir, options.fresh)
        exits.callback(workdir.close)
        _tell_what_is_held(workdir, options, stages.console)
        exits.enter_context(stages.bars)
        stack = exits.enter_context(EmbeddedStack(settings, workdir))
        with stages.stage("provision") as bar:
            server = exits.enter_context(Warehouse(workdir.warehouse))
            incarnation = workdir.begin_incarnation()
            provisioned = stack.provision(incarnation.id, bar.count)
            warehouse = open_warehouse(server, stack.client("s3"), settings)
            bar.at(len(provisioned.of(Outcome.DONE)))
            report.restored_objects = stack.open_for_data()
            report.left_out = NOT_ENFORCED | stack.left_out(provisioned) | stack.left_out(stack.provision_tables())
        faults = None if options.faults is None else Faults(options.faults)
        log_begins = workdir.function_log.stat().st_size if workdir.function_log.exists() else 0
        metrics = AccountMetrics(settings)
        with stack.fraud_function() as fraud:
            _produce_and_land(options, stack, stages, report, faults, metrics)
            curated = _curate(stack, java, stages, faults, report.produced.records)
            if fraud:
                fraud.finish()
        metrics.run_ended(succeeded=True)
        _load(stack, server, warehouse, stages, report, faults, curated)
        look_for_repeated_ids(
            warehouse.data_api,
            stack.client("s3"),
            stack.client("cloudwatch"),
            warehouse.loader,
            settings.bucket("curated"),
            settings.metrics_namespace,
        )
        with stages.stage("reconcile", report.produced.records) as bar:
            _reconcile(stack, warehouse, report, incarnation.id)
            _compare_alerts(stack, report)
            bar.at(report.measured.landed.records)
        report.stages = stages.begun
        report.ended_at = ended_at = datetime.now(UTC)
        report.faults = dict(faults.happened) if faults else {}
        with workdir.function_log.open() as log:
            log.seek(log_begins)
            metrics.data.put_embedded(log)
        metrics.queue(stack.client("sqs"), settings.on_failure_queue_name)
        metrics.take_put_metrics()
        figures = read_figures(warehouse.data_api, warehouse.auditor, report.run_ids)
        report.alerts = figures.new_alerts_by_rule
        tracer = Tracer(stack.client("s3"), settings, stack.tables, warehouse.data_api, warehouse.auditor)
        trail = tracer.trace(figures.example) if figures.example else None
        alarms = judged(settings, metrics.data, report.started_at, ended_at)
        found = document(report, figures, alarms, len(workdir.incarnations) - 1, trail)
        if workdir.kept:
            workdir.write_run(report.as_json(), page(found))
        return Ended(report, found, workdir if workdir.kept else None)


def _tell_what_is_held(workdir: Workdir, options: RunOptions, console: Console) -> None:
    if workdir.incarnations:
        held, runs = workdir.produced({}).records, len(workdir.incarnations)
        earlier = f"{runs} earlier run{'s' if runs > 1 else ''}"
        console.print(
            f"Adding to {options.workdir}, which holds {held:,} records of {earlier}. "
            f"To start anew: --fresh. To add other transactions: --seed {options.seed + 1}.",
            soft_wrap=True,
        )


def _reconcile(stack: EmbeddedStack, warehouse: EmbeddedWarehouse, report: RunReport, incarnation: str) -> None:
    """Measure all that the workdir holds, and what this run did."""
    workdir = stack.workdir
    lake = Lake(stack.client("s3"), stack.settings, stack.tables)
    found = lake.measure()
    report.measured = found.measured
    report.measured.produced = workdir.produced(found.streamed_by_incarnation) + found.corrections
    report.measured.put_again = workdir.put_again()
    report.measured.loaded = warehouse_loader.loaded_totals(warehouse.data_api, warehouse.auditor)
    days = {report.started_at.date(), datetime.now(UTC).date()}
    report.this_run = this_run(lake, warehouse, incarnation, days, report.produced.totals, report.run_ids)


def _compare_alerts(stack: EmbeddedStack, report: RunReport) -> None:
    """What job and stream have raised on the event dates that the run has curated."""
    dates = curated_dates(LakeReader(stack.client("s3"), stack.settings, stack.tables), report.run_ids)
    if stack.settings.stream_alerts and dates:
        stream = alerts_in_table(stack.client("dynamodb"), fraud_table_name(stack.settings))
        report.alert_comparison = compare_alerts(
            dates, stack.tables, stream, left_to_job(rules_in_use(stack.settings.fraud_rules_file))
        )


def _lines(options: RunOptions) -> tuple[Iterable[Line], int | None]:
    if options.input is not None:
        return read_lines(options.input), None
    generated = generate(options.transactions, options.seed)
    return (Line(number, data) for number, data in enumerate(generated, 1)), options.transactions


def _produce_and_land(
    options: RunOptions,
    stack: EmbeddedStack,
    stages: Stages,
    report: RunReport,
    faults: Faults | None,
    metrics: AccountMetrics,
) -> None:
    """Put the records while the event source mapping delivers them, so that the stream stays short."""
    lines, expected = _lines(options)
    kinesis, handler = stack.client("kinesis"), process_transaction_lambda.handler
    with contextlib.ExitStack() as exits:
        exits.enter_context(function_runtime(stack))
        exits.enter_context(metrics.reads(kinesis))
        landing = exits.enter_context(stages.stage("land", expected))
        if faults is None:
            mapping = stack.event_source_mapping(handler, landing.at, observer=metrics)
        else:
            exits.enter_context(faults.on_s3(client("s3")))  # the client that the function uses too
            exits.enter_context(faults.on_clocks())
            kinesis = faults.kinesis(kinesis)
            mapping = stack.event_source_mapping(faults.handler(handler), landing.at, faults.batch_size, metrics)
        mapping.start()
        try:
            with stages.stage("produce", expected) as producing:

                def acknowledged(report: ProduceReport) -> None:
                    producing.at(report.records)

                counted = metrics.producer(kinesis)
                produced = produce(_paced(lines, mapping), counted, stack.settings.stream_name, acknowledged)
            landing.expect(produced.records)
            delivered = mapping.finish()
        except BaseException:
            mapping.abandon()
            raise
    report.produced = produced
    report.landing_ms = delivered.landing_ms
    report.landed_batches = delivered.batches
    report.given_up = delivered.given_up_records
    stack.workdir.complete_incarnation(produced.totals, produced.uncertain)


def _paced(lines: Iterable[Line], mapping: StreamPoller) -> Iterator[Line]:
    """The lines, no faster than their records are delivered; ends early if the mapping has failed."""
    for count, line in enumerate(lines):
        while count - mapping.delivered.taken > _MOST_ON_THE_STREAM and not mapping.failed:
            time.sleep(0.01)
        if mapping.failed:
            return
        yield line


def _curate(stack: EmbeddedStack, java: Java, stages: Stages, faults: Faults | None, expected: int) -> int:
    """Run the Glue job, which finishes an open run and then takes everything pending; returns how many it curated."""
    with stages.stage("curate") as bar:  # how many of the records are done is unknown until all are
        records: dict[str, int] = {}  # by ETL run, because a killed run may be transformed twice
        curated: dict[str, int] = {}

        at = ""

        def on_progress(event: dict[str, Any]) -> None:
            nonlocal at
            if event["stage"] == "spark":
                bar.note(
                    f"{at}, Spark's stage {event['stage_id']}: {event['tasks']} of {event['of']} tasks".strip(", ")
                )
                return
            at = event["stage"]
            bar.note(at + (f" {event.get('objects', event.get('files'))}/{event['of']}" if "of" in event else ""))
            if event["stage"] == "transform" and event["records"] is not None:
                records[event["run_id"]] = event["records"]
                curated[event["run_id"]] = event["curated"]
                bar.at(sum(records.values()))

        def run_job(on_progress: glue_job.Progress) -> None:
            staging = stack.workdir.path / "staging"
            try:
                glue_job.run_glue_job(stack.job_arguments, stack.job_environment, java, staging, on_progress, expected)
            except glue_job.JobFailedError as failure:
                if stack.workdir.kept:
                    raise
                todo = "Run it with a --workdir: the job's log stays there, in staging/"
                raise PlatformError(failure.where, failure.what, todo) from None

        if faults is None:
            run_job(on_progress)
        else:
            dying = faults.job_progress(on_progress)
            faults.survive(lambda: run_job(dying))
    return sum(curated.values())


def _load(
    stack: EmbeddedStack,
    server: Warehouse,
    warehouse: EmbeddedWarehouse,
    stages: Stages,
    report: RunReport,
    faults: Faults | None,
    expected: int,
) -> None:
    """Load the runs that the ledger does not know."""
    data_api, target = warehouse.data_api, warehouse.loader
    s3, bucket = stack.client("s3"), stack.settings.bucket("curated")
    with stages.stage("load", expected) as bar:
        before = {row.run_id for row in warehouse_loader.ledger(data_api, target)}
        if faults is None:
            warehouse_loader.load_pending(data_api, s3, target, bucket)
        else:
            with faults.on_loads(data_api, server) as dying:
                faults.survive(lambda: warehouse_loader.load_pending(dying, s3, target, bucket))
        loaded = [row for row in warehouse_loader.ledger(data_api, target) if row.run_id not in before]
        report.run_ids = [row.run_id for row in loaded]
        bar.at(sum(row.rows_loaded + row.pending_loaded for row in loaded))


@contextlib.contextmanager
def function_runtime(stack: EmbeddedStack) -> Iterator[None]:
    """The deployed function's environment variables and its log, for as long as it is invoked in process."""
    before = dict(os.environ)
    os.environ |= stack.function_environment(stack.settings.function_name)
    process_transaction_lambda.reset()
    try:
        with stack.workdir.function_log.open("a") as log, contextlib.redirect_stdout(log):
            yield
    finally:
        process_transaction_lambda.reset()
        os.environ.clear()
        os.environ |= before
