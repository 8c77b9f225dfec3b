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
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from data_governance.lake_measures import Lake
from data_ingestion import process_transaction_lambda
from data_ingestion.transaction_generator import generate
from data_ingestion.transaction_input import Line, check_readable, read_lines
from data_ingestion.transaction_producer import ProduceReport, produce
from data_storage import warehouse_loader
from infrastructure.aws.clients import client
from infrastructure.errors import PlatformError
from infrastructure.local import glue_job
from infrastructure.local.faults import Faults
from infrastructure.local.java import Java, find_java
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.local.run_report import RunReport, Stage
from infrastructure.local.stack import NOT_ENFORCED, EmbeddedStack
from infrastructure.local.stream_poller import StreamPoller
from infrastructure.local.warehouse import EmbeddedWarehouse, embedded_settings, open_warehouse
from infrastructure.local.workdir import Workdir
from infrastructure.planning.apply import Outcome


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the `local` command was asked for."""

    transactions: int
    seed: int
    input: str | None = None
    workdir: str | None = None
    faults: int | None = None  # the seed of injected faults


# The embedded stream lies in memory. The producer waits while this many records are on it.
_MOST_ON_THE_STREAM = 10_000


class _Rate(ProgressColumn):
    """Records per second: over the last seconds, or over the whole stage once it has ended."""

    def render(self, task: Task) -> Text:
        speed = task.completed / task.elapsed if task.finished and task.elapsed else task.speed
        return Text(f"{speed:,.0f}/s" if speed and task.completed else "", style="cyan")


STAGES = ("provision", "produce", "land", "curate", "load", "reconcile")


class Stages:
    """Times the stages and draws a bar for each."""

    def __init__(self, console: Console) -> None:
        self._done: dict[str, Stage] = {}
        self.bars = Progress(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            redirect_stdout=False,  # the function's log goes to a file
        )
        self._tasks = {
            name: self.bars.add_task(name, start=False, total=None, note="", visible=False) for name in STAGES
        }

    @property
    def done(self) -> dict[str, Stage]:
        """The finished stages, in the order of STAGES."""
        return {name: self._done[name] for name in STAGES if name in self._done}

    @contextlib.contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[StageBar]:
        """Time the code inside; the bar shows its progress."""
        bar = StageBar(self.bars, self._tasks[name], total)
        started = time.monotonic()
        yield bar
        self._done[name] = Stage(time.monotonic() - started, bar.records)
        bar.finish()


class StageBar:
    """One stage's progress: records so far, and a note beside the bar."""

    def __init__(self, bars: Progress, task: TaskID, total: int | None) -> None:
        self.records = 0
        self._bars = bars
        self._task = task
        bars.update(task, total=total, visible=True)
        bars.start_task(task)

    def at(self, records: int) -> None:
        self.records = records
        self._bars.update(self._task, completed=records)

    def expect(self, total: int) -> None:
        self._bars.update(self._task, total=total)

    def count(self, what: str) -> None:
        """Count one more, and show what it is."""
        self.at(self.records + 1)
        self.note(what)

    def note(self, text: str) -> None:
        self._bars.update(self._task, note=text)

    def finish(self) -> None:
        self._bars.update(self._task, total=max(self.records, 1), completed=max(self.records, 1), note="")
        self._bars.stop_task(self._task)


