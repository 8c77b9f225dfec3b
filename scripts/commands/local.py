"""local: the whole pipeline on this machine."""

from __future__ import annotations

import argparse

from data_ingestion.transaction_generator import DEFAULT_SEED
from infrastructure.local import pipeline
from scripts.commands import run_view
from scripts.commands.terminal import EXIT_ERROR, EXIT_OK, Parser, add_output_options, console, outcome, print_json


def add_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add local."""
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
    local.add_argument("--workdir", metavar="DIR", help="keep objects, warehouse and run.json there; rerun to add")
    local.add_argument(
        "--faults", type=int, metavar="SEED", help="inject faults: throttling, lost answers, kills, resharding, ..."
    )
    add_output_options(local, as_json=True)
    local.set_defaults(run=run_local)


def _count(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(digits)


def run_local(arguments: argparse.Namespace) -> int:
    """Run it, and print the outcome; the exit status is 1 if a hop is off."""
    out = console(arguments)
    options = pipeline.RunOptions(
        arguments.transactions, arguments.seed, arguments.input, arguments.workdir, arguments.faults
    )
    report, whereabouts = pipeline.run(options, out)
    if arguments.json:
        print_json(report.as_json())
    else:
        run_view.show(report, out, whereabouts)
        run_view.show_verdict(report, outcome(arguments))
    return EXIT_OK if report.balanced else EXIT_ERROR
