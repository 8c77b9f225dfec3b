#!/usr/bin/env python3
"""The one command line: run the platform on the laptop, provision it in an account, look at it, reconcile it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_EPILOG = """\
examples:
  banking-data local                             the whole pipeline, here
  banking-data local --input FILE --workdir DIR  yours; what they became stays
  banking-data plan --environment dev            what apply would change
  banking-data apply --environment dev
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status (0 done, 1 error; plan: 2 changes; local: 1 if a hop is off)."""
    try:
        from scripts.commands.command_line import run  # takes a second, in which Ctrl-C may come

        return run(argv, description=__doc__, epilog=_EPILOG)
    except KeyboardInterrupt as interrupt:
        todo = interrupt.args[0] if interrupt.args else "run the same command again to complete the work"
        print(f"\ninterrupted: {todo}", file=sys.stderr)
        return 130


def as_program() -> int:
    """main with orderly endings by signals, and with readable output on a terminal that lacks a character."""
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is not signal.SIG_IGN:  # nohup sets SIG_IGN
            signal.signal(ending, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    return main()


def _with_the_environment() -> None:
    """Started by a Python that lacks the project, go on with the one of `make setup`, or say how to get it."""
    try:
        import scripts.commands  # noqa: F401
    except ModuleNotFoundError:
        environment = Path(__file__).resolve().parents[1] / ".venv"
        python = environment / "bin" / "python"
        if not python.exists() or Path(sys.prefix) == environment:
            sys.exit("error: the project's environment is missing. Run make setup, then .venv/bin/banking-data")
        os.execv(python, [str(python), *sys.argv])  # nosec B606 # our own environment, no shell


if __name__ == "__main__":
    _with_the_environment()
    sys.exit(as_program())
