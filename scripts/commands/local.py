"""local: the whole pipeline on this machine; sample: transactions that it takes."""

from __future__ import annotations

import argparse
import contextlib
import threading

from data_ingestion.transaction_generator import DEFAULT_SEED, write_sample
from infrastructure.errors import PlatformError
from infrastructure.local import pipeline
from infrastructure.local.run_page.collect import live_document
from infrastructure.local.run_page.document import Document
from infrastructure.local.run_page.serve import served
from infrastructure.local.stages import Stages
from scripts.commands import next_steps, run_view
from scripts.commands.terminal import EXIT_ERROR, EXIT_OK, Parser, add_output_options, console, outcome, print_json


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add local and sample."""
    local = commands.add_parser(
        "local",
        help="run the whole pipeline on this machine",
        description="Run the whole pipeline on the embedded stack: emulated AWS, real Spark, PostgreSQL as Redshift. "
        "Exit status: 0 where every hop balances, 1 otherwise.",
    )
    source = local.add_mutually_exclusive_group()
    source.add_argument(
        "--transactions", type=_count, default=20_000, metavar="N", help="how many to generate (default 20,000)"
    )
    source.add_argument(
        "--input", metavar="FILE", help="read NDJSON of the contract instead, plain or .gz; - for standard input"
    )
    local.add_argument(
        "--seed", type=int, default=DEFAULT_SEED, metavar="S", help=f"of the generator (default {DEFAULT_SEED})"
    )
    local.add_argument(
        "--workdir", metavar="DIR", help="keep objects, warehouse, report.html and run.json there; rerun to add"
    )
    local.add_argument("--fresh", action="store_true", help="remove first what the workdir holds of earlier runs")
    local.add_argument(
        "--faults", type=int, metavar="SEED", help="inject faults: throttling, lost answers, kills, resharding, ..."
    )
    local.add_argument(
        "--serve",
        action="store_true",
        help="show it in the browser as it goes on, until Ctrl-C; on 127.0.0.1 alone",
    )
    local.add_argument("--port", type=int, default=0, metavar="P", help="for --serve (default any that is free)")
    add_output_options(local, as_json=True)
    local.set_defaults(run=run_local)
    sample = commands.add_parser("sample", help="print transactions of the contract, as NDJSON, to try or to look at")
    sample.add_argument("--transactions", type=_count, default=10, metavar="N", help="how many (default 10)")
    sample.add_argument("--seed", type=int, default=DEFAULT_SEED, metavar="S", help=f"default {DEFAULT_SEED}")
    sample.add_argument(
        "--frauds", type=_count, default=0, metavar="N", help="add N made-up frauds of each kind, and honest likenesses"
    )
    sample.add_argument("--labels", metavar="FILE", help="for --frauds: write which transactions are fraud, as CSV")
    sample.set_defaults(run=run_sample)


def _count(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(digits)


def run_sample(arguments: argparse.Namespace) -> int:
    """Print generated transactions."""
    if bool(arguments.frauds) != bool(arguments.labels):
        raise PlatformError("sample", "--frauds and --labels go together", "Name both: records carry no labels")
    write_sample(arguments.transactions, arguments.seed, arguments.frauds, arguments.labels or "")
    return EXIT_OK


def run_local(arguments: argparse.Namespace) -> int:
    """Run it, and print the outcome; the exit status is 1 if a hop is off."""
    if arguments.fresh and not arguments.workdir:
        raise PlatformError("--fresh", "is for --workdir", "Name the directory to start anew in, or leave it out")
    out = console(arguments)
    options = pipeline.RunOptions(
        transactions=arguments.transactions,
        seed=arguments.seed,
        input=arguments.input,
        workdir=arguments.workdir,
        faults=arguments.faults,
        fresh=arguments.fresh,
    )
    if arguments.serve:
        return _run_served(arguments, options)
    return _told(arguments, options, pipeline.run(options, Stages(out)))


def _run_served(arguments: argparse.Namespace, options: pipeline.RunOptions) -> int:
    """Run while a page shows it, and go on showing it until Ctrl-C."""
    out = console(arguments)
    stages, ended = Stages(out), None

    def document() -> Document:
        return live_document(stages, options.source) if ended is None else ended.document

    with served(document, arguments.port) as address:
        outcome(arguments).print(f"Live page: {address}", soft_wrap=True)
        ended = pipeline.run(options, stages)
        status = _told(arguments, options, ended)
        with contextlib.suppress(KeyboardInterrupt):
            outcome(arguments).print(f"\nStill shown at {address} until Ctrl-C", soft_wrap=True)
            threading.Event().wait()
    return status


def _told(arguments: argparse.Namespace, options: pipeline.RunOptions, ended: pipeline.Ended) -> int:
    """Print the outcome; returns the exit status."""
    out = console(arguments)
    if arguments.json:
        print_json(ended.report.as_json())
    else:
        run_view.show(ended.report, out)
        next_steps.show_kept(ended, out)
        run_view.show_verdict(ended.report, outcome(arguments))
        next_steps.show(ended, options, out)
    return EXIT_OK if ended.report.balanced else EXIT_ERROR