def run(options: RunOptions, console: Console) -> tuple[RunReport, dict[str, str]]:
    """Run the whole pipeline; returns the report, and where to look next.

    Raises PlatformError for everything that the user can fix: input, workdir, Java, PostgreSQL.
    """
    if options.input is not None:
        check_readable(options.input)
    java = find_java()
    settings = embedded_settings()
    report = RunReport(java=f"{java.version} ({java.source})")
    with contextlib.ExitStack() as exits:
        workdir = Workdir(options.workdir)
        exits.callback(workdir.close)
        stages = Stages(console)
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
        produced = _produce_and_land(options, stack, stages, report, faults)
        curated = _curate(stack, java, stages, faults, produced)
        _load(stack, server, warehouse, stages, report, faults, curated)
        with stages.stage("reconcile", produced) as bar:
            lake = Lake(stack.client("s3"), settings, stack.tables).measure()
            report.measured = lake.measured
            report.measured.produced = workdir.produced(lake.streamed_by_incarnation) + lake.corrections
            report.measured.put_again = workdir.put_again()
            report.measured.loaded = warehouse_loader.loaded_totals(warehouse.data_api, warehouse.auditor)
            bar.at(report.measured.landed.records)
        report.stages = stages.done
        report.faults = dict(faults.happened) if faults else {}
        whereabouts = _whereabouts(workdir, server)
        if workdir.kept:
            workdir.write_run(report.as_json())
    return report, whereabouts


def _lines(options: RunOptions) -> tuple[Iterable[Line], int | None]:
    if options.input is not None:
        return read_lines(options.input), None
    generated = generate(options.transactions, options.seed)
    return (Line(number, data) for number, data in enumerate(generated, 1)), options.transactions


def _produce_and_land(
    options: RunOptions, stack: EmbeddedStack, stages: Stages, report: RunReport, faults: Faults | None
) -> int:
    """Put the records while the event source mapping delivers them, so that the stream stays short."""
    lines, expected = _lines(options)
    kinesis, handler = stack.client("kinesis"), process_transaction_lambda.handler
    with contextlib.ExitStack() as exits:
        exits.enter_context(_function_runtime(stack))
        landing = exits.enter_context(stages.stage("land", expected))
        if faults is None:
            mapping = stack.event_source_mapping(handler, landing.at)
        else:
            exits.enter_context(faults.on_s3(client("s3")))  # the client that the function uses too
            exits.enter_context(faults.on_clocks())
            kinesis = faults.kinesis(kinesis)
            mapping = stack.event_source_mapping(faults.handler(handler), landing.at, faults.batch_size)
        mapping.start()
        try:
            with stages.stage("produce", expected) as producing:

                def acknowledged(report: ProduceReport) -> None:
                    producing.at(report.records)

                produced = produce(_paced(lines, mapping), kinesis, stack.settings.stream_name, acknowledged)
            landing.expect(produced.records)
            delivered = mapping.finish()
        except BaseException:
            mapping.abandon()
            raise
    report.produced = produced
    report.landing_ms = delivered.landing_ms
    report.given_up = delivered.given_up_records
    stack.workdir.complete_incarnation(produced.totals, produced.uncertain)
    return produced.records


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
    with stages.stage("curate", expected) as bar:
        records: dict[str, int] = {}  # by ETL run, because a killed run may be transformed twice
        curated: dict[str, int] = {}

        def on_progress(event: dict[str, Any]) -> None:
            part = f" {event.get('objects', event.get('files'))}/{event['of']}" if "of" in event else ""
            bar.note(event["stage"] + part)
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


def _whereabouts(workdir: Workdir, server: Warehouse) -> dict[str, str]:
    """Where to look next."""
    if not workdir.kept:
        return {"Kept": "nothing: name a --workdir to keep objects, warehouse and run.json"}
    return {
        "Objects": str(workdir.objects),
        "Warehouse": server.psql_command,
        "Report": str(workdir.path / "run.json"),
        "Lambda's log": str(workdir.function_log),
    }


@contextlib.contextmanager
def _function_runtime(stack: EmbeddedStack) -> Iterator[None]:
    """The deployed function's environment variables and its log, for as long as it is invoked in process."""
    before = dict(os.environ)
    os.environ |= stack.function_environment()
    process_transaction_lambda.reset()
    try:
        with stack.workdir.function_log.open("a") as log, contextlib.redirect_stdout(log):
            yield
    finally:
        process_transaction_lambda.reset()
        os.environ.clear()
        os.environ |= before
