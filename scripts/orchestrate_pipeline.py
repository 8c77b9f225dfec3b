"""The one command line: run the platform on the laptop, provision it in an account, look at it, reconcile it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_PIPED_WIDTH = 140  # where there is no terminal to fold for
_EPILOG = """\
examples:
  orchestrate_pipeline.py local                              the whole pipeline on this machine, 20,000 transactions
  orchestrate_pipeline.py local --input FILE --workdir DIR   your own transactions; what they became stays in DIR
  orchestrate_pipeline.py plan --environment dev             what apply would change in the account
  orchestrate_pipeline.py apply --environment dev
"""


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; the exit status (0 done, 1 error; plan: 2 changes; local: 1 where a hop is off)."""
    try:
        return _run(argv)  # whose imports take a second: Ctrl-C may come while they do
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to complete the work", file=sys.stderr)
        return 130


def _run(argv: list[str] | None) -> int:
    from rich.console import Console

    from infrastructure.errors import PlatformError

    parser = _parser()
    arguments = parser.parse_args(argv)
    if not hasattr(arguments, "run"):
        parser.print_help()
        return 0
    try:
        status: int = arguments.run(arguments)
    except PlatformError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", soft_wrap=True, highlight=False)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    from data_governance import lake_commands
    from infrastructure import provisioning
    from infrastructure.usage import UsageParser

    parser: argparse.ArgumentParser = UsageParser(
        prog="orchestrate_pipeline.py",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_local(commands)
    provisioning.add_commands(commands)
    lake_commands.add_commands(commands)
    return parser


def _add_local(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from data_ingestion.transaction_generator import DEFAULT_SEED

    local = commands.add_parser(
        "local",
        help="run the whole pipeline on this machine",
        description="Run the whole pipeline on the embedded stack: emulated AWS, real Spark, PostgreSQL as Redshift.",
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
    local.add_argument("--json", action="store_true", help="print run.json on standard output, progress on the other")
    local.set_defaults(run=_run_local)


def _count(text: str) -> int:
    digits = text.replace("_", "").replace(",", "")
    if not digits.isdecimal() or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(digits)


def _run_local(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from infrastructure.local import pipeline, run_report

    output = sys.stderr if arguments.json else sys.stdout
    console = Console(file=output, width=None if output.isatty() else _PIPED_WIDTH)
    options = pipeline.RunOptions(
        arguments.transactions, arguments.seed, arguments.input, arguments.workdir, arguments.faults
    )
    report, whereabouts = pipeline.run(options, console)
    if arguments.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        run_report.show(report, console, whereabouts)
    return 0 if report.balanced else 1


def _as_a_program() -> int:
    """main, ended in order by whatever ends it, and readable on a terminal that lacks a character."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is not signal.SIG_IGN:  # as nohup sets it
            signal.signal(ending, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    return main()


if __name__ == "__main__":
    sys.exit(_as_a_program())
